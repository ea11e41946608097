//! Stranded changes: writes that only a former master, or a node that followed it, had when another history took over. They
//! are listed, shown beside what stands now, written again, or let go.

use sealport_core::{
    Code, Error,
    api::{Request, Response, StrandedDiffView, StrandedDoneView, StrandedListView, StrandedView},
    id::Revision,
    port::{Marks, Port},
    record::{DocumentHead, PortHead, RecordKind, from_plain, make_sealed},
    seal::{Context, Keys},
    secret::{SecretText, Wiped},
};

use super::{
    Engine, fleet,
    system::{System, act, head_of, open, written},
    system_rng,
};
use crate::{
    call::Call,
    store::{Change, Put, Row, StrandedRow},
};

/// Why a port was written again, as its history tells.
const WHAT: &str = "stranded change accepted";

impl System {
    /// Opens the envelope of a stranded change.
    fn open_stranded(&self, row: &StrandedRow) -> Result<Wiped<Vec<u8>>, Error> {
        self.may_open()?;
        open(&self.unlocked()?.keys, &as_row(row), row.kind.body(), row.revision, &row.envelope)
    }

    fn stranded_port(&self, row: &StrandedRow) -> Result<(PortHead, Port), Error> {
        let plain = self.open_stranded(row)?;
        let (head, body): (PortHead, _) = from_plain(&plain)?;
        let damaged = || {
            Error::new(Code::Integrity, format!("The stranded change of {} holds another port.", row.name))
        };
        if head.name != row.name {
            return Err(damaged());
        }
        let element = std::str::from_utf8(body).map_err(|_| damaged())?;
        let marks = Marks { marked: head.marked.clone(), filled: head.filled.clone() };
        Ok((head, Port::read(SecretText::new(element.to_owned()), marks)?))
    }

    /// Whether the present history holds the same: sealing anew is no change.
    pub(super) fn holds_the_same(&self, write: &StrandedRow) -> bool {
        let same = || -> Result<bool, Error> {
            let Some(row) = self.read(|store| store.record(write.record))? else { return Ok(false) };
            let Some(there) = self.read(|store| store.revision(&row, write.revision))? else {
                return Ok(false);
            };
            Ok(there.envelope == write.envelope
                || holds_the_same(&self.unlocked()?.keys, write, &there.envelope))
        };
        same().unwrap_or(false)
    }

    fn stranded_view(&self, row: &StrandedRow) -> Result<StrandedView, Error> {
        let present = self.read(|store| store.record(row.record))?.map(|present| present.revision);
        let written = match row.kind {
            RecordKind::Port(_) => self.stranded_port(row).ok().map(|(head, _)| head.written),
            RecordKind::Document => self
                .open_stranded(row)
                .ok()
                .and_then(|plain| from_plain::<DocumentHead>(&plain).ok().map(|(head, _)| head.written)),
        };
        Ok(StrandedView {
            id: row.seq,
            from: row.origin.clone(),
            record: row.record,
            kind: match row.kind {
                RecordKind::Port(kind) => Some(kind),
                RecordKind::Document => None,
            },
            application: row.application.clone(),
            name: row.name.clone(),
            revision: row.revision,
            key_version: row.key_version,
            at: written.as_ref().map(|written| written.at),
            who: written.map(|written| written.by),
            present,
            diverged: present.is_some_and(|present| present >= row.revision),
        })
    }

    /// The write that makes a stranded change stand again.
    fn put_again(
        &self,
        row: &StrandedRow,
        present: Option<Revision>,
        call: &Call<'_>,
    ) -> Result<Option<Put>, Error> {
        let revision = present.map_or(Revision::FIRST, Revision::next);
        if let RecordKind::Port(_) = row.kind {
            let (head, port) = self.stranded_port(row)?;
            let mut head = head_of(&port, head.clone(), written(call, WHAT));
            head.written.note = Some(format!("revision {} that only {} had", row.revision, row.origin));
            return self.seal_port(row.record, revision, &head, &port).map(Some);
        }
        if present.is_some() {
            // A document is never changed: it is there already.
            return Ok(None);
        }
        let plain = self.open_stranded(row)?;
        let (head, body): (DocumentHead, _) = from_plain(&plain)?;
        let keys = &self.unlocked()?.keys;
        let context = |kind| Context { record: row.record, application: "", kind, revision };
        let mut rng = system_rng();
        Ok(Some(Put {
            id: row.record,
            kind: row.kind,
            application: String::new(),
            name: head.name.clone(),
            revision,
            key_version: keys.active(),
            envelope: make_sealed(keys, context(row.kind.body()), &head, body, &mut rng),
            summary: make_sealed(keys, context(row.kind.summary()), &head, b"", &mut rng),
            read: None,
            listed: None,
        }))
    }
}

impl Engine {
    pub(super) fn stranded_list(&self) -> Result<StrandedListView, Error> {
        let system = self.system()?;
        let rows = system.read(|store| store.stranded())?;
        Ok(StrandedListView {
            stranded: rows.iter().map(|row| system.stranded_view(row)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn stranded_show(&self, id: u64) -> Result<StrandedDiffView, Error> {
        let system = self.system()?;
        let row = one(&system, id)?;
        let change = system.stranded_view(&row)?;
        let fields = match row.kind {
            RecordKind::Document => Vec::new(),
            RecordKind::Port(_) => {
                let (_, port) = system.stranded_port(&row)?;
                match change.present {
                    Some(_) => Port::changes(&system.port(row.record)?.port, &port),
                    None => Vec::new(),
                }
            }
        };
        Ok(StrandedDiffView { change, fields })
    }

    pub(super) fn stranded_accept(&self, ids: Option<Vec<u64>>, call: &Call<'_>) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            return fleet::administer(&system, Request::StrandedAccept { ids }, call);
        }
        let mut accepted = 0;
        let mut progress = super::Progress::new(call, "Accepting", 0);
        for row in chosen(&system, ids)? {
            progress.at(accepted)?;
            let present = system.read(|store| store.record(row.record))?.map(|present| present.revision);
            let puts = system.put_again(&row, present, call)?.into_iter().collect();
            let detail = format!("revision {} from {}", row.revision, row.origin);
            let change = Change {
                puts,
                acts: vec![act(call, "stranded.accept", describe(&row), detail)],
                ended: vec![(row.seq, "accepted")],
                ..Change::default()
            };
            // Each counts for itself: what was accepted before a failure stays accepted.
            let written = system.write(change).map_err(|error| {
                let hint = format!("{} {accepted} were accepted before; it stays stranded.", error.hint);
                Error::new(error.code, error.message).hint(hint.trim())
            })?;
            self.changed(written.generation);
            accepted += 1;
        }
        self.stranded_done(&system, accepted, 0)
    }

    pub(super) fn stranded_discard(&self, ids: Option<Vec<u64>>, call: &Call<'_>) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            return fleet::administer(&system, Request::StrandedDiscard { ids }, call);
        }
        let rows = chosen(&system, ids)?;
        let discarded = rows.len() as u64;
        if discarded > 0 {
            let entry = |row: &StrandedRow| {
                let detail = format!("revision {} from {}", row.revision, row.origin);
                act(call, "stranded.discard", describe(row), detail)
            };
            let change = Change {
                acts: rows.iter().map(entry).collect(),
                ended: rows.iter().map(|row| (row.seq, "discarded")).collect(),
                ..Change::default()
            };
            let written = system.write(change)?;
            self.changed(written.generation);
        }
        self.stranded_done(&system, 0, discarded)
    }

    fn stranded_done(&self, system: &System, accepted: u64, discarded: u64) -> Result<Response, Error> {
        let left = system.read(|store| store.stranded_count())?;
        self.alarm.ring();
        Ok(Response::StrandedDone(StrandedDoneView { accepted, discarded, left }))
    }
}

/// Whether an envelope of the same record and revision holds what this write holds, whatever both are sealed under. `false` where
/// one of them does not open.
pub(super) fn holds_the_same(keys: &Keys, ours: &StrandedRow, there: &[u8]) -> bool {
    let row = as_row(ours);
    let open = |envelope: &[u8]| open(keys, &row, row.kind.body(), row.revision, envelope).ok();
    open(&ours.envelope).zip(open(there)).is_some_and(|(ours, there)| *ours == *there)
}

fn one(system: &System, id: u64) -> Result<StrandedRow, Error> {
    system.read(|store| store.stranded())?.into_iter().find(|row| row.seq == id).ok_or_else(|| {
        Error::new(Code::NotFound, format!("No stranded change {id} waits."))
            .hint("`sealport stranded list` tells those that do.")
    })
}

/// The stranded changes that are meant, in the order in which they can be written again: documents before ports.
fn chosen(system: &System, ids: Option<Vec<u64>>) -> Result<Vec<StrandedRow>, Error> {
    let mut rows = system.read(|store| store.stranded())?;
    if let Some(ids) = ids {
        if let Some(unknown) = ids.iter().find(|id| !rows.iter().any(|row| row.seq == **id)) {
            one(system, *unknown)?;
        }
        rows.retain(|row| ids.contains(&row.seq));
    }
    rows.sort_by_key(|row| row.kind != RecordKind::Document);
    Ok(rows)
}

fn describe(row: &StrandedRow) -> String {
    if row.application.is_empty() { row.name.clone() } else { format!("{}/{}", row.application, row.name) }
}

fn as_row(row: &StrandedRow) -> Row {
    Row {
        id: row.record,
        kind: row.kind,
        application: row.application.clone(),
        name: row.name.clone(),
        revision: row.revision,
        key_version: row.key_version,
        generation: row.generation,
        summary: Vec::new(),
        envelope: Vec::new(),
    }
}
