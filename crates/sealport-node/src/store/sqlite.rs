//! SQLite underneath: opening it safely, and the one write transaction.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};
use sealport_core::{
    Code, Error,
    backup::AuditLine,
    id::{Epoch, Generation, KeyVersion, Revision},
    machine::{Admitted, WriteFacts, WriteHead, WriteRefusal, master::admit_write},
    time::Timestamp,
};

use super::{
    Act, BackupRow, Change, Former, Item, Place, Put, Result, Row, SealAnew, SystemRow, digest, fleet,
    promotion, rotation,
};

/// Versions before this one can corrupt a database in WAL mode when two connections write and checkpoint at once.
const OLDEST_SQLITE: i32 = 3_051_003;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("migrations/0001_init.sql")),
    M::up(include_str!("migrations/0002_nodes.sql")),
    M::up(include_str!("migrations/0003_promotion.sql")),
    M::up(include_str!("migrations/0004_rotation.sql")),
    M::up(include_str!("migrations/0005_cloned.sql")),
];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// One connection to the database of a node.
pub struct Store {
    pub(super) connection: Connection,
    pub(super) place: Place,
}

impl Store {
    /// Makes a database with a system in it. Fails where the file is there already.
    pub fn create(file: &Path, system: &SystemRow) -> Result<Self> {
        if file.exists() {
            return Err(Error::new(Code::SystemExists, format!("{} is there already.", file.display()))
                .hint("Use another data directory."));
        }
        let mut store = Self::connect(file)?;
        store.transact("Making the database", |tx| {
            tx.execute(
                "INSERT INTO system (one, id, name, created, node, node_name, epoch, active_version, generation, master, ca)
                 VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    system.id.as_bytes(),
                    system.name,
                    system.created.as_millis(),
                    system.node.as_bytes(),
                    system.node_name,
                    system.epoch.0,
                    system.active_version.0,
                    system.generation.0,
                    system.master.as_bytes(),
                    system.ca,
                ],
            )?;
            Ok(Ok(()))
        })?;
        Ok(store)
    }

    /// Opens a database that is there; brings its schema up to date.
    pub fn open(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Err(Error::new(Code::NoSystem, format!("There is no database at {}.", file.display())));
        }
        Self::connect(file)
    }

    /// The file that it is.
    pub fn file(&self) -> &Path {
        &self.place.0
    }

    fn connect(file: &Path) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::new(
                Code::Internal,
                format!("This Sealport was built with SQLite {}, which can lose data.", rusqlite::version()),
            )
            .hint("Use a Sealport with the bundled SQLite, 3.51.3 or newer."));
        }
        let place = Place(file.to_owned());
        let opening = "Opening the database";
        let mut connection = Connection::open(file).map_err(place.on(opening))?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(place.on(opening))?;
        connection
            .execute_batch(
                "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
            )
            .map_err(place.on(opening))?;
        connection.set_prepared_statement_cache_capacity(32);
        MIGRATIONS.to_latest(&mut connection).map_err(|cause| {
            let error = match cause {
                rusqlite_migration::Error::MigrationDefinition(_) => Error::new(
                    Code::Unavailable,
                    format!("{} was written by a newer Sealport.", file.display()),
                )
                .hint("Use that version, or a newer one."),
                rusqlite_migration::Error::RusqliteError { err, .. } => return place.on(opening)(err),
                _ => Error::new(
                    Code::Unavailable,
                    format!("The schema of {} could not be brought up to date.", file.display()),
                )
                .hint("Check that the file is a Sealport database and its disk is not full."),
            };
            error.because(cause)
        })?;
        Ok(Self { connection, place })
    }

    /// Carries out anything, for a test.
    #[cfg(test)]
    pub(crate) fn damage(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// Carries out a change, whole or not at all, and gives the generation that it made.
    ///
    /// # Errors
    /// `internal` where it has no audit entry, `revision_conflict` where a record was written since it was read,
    /// `already_exists` where a new port has the identity of another, `encryption_unavailable` where a record is not sealed
    /// under the active version.
    pub fn write(&mut self, change: &Change) -> Result<Generation> {
        if change.acts.is_empty() && change.changes() {
            return Err(Error::new(
                Code::Internal,
                "A change came without its audit entry. Nothing was written.",
            ));
        }
        self.transact("Writing", |tx| {
            // Taking the write lock first makes this the truth for the whole transaction.
            let (generation, active, epoch, is_master): (u64, u32, u64, bool) = tx
                .prepare_cached(
                    "SELECT generation, active_version, epoch, master = node AND standing = 'member' FROM system",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            if !is_master {
                return Ok(Err(Error::new(Code::EncryptionUnavailable, "This node is not the master.")
                    .hint("Try again: it goes to the master then.")));
            }
            let generation = if change.raises_generation() { generation + 1 } else { generation };
            let writer = change.epoch.unwrap_or(Epoch(epoch));
            let mut repeated = 0;
            for put in &change.puts {
                let facts = facts(tx, put, Epoch(epoch), KeyVersion(active))?;
                let head = WriteHead { epoch: writer, key_version: put.key_version, revision: put.revision };
                match admit_write(&facts, &head) {
                    Ok(Admitted::Write) => {}
                    Ok(Admitted::Already) => {
                        repeated += 1;
                        continue;
                    }
                    Err(refusal) => return Ok(Err(refused(put, refusal))),
                }
                if let Err(error) = write_record(tx, put, generation)? {
                    return Ok(Err(error));
                }
            }
            if repeated > 0 {
                // The answer to this very write was lost, and it was sent again: all of it is there, or it is another.
                let whole = repeated == change.puts.len();
                return Ok(if whole {
                    Ok(Generation(generation - 1))
                } else {
                    Err(conflict(&change.puts[0], None))
                });
            }
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
            append_audit(tx, &change.acts)?;
            if let Some(backup) = &change.backup {
                write_backup(tx, backup)?;
            }
            if let Some(step) = &change.rotation
                && let Err(error) =
                    rotation::carry_out(tx, step, Epoch(epoch), KeyVersion(active), generation)?
            {
                return Ok(Err(error));
            }
            tx.prepare_cached("UPDATE system SET generation = ?")?.execute([generation])?;
            Ok(Ok(Generation(generation)))
        })
    }

    /// Fills a new database with the items that `feed` passes on, in one transaction: all of them, or none where
    /// `feed` fails.
    pub fn fill<T>(
        &mut self,
        feed: impl FnOnce(&mut dyn FnMut(Item) -> Result<()>) -> Result<T>,
    ) -> Result<T> {
        let place = self.place.clone();
        self.transact("Restoring", |tx| {
            Ok(feed(&mut |item| {
                match item {
                    Item::Record(row) => insert_row(tx, &row),
                    Item::Former(former) => insert_former(tx, &former),
                    Item::Audit(line) => insert_audit(tx, &line),
                }
                .map_err(place.on("Restoring"))
            }))
        })
    }

    /// Writes what a restore learns last: when the system was made, its epoch, its authority.
    pub fn settle(&mut self, system: &SystemRow) -> Result<()> {
        self.transact("Restoring", |tx| {
            tx.execute(
                "UPDATE system SET created = ?, epoch = ?, ca = ?",
                params![system.created.as_millis(), system.epoch.0, system.ca],
            )?;
            Ok(Ok(()))
        })
    }

    /// One transaction that has the write lock from its start. The inner result decides whether it commits.
    pub(super) fn transact<T>(
        &mut self,
        what: &'static str,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T>>,
    ) -> Result<T> {
        let place = self.place.clone();
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(place.on(what))?;
        let value = act(&tx).map_err(place.on(what))??;
        tx.commit().map_err(place.on(what))?;
        Ok(value)
    }
}

/// What the transaction sees of the record that a write is for.
fn facts(tx: &Transaction<'_>, put: &Put, epoch: Epoch, active: KeyVersion) -> rusqlite::Result<WriteFacts> {
    let present: Option<u64> = tx
        .prepare_cached("SELECT revision FROM record WHERE id = ?")?
        .query_row([put.id.as_bytes()], |row| row.get(0))
        .optional()?;
    let present = present.map(Revision);
    let stands = || -> rusqlite::Result<Vec<u8>> {
        tx.prepare_cached("SELECT envelope FROM record WHERE id = ?")?
            .query_row([put.id.as_bytes()], |row| row.get(0))
    };
    // Envelopes are compared only where they may be the same, or should be: most writes are of new records.
    let unread = match (put.read, present) {
        (Some(read), Some(now)) if now.next() == put.revision => digest(put.id, now, &stands()?) != read,
        _ => false,
    };
    let same = match present {
        Some(now) if now == put.revision => stands()? == put.envelope,
        Some(now) if now > put.revision => tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM former WHERE id = ? AND revision = ? AND envelope = ?)",
            )?
            .query_row(params![put.id.as_bytes(), put.revision.0, put.envelope], |row| row.get(0))?,
        _ => false,
    };
    Ok(WriteFacts { epoch, active_version: active, present, same, unread })
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

fn write_record(tx: &Transaction<'_>, put: &Put, generation: u64) -> rusqlite::Result<Result<()>> {
    let kind = put.kind.body().name();
    if put.revision == Revision::FIRST {
        let fresh = tx
            .prepare_cached(
                "INSERT INTO record (id, kind, application, name, revision, key_version, generation, summary, envelope)
                 VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                put.id.as_bytes(),
                kind,
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
    }
    tx.prepare_cached(
        "INSERT INTO former (id, revision, key_version, generation, envelope)
         SELECT id, revision, key_version, generation, envelope FROM record WHERE id = ?",
    )?
    .execute([put.id.as_bytes()])?;
    tx.prepare_cached(
        "UPDATE record SET revision = ?, key_version = ?, generation = ?, summary = ?, envelope = ? WHERE id = ?",
    )?
    .execute(params![
        put.revision.0,
        put.key_version.0,
        generation,
        put.summary,
        put.envelope,
        put.id.as_bytes(),
    ])?;
    Ok(Ok(()))
}

pub(super) fn append_audit(tx: &Transaction<'_>, acts: &[Act]) -> rusqlite::Result<()> {
    if acts.is_empty() {
        return Ok(());
    }
    let last: Option<(u64, String)> = tx
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (mut seq, mut hash) = last.unwrap_or_default();
    for act in acts {
        seq += 1;
        let mut line = AuditLine {
            seq,
            at: act.at,
            who: act.who.clone(),
            origin: act.origin.clone(),
            act: act.act.clone().into_owned(),
            object: act.object.clone(),
            detail: act.detail.clone(),
            hash: String::new(),
        };
        line.hash = line.derive_hash(&hash);
        insert_audit(tx, &line)?;
        hash = line.hash;
    }
    Ok(())
}

pub(super) fn insert_audit(tx: &Transaction<'_>, line: &AuditLine) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        line.seq,
        line.at.as_millis(),
        line.who,
        line.origin,
        line.act,
        line.object,
        line.detail,
        line.hash,
    ])?;
    Ok(())
}

pub(super) fn insert_row(tx: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        row.id.as_bytes(),
        row.kind.body().name(),
        row.application,
        row.name,
        row.revision.0,
        row.key_version.0,
        row.generation.0,
        row.summary,
        row.envelope,
    ])?;
    Ok(())
}

pub(super) fn insert_former(tx: &Transaction<'_>, former: &Former) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO former VALUES (?, ?, ?, ?, ?)")?.execute(params![
        former.id.as_bytes(),
        former.revision.0,
        former.key_version.0,
        former.generation.0,
        former.envelope,
    ])?;
    Ok(())
}

pub(super) fn write_backup(tx: &Transaction<'_>, backup: &BackupRow) -> rusqlite::Result<()> {
    // A backup that is drilled again keeps its row and gets a new date.
    tx.execute(
        "DELETE FROM backup WHERE file = ? AND created = ?",
        params![backup.file, backup.created.as_millis()],
    )?;
    tx.execute(
        "INSERT INTO backup (file, created, proven, active_version, generation, secret_only, ports, records, reminder, versions)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            backup.file,
            backup.created.as_millis(),
            backup.proven.as_millis(),
            backup.active_version.0,
            backup.generation.0,
            backup.secret_only,
            backup.ports,
            backup.records,
            backup.reminder,
            rotation::write_versions(&backup.versions),
        ],
    )?;
    Ok(())
}

/// A moment as the database keeps it.
pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
