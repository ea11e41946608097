//! A change of master in the database: the grants that were proven, what was promised, the hand-over, the seat, and the
//! writes that the present history lacks. Each is one transaction that decides by the rows it has locked.

use rusqlite::{OptionalExtension, Transaction, params};
use sealport_core::{
    Code, Error,
    backup::AuditLine,
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision},
    machine::{
        AuditMark, BecomeFacts, BecomeRefusal, HandoverAsk, HandoverFacts, HandoverRefusal, Marks, Member,
        Promise, ProvenGrant, Rank, SignedGrant, VoteRefusal, may_become_master, may_hand_over,
    },
    record::RecordKind,
};
use sha2::{Digest, Sha256};

use super::{Act, Arrival, Result, Store, read::audit, sqlite::append_audit};

/// A write that the present history lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct StrandedRow {
    /// Its number in the list; 0 before the master gave it one.
    pub seq: u64,
    pub origin: String,
    pub record: RecordId,
    pub kind: RecordKind,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub generation: Generation,
    pub digest: [u8; 32],
    pub envelope: Vec<u8>,
    /// Empty while it waits for an administrator.
    pub outcome: String,
}

/// What a database had that the history which takes its place lacks.
#[derive(Debug)]
pub enum Parted {
    /// A write.
    Write(StrandedRow),
    /// An entry of the audit trail.
    Entry(AuditLine),
    /// A node that was revoked.
    Revoked(NodeId, String),
    /// The seat of the master: this node, of this name, follows another now.
    StoodDown(String),
}

/// What makes a node the master.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Seating<'a> {
    pub grant: &'a ProvenGrant,
    /// The epoch that the administrator saw, where this node grants it to itself.
    pub expected: Option<Epoch>,
    pub holds_all: bool,
    /// A backup made this node a standby just now.
    pub by_backup: bool,
    pub address: Option<String>,
    pub act: Act,
}

const STRANDED: &str = "seq, origin, record, kind, application, name, revision, key_version, generation, digest, envelope, outcome";

/// What names a write among stranded ones.
pub fn digest(record: RecordId, revision: Revision, envelope: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(record.as_bytes());
    hash.update(revision.0.to_be_bytes());
    hash.update(envelope);
    hash.finalize().into()
}

impl Store {
    /// The public key of grants, if it is known.
    pub fn grant_key(&self) -> Result<Option<Vec<u8>>> {
        self.connection
            .query_row("SELECT grant_key FROM system", [], |row| row.get(0))
            .map_err(self.place.on("Reading the key of grants"))
    }

    /// Keeps the public key of grants. One that is known is never replaced.
    pub fn set_grant_key(&mut self, key: &[u8]) -> Result<()> {
        self.transact("Keeping the key of grants", |tx| {
            tx.execute("UPDATE system SET grant_key = ? WHERE grant_key IS NULL", [key])?;
            Ok(Ok(()))
        })
    }

    /// The highest grant that was proven here.
    pub fn grant(&self) -> Result<Option<SignedGrant>> {
        grants(&self.connection, "ORDER BY epoch DESC, node DESC LIMIT 1", [])
            .map(|found| found.into_iter().next())
            .map_err(self.place.on("Reading the highest grant"))
    }

    /// The grants of later epochs than this one that were proven here, highest first.
    pub fn grants_after(&self, epoch: Epoch) -> Result<Vec<SignedGrant>> {
        grants(&self.connection, "WHERE epoch > ? ORDER BY epoch DESC, node DESC", [epoch.0])
            .map_err(self.place.on("Reading the grants"))
    }

    /// What this node promised last.
    pub fn promised(&self) -> Result<Option<Promise>> {
        promised(&self.connection).map_err(self.place.on("Reading what was promised"))
    }

    /// Promises an epoch, if `decide` does by the highest epoch seen and what was promised. Durable when it returns.
    pub fn promise(
        &mut self,
        decide: impl FnOnce(Epoch, Option<Promise>) -> std::result::Result<Promise, VoteRefusal>,
    ) -> Result<std::result::Result<Promise, VoteRefusal>> {
        self.transact("Promising an epoch", |tx| {
            let decided = decide(seen(tx)?.epoch, promised(tx)?);
            if let Ok(promise) = decided {
                tx.execute(
                    "UPDATE system SET promised_epoch = ?, promised_to = ?",
                    params![promise.epoch.0, promise.to.as_bytes()],
                )?;
            }
            Ok(Ok(decided))
        })
    }

    /// Keeps a higher grant: where its epoch begins is seen from now on, and its node is the master. Durable when it returns.
    /// A database that this node wrote as the master remembers that it did. Nothing happens where the grant is not higher.
    pub fn keep_grant(&mut self, grant: &ProvenGrant) -> Result<bool> {
        self.transact("Keeping a grant", |tx| {
            let known = highest(tx)?;
            if !grant.outranks(seen(tx)?.epoch, known) {
                return Ok(Ok(false));
            }
            put_grant(tx, grant)?;
            let begins = grant.grant().begins;
            let rank = grant.rank();
            tx.execute(
                "UPDATE system SET seen_epoch = ?1, seen_generation = ?2,
                        epoch = CASE WHEN epoch = ?1 THEN ?3 ELSE epoch END,
                        stood_down = stood_down OR (master = node AND node <> ?4),
                        standing = CASE standing WHEN 'superseded' THEN 'member' ELSE standing END,
                        master = CASE WHEN ?4 = node AND master <> node THEN master ELSE ?4 END",
                params![rank.epoch.0, begins.generation.0, begins.epoch.0, rank.node.as_bytes()],
            )?;
            Ok(Ok(true))
        })
    }

    /// Keeps the grant of the epoch that this database is in.
    pub fn know_grant(&mut self, grant: &ProvenGrant) -> Result<()> {
        self.transact("Keeping a grant", |tx| Ok(Ok(put_grant(tx, grant)?)))
    }

    /// Hands over to the node that `grant` names: its epoch, and this node is the master no more. `drained` says whether no write
    /// is under way; whoever calls holds the writer.
    pub fn hand_over(
        &mut self,
        grant: &ProvenGrant,
        ask: &HandoverAsk,
        candidate: Option<Member>,
        drained: bool,
        rotation_bound: bool,
    ) -> Result<std::result::Result<(), HandoverRefusal>> {
        self.transact("Handing over", |tx| {
            let (at, master) = place(tx)?;
            let facts = HandoverFacts { at, audit: trail(tx)?, master, drained, candidate, rotation_bound };
            if let Err(refusal) = may_hand_over(&facts, ask) {
                return Ok(Ok(Err(refusal)));
            }
            if grant.grant().begins != at || grant.grant().epoch != at.epoch.next() {
                return Ok(Ok(Err(HandoverRefusal::NotDrained)));
            }
            put_grant(tx, grant)?;
            let rank = grant.rank();
            tx.execute(
                "UPDATE system SET epoch = ?1, seen_epoch = ?1, seen_generation = generation, master = ?2",
                params![rank.epoch.0, rank.node.as_bytes()],
            )?;
            Ok(Ok(Ok(())))
        })
    }

    /// Makes this node the master, and gives the generation at which its epoch begins to be written. Where it is that already,
    /// nothing is written.
    pub fn become_master(
        &mut self,
        seating: &Seating<'_>,
    ) -> Result<std::result::Result<Generation, BecomeRefusal>> {
        let Seating { grant, expected, holds_all, by_backup, address, act } = seating;
        self.transact("Becoming the master", |tx| {
            let (at, master) = place(tx)?;
            let rank = grant.rank();
            if master && at.epoch == rank.epoch {
                return Ok(Ok(Ok(at.generation)));
            }
            let (node, damaged): (NodeId, bool) = tx.query_row("SELECT node, damaged FROM system", [], |row| {
                Ok((NodeId::from_bytes(row.get(0)?), row.get(1)?))
            })?;
            let standby: Option<bool> = tx
                .query_row("SELECT role = 'standby' AND revoked = 0 FROM node WHERE id = ?", [node.as_bytes()], |row| {
                    row.get(0)
                })
                .optional()?;
            let facts = BecomeFacts {
                node,
                at,
                seen: seen(tx)?.epoch,
                known: highest(tx)?,
                promised: promised(tx)?,
                holds_all: *holds_all,
                standby: standby == Some(true) || *by_backup,
                damaged,
            };
            if let Err(refusal) = may_become_master(&facts, grant, *expected) {
                return Ok(Ok(Err(refusal)));
            }
            put_grant(tx, grant)?;
            let generation = at.generation.next();
            tx.execute(
                "UPDATE system SET epoch = ?1, seen_epoch = ?1, generation = ?2, seen_generation = ?2, master = node,
                        standing = 'member', stood_down = 0",
                params![rank.epoch.0, generation.0],
            )?;
            tx.execute(
                "UPDATE node SET role = 'standby', revoked = 0, address = coalesce(?, address), generation = ? WHERE id = ?",
                params![address, generation.0, node.as_bytes()],
            )?;
            append_audit(tx, std::slice::from_ref(act))?;
            Ok(Ok(Ok(generation)))
        })
    }

    /// Stranded changes that wait for an administrator.
    pub fn stranded(&self) -> Result<Vec<StrandedRow>> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {STRANDED} FROM stranded WHERE outcome = '' ORDER BY record, revision, seq"
            ))
            .and_then(|mut query| query.query_map([], row)?.collect())
            .map_err(self.place.on("Reading the stranded changes"))
    }

    /// How many there are.
    pub fn stranded_count(&self) -> Result<u64> {
        self.connection
            .prepare_cached("SELECT count(*) FROM stranded WHERE outcome = ''")
            .and_then(|mut query| query.query_row([], |row| row.get(0)))
            .map_err(self.place.on("Counting the stranded changes"))
    }
}

/// The known grants that a clause chooses.
fn grants(
    connection: &rusqlite::Connection,
    clause: &str,
    with: impl rusqlite::Params,
) -> rusqlite::Result<Vec<SignedGrant>> {
    let mut query = connection.prepare_cached(&format!("SELECT text FROM granted {clause}"))?;
    let texts = query.query_map(with, |row| row.get::<_, String>(0))?;
    texts
        .map(|text| {
            serde_json::from_str(&text?).map_err(|e| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into())
            })
        })
        .collect()
}

/// Whether the master of this rank was forced.
pub(super) fn forced(connection: &rusqlite::Connection, rank: Rank) -> rusqlite::Result<bool> {
    let own =
        grants(connection, "WHERE epoch = ? AND node = ?", params![rank.epoch.0, rank.node.as_bytes()])?;
    Ok(own.first().is_some_and(|signed| signed.grant.kind.forced()))
}

fn highest(tx: &Transaction<'_>) -> rusqlite::Result<Option<Rank>> {
    tx.query_row("SELECT epoch, node FROM granted ORDER BY epoch DESC, node DESC LIMIT 1", [], |row| {
        Ok(Rank { epoch: Epoch(row.get(0)?), node: NodeId::from_bytes(row.get(1)?) })
    })
    .optional()
}

fn put_grant(tx: &Transaction<'_>, grant: &ProvenGrant) -> rusqlite::Result<()> {
    let text = serde_json::to_string(grant.signed())
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let rank = grant.rank();
    tx.execute(
        "INSERT OR IGNORE INTO granted VALUES (?, ?, ?)",
        params![rank.epoch.0, rank.node.as_bytes(), text],
    )?;
    Ok(())
}

fn promised(connection: &rusqlite::Connection) -> rusqlite::Result<Option<Promise>> {
    connection.query_row("SELECT promised_epoch, promised_to FROM system", [], |row| {
        let to: Option<[u8; 16]> = row.get(1)?;
        Ok(to
            .zip(row.get(0).ok())
            .map(|(to, epoch)| Promise { epoch: Epoch(epoch), to: NodeId::from_bytes(to) }))
    })
}

/// The highest that was ever seen here.
fn seen(tx: &Transaction<'_>) -> rusqlite::Result<Marks> {
    tx.query_row("SELECT epoch, generation, seen_epoch, seen_generation FROM system", [], |row| {
        let marks = |epoch, generation| Marks { epoch: Epoch(epoch), generation: Generation(generation) };
        Ok(marks(row.get(0)?, row.get(1)?).max(marks(row.get(2)?, row.get(3)?)))
    })
}

/// Where the database is, and whether this node is its master.
fn place(tx: &Transaction<'_>) -> rusqlite::Result<(Marks, bool)> {
    tx.query_row("SELECT epoch, generation, master = node AND standing = 'member' FROM system", [], |row| {
        Ok((Marks { epoch: Epoch(row.get(0)?), generation: Generation(row.get(1)?) }, row.get(2)?))
    })
}

/// The last entry of the audit trail.
fn trail(tx: &Transaction<'_>) -> rusqlite::Result<AuditMark> {
    let last = tx
        .query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(AuditMark { line: row.get(0)?, hash: row.get(1)? })
        })
        .optional()?;
    Ok(last.unwrap_or_default())
}

/// Whether a body may be taken over: not on a master, and not one of an epoch, or of a master, that is over; nor on a replica
/// that another body has moved since it was asked for, where what the present history lacks would stay below it, unseen.
pub(super) fn may_arrive(tx: &Transaction<'_>, to: &Arrival) -> rusqlite::Result<Result<()>> {
    let (at, is_master) = place(tx)?;
    let other = highest(tx)?.is_some_and(|known| known.epoch == to.at.epoch && known.node != to.master);
    if is_master || seen(tx)?.epoch > to.at.epoch || other {
        return Ok(Err(Error::new(Code::Unavailable, "What came is of a master that is none any more.")
            .hint("This node asks the present one by itself.")));
    }
    if to.continues.is_some_and(|from| from != at) {
        return Ok(Err(Error::new(
            Code::Unavailable,
            "What came continues another place than the one this replica is at.",
        )
        .hint("This node asks again by itself, from where it is.")));
    }
    Ok(Ok(()))
}

/// Sets aside, before a full copy of a later epoch takes its place, what of this database the new history may lack. Whether
/// anything was.
pub(super) fn set_aside(tx: &Transaction<'_>, to: Epoch) -> rusqlite::Result<bool> {
    let (at, _) = place(tx)?;
    tx.execute_batch(
        "DROP TABLE IF EXISTS temp.was; DROP TABLE IF EXISTS temp.was_audit; DROP TABLE IF EXISTS temp.was_revoked;
         DROP TABLE IF EXISTS temp.was_stranded;",
    )?;
    if to <= at.epoch || at.generation.0 == 0 {
        return Ok(false);
    }
    // All of it, whatever the generations say: a master that was restored and written to again has another history under
    // numbers that look shared.
    tx.execute_batch(&format!(
        "CREATE TEMP TABLE was AS
         SELECT id, kind, application, name, revision, key_version, envelope FROM main.record
         UNION ALL
         SELECT f.id, r.kind, r.application, r.name, f.revision, f.key_version, f.envelope
         FROM main.former f JOIN main.record r ON r.id = f.id;
         CREATE TEMP TABLE was_stranded AS SELECT {STRANDED} FROM main.stranded WHERE outcome = '';
         CREATE TEMP TABLE was_audit AS SELECT * FROM main.audit WHERE (SELECT stood_down FROM main.system);
         CREATE TEMP TABLE was_revoked AS SELECT id, name FROM main.node WHERE revoked AND (SELECT stood_down FROM main.system);"
    ))?;
    Ok(true)
}

/// Puts into the spool, once, that this node was the master of a history that another one goes on with, whether or not it had
/// anything of its own.
pub(super) fn tell_stood_down(
    tx: &Transaction<'_>,
    keep: &impl Fn(Parted) -> Result<String>,
) -> rusqlite::Result<Result<()>> {
    let name: Option<String> =
        tx.query_row("SELECT node_name FROM system WHERE stood_down", [], |row| row.get(0)).optional()?;
    let Some(name) = name else { return Ok(Ok(())) };
    let text = match keep(Parted::StoodDown(name)) {
        Ok(text) => text,
        Err(error) => return Ok(Err(error)),
    };
    tx.execute("INSERT INTO spool (entry) VALUES (?)", [text])?;
    tx.execute("UPDATE system SET stood_down = 0", [])?;
    Ok(Ok(()))
}

/// Puts into the spool what was set aside and is not in the history that came. Either side may have sealed a revision anew since
/// they parted, so an envelope that differs tells nothing, nor does its key version: `same` compares what both hold.
pub(super) fn keep_parted(
    tx: &Transaction<'_>,
    keep: &impl Fn(Parted) -> Result<String>,
    same: &impl Fn(&StrandedRow, &[u8]) -> bool,
) -> rusqlite::Result<Result<()>> {
    let origin: String = tx.query_row("SELECT node_name FROM system", [], |row| row.get(0))?;
    let mut parted = Vec::new();
    {
        let mut query = tx.prepare(
            "SELECT w.id, w.kind, w.application, w.name, w.revision, w.key_version, w.envelope,
                    coalesce(r.envelope, f.envelope) AS there
             FROM temp.was w LEFT JOIN main.record r ON r.id = w.id AND r.revision = w.revision
                             LEFT JOIN main.former f ON f.id = w.id AND f.revision = w.revision
             WHERE there IS NOT w.envelope ORDER BY w.id, w.revision",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let record = RecordId::from_bytes(row.get(0)?);
            let revision = Revision(row.get(4)?);
            let envelope: Vec<u8> = row.get(6)?;
            let there: Option<Vec<u8>> = row.get(7)?;
            let written = StrandedRow {
                seq: 0,
                origin: origin.clone(),
                record,
                kind: kind(row, 1)?,
                application: row.get(2)?,
                name: row.get(3)?,
                revision,
                key_version: KeyVersion(row.get(5)?),
                generation: Generation(0),
                digest: digest(record, revision, &envelope),
                envelope,
                outcome: String::new(),
            };
            if !there.is_some_and(|there| same(&written, &there)) {
                parted.push(Parted::Write(written));
            }
        }
        let mut query = tx.prepare(&format!(
            "SELECT {STRANDED} FROM temp.was_stranded WHERE digest NOT IN (SELECT digest FROM main.stranded)"
        ))?;
        for row in query.query_map([], row)? {
            parted.push(Parted::Write(row?));
        }
        let mut query = tx.prepare(
            "SELECT * FROM temp.was_audit w WHERE NOT EXISTS (SELECT 1 FROM main.audit a WHERE a.seq = w.seq AND a.hash = w.hash)
             ORDER BY seq",
        )?;
        for line in query.query_map([], audit)? {
            parted.push(Parted::Entry(line?));
        }
        let mut query = tx.prepare(
            "SELECT id, name FROM temp.was_revoked WHERE id NOT IN (SELECT id FROM main.node WHERE revoked)",
        )?;
        for gone in query.query_map([], |row| Ok((NodeId::from_bytes(row.get(0)?), row.get(1)?)))? {
            let (id, name) = gone?;
            parted.push(Parted::Revoked(id, name));
        }
    }
    for one in parted {
        let text = match keep(one) {
            Ok(text) => text,
            Err(error) => return Ok(Err(error)),
        };
        tx.execute("INSERT INTO spool (entry) VALUES (?)", [text])?;
    }
    tx.execute_batch(
        "DROP TABLE temp.was; DROP TABLE temp.was_stranded; DROP TABLE temp.was_audit; DROP TABLE temp.was_revoked;",
    )?;
    Ok(Ok(()))
}

/// Takes stranded changes into the list: each write once, from however many nodes it comes.
pub(super) fn strand(tx: &Transaction<'_>, rows: &[StrandedRow], generation: u64) -> rusqlite::Result<()> {
    for row in rows {
        tx.execute(
            "INSERT OR IGNORE INTO stranded (origin, record, kind, application, name, revision, key_version, generation, digest, envelope)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.origin,
                row.record.as_bytes(),
                row.kind.body().name(),
                row.application,
                row.name,
                row.revision.0,
                row.key_version.0,
                generation,
                digest(row.record, row.revision, &row.envelope),
                row.envelope,
            ],
        )?;
    }
    Ok(())
}

/// Ends stranded changes; each must wait still.
pub(super) fn resolve(
    tx: &Transaction<'_>,
    ended: &[(u64, &'static str)],
    generation: u64,
) -> rusqlite::Result<Result<()>> {
    for (seq, outcome) in ended {
        let changed = tx.execute(
            "UPDATE stranded SET outcome = ?, envelope = x'', key_version = 0, generation = ? WHERE seq = ? AND outcome = ''",
            params![outcome, generation, seq],
        )?;
        if changed == 0 {
            return Ok(Err(Error::new(Code::NotFound, format!("No stranded change {seq} waits any more."))
                .hint("`sealport stranded list` tells those that do.")));
        }
    }
    Ok(Ok(()))
}

/// Takes over a row of the list as the master has it.
pub(super) fn take_stranded(tx: &Transaction<'_>, row: &StrandedRow) -> rusqlite::Result<()> {
    tx.execute(
        &format!("INSERT OR REPLACE INTO stranded ({STRANDED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        params![
            row.seq,
            row.origin,
            row.record.as_bytes(),
            row.kind.body().name(),
            row.application,
            row.name,
            row.revision.0,
            row.key_version.0,
            row.generation.0,
            row.digest,
            row.envelope,
            row.outcome,
        ],
    )?;
    Ok(())
}

/// Rows of the list that changed after a generation.
pub(super) fn stranded_since(store: &Store, after: Generation) -> Result<Vec<StrandedRow>> {
    store
        .connection
        .prepare_cached(&format!(
            "SELECT {STRANDED} FROM stranded WHERE generation > ? ORDER BY generation, seq"
        ))
        .and_then(|mut query| query.query_map([after.0], row)?.collect())
        .map_err(store.place.on("Reading the stranded changes"))
}

fn kind(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<RecordKind> {
    let name: String = row.get(at)?;
    RecordKind::named(&name).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, "no kind of record".into())
    })
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<StrandedRow> {
    Ok(StrandedRow {
        seq: row.get(0)?,
        origin: row.get(1)?,
        record: RecordId::from_bytes(row.get(2)?),
        kind: kind(row, 3)?,
        application: row.get(4)?,
        name: row.get(5)?,
        revision: Revision(row.get(6)?),
        key_version: KeyVersion(row.get(7)?),
        generation: Generation(row.get(8)?),
        digest: row.get(9)?,
        envelope: row.get(10)?,
        outcome: row.get(11)?,
    })
}
