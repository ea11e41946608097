//! Ports one by one: list, show, set, mark, reveal, history, diff, revert, delete; and filling what is missing.

use std::collections::{BTreeMap, btree_map::Entry};

use sealport_core::{
    Code, Error,
    api::{
        Assignment, DiffView, DocumentListView, DocumentView, FillProblemView, FillRow, FillView,
        HistoryView, MissingListView, MissingView, PortFilter, PortListView, PortView, RevealView,
        RevisionView, SaveView,
    },
    id::{RecordId, Revision},
    port::Port,
    record::PortHead,
    seal::Imprint,
};

use super::{
    Engine,
    index::{Index, Listed},
    opened::Opened,
    system::{System, act, head_of, written},
};
use crate::{call::Call, store::Change};

/// What whoever asks for a change has read, where they say so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub revision: Option<Revision>,
    pub imprint: Option<Imprint>,
}

impl Engine {
    pub(super) fn list(
        &self,
        filter: &PortFilter,
        offset: u32,
        limit: Option<u32>,
    ) -> Result<PortListView, Error> {
        self.system()?.index(|index| index.list(filter, offset, limit))
    }

    pub(super) fn documents(&self) -> Result<DocumentListView, Error> {
        let documents = self.system()?.index(|index| {
            let view = |document: &super::index::Document| DocumentView {
                id: document.id,
                name: document.name.clone(),
                encoding: document.encoding.clone(),
                bytes: document.bytes,
                ports: document.ports(),
                imported: document.imported,
                superseded: index.superseded(document),
            };
            index.documents().into_iter().map(view).collect()
        })?;
        Ok(DocumentListView { documents })
    }

    pub(super) fn show(&self, port: &str, revision: Option<Revision>) -> Result<PortView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        let imprint = opened.imprint(&system)?;
        let Opened { row, head, port, .. } = opened;
        let (at, imprint, head, port) = match revision.filter(|revision| *revision != row.revision) {
            Some(revision) => {
                let (head, port) = system.port_at(&row, revision)?;
                (revision, None, head, port)
            }
            None => (row.revision, Some(imprint), head, port),
        };
        let document = system.read(|store| store.name_of(head.document))?;
        let summary = port.summary();
        Ok(PortView {
            id: row.id,
            kind: port.kind(),
            application: row.application,
            name: row.name,
            revision: at,
            imprint,
            deleted: head.deleted,
            changed_at: head.written.at,
            changed_by: head.written.by,
            description: summary.description,
            missing_secrets: summary.missing_secrets,
            document: document.unwrap_or_default(),
            transports: port.transports(),
            properties: port.properties(),
        })
    }

    pub(super) fn set(
        &self,
        port: &str,
        assignments: &[Assignment],
        seen: Seen,
        note: Option<String>,
        dry_run: bool,
        call: &Call,
    ) -> Result<SaveView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        expect_seen(&system, &opened, seen)?;
        expect_present(&opened)?;
        let mut changed: Option<Port> = None;
        let mut only_missing = true;
        for assignment in assignments {
            let port = changed.as_ref().unwrap_or(&opened.port);
            let path = port.resolve(&assignment.path)?;
            only_missing &= port.misses(&path);
            // The value may be a secret; it goes straight into the element.
            changed = Some(port.set(&path, assignment.value.expose())?);
        }
        let Some(changed) = changed else { return Ok(unchanged(&opened, dry_run)) };
        let what = if only_missing { "secret filled" } else { "edited" };
        self.save(&system, opened, &changed, "port.edit", what, note, dry_run, call)
    }

    pub(super) fn mark(
        &self,
        port: &str,
        path: &str,
        secret: bool,
        seen: Seen,
        call: &Call,
    ) -> Result<SaveView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        expect_seen(&system, &opened, seen)?;
        expect_present(&opened)?;
        let path = opened.port.resolve(path)?;
        let changed = opened.port.mark(&path, secret)?;
        if changed.marks() == opened.port.marks() {
            return Ok(unchanged(&opened, false));
        }
        let what = if secret { "marked secret" } else { "mark taken away" };
        let mut put_head = head_of(&changed, opened.head.clone(), written(call, what));
        put_head.written.changed = vec![label_of(&opened.port, &path)];
        let put = system.seal_edit(&opened.row, &put_head, &changed)?;
        let revision = put.revision;
        let entry = act(call, "port.mark", describe(&opened), format!("{what}: {path}"));
        let kept = self.write_port(&system, put, entry)?;
        Ok(SaveView { id: opened.row.id, revision, dry_run: false, changes: Vec::new(), kept })
    }

    pub(super) fn reveal(&self, port: &str, path: &str, call: &Call) -> Result<RevealView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        let path = opened.port.resolve(path)?;
        let value = opened.port.reveal(&path)?;
        // The entry is durable before the value leaves.
        let entry = act(call, "port.reveal", describe(&opened), path.clone());
        system.write(Change { acts: vec![entry], ..Change::default() })?;
        Ok(RevealView { path, value })
    }

    pub(super) fn history(&self, port: &str) -> Result<HistoryView, Error> {
        let system = self.system()?;
        let Opened { row, head, .. } = system.named(port)?;
        let mut revisions = vec![revision_view(row.revision, head)];
        for number in (1..row.revision.0).rev() {
            let (head, _) = system.port_at(&row, Revision(number))?;
            revisions.push(revision_view(Revision(number), head));
        }
        Ok(HistoryView { id: row.id, name: row.name, revisions })
    }

    pub(super) fn diff(&self, port: &str, from: Revision, to: Revision) -> Result<DiffView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        let (_, before) = system.port_at(&opened.row, from)?;
        let (_, after) = system.port_at(&opened.row, to)?;
        Ok(DiffView {
            id: opened.row.id,
            name: opened.row.name,
            from,
            to,
            changes: Port::changes(&before, &after),
        })
    }

    pub(super) fn revert(
        &self,
        port: &str,
        to: Revision,
        seen: Seen,
        call: &Call,
    ) -> Result<SaveView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        expect_seen(&system, &opened, seen)?;
        let (former, changed) = system.port_at(&opened.row, to)?;
        let same = changed.element() == opened.port.element() && changed.marks() == opened.port.marks();
        if same && !opened.head.deleted {
            return Ok(unchanged(&opened, false));
        }
        let base = PortHead { deleted: false, ..former };
        let changes = Port::changes(&opened.port, &changed);
        let mut head = head_of(&changed, base, written(call, format!("reverted to {to}")));
        head.written.changed = changes.iter().map(|change| change.label.clone()).collect();
        let put = system.seal_edit(&opened.row, &head, &changed)?;
        let revision = put.revision;
        let entry = act(call, "port.revert", describe(&opened), format!("to revision {to}"));
        let kept = self.write_port(&system, put, entry)?;
        Ok(SaveView { id: opened.row.id, revision, dry_run: false, changes, kept })
    }

    pub(super) fn delete(&self, port: &str, seen: Seen, call: &Call) -> Result<SaveView, Error> {
        self.set_deleted(port, true, seen, call)
    }

    pub(super) fn undelete(&self, port: &str, seen: Seen, call: &Call) -> Result<SaveView, Error> {
        self.set_deleted(port, false, seen, call)
    }

    fn set_deleted(&self, port: &str, deleted: bool, seen: Seen, call: &Call) -> Result<SaveView, Error> {
        let system = self.system()?;
        let opened = system.named(port)?;
        expect_seen(&system, &opened, seen)?;
        if opened.head.deleted == deleted {
            return Ok(unchanged(&opened, false));
        }
        let (verb, what) =
            if deleted { ("port.delete", "deleted") } else { ("port.undelete", "brought back") };
        let head = PortHead { deleted, written: written(call, what), ..opened.head.clone() };
        let put = system.seal_edit(&opened.row, &head, &opened.port)?;
        let revision = put.revision;
        let kept = self.write_port(&system, put, act(call, verb, describe(&opened), ""))?;
        Ok(SaveView { id: opened.row.id, revision, dry_run: false, changes: Vec::new(), kept })
    }

    pub(super) fn missing(&self) -> Result<MissingListView, Error> {
        let system = self.system()?;
        let ids: Vec<RecordId> = system.index(|index| {
            index
                .ports()
                .filter(|port| !port.deleted() && port.missing_secrets() > 0)
                .map(|port| port.id())
                .collect()
        })?;
        let mut missing = Vec::new();
        for id in ids {
            let opened = system.port(id)?;
            missing.extend(missing_views(&opened.port, &id.to_string()));
        }
        Ok(MissingListView { missing })
    }

    pub(super) fn fill(&self, rows: &[FillRow], dry_run: bool, call: &Call) -> Result<FillView, Error> {
        let system = self.system()?;
        let meant = system.index(|index| meant(index, rows))?;
        let mut ports: BTreeMap<RecordId, Filling> = BTreeMap::new();
        let mut problems = Vec::new();
        let mut filled = 0;
        for (number, (row, ids)) in (1..).zip(rows.iter().zip(&meant)) {
            if row.value.is_empty() {
                continue;
            }
            match fill_one(&system, &mut ports, row, ids) {
                Ok(true) => filled += 1,
                Ok(false) => {}
                Err(error) => problems.push(FillProblemView { row: number, reason: error.to_string() }),
            }
        }
        let mut change = Change::default();
        for Filling { opened, filled } in ports.values() {
            let Some(changed) = filled else { continue };
            let changes = Port::changes(&opened.port, changed);
            if changes.is_empty() {
                continue;
            }
            let mut head = head_of(changed, opened.head.clone(), written(call, "secret filled"));
            head.written.changed = changes.iter().map(|change| change.label.clone()).collect();
            change.acts.push(act(call, "port.fill", describe(opened), head.written.changed.join(", ")));
            change.puts.push(system.seal_edit(&opened.row, &head, changed)?);
        }
        let written_ports = change.puts.len() as u64;
        let mut kept = None;
        if problems.is_empty() && !dry_run && !change.puts.is_empty() {
            let written = system.write(change)?;
            self.changed(written.generation);
            kept = written.kept;
        }
        let still_missing = system.index(|index| index.missing_secrets())?;
        let still_missing = if dry_run || !problems.is_empty() {
            still_missing.saturating_sub(filled)
        } else {
            still_missing
        };
        Ok(FillView { filled, ports: written_ports, still_missing, dry_run, problems, kept })
    }

    #[allow(clippy::too_many_arguments, reason = "one save, said in full; both callers are above")]
    fn save(
        &self,
        system: &System,
        opened: Opened,
        changed: &Port,
        verb: &'static str,
        what: &str,
        note: Option<String>,
        dry_run: bool,
        call: &Call,
    ) -> Result<SaveView, Error> {
        let changes = Port::changes(&opened.port, changed);
        if dry_run || changes.is_empty() {
            return Ok(SaveView { changes, ..unchanged(&opened, dry_run) });
        }
        let mut head = head_of(changed, opened.head.clone(), written(call, what));
        head.written.note = note.filter(|note| !note.trim().is_empty());
        head.written.changed = changes.iter().map(|change| change.label.clone()).collect();
        let put = system.seal_edit(&opened.row, &head, changed)?;
        let revision = put.revision;
        let entry = act(call, verb, describe(&opened), head.written.changed.join(", "));
        let kept = self.write_port(system, put, entry)?;
        Ok(SaveView { id: opened.row.id, revision, dry_run, changes, kept })
    }
}

/// For each row the ports that it may mean. However many rows there are, the list of ports is gone through once.
fn meant(index: &Index, rows: &[FillRow]) -> Vec<Vec<RecordId>> {
    let mut named: BTreeMap<&str, Vec<Listed<'_>>> =
        rows.iter().map(|row| (row.port.as_str(), Vec::new())).collect();
    for port in index.ports().filter(|port| !port.deleted()) {
        if let Some(namesakes) = named.get_mut(port.name()) {
            namesakes.push(port);
        }
    }
    let ids = |row: &FillRow| {
        if let Some(port) = row.port.parse().ok().and_then(|id| index.by_id(id)) {
            return if port.deleted() { Vec::new() } else { vec![port.id()] };
        }
        let here = |port: &&Listed<'_>| row.application.is_empty() || port.application() == row.application;
        named[row.port.as_str()].iter().filter(here).map(Listed::id).collect()
    };
    rows.iter().map(ids).collect()
}

/// A port on its way through a fill.
struct Filling {
    opened: Opened,
    /// What it became; `None` while no row changed it.
    filled: Option<Port>,
}

impl Filling {
    fn port(&self) -> &Port {
        self.filled.as_ref().unwrap_or(&self.opened.port)
    }
}

/// Fills one row into its port, of those that it may mean; `false` where that very value is there already.
fn fill_one(
    system: &System,
    ports: &mut BTreeMap<RecordId, Filling>,
    row: &FillRow,
    ids: &[RecordId],
) -> Result<bool, Error> {
    if ids.is_empty() {
        let place = super::index::application_words(&row.application);
        return Err(Error::new(Code::NotFound, format!("There is no port {} in {place}.", row.port)));
    }
    let mut fits = Vec::new();
    let mut refused = None;
    for &id in ids {
        let filling = match ports.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(fresh) => fresh.insert(Filling { opened: system.port(id)?, filled: None }),
        };
        match fill_path(filling.port(), row) {
            Ok(path) => fits.push((id, path)),
            Err(error) => refused = Some(error),
        }
    }
    match (fits.as_slice(), refused) {
        ([(id, path)], _) => {
            let filling = ports.get_mut(id).expect("it was opened above");
            let port = filling.port();
            if port.reveal(path).is_ok_and(|present| present == row.value) {
                return Ok(false);
            }
            if !port.misses(path) {
                return Err(Error::new(
                    Code::Refused,
                    format!("{} of {} has a value already.", path, row.port),
                ));
            }
            // The value goes straight into the element.
            filling.filled = Some(port.set(path, row.value.expose())?);
            Ok(true)
        }
        ([], Some(error)) => Err(error),
        _ => {
            Err(Error::new(Code::Usage, format!("More than one port {} fits. Name it by its id.", row.port)))
        }
    }
}

/// The property that a row means.
fn fill_path(port: &Port, row: &FillRow) -> Result<String, Error> {
    let user_fits = |user: &str| row.user.is_empty() || row.user == user;
    if row.property.is_empty() {
        let missing: Vec<_> = port.missing().into_iter().filter(|m| user_fits(&m.user)).collect();
        return match missing.as_slice() {
            [one] => Ok(one.path.clone()),
            [] => {
                Err(Error::new(Code::NotFound, format!("{} misses no secret that fits the row.", row.port)))
            }
            _ => Err(Error::new(
                Code::Usage,
                format!("{} misses more than one secret: name the property.", row.port),
            )),
        };
    }
    let path = port.resolve(&row.property)?;
    match port.missing().into_iter().find(|m| m.path == path) {
        Some(missing) if !user_fits(&missing.user) => Err(Error::new(
            Code::Refused,
            format!("{} of {} belongs to the user {}, not {}.", path, row.port, missing.user, row.user),
        )),
        _ => Ok(path),
    }
}

pub(super) fn missing_views(port: &Port, id: &str) -> Vec<MissingView> {
    let view = |missing: sealport_core::port::MissingSecret| MissingView {
        port: id.to_owned(),
        application: port.application().to_owned(),
        name: port.name().to_owned(),
        property: missing.path,
        label: missing.label,
        user: missing.user,
        adapter: missing.adapter,
        address: missing.address,
    };
    port.missing().into_iter().map(view).collect()
}

fn expect_seen(system: &System, opened: &Opened, seen: Seen) -> Result<(), Error> {
    let Opened { row, .. } = opened;
    let again = "Read it again, and make the change on what it is now.";
    match seen.revision {
        Some(revision) if revision != row.revision => {
            return Err(Error::new(
                Code::RevisionConflict,
                format!(
                    "{} was changed meanwhile: it is at revision {}, not {revision}.",
                    row.name, row.revision
                ),
            )
            .hint(again));
        }
        _ => {}
    }
    match seen.imprint {
        Some(imprint) if !opened.is_imprint(system, imprint)? => Err(Error::new(
            Code::RevisionConflict,
            format!(
                "{} is not as it was read: another revision {} stands now than then. The master changed meanwhile.",
                row.name, row.revision
            ),
        )
        .hint(format!("{again} What only the former master had is kept: `sealport stranded list`."))),
        _ => Ok(()),
    }
}

fn expect_present(opened: &Opened) -> Result<(), Error> {
    if opened.head.deleted {
        return Err(Error::new(Code::Refused, format!("{} is deleted.", opened.row.name))
            .hint("Bring it back first: `sealport port undelete`."));
    }
    Ok(())
}

fn unchanged(opened: &Opened, dry_run: bool) -> SaveView {
    SaveView { id: opened.row.id, revision: opened.row.revision, dry_run, changes: Vec::new(), kept: None }
}

fn revision_view(revision: Revision, head: PortHead) -> RevisionView {
    RevisionView {
        revision,
        at: head.written.at,
        by: head.written.by,
        what: head.written.what,
        note: head.written.note,
        changed: head.written.changed,
        deleted: head.deleted,
    }
}

fn label_of(port: &Port, path: &str) -> String {
    let property = port.properties().into_iter().find(|property| property.path == path);
    property.map_or_else(|| path.to_owned(), |property| property.label)
}

/// What the audit trail calls a port.
fn describe(opened: &Opened) -> String {
    let kind = super::index::kind_words(opened.port.kind());
    format!("{kind} {} ({})", opened.row.name, super::index::application_words(&opened.row.application))
}
