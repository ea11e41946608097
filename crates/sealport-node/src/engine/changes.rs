//! How a system changes: a write goes into this database on the master, and to the master from any other node; what the
//! master says comes back as pieces that are taken over.

use sealport_core::{
    Code, Error,
    api::KeptView,
    id::{Generation, Revision},
    machine::{self, Contact, CustodyFact, Facts, SecretFact, Standing},
};
use std::sync::{Arc, MutexGuard, PoisonError};
use tokio::sync::watch;

use super::{
    beside::{Coming, Sink, beside},
    held,
    keys::Unlocked,
    stranded::holds_the_same,
    system::System,
};
use crate::{
    clock,
    net::wire::{ActLine, BackupLine, Spooled},
    run::Follower,
    store::{Arrival, Change, Committed, Own, Parted, Piece, Position, Put, Store, StrandedRow},
};

/// Records that the list of ports takes in one by one; for more it is made anew.
const LISTED_ONE_BY_ONE: usize = 2_000;

/// What became of a write.
pub(crate) struct Wrote {
    pub generation: Generation,
    /// Where else it is; `None` where it did not go into the database that nodes share.
    pub kept: Option<KeptView>,
}

impl System {
    /// Where the database is, and every change of that.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Reads the registry for a request of another node.
    pub fn gate<T>(&self, read: impl FnOnce(&mut Store) -> Result<T, Error>) -> Result<T, Error> {
        read(&mut held(&self.gate))
    }

    /// Whether this node is the master.
    pub fn is_master(&self) -> bool {
        self.seat.is_some()
    }

    pub fn follower(&self) -> Option<Arc<Follower>> {
        self.follower.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that this node's state depends on.
    pub fn facts(&self) -> Facts {
        let unlocked = self.known();
        let custody = match &unlocked {
            Err(error) if error.code != Code::EncryptionUnavailable => CustodyFact::Refuses,
            _ => CustodyFact::Open,
        };
        // A newer one that is here already is ready: it seals as soon as the database says so.
        let held = unlocked.ok().map(|unlocked| unlocked.keys.newest().max(unlocked.keys.active()));
        match (&self.seat, self.follower()) {
            (Some(seat), _) => Facts {
                custody,
                secret: SecretFact { held, wanted: Some(self.position.borrow().active_version) },
                contact: Contact::Age { ms: 0, missed: 0 },
                standing: if seat.superseded() { Standing::Superseded } else { Standing::Member },
                contradiction: None,
                master_here: true,
            },
            (None, Some(follower)) => follower.facts(custody, held),
            (None, None) => Facts {
                custody,
                secret: SecretFact { held, wanted: None },
                contact: Contact::NeverYet { since: clock::now().since(self.opened), missed: 0 },
                standing: if self.cloned.is_some() { Standing::Cloned } else { Standing::Member },
                contradiction: None,
                master_here: false,
            },
        }
    }

    /// Carries out a change: here on the master, there on a node. An act that needs no other node is kept here until
    /// the master's trail has it.
    pub fn write(&self, change: Change) -> Result<Wrote, Error> {
        self.counted(self.write_somewhere(change))
    }

    fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let word = if result.is_ok() { "ok" } else { "failed" };
        self.meters.count("sealport_writes_total", &[("result", word)]);
        result
    }

    fn write_somewhere(&self, change: Change) -> Result<Wrote, Error> {
        if self.is_master() {
            return self.write_here(&change);
        }
        if change.raises_generation() || change.invite.is_some() {
            return self.write_there(change);
        }
        let Change { acts, mut backup, .. } = change;
        let at = self.position.borrow().at.generation;
        for act in &acts {
            let backup = backup.take().map(BackupLine::new);
            let entry = Spooled { act: ActLine::from(act), backup, stranded: None, revoked: None };
            let text = serde_json::to_string(&entry)
                .map_err(|e| Error::new(Code::Internal, "an audit entry could not be written").because(e))?;
            held(&self.writer).spool(&text)?;
        }
        if let Some(follower) = self.follower() {
            follower.nudge();
        }
        Ok(Wrote { generation: at, kept: None })
    }

    /// Carries out a change whose records are still being planned: `plan` passes each on as it is there, and gives the rest
    /// of the change at the end, with whatever else it has to say. On the master planning and writing go on side by side.
    /// Without a record nothing is written.
    pub fn write_planned<P>(
        &self,
        plan: impl FnOnce(&mut Sink<'_, Put>) -> Result<(Change, P), Error>,
    ) -> Result<(P, Option<Wrote>), Error> {
        if self.is_master() {
            let result = beside(plan, |coming| self.write_here_coming(coming));
            return if matches!(result, Ok((_, None))) { result } else { self.counted(result) };
        }
        let mut puts = Vec::new();
        let (change, planned) = plan(&mut |put| {
            puts.push(put);
            Ok(())
        })?;
        let wrote = if puts.is_empty() { None } else { Some(self.write(Change { puts, ..change })?) };
        Ok((planned, wrote))
    }

    /// Writes into this database, which is the master's.
    pub fn write_here(&self, change: &Change) -> Result<Wrote, Error> {
        let unlocked = if change.puts.is_empty() { None } else { Some(self.unlocked()?) };
        self.be_sure();
        let mut writer = self.writer_when_drained()?;
        let committed = writer.write(change)?;
        self.wrote_here(writer, unlocked.as_deref(), change, committed)
    }

    /// The same while its records come.
    fn write_here_coming(&self, mut coming: Coming<Put, Change>) -> Result<Option<Wrote>, Error> {
        // Nobody waits for the writer before there is something to write.
        let Some(first) = coming.next() else {
            coming.end()?;
            return Ok(None);
        };
        let unlocked = self.unlocked()?;
        self.be_sure();
        let mut writer = self.writer_when_drained()?;
        let mut puts = Vec::new();
        let (committed, change) = writer.write_coming(|write| {
            for put in std::iter::once(first).chain(&mut coming) {
                write(&put)?;
                puts.push(put.without_content());
            }
            coming.end()
        })?;
        self.wrote_here(writer, Some(&unlocked), &Change { puts, ..change }, committed).map(Some)
    }

    /// Tells of what was written here, and waits for a standby that has it too.
    fn wrote_here(
        &self,
        writer: MutexGuard<'_, Store>,
        unlocked: Option<&Unlocked>,
        change: &Change,
        committed: Committed,
    ) -> Result<Wrote, Error> {
        let generation = committed.generation;
        if let (Some(unlocked), Some(index)) = (unlocked, held(&self.index).as_mut()) {
            for put in &change.puts {
                index.put(&unlocked.keys, put)?;
            }
        }
        self.moved(&writer, change, committed)?;
        drop(writer);
        if !change.raises_generation() {
            return Ok(Wrote { generation, kept: None });
        }
        Ok(Wrote { generation, kept: Some(self.kept_since(generation)?) })
    }

    /// Waits until a standby has a generation of this master, and says whether one has.
    pub(super) fn kept_since(&self, generation: Generation) -> Result<KeptView, Error> {
        Ok(match self.seat.as_ref().map(|seat| seat.committed(generation)) {
            Some(machine::Kept::ByStandby(node)) => {
                let nodes = self.gate(|store| store.nodes())?;
                let name = nodes.into_iter().find(|row| row.id == node).map(|row| row.name);
                KeptView { standby: name, late: false }
            }
            Some(machine::Kept::StandbyLate) => KeptView { standby: None, late: true },
            Some(machine::Kept::Stranded) => {
                return Err(Error::new(
                    Code::EncryptionUnavailable,
                    "This node turned out not to be the master any more. The write is kept here, and nowhere else.",
                )
                .hint("Look at `sealport status` for the present master."));
            }
            Some(machine::Kept::NoStandbyOnline) | None => KeptView { standby: None, late: false },
        })
    }

    /// Writes into this database without waiting for a standby, and tells that something changed.
    pub fn write_alone(&self, change: &Change) -> Result<(), Error> {
        let mut writer = held(&self.writer);
        let committed = writer.write(change)?;
        self.moved(&writer, change, committed)
    }

    /// Sends a write to the master, and waits until it came back with what else changed.
    fn write_there(&self, change: Change) -> Result<Wrote, Error> {
        self.may_seal()?;
        let follower = self.follower().ok_or_else(|| self.no_way())?;
        // Not borrowed while the write is under way: what it brings back moves the position.
        let (epoch, audit) = {
            let position = self.position.borrow();
            (position.at.epoch, position.audit.clone())
        };
        let answer = follower.write(&change, epoch, audit)?;
        follower.arrived(self, answer.generation)?;
        Ok(Wrote {
            generation: answer.generation,
            kept: Some(KeptView { standby: answer.standby, late: false }),
        })
    }

    /// Tells of a write of this database.
    fn moved(&self, store: &Store, change: &Change, committed: Committed) -> Result<(), Error> {
        if change.rotation.is_some() {
            let position = store.position()?;
            // Nobody writes meanwhile: what is sealed from here on is sealed under what is active.
            self.seal_under(position.active_version);
            self.position.send_replace(position);
            return Ok(());
        }
        let Committed { generation, audit } = committed;
        self.position.send_modify(|position| {
            if generation > position.at.generation {
                let fresh = change.puts.iter().filter(|put| put.revision == Revision::FIRST).count() as u64;
                position.counts.records += fresh;
                position.counts.formers += change.puts.len() as u64 - fresh;
            }
            position.at.generation = generation;
            if let Some(audit) = audit {
                position.audit = audit;
            }
        });
        Ok(())
    }

    /// Begins to gather what the master says.
    pub fn begin_body(&self) -> Result<(), Error> {
        held(&self.writer).begin_body()
    }

    /// Puts lines of it aside.
    pub fn gather(&self, lines: &[Vec<u8>]) -> Result<(), Error> {
        held(&self.writer).gather(lines)
    }

    /// Takes over all that was gathered.
    pub fn arrive(&self, to: &Arrival, parse: impl Fn(&[u8]) -> Option<Piece>) -> Result<(), Error> {
        let unlocked = self.known().ok();
        let mut writer = held(&self.writer);
        let mut fresh = Vec::new();
        let mut count = 0;
        let hear = |row| {
            count += 1;
            if count <= LISTED_ONE_BY_ONE {
                fresh.push(row);
            }
        };
        // What does not open, here or there, counts as another write: it is kept, and nothing is lost.
        let same = |ours: &StrandedRow, there: &[u8]| {
            unlocked.as_ref().is_some_and(|unlocked| holds_the_same(&unlocked.keys, ours, there))
        };
        writer.arrive(to, parse, hear, spooled_apart, same)?;
        let mut index = held(&self.index);
        let listed = match (unlocked, index.as_mut()) {
            (Some(unlocked), Some(list)) if to.continues.is_some() && count <= LISTED_ONE_BY_ONE => {
                fresh.into_iter().all(|mut row| {
                    let summary = std::mem::take(&mut row.summary);
                    list.take(&unlocked.keys, row, &summary).is_ok()
                })
            }
            _ => false,
        };
        if !listed {
            // Made anew when it is asked for.
            *index = None;
        }
        let position = writer.position()?;
        self.seal_under(position.active_version);
        self.position.send_replace(position);
        Ok(())
    }

    /// What this node knows of itself, changed durably.
    pub fn change_own(&self, change: impl FnOnce(&mut Own)) -> Result<(), Error> {
        let mut writer = held(&self.writer);
        let mut own = writer.own()?;
        change(&mut own);
        writer.set_own(&own)
    }

    /// The spool's oldest entries.
    pub fn spooled(&self, limit: u32) -> Result<Vec<(u64, String)>, Error> {
        held(&self.writer).spooled(limit)
    }

    /// The trail has the spool up to here.
    pub fn spool_taken(&self, upto: u64) -> Result<(), Error> {
        held(&self.writer).spool_taken(upto)
    }

    /// What the protocol's machine starts from.
    pub fn machine_held(&self) -> Result<machine::Held, Error> {
        let (version, keys) = self.keys_held();
        let writer = held(&self.writer);
        let (position, own) = (writer.position()?, writer.own()?);
        Ok(machine::Held {
            system: self.row.id,
            node: self.row.node,
            grant: writer.grant()?.map(|signed| signed.grant.rank()),
            seen: own.seen.max(position.at),
            at: position.at,
            audit: position.audit,
            version,
            keys,
            counts: position.counts,
            nodes: writer.members()?,
            damaged: own.damaged,
            standing: own.standing,
        })
    }
}

/// What this database had and the history that takes its place lacks, as an entry of the spool.
fn spooled_apart(parted: Parted) -> Result<String, Error> {
    let act = |act: &str, object: String, detail: String| ActLine {
        at: super::now(),
        who: "sealport".to_owned(),
        origin: crate::call::Origin::Service.to_string(),
        act: act.to_owned(),
        object,
        detail,
    };
    let entry = match parted {
        Parted::Write(row) => {
            let place =
                if row.application.is_empty() { String::new() } else { format!("{}/", row.application) };
            let object = format!("{place}{}", row.name);
            let detail = format!("revision {} that only {} had", row.revision, row.origin);
            let act = act("stranded.keep", object, detail);
            Spooled { act, backup: None, stranded: Some(row.into()), revoked: None }
        }
        Parted::Entry(line) => {
            let mut act = ActLine {
                at: line.at,
                who: line.who,
                origin: line.origin,
                act: line.act,
                object: line.object,
                detail: line.detail,
            };
            act.detail = format!("{} (entry {} of a history that ended)", act.detail, line.seq)
                .trim_start()
                .to_owned();
            Spooled { act, backup: None, stranded: None, revoked: None }
        }
        Parted::StoodDown(name) => {
            let act = act("master.stand_down", name, "met a later epoch, and follows its master".to_owned());
            Spooled { act, backup: None, stranded: None, revoked: None }
        }
        Parted::Revoked(id, name) => {
            let act = act("node.revoke", name, format!("{id}, as the former master had it"));
            Spooled { act, backup: None, stranded: None, revoked: Some(id) }
        }
    };
    serde_json::to_string(&entry)
        .map_err(|e| Error::new(Code::Internal, "a stranded change could not be written").because(e))
}
