//! The one write transaction: records with what tells of them, whole or not at all.

use std::borrow::Borrow;

use rusqlite::{OptionalExtension, Transaction, params};
use sealport_core::{
    Code, Error,
    id::{Epoch, Generation, KeyVersion, Revision},
    machine::{Admitted, AuditMark, WriteFacts, WriteHead, WriteRefusal, master::admit_write},
};

use super::{
    Change, Former, Put, Result, SealAnew, Store, digest, fleet, promotion,
    read::{FORMER, former},
    rotation,
    sqlite::{append_audit, insert_former, write_backup},
};

/// What a write left.
#[derive(Debug)]
pub struct Committed {
    /// The generation that it made, or the present one where it made none.
    pub generation: Generation,
    /// Where the audit trail ends now; `None` where the write added nothing to it.
    pub audit: Option<AuditMark>,
}

impl Store {
    /// Carries out a change, whole or not at all, and gives the generation that it made.
    ///
    /// # Errors
    /// `internal` where it has no audit entry, `revision_conflict` where a record was written since it was read,
    /// `already_exists` where a new port has the identity of another, `encryption_unavailable` where a record is not sealed
    /// under the active version.
    pub fn write(&mut self, change: &Change) -> Result<Committed> {
        let puts = |write: &mut dyn FnMut(&Put) -> Result<()>| change.puts.iter().try_for_each(write);
        self.carry_out(change.epoch, |write| puts(write).map(|()| change)).map(|(committed, _)| committed)
    }

    /// The same for a change whose records come one by one: `feed` passes each on as it is there, and gives the rest of the
    /// change at the end. Where it fails nothing was written.
    ///
    /// # Errors
    /// Those of `write`, and those of `feed`.
    pub fn write_coming(
        &mut self,
        feed: impl FnOnce(&mut dyn FnMut(&Put) -> Result<()>) -> Result<Change>,
    ) -> Result<(Committed, Change)> {
        self.carry_out(None, feed)
    }

    fn carry_out<C: Borrow<Change>>(
        &mut self,
        epoch: Option<Epoch>,
        feed: impl FnOnce(&mut dyn FnMut(&Put) -> Result<()>) -> Result<C>,
    ) -> Result<(Committed, C)> {
        let place = self.place.clone();
        let on = place.on("Writing");
        self.transact("Writing", |tx| {
            let write = || {
                let mut writing = Writing::begin(tx, epoch).map_err(&on)??;
                let change = feed(&mut |put| writing.put(put).map_err(&on)?)?;
                Ok((writing.end(change.borrow()).map_err(&on)??, change))
            };
            Ok(write())
        })
    }
}

/// A write on its way, in a transaction that has the write lock: what it saw first is the truth to its end.
struct Writing<'t> {
    tx: &'t Transaction<'t>,
    /// The generation before it.
    generation: u64,
    active: KeyVersion,
    epoch: Epoch,
    /// The epoch that the writer saw.
    writer: Epoch,
    puts: usize,
    /// Those that are there already, as they are.
    repeated: usize,
}

impl<'t> Writing<'t> {
    fn begin(tx: &'t Transaction<'t>, writer: Option<Epoch>) -> rusqlite::Result<Result<Self>> {
        let (generation, active, epoch, is_master): (u64, u32, u64, bool) = tx
            .prepare_cached(
                "SELECT generation, active_version, epoch, master = node AND standing = 'member' FROM system",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        if !is_master {
            return Ok(Err(Error::new(Code::EncryptionUnavailable, "This node is not the master.")
                .hint("Try again: it goes to the master then.")));
        }
        let epoch = Epoch(epoch);
        let (active, writer) = (KeyVersion(active), writer.unwrap_or(epoch));
        Ok(Ok(Self { tx, generation, active, epoch, writer, puts: 0, repeated: 0 }))
    }

    fn put(&mut self, put: &Put) -> rusqlite::Result<Result<()>> {
        self.puts += 1;
        let present = present(self.tx, put)?;
        let facts = self.facts(put, present.as_ref())?;
        let head = WriteHead { epoch: self.writer, key_version: put.key_version, revision: put.revision };
        match admit_write(&facts, &head) {
            Ok(Admitted::Write) => write_record(self.tx, put, present.as_ref(), self.generation + 1),
            Ok(Admitted::Already) => {
                self.repeated += 1;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refused(put, refusal))),
        }
    }

    /// Writes what is beside the records.
    fn end(self, change: &Change) -> rusqlite::Result<Result<Committed>> {
        let Self { tx, puts, .. } = self;
        if change.acts.is_empty() && (puts > 0 || change.changes()) {
            return Ok(Err(Error::new(
                Code::Internal,
                "A change came without its audit entry. Nothing was written.",
            )));
        }
        if self.repeated > 0 {
            // The answer to this very write was lost, and it was sent again: all of it is there, or it is another.
            return Ok(if self.repeated == puts {
                Ok(Committed { generation: Generation(self.generation), audit: None })
            } else {
                Err(Error::new(
                    Code::RevisionConflict,
                    "Some of what is to be written is there already, and some is not.",
                )
                .hint("Read it again, and make the change on what it is now."))
            });
        }
        let raised = puts > 0 || change.raises_generation();
        let generation = self.generation + u64::from(raised);
        for node in &change.nodes {
            if let Err(error) = fleet::change_node(tx, node, generation)? {
                return Ok(Err(error));
            }
        }
        if let Some((invite, now)) = &change.invite {
            fleet::put_invite(tx, invite, *now)?;
        }
        promotion::strand(tx, &change.stranded, generation)?;
        if let Err(error) = promotion::resolve(tx, &change.ended, generation)? {
            return Ok(Err(error));
        }
        let audit = append_audit(tx, &change.acts)?;
        if let Some(backup) = &change.backup {
            write_backup(tx, backup)?;
        }
        if let Some(step) = &change.rotation
            && let Err(error) = rotation::carry_out(tx, step, self.epoch, self.active, generation)?
        {
            return Ok(Err(error));
        }
        tx.prepare_cached("UPDATE system SET generation = ?")?.execute([generation])?;
        Ok(Ok(Committed { generation: Generation(generation), audit }))
    }

    /// What the transaction sees of the record that a write is for.
    fn facts(&self, put: &Put, present: Option<&Former>) -> rusqlite::Result<WriteFacts> {
        let unread = match (put.read, present) {
            (Some(read), Some(now)) if now.revision.next() == put.revision => {
                digest(put.id, now.revision, &now.envelope) != read
            }
            _ => false,
        };
        let same = match present {
            Some(now) if now.revision == put.revision => now.envelope == put.envelope,
            Some(now) if now.revision > put.revision => self
                .tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM former WHERE id = ? AND revision = ? AND envelope = ?)",
                )?
                .query_row(params![put.id.as_bytes(), put.revision.0, put.envelope], |row| row.get(0))?,
            _ => false,
        };
        let present = present.map(|now| now.revision);
        Ok(WriteFacts { epoch: self.epoch, active_version: self.active, present, same, unread })
    }
}

/// The revision that stands where a write goes, as it will be kept.
fn present(tx: &Transaction<'_>, put: &Put) -> rusqlite::Result<Option<Former>> {
    tx.prepare_cached(&format!("SELECT {FORMER} FROM record WHERE id = ?"))?
        .query_row([put.id.as_bytes()], former)
        .optional()
}

fn refused(put: &Put, refusal: WriteRefusal) -> Error {
    let moved = |message: String| {
        Error::new(Code::EncryptionUnavailable, message).hint("Try again: the master changed meanwhile.")
    };
    match refusal {
        WriteRefusal::Revision { now } => conflict(put, now),
        WriteRefusal::Unread { now } => Error::new(
            Code::RevisionConflict,
            format!("{} is at another revision {now} than the one that was read.", put.name),
        )
        .hint("The master changed, or sealed it anew. Read it again, and make the change on what it is now.")
        .because(SealAnew),
        WriteRefusal::KeyVersion { now } => moved(format!(
            "{} is sealed under version {} of the master secret; version {now} is active.",
            put.name, put.key_version
        ))
        .because(SealAnew),
        WriteRefusal::Epoch { now } => {
            moved(format!("The write of {} is of a former epoch than {now}.", put.name))
        }
        WriteRefusal::Superseded => moved("This node is not the master any more.".to_owned()),
    }
}

fn conflict(put: &Put, now: Option<Revision>) -> Error {
    let name = &put.name;
    match now {
        Some(_) if put.revision == Revision::FIRST => {
            Error::new(Code::AlreadyExists, format!("{name} is there already."))
                .hint("Read it again and change it instead.")
        }
        Some(now) => Error::new(
            Code::RevisionConflict,
            format!(
                "{name} was changed by someone else: it is at revision {now}, not {}.",
                put.revision.0 - 1
            ),
        )
        .hint("Read it again, and make the change on what it is now."),
        None => Error::new(Code::NotFound, format!("{name} is not there.")),
    }
}

fn write_record(
    tx: &Transaction<'_>,
    put: &Put,
    present: Option<&Former>,
    generation: u64,
) -> rusqlite::Result<Result<()>> {
    let Some(present) = present else {
        let fresh = tx
            .prepare_cached(
                "INSERT INTO record (id, kind, application, name, revision, key_version, generation, summary, envelope)
                 VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                put.id.as_bytes(),
                put.kind.body().name(),
                put.application,
                put.name,
                put.key_version.0,
                generation,
                put.summary,
                put.envelope,
            ])?;
        return Ok(if fresh == 1 {
            Ok(())
        } else {
            Err(Error::new(Code::AlreadyExists, format!("{} is there already.", put.name))
                .hint("Read it again and change it instead."))
        });
    };
    insert_former(tx, present)?;
    if put.key_version != present.key_version {
        // By itself, since naming it writes its index too, whether it is another one or not.
        tx.prepare_cached("UPDATE record SET key_version = ? WHERE id = ?")?
            .execute(params![put.key_version.0, put.id.as_bytes()])?;
    }
    tx.prepare_cached(
        "UPDATE record SET revision = ?, generation = ?, summary = ?, envelope = ? WHERE id = ?",
    )?
    .execute(params![put.revision.0, generation, put.summary, put.envelope, put.id.as_bytes()])?;
    Ok(Ok(()))
}
