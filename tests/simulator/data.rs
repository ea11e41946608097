//! What is stored: rows with real envelopes, the master's database, a node's replica, and how a replica's disk takes
//! transactions. What was not synced is lost in a crash, from some transaction on.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    sync::OnceLock,
};

use rand_chacha::ChaCha8Rng;
use sealport_core::{
    bundle::Bundle,
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision},
    machine::{
        Ask, AuditMark, Body, Counts, Grant, Held, KeySetMark, Marks, Promise, ProvenGrant, Rank, Role,
        Standing, shared_until, strands,
    },
    seal::{Context, Keys, SealedKind, derive_key_check},
    secret::MasterSecret,
};

use crate::{chance::Chance, grants::system};

/// One revision of a record.
#[derive(Clone, Debug)]
pub struct Row {
    pub record: u32,
    pub revision: u64,
    /// The generation that wrote it; 0 until it is written.
    pub generation: u64,
    /// Which write it is, over all nodes.
    pub write: u64,
    pub version: KeyVersion,
    pub envelope: Rc<Vec<u8>>,
}

impl Row {
    /// Seals what write `write` says.
    pub fn make(record: u32, revision: u64, write: u64, version: KeyVersion, rng: &mut ChaCha8Rng) -> Self {
        let plain = format!("write {write}");
        let envelope = keys(version).make_sealed(context(record, revision), plain.as_bytes(), rng);
        Self { record, revision, generation: 0, write, version, envelope: Rc::new(envelope) }
    }

    /// Whether these keys open it as what it says it is.
    pub fn opens(&self, version: KeyVersion) -> bool {
        let plain = keys(version).open(context(self.record, self.revision), &self.envelope);
        plain.is_ok_and(|plain| *plain == format!("write {}", self.write).into_bytes())
    }
}

fn context(record: u32, revision: u64) -> Context<'static> {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&record.to_be_bytes());
    Context {
        record: RecordId::from_bytes(id),
        application: "Orders",
        kind: SealedKind::ReceivePort,
        revision: Revision(revision),
    }
}

pub const V1: KeyVersion = KeyVersion(1);
pub const V2: KeyVersion = KeyVersion(2);

/// The keys of a node whose active version is this one.
fn keys(active: KeyVersion) -> &'static Keys {
    static KEYS: OnceLock<[Keys; 2]> = OnceLock::new();
    let all = KEYS.get_or_init(|| [1, 2].map(derive_keys));
    &all[active.0 as usize - 1]
}

fn derive_keys(active: u32) -> Keys {
    let versions: Vec<_> = (1..=active)
        .map(|version| {
            let bytes = [version as u8; 32];
            let secret = MasterSecret::from_slice(&bytes).unwrap();
            serde_json::json!({
                "version": version, "created": "2026-01-01T00:00:00.000Z",
                "check": derive_key_check(system(), &secret).to_string(),
                "secret": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes),
            })
        })
        .collect();
    let text = serde_json::json!({ "format": 1, "system": system(), "active": active, "versions": versions });
    Keys::derive(&Bundle::from_text(&text.to_string()).unwrap())
}

/// The records of a database: present revisions, and former ones.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub rows: BTreeMap<u32, Row>,
    pub formers: BTreeMap<(u32, u64), Row>,
}

impl Records {
    /// Takes a revision in, in whatever order revisions come.
    pub fn take(&mut self, row: Row) {
        match self.rows.get(&row.record) {
            Some(present) if present.revision > row.revision => {
                self.formers.insert((row.record, row.revision), row);
            }
            Some(present) if present.revision < row.revision => {
                let former = self.rows.insert(row.record, row).unwrap();
                self.formers.insert((former.record, former.revision), former);
            }
            _ => {
                self.rows.insert(row.record, row);
            }
        }
    }

    /// A revision.
    pub fn get(&self, record: u32, revision: u64) -> Option<&Row> {
        let present = self.rows.get(&record).filter(|row| row.revision == revision);
        present.or_else(|| self.formers.get(&(record, revision)))
    }

    /// All revisions.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().chain(self.formers.values())
    }

    /// The one at this place, counted around, to be damaged.
    pub fn nth_mut(&mut self, nth: u32) -> Option<&mut Row> {
        let many = self.rows.len() + self.formers.len();
        let nth = (nth as usize).checked_rem(many)?;
        self.rows.values_mut().chain(self.formers.values_mut()).nth(nth)
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        Counts { records: self.rows.len() as u64, formers: self.formers.len() as u64 }
    }
}

/// By machine: role, and standing.
pub type Members = Vec<(Role, Standing)>;

/// What a node has of its own, whoever is the master.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The grants that were proven here, highest first.
    pub grants: Vec<ProvenGrant>,
    /// What it promised last.
    pub promised: Option<Promise>,
    /// Writes that the history it follows lacks.
    pub stranded: Vec<Row>,
    /// The highest version of the secret that custody holds, with all below it.
    pub top: Option<KeyVersion>,
}

impl Own {
    /// The highest grant.
    pub fn highest(&self) -> Option<Rank> {
        self.grants.first().map(ProvenGrant::rank)
    }

    /// Keeps one more.
    pub fn put(&mut self, grant: ProvenGrant) {
        if self.grants.iter().all(|known| known.rank() != grant.rank()) {
            self.grants.push(grant);
            self.grants.sort_by_key(|grant| std::cmp::Reverse(grant.rank()));
        }
    }

    /// Up to where a replica of an epoch is part of this history.
    pub fn shared(&self, present: Epoch, of: Epoch) -> Option<Generation> {
        let grants: Vec<&Grant> = self.grants.iter().map(ProvenGrant::grant).collect();
        if of < present { shared_until(grants, present, of) } else { None }
    }
}

/// The master's database: always whole, one transaction at a time.
#[derive(Clone, Debug)]
pub struct Db {
    pub at: Marks,
    pub active: KeyVersion,
    pub records: Records,
    /// Index in the truth of each entry of the audit trail.
    pub trail: Vec<usize>,
    pub members: Members,
    pub own: Own,
    /// A higher epoch was met: nothing is answered any more.
    pub superseded: bool,
}

impl Db {
    /// The hash of the trail at a line. The index in the truth is one: equal only where all before it is.
    pub fn hash(&self, line: u64) -> Option<String> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.trail.get(index).map(|truth| format!("t{truth}"))
    }

    /// Its last entry.
    pub fn audit(&self) -> AuditMark {
        let line = self.trail.len() as u64;
        AuditMark { line, hash: self.hash(line).unwrap_or_default() }
    }

    /// Where a body leads to.
    pub fn end(&self, machine: usize) -> End {
        End {
            at: self.at,
            active: self.active,
            trail: Rc::new(self.trail.clone()),
            members: Rc::new(self.members.clone()),
            master: machine,
        }
    }

    /// The same database in the hands of a node that follows.
    pub fn stand_down(self) -> Replica {
        Replica {
            seen: self.at,
            at: self.at,
            version: self.own.top.map(|top| top.min(self.active)),
            active: self.active,
            records: self.records,
            trail: Rc::new(self.trail),
            members: Rc::new(self.members),
            damaged: false,
            standing: Standing::Member,
            own: self.own,
        }
    }
}

/// The mark of all versions up to one.
pub fn keys_up_to(version: KeyVersion) -> KeySetMark {
    KeySetMark(version.0)
}

/// Where a body brings a replica.
#[derive(Clone, Debug)]
pub struct End {
    pub at: Marks,
    pub active: KeyVersion,
    pub trail: Rc<Vec<usize>>,
    pub members: Rc<Members>,
    pub master: usize,
}

/// The body of an answer, as the transactions that take it over.
pub fn make_body(
    m: usize,
    db: &Db,
    ask: &Ask,
    body: Body,
    chunk: usize,
    loses: bool,
    split: bool,
) -> Vec<Op> {
    let mut ops = Vec::new();
    if body == Body::Nothing {
        return ops;
    }
    if ask.version != Some(db.active) {
        ops.push(Op::Secret(db.active));
    }
    let end = db.end(m);
    if body == Body::Full {
        let many = db.records.all().count().div_ceil(chunk).max(1);
        ops.extend((0..many).map(|_| Op::Aside { seen: None }));
        let records = Records::clone(&db.records);
        ops.push(Op::Swap { records: Box::new(records), end, strands: true });
        return ops;
    }
    let mut rows: Vec<Row> =
        db.records.all().filter(|row| row.generation > ask.at.generation.0).cloned().collect();
    rows.sort_by_key(|row| row.generation);
    if loses {
        rows.pop();
    }
    // A delta is one transaction: half of one from a history that ended would stay behind unseen.
    let pieces: Vec<Vec<Row>> = match split {
        true => rows.chunks(chunk).map(<[Row]>::to_vec).collect(),
        false => vec![rows],
    };
    let last = pieces.len().saturating_sub(1);
    for (place, rows) in pieces.into_iter().enumerate() {
        let moves = if split { place == 0 } else { place == last };
        ops.push(Op::Piece { seen: None, rows, end: moves.then(|| end.clone()) });
    }
    ops
}

/// What a node has on disk and in custody.
#[derive(Clone, Debug)]
pub struct Replica {
    pub seen: Marks,
    pub at: Marks,
    /// The version of the secret that it seals under.
    pub version: Option<KeyVersion>,
    pub active: KeyVersion,
    pub records: Records,
    pub trail: Rc<Vec<usize>>,
    pub members: Rc<Members>,
    pub damaged: bool,
    pub standing: Standing,
    pub own: Own,
}

/// One transaction of a replica, or one write into custody.
#[derive(Clone, Debug)]
pub enum Op {
    /// Custody.
    Secret(KeyVersion),
    /// A delta, in one transaction: what was seen, the rows, and what the replica then is.
    Piece {
        seen: Option<Marks>,
        rows: Vec<Row>,
        end: Option<End>,
    },
    /// A piece of a full copy, kept aside; nothing shows.
    Aside {
        seen: Option<Marks>,
    },
    /// The full copy takes the place of what was there; what the history that comes lacks is set aside.
    Swap {
        records: Box<Records>,
        end: End,
        strands: bool,
    },
    Damaged,
    Standing(Standing),
    /// A higher grant.
    Grant(ProvenGrant),
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is written.
    Written,
    /// It took the place of all that was there.
    Anew,
    /// It is of a master that is none any more, or does not continue what is here.
    Refused,
}

impl Replica {
    /// What a node has that has just joined.
    pub fn joined(members: Members) -> Self {
        let at = Marks { epoch: Epoch::FIRST, generation: Generation(0) };
        Self {
            seen: at,
            at,
            version: Some(V1),
            active: V1,
            records: Records::default(),
            trail: Rc::default(),
            members: Rc::new(members),
            damaged: false,
            standing: Standing::Member,
            own: Own { top: Some(V1), ..Own::default() },
        }
    }

    /// The last entry of its trail.
    pub fn audit(&self) -> AuditMark {
        let hash = self.trail.last().map(|truth| format!("t{truth}"));
        AuditMark { line: self.trail.len() as u64, hash: hash.unwrap_or_default() }
    }

    /// Whether a body may be taken over: not one of an epoch, or of a master, that is over.
    fn may_arrive(&self, end: &End) -> bool {
        let other =
            |known: Rank| known.epoch == end.at.epoch && usize::from(known.node.as_bytes()[0]) != end.master;
        self.seen.epoch <= end.at.epoch && !self.own.highest().is_some_and(other)
    }

    /// Carries out a transaction.
    pub fn commit(&mut self, op: Op) -> Taken {
        match op {
            Op::Secret(version) => {
                self.version = self.version.max(Some(version));
                self.own.top = self.own.top.max(Some(version));
            }
            Op::Piece { seen, rows, end } => {
                if let Some(end) = &end {
                    // Entries that are here are not taken again; the next one must continue the last.
                    let here = self.trail.len();
                    if !self.may_arrive(end)
                        || (end.trail.len() > here && !end.trail.starts_with(&self.trail))
                    {
                        return Taken::Refused;
                    }
                }
                self.seen = self.seen.max(seen.unwrap_or(self.seen));
                rows.into_iter().for_each(|row| self.records.take(row));
                if let Some(end) = end {
                    self.at = end.at;
                    if end.trail.len() > self.trail.len() {
                        self.trail = end.trail.clone();
                    }
                    self.reach(end);
                }
            }
            Op::Aside { seen } => self.seen = self.seen.max(seen.unwrap_or(self.seen)),
            Op::Swap { records, end, strands: keeps } => {
                if !self.may_arrive(&end) {
                    return Taken::Refused;
                }
                if keeps && end.at.epoch > self.at.epoch {
                    self.strand(&records);
                }
                (self.records, self.at, self.trail) = (*records, end.at, end.trail.clone());
                self.damaged = false;
                self.reach(end);
                return Taken::Anew;
            }
            Op::Damaged => self.damaged = true,
            Op::Standing(standing) => self.standing = standing,
            Op::Grant(grant) => self.keep_grant(grant),
        }
        Taken::Written
    }

    fn reach(&mut self, end: End) {
        self.active = end.active;
        // A new reign may lack what the former one made active.
        self.version = self.own.top.map(|top| top.min(end.active));
        self.members = end.members;
    }

    /// What the history that comes lacks is kept.
    fn strand(&mut self, records: &Records) {
        let known = |records: &Records| -> BTreeSet<_> {
            records.all().map(|row| (row.record, row.revision, row.envelope.clone())).collect()
        };
        let lacking = strands(&known(&self.records), &known(records));
        let rows = self
            .records
            .all()
            .filter(|row| lacking.contains(&(row.record, row.revision, row.envelope.clone())));
        self.own.stranded.extend(rows.cloned());
    }

    /// A higher grant counts from now on. A replica of another master of the same epoch counts as one of the epoch before.
    pub fn keep_grant(&mut self, grant: ProvenGrant) {
        if !grant.outranks(self.seen.epoch, self.own.highest()) {
            return;
        }
        let (begins, rank) = (grant.grant().begins, grant.rank());
        if self.at.epoch == rank.epoch {
            self.at.epoch = begins.epoch;
        }
        self.seen = Marks { epoch: rank.epoch, generation: begins.generation };
        self.own.put(grant);
    }

    /// As the machine wants to know it.
    pub fn held(&self, node: NodeId) -> Held {
        Held {
            system: system(),
            node,
            grant: self.own.highest(),
            seen: self.seen,
            at: self.at,
            audit: self.audit(),
            version: self.version,
            keys: self.version.map(keys_up_to),
            counts: self.records.counts(),
            damaged: self.damaged,
            standing: self.standing,
        }
    }
}

/// A disk with what is on it, and what was written and not yet synced.
#[derive(Debug)]
pub struct Disk {
    pub durable: Replica,
    pub unsynced: VecDeque<Op>,
}

impl Disk {
    /// The oldest transaction is synced.
    pub fn sync(&mut self) -> Taken {
        let Some(op) = self.unsynced.pop_front() else { return Taken::Written };
        self.durable.commit(op)
    }

    /// The power goes: the first few that were on their way may have arrived. Whether one took the place of all.
    pub fn crash(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let arrived = rng.below(self.unsynced.len() as u64 + 1);
        let anew = (0..arrived).fold(false, |anew, _| self.sync() == Taken::Anew || anew);
        self.unsynced.clear();
        anew
    }
}
