//! What is sealed under which version, and sealing anew: a part takes the place of what was read only where that is still there.

use rusqlite::{OptionalExtension, Row as SqlRow, Transaction, params, types::Type};
use sealport_core::{
    api::RotationPhase,
    id::{Epoch, Generation, KeyVersion, RecordId, Revision},
    machine::rotation::{ResealFacts, ResealHead, ResealRefusal, admit_reseal},
    record::RecordKind,
};

use super::{
    Act, Former, Result, Row, Store,
    read::{FORMER, ROW, former, row},
    refusal::moved_on,
    rotation::present,
    sqlite::append_audit,
};

/// One part that is sealed anew: a record with its summary, or a former revision.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Resealed {
    pub id: RecordId,
    pub head: ResealHead,
    pub envelope: Vec<u8>,
    /// `None` for a former revision.
    pub summary: Option<Vec<u8>>,
}

/// Where a sweep is: rows are read in the order in which they lie.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    record: i64,
    former: i64,
}

/// A part that is still sealed under an older version.
#[derive(Debug)]
pub enum Older {
    /// A record.
    Record(Row),
    /// A former revision, with the record that it belongs to, whose envelopes are left away.
    Former(Former, Row),
}

impl Store {
    /// How many parts are sealed under each version.
    pub fn parts(&self) -> Result<Vec<(KeyVersion, u64)>> {
        self.connection
            .prepare_cached(
                "SELECT key_version, sum(parts) FROM (
                   SELECT key_version, count(*) AS parts FROM record GROUP BY key_version
                   UNION ALL SELECT key_version, count(*) FROM former GROUP BY key_version
                   UNION ALL SELECT key_version, count(*) FROM stranded WHERE outcome = '' GROUP BY key_version
                 ) GROUP BY key_version ORDER BY key_version",
            )
            .and_then(|mut query| {
                query.query_map([], |row| Ok((KeyVersion(row.get(0)?), row.get(1)?)))?.collect()
            })
            .map_err(self.place.on("Counting what is sealed under each version"))
    }

    /// How many parts are sealed under versions below one.
    pub fn older(&self, than: KeyVersion) -> Result<u64> {
        count_older(&self.connection, than).map_err(self.place.on("Counting what is left"))
    }

    /// How many parts are sealed under a version.
    pub fn parts_under(&self, version: KeyVersion) -> Result<u64> {
        count_under(&self.connection, version)
            .map_err(self.place.on("Counting what is sealed under a version"))
    }

    /// Up to `limit` parts under versions below `than`, from where the sweep is; records first.
    pub fn next_older(&self, than: KeyVersion, cursor: &mut Cursor, limit: usize) -> Result<Vec<Older>> {
        let what = self.place.on("Reading what is to be sealed anew");
        let limit = limit as u64;
        let records: Vec<(i64, Row)> = self
            .connection
            .prepare_cached(&format!(
                "SELECT {ROW}, rowid FROM record WHERE rowid > ? AND +key_version < ? ORDER BY rowid LIMIT ?"
            ))
            .and_then(|mut query| {
                query
                    .query_map(params![cursor.record, than.0, limit], |r| Ok((r.get(9)?, row(r)?)))?
                    .collect()
            })
            .map_err(&what)?;
        if let Some((last, _)) = records.last() {
            cursor.record = *last;
            return Ok(records.into_iter().map(|(_, row)| Older::Record(row)).collect());
        }
        cursor.record = i64::MAX;
        let formers: Vec<(i64, Older)> = self
            .connection
            .prepare_cached(&format!(
                "SELECT {}, f.rowid, r.kind, r.application, r.name FROM former f JOIN record r ON r.id = f.id
                 WHERE f.rowid > ? AND +f.key_version < ? ORDER BY f.rowid LIMIT ?",
                FORMER.split(", ").map(|column| format!("f.{column}")).collect::<Vec<_>>().join(", ")
            ))
            .and_then(|mut query| {
                query
                    .query_map(params![cursor.former, than.0, limit], |r| {
                        let older = former(r)?;
                        let kind: String = r.get(6)?;
                        let kind = RecordKind::named(&kind).ok_or_else(|| {
                            rusqlite::Error::FromSqlConversionFailure(6, Type::Text, "unknown kind".into())
                        })?;
                        let record = Row {
                            id: older.id,
                            kind,
                            application: r.get(7)?,
                            name: r.get(8)?,
                            revision: older.revision,
                            key_version: older.key_version,
                            generation: older.generation,
                            summary: Vec::new(),
                            envelope: Vec::new(),
                        };
                        Ok((r.get(5)?, Older::Former(older, record)))
                    })?
                    .collect()
            })
            .map_err(&what)?;
        if let Some((last, _)) = formers.last() {
            cursor.former = *last;
        }
        Ok(formers.into_iter().map(|(_, older)| older).collect())
    }

    /// Some records, chosen by chance, and a former revision of some.
    pub fn sample(&self, many: u32) -> Result<Vec<Older>> {
        let what = self.place.on("Reading a sample");
        let last: i64 = self
            .connection
            .query_row("SELECT coalesce(max(rowid), 0) FROM record", [], |row| row.get(0))
            .map_err(&what)?;
        let mut sample = Vec::new();
        for _ in 0..many {
            let found = self
                .connection
                .prepare_cached(&format!(
                    "SELECT {ROW} FROM record WHERE rowid >= abs(random() % (? + 1)) ORDER BY rowid LIMIT 1"
                ))
                .and_then(|mut query| query.query_row([last], row).optional())
                .map_err(&what)?;
            let Some(record) = found else { break };
            if let Some(revision) = record.revision.0.checked_sub(1).filter(|before| *before > 0)
                && let Some(older) = self.revision(&record, Revision(revision))?
            {
                let bare = Row { envelope: Vec::new(), summary: Vec::new(), ..record.clone() };
                sample.push(Older::Former(older, bare));
            }
            sample.push(Older::Record(record));
        }
        Ok(sample)
    }

    /// Puts parts that were sealed anew in the place of what is there, in one transaction and one generation. What was
    /// edited meanwhile stays. Gives the generation, and how many took their place.
    ///
    /// # Errors
    /// `refused` where the epoch or the active version is another one, or the rotation is paused.
    ///
    /// It leaves an audit entry, as every generation does that nodes take over: by that they notice a database that was put back
    /// to before it and written to since.
    pub fn reseal(
        &mut self,
        to: KeyVersion,
        parts: &[Resealed],
        entry: impl FnOnce(u64) -> Act,
    ) -> Result<(Generation, u64)> {
        self.transact("Sealing anew", |tx| {
            let (generation, active, epoch, is_master): (u64, u32, u64, bool) = tx.query_row(
                "SELECT generation, active_version, epoch, master = node FROM system",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            let now = present(tx)?;
            let stopped =
                now.is_none_or(|row| row.to != to || row.paused || row.phase < RotationPhase::Resealing);
            if stopped || !is_master {
                return Ok(Err(moved_on("The rotation is paused, or another node is the master now.")));
            }
            let mut placed = 0;
            for part in parts {
                let pair = |row: &SqlRow<'_>| Ok((row.get(0)?, row.get(1)?));
                let held: Option<(u64, u32)> = match part.summary {
                    Some(_) => tx
                        .prepare_cached("SELECT revision, key_version FROM record WHERE id = ?")?
                        .query_row([part.id.as_bytes()], pair),
                    None => tx
                        .prepare_cached(
                            "SELECT revision, key_version FROM former WHERE id = ? AND revision = ?",
                        )?
                        .query_row(params![part.id.as_bytes(), part.head.revision.0], pair),
                }
                .optional()?;
                let facts = ResealFacts {
                    epoch: Epoch(epoch),
                    active: KeyVersion(active),
                    present: held.map(|(revision, version)| (Revision(revision), KeyVersion(version))),
                };
                match admit_reseal(&facts, &part.head) {
                    Ok(()) => {}
                    Err(ResealRefusal::Changed) => continue,
                    Err(ResealRefusal::Epoch { now }) => {
                        return Ok(Err(moved_on(&format!("The epoch is {now} now."))));
                    }
                    Err(ResealRefusal::NotActive { now }) => {
                        return Ok(Err(moved_on(&format!("Version {now} is the active one."))));
                    }
                }
                place(tx, part, generation + 1)?;
                placed += 1;
            }
            if placed == 0 {
                return Ok(Ok((Generation(generation), 0)));
            }
            tx.execute("UPDATE system SET generation = ?", [generation + 1])?;
            append_audit(tx, &[entry(placed)])?;
            Ok(Ok((Generation(generation + 1), placed)))
        })
    }
}

pub(super) fn place(tx: &Transaction<'_>, part: &Resealed, generation: u64) -> rusqlite::Result<()> {
    match &part.summary {
        Some(summary) => tx
            .prepare_cached(
                "UPDATE record SET key_version = ?, generation = ?, summary = ?, envelope = ? WHERE id = ?",
            )?
            .execute(params![part.head.to.0, generation, summary, part.envelope, part.id.as_bytes()])?,
        None => tx
            .prepare_cached(
                "UPDATE former SET key_version = ?, generation = ?, envelope = ? WHERE id = ? AND revision = ?",
            )?
            .execute(params![
                part.head.to.0,
                generation,
                part.envelope,
                part.id.as_bytes(),
                part.head.revision.0
            ])?,
    };
    Ok(())
}

/// A former revision may be sealed under an older version than its record. Promotion adds its stranded changes here.
pub(super) fn count_under(connection: &rusqlite::Connection, version: KeyVersion) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM record WHERE key_version = ?1) + (SELECT count(*) FROM former WHERE key_version = ?1)
                  + (SELECT count(*) FROM stranded WHERE key_version = ?1 AND outcome = '')
                  + (SELECT count(*) FROM spool
                     WHERE CASE WHEN json_valid(entry) THEN entry ->> '$.stranded.key_version' END = ?1)",
        )?
        .query_row([version.0], |row| row.get(0))
}

pub(super) fn count_older(connection: &rusqlite::Connection, than: KeyVersion) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM record WHERE key_version < ?1) + (SELECT count(*) FROM former WHERE key_version < ?1)",
        )?
        .query_row([than.0], |row| row.get(0))
}
