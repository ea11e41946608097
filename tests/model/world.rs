//! What the model is made of: nodes with their databases, custody and promises, what is under way between them, and what
//! only the checker knows.
//!
//! A database is not a list of commits but what they came to, with the reigns that made them: a reign has one writer, so
//! (reign, generation) names a history, and stands here for the hash of the trail.

use sealport_core::{
    api::RotationPhase,
    id::{Epoch, Generation, KeyVersion, NodeId},
    machine::{AuditMark, Counts, KeySetMark, Marks, rotation},
};

/// Epochs at most.
pub const EPOCHS: u8 = 3;
/// Versions of the master secret at most.
pub const VERSIONS: u8 = 3;

/// A version of the master secret: its number, and the reign that made it. Two reigns can make two secrets of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub number: u8,
    pub by: Reign,
}

impl Key {
    /// The secret that a system starts with.
    pub const FIRST: Key = Key { number: 1, by: Reign { epoch: 1, node: 0 } };

    pub fn version(self) -> KeyVersion {
        KeyVersion(self.number.into())
    }
}

/// A set of secrets. Numbers up to 7: they have gaps after an emergency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keys(u64);

impl Keys {
    /// The mark of the set, as nodes and masters tell it each other.
    pub fn mark(self) -> KeySetMark {
        KeySetMark((self.0 ^ (self.0 >> 32)) as u32)
    }

    fn bit(key: Key) -> u64 {
        1 << ((key.number - 1) * 9 + (key.by.epoch - 1) * 3 + key.by.node)
    }

    pub fn only(key: Key) -> Self {
        Self(Self::bit(key))
    }

    pub fn has(self, key: Key) -> bool {
        self.0 & Self::bit(key) != 0
    }

    pub fn with(self, key: Key) -> Self {
        Self(self.0 | Self::bit(key))
    }

    pub fn without(self, key: Key) -> Self {
        Self(self.0 & !Self::bit(key))
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn all(self) -> impl DoubleEndedIterator<Item = Key> {
        (0..63u8)
            .filter(move |bit| self.0 & (1 << bit) != 0)
            .map(|bit| Key { number: bit / 9 + 1, by: Reign { epoch: bit % 9 / 3 + 1, node: bit % 3 } })
    }
}

/// A master in an epoch. Ordered as grants are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reign {
    pub epoch: u8,
    pub node: u8,
}

impl Reign {
    pub const FIRST: Reign = Reign { epoch: 1, node: 0 };
}

/// A grant that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issued {
    pub reign: Reign,
    /// Where its history leaves the former one.
    pub begins: (u8, u8),
    /// `None` where the former master handed over.
    pub votes: Option<u8>,
    /// Voters that there are.
    pub of: u8,
}

impl Issued {
    /// Not forced.
    pub fn regular(&self) -> bool {
        self.votes.is_none_or(|votes| votes * 2 > self.of)
    }
}

/// One revision of the record: which write it holds, and under what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub write: u8,
    pub key: Key,
}

/// A row that a history lacks which has taken the place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stranded {
    pub revision: u8,
    pub row: Row,
}

/// The last rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotation {
    pub from: Key,
    pub to: Key,
    pub phase: Phase,
}

impl Rotation {
    pub fn of_core(self) -> rotation::Rotation {
        rotation::Rotation {
            from: self.from.version(),
            to: self.to.version(),
            phase: self.phase.of_core(),
            paused: false,
            epoch: Epoch(self.to.by.epoch.into()),
        }
    }
}

/// [`RotationPhase`], which can't be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Prepared,
    Proven,
    Distributing,
    Resealing,
    Verifying,
    Done,
    Cancelled,
}

impl Phase {
    pub fn of_core(self) -> RotationPhase {
        match self {
            Phase::Prepared => RotationPhase::Prepared,
            Phase::Proven => RotationPhase::Proven,
            Phase::Distributing => RotationPhase::Distributing,
            Phase::Resealing => RotationPhase::Resealing,
            Phase::Verifying => RotationPhase::Verifying,
            Phase::Done => RotationPhase::Done,
            Phase::Cancelled => RotationPhase::Cancelled,
        }
    }
}

/// A reign with the generation that it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Begun {
    pub reign: Reign,
    pub generation: u8,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Db {
    /// The reigns that wrote it, in order.
    pub reigns: Vec<Begun>,
    pub generation: u8,
    /// Revisions of the one record: the last is the present one.
    pub rows: Vec<Row>,
    pub active: Key,
    pub rotation: Option<Rotation>,
    pub destroyed: Keys,
}

impl Db {
    pub fn first() -> Self {
        Self {
            reigns: vec![Begun { reign: Reign::FIRST, generation: 0 }],
            generation: 1,
            rows: Vec::new(),
            active: Key::FIRST,
            rotation: None,
            destroyed: Keys::default(),
        }
    }

    pub fn reign(&self) -> Reign {
        self.reigns.last().expect("a database has a reign").reign
    }

    pub fn marks(&self) -> Marks {
        marks(self.reign().epoch, self.generation)
    }

    /// The hash of the trail at a line: as there is one entry for each generation, the reign that wrote it names it.
    pub fn hash(&self, line: u8) -> Option<String> {
        let at = self.reigns.iter().rev().find(|begun| begun.generation <= line)?;
        (line > 0 && line <= self.generation).then(|| format!("{}.{}.{line}", at.reign.epoch, at.reign.node))
    }

    pub fn audit(&self) -> AuditMark {
        AuditMark { line: self.generation.into(), hash: self.hash(self.generation).unwrap_or_default() }
    }

    pub fn counts(&self) -> Counts {
        Counts {
            records: u64::from(!self.rows.is_empty()),
            formers: self.rows.len().saturating_sub(1) as u64,
        }
    }

    /// Whether this is an earlier state of the other, or the same.
    pub fn continues_in(&self, other: &Db) -> bool {
        self.generation <= other.generation && self.hash(self.generation) == other.hash(self.generation)
    }

    /// What its rows are sealed under.
    pub fn needed(&self) -> Keys {
        self.rows.iter().fold(Keys::default(), |keys, row| keys.with(row.key))
    }

    /// How many of its rows are sealed under this.
    pub fn count_under(&self, key: Key) -> u64 {
        self.rows.iter().filter(|row| row.key == key).count() as u64
    }
}

/// A candidate in an emergency, while it asks for votes. Lost with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ballot {
    /// The epoch that the administrator saw.
    pub expected: u8,
    pub epoch: u8,
    /// By node.
    pub votes: u8,
    /// By node.
    pub objections: u8,
}

/// A batch of a re-sealing between its reading and its transaction. Lost with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The epoch in which it was read.
    pub epoch: u8,
    /// The revision that was read.
    pub revision: u8,
    pub row: Row,
    pub to: Key,
}

/// An answer on its way to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    pub db: Db,
    /// The secrets that nodes are to hold.
    pub given: Keys,
    /// Whether it takes the place of all that is there.
    pub full: bool,
    /// The head alone, for the node to refuse.
    pub nothing: bool,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    pub db: Db,
    /// The highest reign that it has had proven to it. Durable.
    pub grant: Reign,
    /// The highest place that an answer ever showed. Durable.
    pub seen: (u8, u8),
    /// What custody holds.
    pub keys: Keys,
    /// The set of secrets that a master gave it last.
    pub given: Keys,
    /// The highest epoch that it has promised to somebody, and to whom. Durable.
    pub promised: Option<Reign>,
    /// It was the master, and has met a higher epoch. Durable.
    pub superseded: bool,
    /// Rows that the history it follows lacks.
    pub stranded: Vec<Stranded>,
    /// Volatile.
    pub ballot: Option<Ballot>,
    /// Volatile.
    pub batch: Option<Batch>,
    /// Volatile: the answer to its poll.
    pub answer: Option<Answer>,
}

impl Site {
    pub fn first() -> Self {
        Self {
            db: Db::first(),
            grant: Reign::FIRST,
            seen: (1, 1),
            keys: Keys::only(Key::FIRST),
            given: Keys::only(Key::FIRST),
            promised: None,
            superseded: false,
            stranded: Vec::new(),
            ballot: None,
            batch: None,
            answer: None,
        }
    }

    /// Whether, by what it durably knows, it is the master, and its database is that of its reign.
    pub fn reigns(&self, node: u8) -> bool {
        self.grant.node == node && self.db.reign() == self.grant && !self.superseded
    }

    /// Where its replica is. That of another master of the epoch that it follows counts as one of the epoch before.
    pub fn at(&self) -> Marks {
        let reign = self.db.reign();
        let before = self.db.reigns.iter().rev().nth(1).map_or(0, |begun| begun.reign.epoch);
        let other = reign.epoch == self.grant.epoch && reign.node != self.grant.node;
        marks(if other { before } else { reign.epoch }, self.db.generation)
    }

    /// The secrets that a master gives to nodes: not one whose backup is not proven yet.
    pub fn gives(&self) -> Keys {
        match self.db.rotation {
            Some(rotation) if !rotation.of_core().gives() => self.keys.without(rotation.to),
            _ => self.keys,
        }
    }

    pub fn crash(&mut self) {
        (self.ballot, self.batch, self.answer) = (None, None, None);
    }

    /// All that it must be able to open.
    pub fn needed(&self) -> Keys {
        self.stranded.iter().fold(self.db.needed(), |keys, stranded| keys.with(stranded.row.key))
    }
}

/// A write on its way to a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Write {
    pub to: u8,
    /// The epoch of the replica that it was made on.
    pub epoch: u8,
    pub revision: u8,
    pub row: Row,
    /// The write that its writer saw: what the hash of the envelope stands for.
    pub follows: Option<u8>,
    /// Sabotage: it was let in before its transaction.
    pub checked: bool,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub sites: Vec<Site>,
    pub writes: Vec<Write>,
    /// Secrets in a backup that was read back.
    pub backups: Keys,
    /// Writes begun so far.
    pub begun: u8,
    /// Versions of the master secret made so far.
    pub made: u8,
    /// Ghost: writes that were answered as done.
    pub acknowledged: u8,
    /// Ghost: writes that an administrator let go.
    pub discarded: u8,
    /// The grants that were signed. Each may reach any node at any time, or never.
    pub issued: Vec<Issued>,
    /// Acts that happen only once in a run.
    pub misfortunes: u8,
    /// Ghost: what a step did that no step may do.
    pub wrong: Option<&'static str>,
}

pub fn marks(epoch: u8, generation: u8) -> Marks {
    Marks { epoch: Epoch(epoch.into()), generation: Generation(generation.into()) }
}

pub fn node_id(node: u8) -> NodeId {
    NodeId::from_bytes([node; 16])
}
