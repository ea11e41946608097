//! Rotations in the database: their rows, and the guarded moves from one phase to the next.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, Transaction, params, types::Type};
use sealport_core::{
    Code, Error,
    api::RotationPhase,
    id::{Epoch, Generation, KeyVersion, NodeId},
    machine::{
        Rank,
        rotation::{
            ActivateFacts, DestroyFacts, MemberFact, PrepareFacts, RetireFacts, Rotation, may_activate,
            may_destroy, may_prepare, may_retire,
        },
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    BackupRow, Result, Store,
    promotion::forced,
    refusal::{activate_refused, destroy_refused, moved_on, not_under_way, prepare_refused, retire_refused},
    reseal::{count_older, count_under},
    sqlite::moment,
};

const ROTATION: &str =
    "former, version, phase, paused, epoch, started, by, backup, total, finished, cleared, note, generation";

/// A rotation as it is kept, and as sync carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct RotationRow {
    pub from: KeyVersion,
    pub to: KeyVersion,
    pub phase: RotationPhase,
    pub paused: bool,
    pub epoch: Epoch,
    pub started: Timestamp,
    pub by: String,
    /// The file of the backup that holds `to`.
    pub backup: Option<String>,
    /// Parts that were to be sealed anew when it was activated.
    pub total: u64,
    pub finished: Option<Timestamp>,
    /// The generation from which on nothing is sealed under an older version.
    pub cleared: Option<Generation>,
    pub note: Option<String>,
    pub generation: Generation,
}

impl RotationRow {
    /// As the rules look at it.
    pub fn rotation(&self) -> Rotation {
        Rotation { from: self.from, to: self.to, phase: self.phase, paused: self.paused, epoch: self.epoch }
    }
}

/// A version that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct DestroyedRow {
    pub version: KeyVersion,
    pub kcv: String,
    pub created: Timestamp,
    pub at: Timestamp,
    pub by: String,
    pub generation: Generation,
}

/// A move of a rotation, or the end of a version. Each is guarded inside the transaction that makes it.
#[derive(Debug)]
pub enum RotationMove {
    /// Begins one to this version.
    Prepare {
        /// The version that it makes, by the facts that the caller saw.
        to: KeyVersion,
        /// The highest version that custody holds, or that another node told of.
        highest: KeyVersion,
        /// A standby that was not seen to follow this master.
        unheard: Option<NodeId>,
        /// Versions that custody holds.
        held: usize,
        /// Versions that it has room for.
        room: usize,
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
    },
    /// Its backup is proven; the row of that comes in the same change.
    Prove {
        /// The version.
        to: KeyVersion,
        /// File of the backup.
        file: String,
    },
    /// Nodes are given the version.
    Distribute {
        /// The version.
        to: KeyVersion,
        /// Whether custody holds it.
        holds: bool,
    },
    /// It becomes the active one.
    Activate {
        /// The version.
        to: KeyVersion,
        /// The epoch of the decision.
        decided_in: Epoch,
        /// Whether custody holds it.
        holds: bool,
        /// Members other than the master.
        members: Vec<MemberFact>,
        /// Milliseconds since the master started.
        up: u64,
    },
    /// Nothing is left under older versions.
    Verify {
        /// The version.
        to: KeyVersion,
    },
    /// It is done.
    Retire {
        /// The version.
        to: KeyVersion,
        /// Parts of the sample that opened, of how many.
        opened: (u64, u64),
        /// When.
        at: Timestamp,
    },
    /// It stops for now, or goes on.
    Pause {
        /// The version.
        to: KeyVersion,
        /// Whether it stops.
        paused: bool,
    },
    /// It is given up.
    Cancel {
        /// The version.
        to: KeyVersion,
        /// When.
        at: Timestamp,
        /// Why, where nobody asked for it.
        why: Option<String>,
    },
    /// Records under older versions came with a backup: they are sealed anew.
    Resume {
        /// The oldest of these versions.
        from: KeyVersion,
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
    },
    /// A version is wiped from every node.
    Destroy {
        /// The version.
        version: KeyVersion,
        /// Whether custody holds it.
        held: bool,
        /// Its check value.
        kcv: String,
        /// When it was made.
        created: Timestamp,
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
    },
}

impl Store {
    /// The last rotation.
    pub fn rotation(&self) -> Result<Option<RotationRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {ROTATION} FROM rotation ORDER BY version DESC LIMIT 1"))
            .and_then(|mut query| query.query_row([], rotation).optional())
            .map_err(self.place.on("Reading the rotation"))
    }

    /// What a rotation would begin from. `highest` is what custody holds or other nodes told; whatever this database knows of
    /// comes to it.
    pub fn prepare_facts(
        &self,
        highest: KeyVersion,
        unheard: Option<NodeId>,
        held: usize,
        room: usize,
    ) -> Result<PrepareFacts> {
        prepare_facts(&self.connection, highest, unheard, held, room)
            .map_err(self.place.on("Reading what a rotation begins from"))
    }

    /// All rotations after a generation, oldest first.
    pub fn rotations(&self, after: Generation) -> Result<Vec<RotationRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {ROTATION} FROM rotation WHERE generation > ? ORDER BY version"))
            .and_then(|mut query| query.query_map([after.0], rotation)?.collect())
            .map_err(self.place.on("Reading the rotations"))
    }

    /// Versions that were destroyed after a generation.
    pub fn destroyed(&self, after: Generation) -> Result<Vec<DestroyedRow>> {
        self.connection
            .prepare_cached(
                "SELECT version, kcv, created, at, by, generation FROM destroyed WHERE generation > ? ORDER BY version",
            )
            .and_then(|mut query| {
                query
                    .query_map([after.0], |row| {
                        Ok(DestroyedRow {
                            version: KeyVersion(row.get(0)?),
                            kcv: row.get(1)?,
                            created: moment(row.get(2)?),
                            at: moment(row.get(3)?),
                            by: row.get(4)?,
                            generation: Generation(row.get(5)?),
                        })
                    })?
                    .collect()
            })
            .map_err(self.place.on("Reading which versions were destroyed"))
    }

    /// Versions that the master may hold and nodes are not to have: prepared, cancelled, destroyed.
    pub fn withheld(&self) -> Result<Vec<KeyVersion>> {
        self.connection
            .prepare_cached(
                "SELECT version FROM rotation WHERE phase IN ('prepared', 'proven', 'cancelled')
                 UNION SELECT version FROM destroyed ORDER BY 1",
            )
            .and_then(|mut query| query.query_map([], |row| row.get(0).map(KeyVersion))?.collect())
            .map_err(self.place.on("Reading which versions nodes get"))
    }
}

/// Carries out a move inside the transaction that writes it.
pub(super) fn carry_out(
    tx: &Transaction<'_>,
    change: &RotationMove,
    epoch: Epoch,
    active: KeyVersion,
    generation: u64,
) -> rusqlite::Result<Result<()>> {
    let last = present(tx)?;
    let of = |to: KeyVersion| last.clone().filter(|row| row.to == to);
    let row = match change {
        RotationMove::Prepare { to, highest, unheard, held, room, at, by } => {
            match may_prepare(&prepare_facts(tx, *highest, *unheard, *held, *room)?) {
                Ok(next) if next == *to => fresh(active, *to, RotationPhase::Prepared, epoch, *at, by),
                Ok(_) => return Ok(Err(moved_on("Another rotation came in between."))),
                Err(refusal) => {
                    let name = unheard.map(|node| name_of(tx, node)).transpose()?.unwrap_or_default();
                    return Ok(Err(prepare_refused(refusal, &name)));
                }
            }
        }
        RotationMove::Resume { from, at, by } => {
            // In which epoch the backup's version was made it does not say.
            let row = fresh(*from, active, RotationPhase::Resealing, Epoch::FIRST, *at, by);
            RotationRow { total: count_older(tx, active)?, ..row }
        }
        RotationMove::Prove { to, file } => match of(*to) {
            Some(row) if row.phase == RotationPhase::Prepared => {
                RotationRow { phase: RotationPhase::Proven, backup: Some(file.clone()), ..row }
            }
            _ => return Ok(Err(moved_on("The rotation was cancelled meanwhile."))),
        },
        RotationMove::Distribute { to, holds } => match of(*to) {
            Some(row) if row.phase == RotationPhase::Proven && !row.paused && *holds => {
                RotationRow { phase: RotationPhase::Distributing, ..row }
            }
            _ => return Ok(Err(moved_on("The rotation is not at that point any more."))),
        },
        RotationMove::Activate { to, decided_in, holds, members, up } => {
            let Some(row) = of(*to) else { return Ok(Err(moved_on("There is no such rotation."))) };
            let facts = ActivateFacts {
                rotation: row.rotation(),
                decided_in: *decided_in,
                epoch,
                active,
                backup: backup_holds(tx, *to)?,
                holds_to: *holds,
                members,
                up: *up,
            };
            if let Err(refusal) = may_activate(&facts) {
                return Ok(Err(activate_refused(*to, refusal)));
            }
            tx.execute("UPDATE system SET active_version = ?", [to.0])?;
            RotationRow { phase: RotationPhase::Resealing, total: count_older(tx, *to)?, ..row }
        }
        RotationMove::Verify { to } => match of(*to) {
            Some(row) if row.phase == RotationPhase::Resealing => {
                RotationRow { phase: RotationPhase::Verifying, ..row }
            }
            _ => return Ok(Err(moved_on("The rotation is not at that point any more."))),
        },
        RotationMove::Retire { to, opened, at } => {
            let Some(row) = of(*to) else { return Ok(Err(moved_on("There is no such rotation."))) };
            let facts = RetireFacts {
                rotation: row.rotation(),
                active,
                older: count_older(tx, *to)?,
                opened: *opened,
            };
            if let Err(refusal) = may_retire(&facts) {
                return Ok(Err(retire_refused(refusal)));
            }
            RotationRow {
                phase: RotationPhase::Done,
                finished: Some(*at),
                cleared: Some(Generation(generation)),
                ..row
            }
        }
        RotationMove::Pause { to, paused } => match of(*to) {
            Some(row) if row.rotation().under_way() => RotationRow { paused: *paused, ..row },
            _ => return Ok(Err(not_under_way())),
        },
        RotationMove::Cancel { to, at, why } => match of(*to) {
            Some(row) if row.rotation().cancellable() => RotationRow {
                phase: RotationPhase::Cancelled,
                paused: false,
                finished: Some(*at),
                note: why.clone(),
                ..row
            },
            Some(row) if row.rotation().under_way() => {
                return Ok(Err(Error::new(
                    Code::Refused,
                    format!("Version {} is active already: there is no way back.", row.to),
                )
                .hint(
                    "It goes on to its end. A new rotation leads away from a version that is not wanted.",
                )));
            }
            _ => return Ok(Err(not_under_way())),
        },
        RotationMove::Destroy { version, held, kcv, created, at, by } => {
            let facts = DestroyFacts {
                version: *version,
                held: *held,
                active,
                rotation: last.as_ref().map(RotationRow::rotation),
                parts: count_under(tx, *version)?,
            };
            if let Err(refusal) = may_destroy(&facts) {
                return Ok(Err(destroy_refused(*version, refusal)));
            }
            let row = DestroyedRow {
                version: *version,
                kcv: kcv.clone(),
                created: *created,
                at: *at,
                by: by.clone(),
                generation: Generation(generation),
            };
            put_destroyed(tx, &row)?;
            return Ok(Ok(()));
        }
    };
    put_rotation(tx, &RotationRow { generation: Generation(generation), ..row })?;
    Ok(Ok(()))
}

fn fresh(
    from: KeyVersion,
    to: KeyVersion,
    phase: RotationPhase,
    epoch: Epoch,
    started: Timestamp,
    by: &str,
) -> RotationRow {
    RotationRow {
        from,
        to,
        phase,
        paused: false,
        epoch,
        started,
        by: by.to_owned(),
        backup: None,
        total: 0,
        finished: None,
        cleared: None,
        note: None,
        generation: Generation(0),
    }
}

/// Takes a rotation over, in the place of what was known of it.
pub(super) fn put_rotation(tx: &Transaction<'_>, row: &RotationRow) -> rusqlite::Result<()> {
    let phase = serde_json::to_value(row.phase).unwrap_or_default();
    tx.prepare_cached(&format!(
        "INSERT OR REPLACE INTO rotation ({ROTATION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?
    .execute(params![
        row.from.0,
        row.to.0,
        phase.as_str(),
        row.paused,
        row.epoch.0,
        row.started.as_millis(),
        row.by,
        row.backup,
        row.total,
        row.finished.map(|at| at.as_millis()),
        row.cleared.map(|at| at.0),
        row.note,
        row.generation.0,
    ])?;
    Ok(())
}

/// Remembers that a version is gone.
pub(super) fn put_destroyed(tx: &Transaction<'_>, row: &DestroyedRow) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO destroyed (version, kcv, created, at, by, generation) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.version.0,
        row.kcv,
        row.created.as_millis(),
        row.at.as_millis(),
        row.by,
        row.generation.0,
    ])?;
    Ok(())
}

pub(super) fn present(connection: &Connection) -> rusqlite::Result<Option<RotationRow>> {
    connection
        .prepare_cached(&format!("SELECT {ROTATION} FROM rotation ORDER BY version DESC LIMIT 1"))?
        .query_row([], rotation)
        .optional()
}

fn prepare_facts(
    connection: &Connection,
    highest: KeyVersion,
    unheard: Option<NodeId>,
    held: usize,
    room: usize,
) -> rusqlite::Result<PrepareFacts> {
    let (node, epoch, active) =
        connection.query_row("SELECT node, epoch, active_version FROM system", [], |row| {
            Ok((NodeId::from_bytes(row.get(0)?), Epoch(row.get(1)?), KeyVersion(row.get(2)?)))
        })?;
    let highest = highest.max(highest_ever(connection)?);
    let made_in: Option<u64> = connection
        .query_row("SELECT epoch FROM rotation WHERE version = ?", [highest.0], |row| row.get(0))
        .optional()?;
    Ok(PrepareFacts {
        last: present(connection)?.as_ref().map(RotationRow::rotation),
        active,
        highest,
        made_in: made_in.map_or(Epoch::FIRST, Epoch),
        epoch,
        forced: forced(connection, Rank { epoch, node })?,
        unheard,
        held,
        room,
    })
}

/// The highest version that this database knows of: made or destroyed here, held by a proven backup, or used by anything.
fn highest_ever(connection: &Connection) -> rusqlite::Result<KeyVersion> {
    let used: u32 = connection.query_row(
        "SELECT max(coalesce((SELECT max(version) FROM rotation), 0), coalesce((SELECT max(version) FROM destroyed), 0),
                    coalesce((SELECT max(key_version) FROM record), 0), coalesce((SELECT max(key_version) FROM former), 0),
                    coalesce((SELECT max(key_version) FROM stranded), 0))",
        [],
        |row| row.get(0),
    )?;
    let backups = backup_versions(connection)?;
    let backed = backups.iter().flat_map(|(active, versions)| versions.iter().chain([active])).max();
    Ok(backed.copied().unwrap_or(KeyVersion(0)).max(KeyVersion(used)))
}

fn backup_versions(connection: &Connection) -> rusqlite::Result<Vec<(KeyVersion, Vec<KeyVersion>)>> {
    connection
        .prepare_cached("SELECT active_version, versions FROM backup")?
        .query_map([], |row| Ok((KeyVersion(row.get(0)?), read_versions(&row.get::<_, String>(1)?))))?
        .collect()
}

fn backup_holds(tx: &Transaction<'_>, version: KeyVersion) -> rusqlite::Result<bool> {
    Ok(backup_versions(tx)?.iter().any(|(active, versions)| holds(*active, versions, version)))
}

fn name_of(tx: &Transaction<'_>, node: NodeId) -> rusqlite::Result<String> {
    let name = tx.query_row("SELECT name FROM node WHERE id = ?", [node.as_bytes()], |row| row.get(0));
    Ok(name.optional()?.unwrap_or_else(|| node.to_string()))
}

impl BackupRow {
    /// Whether the file holds a version.
    pub fn holds(&self, version: KeyVersion) -> bool {
        holds(self.active_version, &self.versions, version)
    }
}

/// One that does not say which versions it holds is of a time in which it held all up to its active one.
fn holds(active: KeyVersion, versions: &[KeyVersion], version: KeyVersion) -> bool {
    if versions.is_empty() { version <= active } else { versions.contains(&version) }
}

/// Versions as a row keeps them.
pub(super) fn write_versions(versions: &[KeyVersion]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Versions of a row.
pub(super) fn read_versions(text: &str) -> Vec<KeyVersion> {
    text.split(',').filter_map(|version| version.parse().ok()).map(KeyVersion).collect()
}

fn rotation(row: &SqlRow<'_>) -> rusqlite::Result<RotationRow> {
    let phase: String = row.get(2)?;
    let phase = serde_json::from_value(phase.into())
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, e.into()))?;
    Ok(RotationRow {
        from: KeyVersion(row.get(0)?),
        to: KeyVersion(row.get(1)?),
        phase,
        paused: row.get(3)?,
        epoch: Epoch(row.get(4)?),
        started: moment(row.get(5)?),
        by: row.get(6)?,
        backup: row.get(7)?,
        total: row.get(8)?,
        finished: row.get::<_, Option<i64>>(9)?.map(moment),
        cleared: row.get::<_, Option<u64>>(10)?.map(Generation),
        note: row.get(11)?,
        generation: Generation(row.get(12)?),
    })
}
