//! The seat of the master: who polled when, and which writes wait for a standby. All of it may be lost.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use sealport_core::{
    id::{Epoch, Generation, NodeId},
    machine::{
        Ask, Kept, Moment, ProvenGrant, Rank, Role, STANDBY_WAIT, State,
        master::{Master, MasterEffects, MasterEvent, Seen, WriteId},
    },
};

use crate::clock;

/// What the master remembers of its nodes between requests.
pub struct Seat {
    master: Mutex<Master>,
    waiting: Mutex<BTreeMap<WriteId, mpsc::Sender<Kept>>>,
    writes: AtomicU64,
}

impl Seat {
    /// The seat of the master of this epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self { master: Mutex::new(Master::new(epoch)), waiting: Mutex::default(), writes: AtomicU64::new(0) }
    }

    /// A node polled.
    pub fn polled(&self, node: NodeId, role: Role, ask: Ask, state: State) {
        self.step(MasterEvent::Polled { node, role, ask, state });
    }

    /// A node was revoked.
    pub fn revoked(&self, node: NodeId) {
        self.step(MasterEvent::Revoked { node });
    }

    /// A higher epoch was met: this is no master any more.
    pub fn met(&self, epoch: Epoch) {
        self.step(MasterEvent::Met { epoch });
    }

    /// A grant was proven. Where it outranks this master's own, this is no master any more.
    pub fn granted(&self, grant: ProvenGrant, own: Rank) {
        self.step(MasterEvent::Granted { grant, own });
    }

    /// Whether a higher epoch was met.
    pub fn superseded(&self) -> bool {
        held(&self.master).superseded()
    }

    /// A write is durable: waits until it may be answered, at most 5 s, and says where else it is.
    pub fn committed(&self, generation: Generation) -> Kept {
        let write = WriteId(self.writes.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = mpsc::channel();
        held(&self.waiting).insert(write, answer);
        self.step(MasterEvent::Committed { write, generation });
        let wait = Duration::from_millis(STANDBY_WAIT + 50);
        loop {
            match answered.recv_timeout(wait) {
                Ok(kept) => return kept,
                Err(_) => self.step(MasterEvent::Tick),
            }
        }
    }

    /// What was seen of each node, with the age of its last poll in milliseconds.
    pub fn seen(&self) -> BTreeMap<NodeId, (Seen, u64)> {
        let now = clock::now();
        held(&self.master).seen().iter().map(|(node, seen)| (*node, (*seen, now.since(seen.last)))).collect()
    }

    fn step(&self, event: MasterEvent) {
        let now: Moment = clock::now();
        let MasterEffects { send, .. } = held(&self.master).step(now, event);
        for (write, kept) in send {
            if let Some(answer) = held(&self.waiting).remove(&write) {
                let _ = answer.send(kept);
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
