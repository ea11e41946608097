//! Rows with real envelopes, and what the master's database tells every node beside them.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use rand_chacha::ChaCha8Rng;
use sealport_core::{
    id::{KeyVersion, RecordId, Revision},
    machine::{
        Counts, Role, Standing,
        rotation::{Rotation, replaces},
    },
    seal::{Context, SealedKind},
};

use crate::keys::{Custody, Key};

/// What makes a write itself: record, revision and envelope.
pub type Name = (u32, u64, Rc<Vec<u8>>);

/// One revision of a record.
#[derive(Clone, Debug)]
pub struct Row {
    pub record: u32,
    pub revision: u64,
    /// The generation that wrote it, or sealed it anew; 0 until it is written.
    pub generation: u64,
    /// Which write it is, over all nodes.
    pub write: u64,
    /// The write whose value it has: another one where a stranded change was accepted.
    pub says: u64,
    pub version: KeyVersion,
    pub envelope: Rc<Vec<u8>>,
}

impl Row {
    /// Seals what write `write` says.
    pub fn make(record: u32, revision: u64, write: u64, key: Key, rng: &mut ChaCha8Rng) -> Self {
        let none = Rc::default();
        let row =
            Self { record, revision, generation: 0, write, says: write, version: key.number, envelope: none };
        row.under(key, rng)
    }

    /// The same, sealed under another version.
    pub fn under(&self, key: Key, rng: &mut ChaCha8Rng) -> Self {
        let envelope = key.seal(self.context(), &self.plain(), rng);
        Self { version: key.number, envelope: Rc::new(envelope), ..self.clone() }
    }

    /// The same value as another revision, by another write.
    pub fn again(&self, revision: u64, write: u64, key: Key, rng: &mut ChaCha8Rng) -> Self {
        Self { revision, write, generation: 0, ..self.clone() }.under(key, rng)
    }

    /// Whether a custody opens it as what it says it is.
    pub fn opens(&self, custody: &Custody) -> bool {
        let key = custody.key(self.version);
        key.is_some_and(|key| key.opens(self.context(), &self.envelope, &self.plain()))
    }

    /// Whether another row in its place is the same write, as the same bytes or sealed anew. A value holds who wrote it and when.
    pub fn says_the_same(&self, there: &Row, custody: &Custody) -> bool {
        let same = (self.write, self.says) == (there.write, there.says);
        self.envelope == there.envelope || (same && self.opens(custody) && there.opens(custody))
    }

    pub fn name(&self) -> Name {
        (self.record, self.revision, self.envelope.clone())
    }

    fn plain(&self) -> Vec<u8> {
        format!("write {}", self.says).into_bytes()
    }

    fn context(&self) -> Context<'static> {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&self.record.to_be_bytes());
        Context {
            record: RecordId::from_bytes(id),
            application: "Orders",
            kind: SealedKind::ReceivePort,
            revision: Revision(self.revision),
        }
    }
}

/// The records of a database: present revisions, and former ones.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub rows: BTreeMap<u32, Row>,
    pub formers: BTreeMap<(u32, u64), Row>,
}

impl Records {
    /// Takes a revision in, in whatever order revisions come. One that was sealed anew takes the place of what it was.
    pub fn take(&mut self, row: Row) {
        let mark = |row: &Row| (Revision(row.revision), row.version);
        let Some(present) = self.rows.get_mut(&row.record) else {
            self.rows.insert(row.record, row);
            return;
        };
        if present.revision == row.revision {
            if replaces(mark(present), mark(&row)) {
                *present = row;
            }
            return;
        }
        let former = if present.revision < row.revision { std::mem::replace(present, row) } else { row };
        let place = self.formers.entry((former.record, former.revision));
        place
            .and_modify(|held| {
                if replaces(mark(held), mark(&former)) {
                    *held = former.clone();
                }
            })
            .or_insert(former);
    }

    /// Puts a part in the place of what it was, whatever that is.
    pub fn put(&mut self, row: Row, former: bool) {
        if former {
            self.formers.insert((row.record, row.revision), row);
        } else {
            self.rows.insert(row.record, row);
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

/// A write that the present history lacks, as the list has it. What was decided stays, so that it is not taken again.
#[derive(Clone, Debug)]
pub struct Stranded {
    pub row: Row,
    pub waits: bool,
    pub generation: u64,
}

/// What the master's database tells every node beside its records; each with the generation that wrote it last.
#[derive(Clone, Debug, Default)]
pub struct Common {
    pub members: BTreeMap<usize, (Role, Standing, u64)>,
    pub rotations: BTreeMap<KeyVersion, (Rotation, u64)>,
    pub stranded: BTreeMap<Name, Stranded>,
    /// Secrets that proven backups hold. All of them travel each time.
    pub backups: BTreeSet<Key>,
}

impl Common {
    /// A member.
    pub fn member(&self, machine: usize) -> (Role, Standing) {
        let (role, standing, _) = self.members[&machine];
        (role, standing)
    }

    /// How many members there are.
    pub fn nodes(&self) -> u64 {
        self.members.values().filter(|of| of.1 == Standing::Member).count() as u64
    }

    /// Standbys that are members.
    pub fn standbys(&self) -> impl Iterator<Item = usize> + '_ {
        let standby = |of: &(Role, Standing, u64)| (of.0, of.1) == (Role::Standby, Standing::Member);
        self.members.iter().filter(move |(_, of)| standby(of)).map(|(machine, _)| *machine)
    }

    /// Versions that the master may hold and nodes are not to have.
    pub fn withheld(&self) -> BTreeSet<KeyVersion> {
        let withheld = self.rotations.values().filter(|(rotation, _)| !rotation.gives());
        withheld.map(|(rotation, _)| rotation.to).collect()
    }

    /// Stranded changes that wait for an administrator.
    pub fn waiting(&self) -> impl Iterator<Item = &Row> {
        self.stranded.values().filter(|stranded| stranded.waits).map(|stranded| &stranded.row)
    }

    /// What came after a generation.
    pub fn after(&self, generation: u64) -> Self {
        if generation == 0 {
            return self.clone();
        }
        let mut part = Self { backups: self.backups.clone(), ..Self::default() };
        part.members.extend(self.members.iter().filter(|(_, of)| of.2 > generation));
        part.rotations.extend(self.rotations.iter().filter(|(_, of)| of.1 > generation));
        let stranded = self.stranded.iter().filter(|(_, of)| of.generation > generation);
        part.stranded.extend(stranded.map(|(name, of)| (name.clone(), of.clone())));
        part
    }

    /// Takes that over.
    pub fn take(&mut self, part: &Self) {
        self.members.extend(&part.members);
        self.rotations.extend(&part.rotations);
        self.stranded.extend(part.stranded.iter().map(|(name, of)| (name.clone(), of.clone())));
        self.backups.extend(&part.backups);
    }

    /// Whether both say the same.
    pub fn same(&self, other: &Self) -> bool {
        let stranded =
            |of: &Self| -> Vec<_> { of.stranded.iter().map(|(name, of)| (name.clone(), of.waits)).collect() };
        self.members == other.members
            && self.rotations == other.rotations
            && self.backups == other.backups
            && stranded(self) == stranded(other)
    }
}
