//! What is stored: rows with real envelopes, the master's database, a node's replica, and how a replica's disk takes
//! transactions. What was not synced is lost in a crash, from some transaction on.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::OnceLock,
};

use rand_chacha::ChaCha8Rng;
use sealport_core::{
    bundle::Bundle,
    id::{Epoch, Generation, KeyVersion, RecordId, Revision, SystemId},
    machine::{AuditMark, Counts, Held, KeySetMark, Marks, Role, Standing},
    seal::{Context, Keys, SealedKind, derive_key_check},
    secret::MasterSecret,
};

use crate::chance::Chance;

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

/// The system of every case.
pub fn system() -> SystemId {
    SystemId::from_bytes([9; 16])
}

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

/// The master's database: always whole, one transaction at a time.
#[derive(Clone, Debug)]
pub struct Db {
    pub at: Marks,
    pub active: KeyVersion,
    pub records: Records,
    /// Index in the truth of each entry of the audit trail.
    pub trail: Vec<usize>,
    /// By machine: role, and standing.
    pub members: Vec<(Role, Standing)>,
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
}

/// The mark of all versions up to one.
pub fn keys_up_to(version: KeyVersion) -> KeySetMark {
    KeySetMark(version.0)
}

/// What a node has on disk and in custody.
#[derive(Clone, Debug)]
pub struct Replica {
    pub seen: Marks,
    pub at: Marks,
    pub audit: AuditMark,
    pub version: Option<KeyVersion>,
    pub records: Records,
    pub damaged: bool,
    pub standing: Standing,
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
        end: Option<(Marks, AuditMark)>,
    },
    /// A piece of a full copy, kept aside; nothing shows.
    Aside {
        seen: Option<Marks>,
    },
    /// The full copy takes the place of what was there.
    Swap {
        records: Box<Records>,
        end: (Marks, AuditMark),
    },
    Damaged,
    Standing(Standing),
}

impl Replica {
    /// What a node has that has just joined.
    pub fn joined() -> Self {
        let at = Marks { epoch: Epoch::FIRST, generation: Generation(0) };
        Self {
            seen: at,
            at,
            audit: AuditMark::default(),
            version: Some(V1),
            records: Records::default(),
            damaged: false,
            standing: Standing::Member,
        }
    }

    /// Carries out a transaction.
    pub fn commit(&mut self, op: Op) {
        match op {
            Op::Secret(version) => self.version = Some(version),
            Op::Piece { seen, rows, end } => {
                self.seen = self.seen.max(seen.unwrap_or(self.seen));
                rows.into_iter().for_each(|row| self.records.take(row));
                if let Some((at, audit)) = end {
                    (self.at, self.audit) = (at, audit);
                }
            }
            Op::Aside { seen } => self.seen = self.seen.max(seen.unwrap_or(self.seen)),
            Op::Swap { records, end: (at, audit) } => {
                (self.records, self.at, self.audit) = (*records, at, audit);
                self.damaged = false;
            }
            Op::Damaged => self.damaged = true,
            Op::Standing(standing) => self.standing = standing,
        }
    }

    /// As the machine wants to know it.
    pub fn held(&self) -> Held {
        Held {
            system: system(),
            seen: self.seen,
            at: self.at,
            audit: self.audit.clone(),
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
    /// The oldest transaction is synced. Whether it took the place of all that was there.
    pub fn sync(&mut self) -> bool {
        let Some(op) = self.unsynced.pop_front() else { return false };
        let anew = matches!(op, Op::Swap { .. });
        self.durable.commit(op);
        anew
    }

    /// The power goes: the first few that were on their way may have arrived. Whether one took the place of all.
    pub fn crash(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let arrived = rng.below(self.unsynced.len() as u64 + 1);
        let anew = (0..arrived).fold(false, |anew, _| self.sync() || anew);
        self.unsynced.clear();
        anew
    }
}
