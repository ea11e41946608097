//! The database as a stream of what changed: read on the master from a generation on, taken over on a node.
//!
//! A body is gathered beside the tables and taken over in one transaction, so a stream that broke off has changed nothing and is
//! simply read again from the generation that is wholly held.

use rusqlite::{OptionalExtension, params};
use sealport_core::{
    Code, Error,
    backup::AuditLine,
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision},
    machine::{AuditMark, Counts, Marks, Standing, rotation::replaces},
    time::Timestamp,
};

use super::{
    BackupRow, DestroyedRow, Former, NodeRow, Parted, Result, RotationRow, Row, Store, StrandedRow, fleet,
    promotion,
    read::{FORMER, ROW, audit, former, row},
    rotation,
    sqlite::{audit_mark, insert_audit, insert_former, insert_row, moment, write_backup},
};

/// Rows read at a time: what a stream holds in memory.
const PAGE: u32 = 64;

/// One thing that changed.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub enum Piece {
    Record(Row),
    Former(Former),
    Audit(AuditLine),
    Node(NodeRow),
    Backup(BackupRow),
    Rotation(RotationRow),
    Destroyed(DestroyedRow),
    Stranded(StrandedRow),
}

/// Where a database is: what sync compares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Position {
    pub at: Marks,
    pub master: NodeId,
    pub active_version: KeyVersion,
    pub audit: AuditMark,
    pub counts: Counts,
    /// Versions that a master may hold and gives nobody.
    pub withheld: Vec<KeyVersion>,
}

/// What a node knows of itself beside its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Own {
    pub seen: Marks,
    pub damaged: bool,
    pub standing: Standing,
    /// Since when it is fenced as a copy.
    pub cloned_since: Option<Timestamp>,
}

impl Store {
    /// Where this database is, of one moment.
    pub fn position(&self) -> Result<Position> {
        let withheld = self.withheld()?;
        self.connection
            .prepare_cached(
                "SELECT epoch, generation, master, active_version,
                        coalesce((SELECT max(seq) FROM audit), 0),
                        coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), ''),
                        (SELECT count(*) FROM record), (SELECT count(*) FROM former) FROM system",
            )
            .and_then(|mut query| {
                query.query_row([], |row| {
                    Ok(Position {
                        at: Marks { epoch: Epoch(row.get(0)?), generation: Generation(row.get(1)?) },
                        master: NodeId::from_bytes(row.get(2)?),
                        active_version: KeyVersion(row.get(3)?),
                        audit: AuditMark { line: row.get(4)?, hash: row.get(5)? },
                        counts: Counts { records: row.get(6)?, formers: row.get(7)? },
                        withheld: withheld.clone(),
                    })
                })
            })
            .map_err(self.place.on("Reading where the database is"))
    }

    /// Whether SQLite finds the file whole. Reads all of it.
    ///
    /// # Errors
    /// `integrity` where it is not.
    pub fn check(&self) -> Result<()> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(self.place.on("Checking the database"))?;
        if found == "ok" {
            return Ok(());
        }
        Err(Error::new(Code::Integrity, "The database of this node is damaged.")
            .hint("Start the service again: it makes it anew and fetches a full copy."))
    }

    /// The last entry of the audit trail.
    pub fn audit_mark(&self) -> Result<AuditMark> {
        audit_mark(&self.connection).map_err(self.place.on("Reading the audit trail"))
    }

    /// The hash of the audit trail at an entry, if there is one.
    pub fn audit_hash(&self, line: u64) -> Result<Option<String>> {
        self.connection
            .prepare_cached("SELECT hash FROM audit WHERE seq = ?")
            .and_then(|mut query| query.query_row([line], |row| row.get(0)).optional())
            .map_err(self.place.on("Reading the audit trail"))
    }

    /// What this node knows of itself.
    pub fn own(&self) -> Result<Own> {
        self.connection
            .query_row(
                "SELECT seen_epoch, seen_generation, damaged, standing, cloned_since FROM system",
                [],
                |row| {
                    let standing: String = row.get(3)?;
                    let standing = serde_json::from_value(standing.into()).map_err(|e| {
                        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, e.into())
                    })?;
                    Ok(Own {
                        seen: Marks { epoch: Epoch(row.get(0)?), generation: Generation(row.get(1)?) },
                        damaged: row.get(2)?,
                        standing,
                        cloned_since: row.get::<_, Option<i64>>(4)?.map(moment),
                    })
                },
            )
            .map_err(self.place.on("Reading what this node is"))
    }

    /// Writes what this node knows of itself. Durable when it returns.
    pub fn set_own(&mut self, own: &Own) -> Result<()> {
        let standing = serde_json::to_value(own.standing).unwrap_or_default();
        let standing = standing.as_str().unwrap_or("member").to_owned();
        self.transact("Writing what this node is", |tx| {
            tx.execute(
                "UPDATE system SET seen_epoch = ?, seen_generation = ?, damaged = ?, standing = ?, cloned_since = ?",
                params![
                    own.seen.epoch.0,
                    own.seen.generation.0,
                    own.damaged,
                    standing,
                    own.cloned_since.map(|at| at.as_millis())
                ],
            )?;
            Ok(Ok(()))
        })
    }

    /// Everything that came after a generation and after an entry of the audit trail, to `each`.
    pub fn changes(
        &self,
        after: Generation,
        after_audit: u64,
        mut each: impl FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        for node in fleet::nodes_since(self, after)? {
            each(Piece::Node(node))?;
        }
        let what = self.place.on("Reading what changed");
        let mut from = (after.0, i64::MAX);
        loop {
            let page: Vec<(i64, Row)> = self
                .connection
                .prepare_cached(&format!(
                    "SELECT {ROW}, rowid FROM record WHERE (generation, rowid) > (?, ?) ORDER BY generation, rowid LIMIT {PAGE}"
                ))
                .and_then(|mut query| query.query_map(params![from.0, from.1], |r| Ok((r.get(9)?, row(r)?)))?.collect())
                .map_err(&what)?;
            let Some((rowid, last)) = page.last() else { break };
            from = (last.generation.0, *rowid);
            for (_, record) in page {
                each(Piece::Record(record))?;
            }
        }
        let mut from = (after.0, i64::MAX);
        loop {
            let page: Vec<(i64, Former)> = self
                .connection
                .prepare_cached(&format!(
                    "SELECT {FORMER}, rowid FROM former WHERE (generation, rowid) > (?, ?) ORDER BY generation, rowid LIMIT {PAGE}"
                ))
                .and_then(|mut query| query.query_map(params![from.0, from.1], |r| Ok((r.get(5)?, former(r)?)))?.collect())
                .map_err(&what)?;
            let Some((rowid, last)) = page.last() else { break };
            from = (last.generation.0, *rowid);
            for (_, older) in page {
                each(Piece::Former(older))?;
            }
        }
        for row in self.rotations(after)? {
            each(Piece::Rotation(row))?;
        }
        for row in self.destroyed(after)? {
            each(Piece::Destroyed(row))?;
        }
        for stranded in promotion::stranded_since(self, after)? {
            each(Piece::Stranded(stranded))?;
        }
        // All of them each time: they are few, and a drill gives an old one a new date.
        for backup in self.backups()? {
            each(Piece::Backup(backup))?;
        }
        let mut after_audit = after_audit;
        loop {
            let page: Vec<AuditLine> = self
                .connection
                .prepare_cached("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT 256")
                .and_then(|mut query| query.query_map([after_audit], audit)?.collect())
                .map_err(&what)?;
            let Some(last) = page.last() else { break };
            after_audit = last.seq;
            for line in page {
                each(Piece::Audit(line))?;
            }
        }
        Ok(())
    }

    /// Begins to gather a body. What was gathered of another one is forgotten.
    pub fn begin_body(&mut self) -> Result<()> {
        self.connection
            .execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS gathered (seq INTEGER PRIMARY KEY, line BLOB NOT NULL) STRICT;
                 DELETE FROM gathered;",
            )
            .map_err(self.place.on("Gathering what changed"))
    }

    /// Puts lines of a body aside, on the disk and not in memory, until all of it is here.
    pub fn gather(&mut self, lines: &[Vec<u8>]) -> Result<()> {
        self.transact("Gathering what changed", |tx| {
            let mut put = tx.prepare_cached("INSERT INTO gathered (line) VALUES (?)")?;
            for line in lines {
                put.execute([line])?;
            }
            Ok(Ok(()))
        })
    }

    /// Takes over the body that was gathered, in one transaction: a master that is set back between two parts of an
    /// answer must leave nothing of a dead history here. `parse` reads a line again; `record` hears of each record. What
    /// this database had and a later epoch lacks goes into the spool in the same transaction, as `keep` writes it; `same` says
    /// whether a write of this database and the envelope that came for its revision hold the same.
    ///
    /// # Errors
    /// `integrity` where an audit entry does not continue the chain that is here; `unavailable` where it is of a master that is
    /// none any more, or continues another place than the one this replica is at.
    pub fn arrive(
        &mut self,
        to: &Arrival,
        parse: impl Fn(&[u8]) -> Option<Piece>,
        mut record: impl FnMut(Row),
        keep: impl Fn(Parted) -> Result<String>,
        same: impl Fn(&StrandedRow, &[u8]) -> bool,
    ) -> Result<()> {
        self.transact("Taking over what changed", |tx| {
            if let Err(error) = promotion::may_arrive(tx, to)? {
                return Ok(Err(error));
            }
            let full = to.continues.is_none();
            let parts = full && promotion::set_aside(tx, to.at.epoch)?;
            if full {
                tx.execute_batch(
                    "DELETE FROM former; DELETE FROM record; DELETE FROM audit; DELETE FROM node; DELETE FROM backup;
                     DELETE FROM rotation; DELETE FROM destroyed; DELETE FROM stranded;",
                )?;
            }
            let mut gathered = tx.prepare("SELECT line FROM gathered ORDER BY seq")?;
            let mut lines = gathered.query([])?;
            while let Some(line) = lines.next()? {
                let piece = parse(line.get_ref(0)?.as_bytes()?);
                let Some(piece) = piece else {
                    return Ok(Err(Error::new(Code::Internal, "A line that was gathered can't be read again.")));
                };
                let news = match take(tx, &piece)? {
                    Ok(news) => news,
                    Err(error) => return Ok(Err(error)),
                };
                if let (Piece::Record(mut row), true) = (piece, news) {
                    row.envelope = Vec::new();
                    record(row);
                }
            }
            tx.execute(
                "UPDATE system SET epoch = ?, generation = ?, active_version = ?, master = ?, damaged = 0,
                        node_name = coalesce((SELECT name FROM node WHERE id = system.node), node_name)",
                params![to.at.epoch.0, to.at.generation.0, to.active.0, to.master.as_bytes()],
            )?;
            tx.execute("DELETE FROM gathered", [])?;
            if let Err(error) = promotion::tell_stood_down(tx, &keep)? {
                return Ok(Err(error));
            }
            if parts {
                return promotion::keep_parted(tx, &keep, &same);
            }
            Ok(Ok(()))
        })
    }
}

/// Where a body brings a node.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Arrival {
    pub at: Marks,
    pub active: KeyVersion,
    pub master: NodeId,
    /// Where the replica was when it was asked for, which is where it must still be. `None` where everything comes: what
    /// stood here before goes.
    pub continues: Option<Marks>,
}

/// Takes a piece over. Whether it may be news to a list of what is held.
fn take(tx: &rusqlite::Transaction<'_>, piece: &Piece) -> rusqlite::Result<Result<bool>> {
    match piece {
        Piece::Record(row) => return take_record(tx, row).map(Ok),
        Piece::Former(former) => take_former(tx, former)?,
        Piece::Node(node) => {
            // A name may have moved from one node to another: the newer state wins, both come. A revoked one has no
            // claim to it.
            tx.execute(
                "DELETE FROM node WHERE id = ? OR (revoked = 0 AND NOT ? AND name = ? COLLATE NOCASE)",
                params![node.id.as_bytes(), node.revoked, node.name],
            )?;
            fleet::put_node(tx, node, node.generation.0)?;
        }
        Piece::Backup(backup) => write_backup(tx, backup)?,
        Piece::Stranded(row) => promotion::take_stranded(tx, row)?,
        Piece::Rotation(row) => rotation::put_rotation(tx, row)?,
        Piece::Destroyed(row) => rotation::put_destroyed(tx, row)?,
        Piece::Audit(line) => return Ok(take_audit(tx, line)?.map(|()| true)),
    }
    Ok(Ok(true))
}

fn take_audit(tx: &rusqlite::Transaction<'_>, line: &AuditLine) -> rusqlite::Result<Result<()>> {
    let last: Option<(u64, String)> = tx
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (seq, hash) = last.unwrap_or_default();
    if line.seq <= seq {
        return Ok(Ok(()));
    }
    if line.seq != seq + 1 || line.hash != line.derive_hash(&hash) {
        return Ok(Err(Error::new(
            Code::Integrity,
            format!("Entry {} of the master's audit trail does not continue the one here.", line.seq),
        )
        .hint("This node fetches a full copy; if it comes again, the trail was changed.")));
    }
    insert_audit(tx, line)?;
    Ok(Ok(()))
}

/// Whether the list of what is held has to hear of it: not of a record that was only sealed anew.
fn take_record(tx: &rusqlite::Transaction<'_>, row: &Row) -> rusqlite::Result<bool> {
    let held: Option<(u64, u32)> = tx
        .prepare_cached("SELECT revision, key_version FROM record WHERE id = ?")?
        .query_row([row.id.as_bytes()], |held| Ok((held.get(0)?, held.get(1)?)))
        .optional()?;
    let Some((revision, key_version)) = held else {
        insert_row(tx, row)?;
        return Ok(true);
    };
    let held = (Revision(revision), KeyVersion(key_version));
    if !replaces(held, (row.revision, row.key_version)) {
        return Ok(false);
    }
    let news = row.revision > held.0;
    if news {
        keep_as_former(tx, row.id)?;
    }
    tx.prepare_cached(
        "UPDATE record SET revision = ?, key_version = ?, generation = ?, summary = ?, envelope = ? WHERE id = ?",
    )?
    .execute(params![
        row.revision.0,
        row.key_version.0,
        row.generation.0,
        row.summary,
        row.envelope,
        row.id.as_bytes(),
    ])?;
    Ok(news)
}

fn keep_as_former(tx: &rusqlite::Transaction<'_>, id: RecordId) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO former (id, revision, key_version, generation, envelope)
         SELECT id, revision, key_version, generation, envelope FROM record WHERE id = ?",
    )?
    .execute([id.as_bytes()])?;
    Ok(())
}

fn take_former(tx: &rusqlite::Transaction<'_>, older: &Former) -> rusqlite::Result<()> {
    let held: Option<u32> = tx
        .prepare_cached("SELECT key_version FROM former WHERE id = ? AND revision = ?")?
        .query_row(params![older.id.as_bytes(), older.revision.0], |held| held.get(0))
        .optional()?;
    let Some(key_version) = held else { return insert_former(tx, older) };
    if replaces((older.revision, KeyVersion(key_version)), (older.revision, older.key_version)) {
        tx.prepare_cached(
            "UPDATE former SET key_version = ?, generation = ?, envelope = ? WHERE id = ? AND revision = ?",
        )?
        .execute(params![
            older.key_version.0,
            older.generation.0,
            older.envelope,
            older.id.as_bytes(),
            older.revision.0,
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use sealport_core::{
        api::PortKind,
        id::SystemId,
        machine::{Grant, GrantKind, SignedGrant},
        record::RecordKind,
        time::Timestamp,
    };

    use super::*;
    use crate::store::{Item, SystemRow};

    /// Version and content stand in the clear here: what decides is the rule, not the cipher.
    fn row(id: u8, version: u8, content: u8) -> Row {
        Row {
            id: RecordId::from_bytes([id; 16]),
            kind: RecordKind::Port(PortKind::SendPort),
            application: String::new(),
            name: format!("P{id}"),
            revision: Revision::FIRST,
            key_version: KeyVersion(version.into()),
            generation: Generation(5),
            summary: Vec::new(),
            envelope: vec![version, content],
        }
    }

    const HERE: NodeId = NodeId::from_bytes([1; 16]);
    const THERE: NodeId = NodeId::from_bytes([2; 16]);
    const SYSTEM: SystemId = SystemId::from_bytes([9; 16]);

    const fn marks(epoch: u64, generation: u64) -> Marks {
        Marks { epoch: Epoch(epoch), generation: Generation(generation) }
    }

    /// A replica of these, at generation 9 of THERE's epoch 1.
    fn replica(folder: &tempfile::TempDir, rows: impl IntoIterator<Item = Row>) -> Store {
        let system = SystemRow {
            id: SYSTEM,
            name: "Hub".to_owned(),
            created: Timestamp::from_millis(0),
            node: HERE,
            node_name: "HUB-1".to_owned(),
            epoch: Epoch(1),
            active_version: KeyVersion(1),
            generation: Generation(9),
            master: THERE,
            ca: None,
        };
        let mut store = Store::create(&folder.path().join("sealport.db"), &system).unwrap();
        store.fill(|put| rows.into_iter().try_for_each(|row| put(Item::Record(row)))).unwrap();
        store
    }

    /// A body of the former master was still written while the next one was asked for its own: on top of it, what the present
    /// history lacks would stay, and nobody would hear of it. Found by the simulator (`seed-1024020`). Sabotage: let `may_arrive`
    /// look at `at` alone.
    #[test]
    fn a_delta_continues_the_place_that_it_was_asked_from() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = replica(&folder, [row(1, 1, 7)]);
        let mut arrive = |continues| {
            store.begin_body().unwrap();
            store.gather(&[vec![0]]).unwrap();
            let to = Arrival {
                at: marks(1, 10),
                active: KeyVersion(1),
                master: THERE,
                continues: Some(continues),
            };
            let arrived = store.arrive(
                &to,
                |_| Some(Piece::Record(row(2, 1, 7))),
                |_| {},
                |_| Ok(String::new()),
                |_, _| false,
            );
            let now = store.position().unwrap();
            (arrived.map_err(|error| error.code), now.at, now.counts.records)
        };
        assert_eq!(arrive(marks(1, 8)), (Err(Code::Unavailable), marks(1, 9), 1));
        assert_eq!(arrive(marks(1, 9)), (Ok(()), marks(1, 10), 2));
    }

    /// Both histories sealed anew since they parted, one of them under numbers that look shared. Sabotage: take a row of a higher
    /// version for the same (`same` not asked). Seen: record 2 is lost.
    #[test]
    fn what_was_sealed_anew_is_the_same_by_its_content_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ours = [row(1, 1, 7), row(2, 1, 7), row(3, 2, 7), row(4, 1, 7), row(5, 1, 7), row(6, 1, 7)];
        let mut store = replica(&folder, ours);
        let grant = Grant {
            system: SYSTEM,
            epoch: Epoch(2),
            node: THERE,
            begins: marks(1, 9),
            kind: GrantKind::Planned,
            at: Timestamp::from_millis(0),
            by: "ann".to_owned(),
        };
        let grant = SignedGrant { grant, signature: String::new() };
        store.know_grant(&grant.prove(SYSTEM, |_, _| true).unwrap()).unwrap();
        // Sealed anew there; that, and changed; sealed anew here; as it was; changed under one version. The last is not there.
        let theirs = [row(1, 2, 7), row(2, 2, 8), row(3, 1, 7), row(4, 1, 7), row(5, 1, 8)];
        store.begin_body().unwrap();
        store.gather(&[vec![0], vec![1], vec![2], vec![3], vec![4]]).unwrap();
        let kept = RefCell::new(Vec::new());
        let keep = |parted: Parted| {
            if let Parted::Write(row) = parted {
                kept.borrow_mut().push((row.name, row.envelope[1]));
            }
            Ok(String::new())
        };
        let to = Arrival { at: marks(2, 12), active: KeyVersion(2), master: THERE, continues: None };
        let parse = |line: &[u8]| theirs.get(usize::from(line[0])).cloned().map(Piece::Record);
        let same = |ours: &StrandedRow, there: &[u8]| ours.envelope[1] == there[1];
        store.arrive(&to, parse, |_| {}, keep, same).unwrap();
        assert_eq!(kept.into_inner(), [2, 5, 6].map(|id| (format!("P{id}"), 7)));
    }
}
