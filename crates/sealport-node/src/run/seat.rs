//! The seat of the master: who polled when, and which writes wait for a standby. All of it may be lost.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use sealport_core::{
    id::{Epoch, Generation, NodeId},
    machine::{
        Ask, Kept, KeySetMark, Life, Lives, Moment, ProvenGrant, Rank, Role, STANDBY_WAIT, Spoke, State,
        master::{Master, MasterEffects, MasterEvent, Seen, WriteId},
    },
    time::Timestamp,
};

use tokio::sync::Notify;

use crate::clock;

/// See [`Seat::disturbed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbed {
    /// It is a copy, and gets nothing.
    Cloned,
    /// If it is alive, it is to ask again.
    Doubted,
}

/// A copy of a node that came here and was fenced.
#[derive(Clone, Debug)]
pub struct Copied {
    life: Life,
    /// When it came first.
    pub at: Timestamp,
    /// From where.
    pub from: Option<IpAddr>,
}

/// What the master remembers of its nodes between requests.
pub struct Seat {
    master: Mutex<Master>,
    waiting: Mutex<BTreeMap<WriteId, mpsc::Sender<Kept>>>,
    writes: AtomicU64,
    lives: Mutex<Lives>,
    /// The last copy of each node.
    copies: Mutex<BTreeMap<NodeId, Copied>>,
    /// Wakes what a node waits for.
    calls: Mutex<BTreeMap<NodeId, Arc<Notify>>>,
}

impl Seat {
    /// The seat of the master of this epoch.
    pub fn new(epoch: Epoch) -> Self {
        let lives = Lives::make_new(&mut rand_core::UnwrapErr(getrandom::SysRng));
        Self {
            master: Mutex::new(Master::new(epoch)),
            waiting: Mutex::default(),
            writes: AtomicU64::new(0),
            lives: Mutex::new(lives),
            copies: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// A member asks something: the count of that, or `None` where its process is a copy of one that is at work.
    pub fn spoke(&self, node: NodeId, life: Life, heard: Option<u64>) -> Option<u64> {
        let (Spoke { cloned, wake }, beat) = {
            let mut lives = held(&self.lives);
            (lives.spoke(node, life, heard), lives.beat())
        };
        if wake && let Some(call) = held(&self.calls).get(&node) {
            call.notify_waiters();
        }
        (!cloned).then_some(beat)
    }

    /// Remembers a copy that came; whether it is another one than before.
    pub fn copied(&self, node: NodeId, life: Life, at: Timestamp, from: Option<IpAddr>) -> bool {
        let mut copies = held(&self.copies);
        if copies.get(&node).is_some_and(|known| known.life == life) {
            return false;
        }
        copies.insert(node, Copied { life, at, from });
        true
    }

    /// The last copy of each node that has come since this master took its seat.
    pub fn copies(&self) -> BTreeMap<NodeId, Copied> {
        held(&self.copies).clone()
    }

    /// The count that an answer carries.
    pub fn beat(&self) -> u64 {
        held(&self.lives).beat()
    }

    /// Why a poll that waits is to wait no more: its process was found to be a copy, or another one of the same node spoke since
    /// the count was `beat`.
    pub fn disturbed(&self, node: NodeId, life: Life, beat: u64) -> Option<Disturbed> {
        let lives = held(&self.lives);
        if lives.is_cloned(node, life) {
            return Some(Disturbed::Cloned);
        }
        lives.other_since(node, life, beat).then_some(Disturbed::Doubted)
    }

    /// What wakes the polls of a node that wait.
    pub fn call(&self, node: NodeId) -> Arc<Notify> {
        held(&self.calls).entry(node).or_default().clone()
    }

    /// A node polled.
    pub fn polled(&self, node: NodeId, role: Role, ask: Ask, state: State, given: KeySetMark) {
        self.step(MasterEvent::Polled { node, role, ask, state, given });
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
