//! SQLite underneath: opening it safely, and how rows are put in.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};
use sealport_core::{Code, Error, backup::AuditLine, machine::AuditMark, time::Timestamp};

use super::{Act, BackupRow, Former, Item, Place, Result, Row, SystemRow, rotation};

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

/// Puts entries at the end of the audit trail, and gives where it ends now; `None` where there are none to put.
pub(super) fn append_audit(tx: &Transaction<'_>, acts: &[Act]) -> rusqlite::Result<Option<AuditMark>> {
    if acts.is_empty() {
        return Ok(None);
    }
    let AuditMark { line: mut seq, mut hash } = audit_mark(tx)?;
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
    Ok(Some(AuditMark { line: seq, hash }))
}

/// Where the audit trail ends.
pub(super) fn audit_mark(connection: &Connection) -> rusqlite::Result<AuditMark> {
    connection
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(AuditMark { line: row.get(0)?, hash: row.get(1)? }))
        .optional()
        .map(Option::unwrap_or_default)
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
