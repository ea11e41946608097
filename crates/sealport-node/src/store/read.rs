//! Reading the database: rows, former revisions, the audit trail, the backups, and all of it for a new backup.

use rusqlite::{OptionalExtension, Row as SqlRow, params, types::Type};
use sealport_core::{
    Code, Error,
    backup::AuditLine,
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision, SystemId},
    record::RecordKind,
};

use super::{BackupRow, Former, Item, Result, Row, Store, SystemRow, rotation, sqlite::moment};

pub(super) const ROW: &str =
    "id, kind, application, name, revision, key_version, generation, summary, envelope";
pub(super) const FORMER: &str = "id, revision, key_version, generation, envelope";
const BACKUP: &str =
    "file, created, proven, active_version, generation, secret_only, ports, records, reminder, versions";

impl Store {
    /// The system of this database.
    pub fn system(&self) -> Result<SystemRow> {
        self.connection
            .query_row(
                "SELECT id, name, created, node, node_name, epoch, active_version, generation, master, ca FROM system",
                [],
                |row| {
                    Ok(SystemRow {
                        id: SystemId::from_bytes(row.get(0)?),
                        name: row.get(1)?,
                        created: moment(row.get(2)?),
                        node: NodeId::from_bytes(row.get(3)?),
                        node_name: row.get(4)?,
                        epoch: Epoch(row.get(5)?),
                        active_version: KeyVersion(row.get(6)?),
                        generation: Generation(row.get(7)?),
                        master: NodeId::from_bytes(row.get(8)?),
                        ca: row.get(9)?,
                    })
                },
            )
            .optional()
            .map_err(self.place.on("Reading the system"))?
            .ok_or_else(|| Error::new(Code::NoSystem, "The database holds no system."))
    }

    /// The present revision of a record.
    pub fn record(&self, id: RecordId) -> Result<Option<Row>> {
        self.connection
            .prepare_cached(&format!("SELECT {ROW} FROM record WHERE id = ?"))
            .and_then(|mut query| query.query_row([id.as_bytes()], row).optional())
            .map_err(self.place.on("Reading a record"))
    }

    /// The name of a record, without reading its envelope: a document's is as large as its file.
    pub fn name_of(&self, id: RecordId) -> Result<Option<String>> {
        self.connection
            .prepare_cached("SELECT name FROM record WHERE id = ?")
            .and_then(|mut query| query.query_row([id.as_bytes()], |row| row.get(0)).optional())
            .map_err(self.place.on("Reading a name"))
    }

    /// The port of this name, deleted or not; `None` also where several have it. Reads names alone, by their index.
    pub fn only_port_named(&self, name: &str) -> Result<Option<RecordId>> {
        let found: Vec<RecordId> = self
            .connection
            .prepare_cached("SELECT id FROM record WHERE name = ? AND kind <> 'document' LIMIT 2")
            .and_then(|mut query| {
                query.query_map([name], |row| row.get(0).map(RecordId::from_bytes))?.collect()
            })
            .map_err(self.place.on("Reading a name"))?;
        Ok(if let [only] = found.as_slice() { Some(*only) } else { None })
    }

    /// A revision of a record, present or former; `None` where there is none by that number.
    pub fn revision(&self, record: &Row, revision: Revision) -> Result<Option<Former>> {
        if revision == record.revision {
            return Ok(Some(Former {
                id: record.id,
                revision,
                key_version: record.key_version,
                generation: record.generation,
                envelope: record.envelope.clone(),
            }));
        }
        self.connection
            .prepare_cached("SELECT id, revision, key_version, generation, envelope FROM former WHERE id = ? AND revision = ?")
            .and_then(|mut query| query.query_row(params![record.id.as_bytes(), revision.0], former).optional())
            .map_err(self.place.on("Reading a revision"))
    }

    /// Every record without its envelope, to `each`, in no order.
    pub fn summaries(&self, mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let what = self.place.on("Reading the list of records");
        let mut query = self
            .connection
            .prepare(
                "SELECT id, kind, application, name, revision, key_version, generation, summary, x'' FROM record",
            )
            .map_err(&what)?;
        let mut rows = query.query([]).map_err(&what)?;
        while let Some(next) = rows.next().map_err(&what)? {
            each(row(next).map_err(&what)?)?;
        }
        Ok(())
    }

    /// Until the guard is dropped, everything that this connection reads is of one moment, whatever others write.
    pub fn one_moment(&self) -> Result<impl Sized + '_> {
        self.connection.unchecked_transaction().map_err(self.place.on("Reading the database"))
    }

    /// Everything a full backup carries to `each`: records each with its former revisions behind it, then the audit
    /// trail. Read within `one_moment`.
    pub fn snapshot(&self, mut each: impl FnMut(Item) -> Result<()>) -> Result<()> {
        let what = self.place.on("Reading the database for a backup");
        let connection = &self.connection;
        let mut records =
            connection.prepare(&format!("SELECT {ROW} FROM record ORDER BY rowid")).map_err(&what)?;
        let mut formers = connection
            .prepare("SELECT id, revision, key_version, generation, envelope FROM former WHERE id = ? ORDER BY revision")
            .map_err(&what)?;
        let mut rows = records.query([]).map_err(&what)?;
        while let Some(next) = rows.next().map_err(&what)? {
            let record = row(next).map_err(&what)?;
            let id = record.id;
            each(Item::Record(record))?;
            let mut older = formers.query([id.as_bytes()]).map_err(&what)?;
            while let Some(next) = older.next().map_err(&what)? {
                each(Item::Former(former(next).map_err(&what)?))?;
            }
        }
        let mut trail = connection.prepare("SELECT * FROM audit ORDER BY seq").map_err(&what)?;
        let mut entries = trail.query([]).map_err(&what)?;
        while let Some(next) = entries.next().map_err(&what)? {
            each(Item::Audit(audit(next).map_err(&what)?))?;
        }
        Ok(())
    }

    /// How many records there are: ports, and all.
    pub fn counts(&self) -> Result<(u64, u64)> {
        self.connection
            .query_row("SELECT count(*) FILTER (WHERE kind <> 'document'), count(*) FROM record", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(self.place.on("Counting the records"))
    }

    /// Audit entries before `before`, newest first, and how many there are in all.
    pub fn audit(&self, before: Option<u64>, limit: u32) -> Result<(Vec<AuditLine>, u64)> {
        let what = self.place.on("Reading the audit trail");
        let before = before.unwrap_or(i64::MAX as u64);
        let mut query = self
            .connection
            .prepare_cached("SELECT * FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?")
            .map_err(&what)?;
        let lines = query.query_map(params![before, limit], audit).map_err(&what)?;
        let lines = lines.collect::<rusqlite::Result<Vec<_>>>().map_err(&what)?;
        let total =
            self.connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).map_err(&what)?;
        Ok((lines, total))
    }

    /// The first entry at which the chain of hashes does not hold; `None` where it holds. All of the trail is read each
    /// time: an entry that was good a moment ago may have been changed since.
    pub fn audit_broken_at(&self) -> Result<Option<u64>> {
        let what = self.place.on("Checking the audit trail");
        let mut query = self.connection.prepare_cached("SELECT * FROM audit ORDER BY seq").map_err(&what)?;
        let mut lines = query.query([]).map_err(&what)?;
        let (mut hash, mut seq) = (String::new(), 0);
        while let Some(next) = lines.next().map_err(&what)? {
            let line = audit(next).map_err(&what)?;
            seq += 1;
            if line.seq != seq || line.hash != line.derive_hash(&hash) {
                return Ok(Some(seq));
            }
            hash = line.hash;
        }
        Ok(None)
    }

    /// The backups that were proven, newest proof first.
    pub fn backups(&self) -> Result<Vec<BackupRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {BACKUP} FROM backup ORDER BY proven DESC, seq DESC"))
            .and_then(|mut query| query.query_map([], backup)?.collect())
            .map_err(self.place.on("Reading the list of backups"))
    }
}

fn backup(row: &SqlRow<'_>) -> rusqlite::Result<BackupRow> {
    Ok(BackupRow {
        file: row.get(0)?,
        created: moment(row.get(1)?),
        proven: moment(row.get(2)?),
        active_version: KeyVersion(row.get(3)?),
        generation: Generation(row.get(4)?),
        secret_only: row.get(5)?,
        ports: row.get(6)?,
        records: row.get(7)?,
        reminder: row.get(8)?,
        versions: rotation::read_versions(&row.get::<_, String>(9)?),
    })
}

pub(super) fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let kind: String = row.get(1)?;
    let kind = RecordKind::named(&kind).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, "unknown kind of record".into())
    })?;
    Ok(Row {
        id: RecordId::from_bytes(row.get(0)?),
        kind,
        application: row.get(2)?,
        name: row.get(3)?,
        revision: Revision(row.get(4)?),
        key_version: KeyVersion(row.get(5)?),
        generation: Generation(row.get(6)?),
        summary: row.get(7)?,
        envelope: row.get(8)?,
    })
}

pub(super) fn former(row: &SqlRow<'_>) -> rusqlite::Result<Former> {
    Ok(Former {
        id: RecordId::from_bytes(row.get(0)?),
        revision: Revision(row.get(1)?),
        key_version: KeyVersion(row.get(2)?),
        generation: Generation(row.get(3)?),
        envelope: row.get(4)?,
    })
}

pub(super) fn audit(row: &SqlRow<'_>) -> rusqlite::Result<AuditLine> {
    Ok(AuditLine {
        seq: row.get(0)?,
        at: moment(row.get(1)?),
        who: row.get(2)?,
        origin: row.get(3)?,
        act: row.get(4)?,
        object: row.get(5)?,
        detail: row.get(6)?,
        hash: row.get(7)?,
    })
}
