//! What is stored: the master's database, a node's replica, how an answer goes from the one to the other, and how a replica's
//! disk takes transactions. What was not synced is lost in a crash, from some transaction on.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use rand_chacha::ChaCha8Rng;
use sealport_core::{
    id::{Epoch, Generation, KeyVersion, NodeId},
    machine::{
        Ask, AuditMark, Body, Grant, Held, KeySetMark, Marks, Promise, ProvenGrant, Rank, Standing,
        rotation::{Rotation, keeps},
        shared_until, strands,
    },
};

use crate::{
    chance::Chance,
    grants::system,
    keys::{Custody, V1},
    rows::{Common, Name, Records, Row},
};

/// What a node has of its own, whoever is the master.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The grants that were proven here, highest first.
    pub grants: Vec<ProvenGrant>,
    /// What it promised last.
    pub promised: Option<Promise>,
    /// Writes that the history it follows lacks, by number, until the master has them.
    pub spool: BTreeMap<u64, Row>,
    /// The last number.
    pub spooled: u64,
    pub custody: Custody,
    /// Versions in it that the master does not give, kept because something here is sealed under them. Lost with the process.
    pub extra: BTreeSet<KeyVersion>,
}

impl Own {
    /// What a node has that has just joined.
    pub fn joined() -> Self {
        Self { custody: Custody::first(), ..Self::default() }
    }

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

    pub fn spool(&mut self, row: Row) {
        self.spooled += 1;
        self.spool.insert(self.spooled, row);
    }

    /// Versions of these that are not given and still needed here.
    fn needed(
        &self,
        versions: impl Iterator<Item = KeyVersion>,
        active: KeyVersion,
        records: &Records,
        common: &Common,
    ) -> BTreeSet<KeyVersion> {
        let parts = |version| {
            let here = records.all().chain(common.waiting()).chain(self.spool.values());
            here.filter(|row| row.version == version).count() as u64
        };
        versions.filter(|version| keeps(false, *version == active, parts(*version))).collect()
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
    /// Index in the truth of the last transaction.
    pub tip: Option<usize>,
    pub common: Common,
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

    /// Where a body leads to; what everyone hears, from a generation on.
    pub fn end(&self, machine: usize, after: Generation) -> End {
        End {
            at: self.at,
            active: self.active,
            trail: Rc::new(self.trail.clone()),
            tip: self.tip,
            common: Rc::new(self.common.after(after.0)),
            master: machine,
        }
    }

    /// What nodes are given.
    pub fn lent(&self) -> Custody {
        self.own.custody.without(&self.common.withheld())
    }

    /// The mark of that.
    pub fn given(&self) -> KeySetMark {
        self.lent().mark()
    }

    /// The last rotation.
    pub fn rotation(&self) -> Option<Rotation> {
        self.common.rotations.last_key_value().map(|(_, (rotation, _))| *rotation)
    }

    /// Parts under versions below this one.
    pub fn older(&self, than: KeyVersion) -> u64 {
        self.records.all().filter(|row| row.version < than).count() as u64
    }

    /// Versions that were cancelled leave custody, where nothing is sealed under them.
    pub fn tidy(&mut self) {
        let under_way = self.rotation().filter(Rotation::under_way).map(|rotation| rotation.to);
        let mut gone = self.common.withheld();
        gone.retain(|version| Some(*version) != under_way && self.own.custody.holds(*version));
        let still = self.own.needed(gone.iter().copied(), self.active, &self.records, &self.common);
        gone.retain(|version| !still.contains(version));
        self.own.custody = self.own.custody.without(&gone);
    }

    /// The same database in the hands of a node that follows.
    pub fn stand_down(self) -> Replica {
        Replica {
            seen: self.at,
            at: self.at,
            version: Some(self.active).filter(|active| self.own.custody.holds(*active)),
            active: self.active,
            records: self.records,
            trail: Rc::new(self.trail),
            tip: self.tip,
            common: self.common,
            damaged: false,
            standing: Standing::Member,
            own: self.own,
        }
    }
}

/// Where a body brings a replica.
#[derive(Clone, Debug)]
pub struct End {
    pub at: Marks,
    pub active: KeyVersion,
    pub trail: Rc<Vec<usize>>,
    pub tip: Option<usize>,
    pub common: Rc<Common>,
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
    if ask.version != Some(db.active) || ask.keys != Some(db.given()) {
        ops.push(Op::Secret(db.lent()));
    }
    if body == Body::Full {
        let many = db.records.all().count().div_ceil(chunk).max(1);
        ops.extend((0..many).map(|_| Op::Aside { seen: None }));
        let records = Records::clone(&db.records);
        let end = db.end(m, Generation(0));
        ops.push(Op::Swap { records: Box::new(records), end, strands: true });
        return ops;
    }
    let end = db.end(m, ask.at.generation);
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
        ops.push(Op::Piece { seen: None, from: ask.at, rows, end: moves.then(|| end.clone()) });
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
    /// Index in the truth of the transaction that it is at.
    pub tip: Option<usize>,
    pub common: Common,
    pub damaged: bool,
    pub standing: Standing,
    pub own: Own,
}

/// One transaction of a replica, or one write into custody.
#[derive(Clone, Debug)]
pub enum Op {
    /// Custody: what the master gives.
    Secret(Custody),
    /// A delta, in one transaction: what was seen, where it was asked from, the rows, and what the replica then is.
    Piece {
        seen: Option<Marks>,
        from: Marks,
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
    pub fn joined(common: Common) -> Self {
        let at = Marks { epoch: Epoch::FIRST, generation: Generation(0) };
        Self {
            seen: at,
            at,
            version: Some(V1),
            active: V1,
            records: Records::default(),
            trail: Rc::default(),
            tip: None,
            common,
            damaged: false,
            standing: Standing::Member,
            own: Own::joined(),
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
            Op::Secret(given) => return self.take_secret(given),
            Op::Piece { seen, from, rows, end } => {
                if let Some(end) = &end {
                    // Entries that are here are not taken again; the next one must continue the last.
                    let here = self.trail.len();
                    if !self.may_arrive(end)
                        || self.at != from
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
                    self.common.take(&end.common);
                    self.reach(&end);
                }
            }
            Op::Aside { seen } => self.seen = self.seen.max(seen.unwrap_or(self.seen)),
            Op::Swap { records, end, strands: keeps } => {
                if !self.may_arrive(&end) {
                    return Taken::Refused;
                }
                if keeps && end.at.epoch > self.at.epoch && self.at.generation.0 > 0 {
                    self.part(&records, &end);
                }
                (self.records, self.at, self.trail) = (*records, end.at, end.trail.clone());
                self.common = Common::clone(&end.common);
                self.damaged = false;
                self.reach(&end);
                return Taken::Anew;
            }
            Op::Damaged => self.damaged = true,
            Op::Standing(standing) => self.standing = standing,
            Op::Grant(grant) => self.keep_grant(grant),
        }
        Taken::Written
    }

    fn reach(&mut self, end: &End) {
        self.tip = end.tip;
        self.active = end.active;
        // A new reign may lack what the former one made active.
        if self.version.is_some() && self.own.custody.holds(end.active) {
            self.version = Some(end.active);
        }
        self.forget_unneeded();
    }

    /// Takes what the master gives into custody. What it does not give any more is kept while something here needs it; one
    /// in which a version is another secret than here is refused.
    fn take_secret(&mut self, given: Custody) -> Taken {
        if self.own.custody.differing(&given).is_some() {
            return Taken::Refused;
        }
        let dropped = self.own.custody.keys().map(|key| key.number).filter(|number| !given.holds(*number));
        let extra = self.own.needed(dropped, self.active, &self.records, &self.common);
        let kept: Vec<_> = extra.iter().filter_map(|number| self.own.custody.key(*number)).collect();
        self.own.custody = given.after(&self.own.custody);
        kept.into_iter().for_each(|key| self.own.custody.put(key));
        self.own.extra = extra;
        if self.own.custody.holds(self.active) {
            self.version = Some(self.active);
        } else if self.version.is_none_or(|version| !self.own.custody.holds(version)) {
            self.version = self.own.custody.highest_held();
        }
        Taken::Written
    }

    /// Versions that are kept for what is sealed under them go when nothing is.
    fn forget_unneeded(&mut self) {
        let still = self.own.needed(self.own.extra.iter().copied(), self.active, &self.records, &self.common);
        let gone: BTreeSet<_> = self.own.extra.difference(&still).copied().collect();
        self.own.custody = self.own.custody.without(&gone);
        self.own.extra = still;
    }

    /// What the history that comes lacks is kept, to be sent to its master.
    fn part(&mut self, records: &Records, end: &End) {
        let names = |records: &Records| -> BTreeSet<Name> { records.all().map(Row::name).collect() };
        let lacking = strands(&names(&self.records), &names(records));
        // What both histories have may have been sealed anew meanwhile: what opens says whether it is the same.
        let anew = |row: &Row| {
            let there = records.get(row.record, row.revision);
            there.is_some_and(|there| row.says_the_same(there, &self.own.custody))
        };
        let parted = self.records.all().filter(|row| lacking.contains(&row.name()) && !anew(row));
        let waiting = self.common.waiting().filter(|row| !end.common.stranded.contains_key(&row.name()));
        let parted: Vec<_> = parted.chain(waiting).cloned().collect();
        parted.into_iter().for_each(|row| self.own.spool(row));
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
        let keys = self.own.custody.without(&self.own.extra).mark();
        Held {
            system: system(),
            node,
            grant: self.own.highest(),
            seen: self.seen,
            at: self.at,
            audit: self.audit(),
            version: self.version,
            keys: self.version.map(|_| keys),
            counts: self.records.counts(),
            nodes: self.common.nodes(),
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
