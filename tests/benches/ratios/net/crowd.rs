//! Very many nodes in one process. Each is the core's own machine, so that holds, retries and jitter are the real ones, over a
//! connection and with a certificate of its own; of a replica it keeps only where it is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sealport_core::machine::{
    Ask, Body, CustodyFact, Event, Failure, Head, Held, Marks, Node, Persist, Send, Settings, State,
    derive_state,
};
use sealport_node::{clock, net::wire::SyncLine};
use tokio::{runtime::Runtime, time::timeout};

use super::{
    caller::{self, Caller, Line},
    hub::{Hub, Identity},
};

/// As a node's client has it.
const CONNECT: Duration = Duration::from_secs(5);

/// What happened since it was last asked.
#[derive(Default)]
pub struct Seen {
    /// Polls that were answered.
    pub answers: u64,
    /// Polls that failed.
    pub errors: u64,
    /// How much later than asked each answer came, in microseconds.
    pub late: Vec<u32>,
    /// Connections that came to be, by the second.
    pub connects: Vec<u32>,
}

#[derive(Default)]
struct Shared {
    synced: AtomicUsize,
    answers: AtomicU64,
    errors: AtomicU64,
    late: Mutex<Vec<u32>>,
    connects: Mutex<(Option<Instant>, Vec<u32>)>,
    /// A generation that is waited for, and how many nodes have it.
    wanted: AtomicU64,
    arrived: AtomicUsize,
}

/// The nodes, until it is dropped.
pub struct Crowd {
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Crowd {
    /// Starts a node for each identity, all within `ramp`.
    pub fn start(hub: &Hub, identities: Vec<Identity>, ramp: Duration) -> Self {
        let runtime = runtime();
        let shared = Arc::new(Shared::default());
        let held = hub.held();
        let count = identities.len() as u32;
        for (number, identity) in identities.into_iter().enumerate() {
            let caller = Caller::new(identity.config, hub.at, hub.system, number);
            let begin = ramp * number as u32 / count;
            runtime.spawn(live(shared.clone(), caller, held.clone(), begin));
        }
        Self { shared, _runtime: runtime }
    }

    /// Nodes that are synced.
    pub fn synced(&self) -> usize {
        self.shared.synced.load(Ordering::Relaxed)
    }

    /// Begins to count the nodes that get a generation which none has yet.
    pub fn want(&self, generation: u64) {
        self.shared.arrived.store(0, Ordering::Relaxed);
        self.shared.wanted.store(generation, Ordering::Relaxed);
    }

    /// Nodes that have got it.
    pub fn arrived(&self) -> usize {
        self.shared.arrived.load(Ordering::Relaxed)
    }

    /// What happened, and from now on anew.
    pub fn take(&self) -> Seen {
        let connects = std::mem::take(&mut *self.shared.connects.lock().expect("nobody panics")).1;
        Seen {
            answers: self.shared.answers.swap(0, Ordering::Relaxed),
            errors: self.shared.errors.swap(0, Ordering::Relaxed),
            late: std::mem::take(&mut *self.shared.late.lock().expect("nobody panics")),
            connects,
        }
    }
}

/// Two threads, as the master has.
pub fn runtime() -> Runtime {
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    made.expect("threads")
}

async fn live(shared: Arc<Shared>, caller: Caller, held: Held, begin: Duration) {
    tokio::time::sleep(begin).await;
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut node = Node::new(held, Settings::default(), clock::now());
    let (mut line, mut gathered, mut was, mut counted) = (None, None, false, 0);
    let mut event = Event::Started;
    loop {
        let mut effects = node.step(clock::now(), event, &mut rng);
        let facts = node.facts(clock::now(), CustodyFact::Open, node.held().version);
        let is = derive_state(&facts) == State::Synced;
        match (was, is) {
            (false, true) => drop(shared.synced.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(shared.synced.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        was = is;
        let wanted = shared.wanted.load(Ordering::Relaxed);
        if counted < wanted && node.held().at.generation.0 >= wanted {
            counted = wanted;
            shared.arrived.fetch_add(1, Ordering::Relaxed);
        }
        event = if let Some(Persist::Apply { poll, .. }) = effects.persist.pop() {
            let held = node.held().clone();
            match gathered.take() {
                Some(held) => Event::Applied { poll, held },
                None => Event::ApplyFailed { poll, held },
            }
        } else if let Some(Send::Poll { poll, ask, deadline }) = effects.send.pop() {
            let deadline = Duration::from_millis(deadline);
            match timeout(deadline, one(&shared, &caller, &mut line, &ask)).await {
                Ok(Some((head, whole))) => {
                    shared.answers.fetch_add(1, Ordering::Relaxed);
                    gathered = whole.then(|| taken_over(node.held(), &head));
                    Event::Head { poll, head }
                }
                _ => {
                    shared.errors.fetch_add(1, Ordering::Relaxed);
                    line = None;
                    Event::Failed { poll, failure: Failure::Unreachable }
                }
            }
        } else {
            let Some(due) = node.wakes_at() else { return };
            tokio::time::sleep(Duration::from_millis(due.since(clock::now()))).await;
            Event::Tick
        };
    }
}

/// One poll, over the open connection or a new one: the head, and whether a body was whole.
async fn one(shared: &Shared, caller: &Caller, line: &mut Option<Line>, ask: &Ask) -> Option<(Head, bool)> {
    if line.as_ref().is_none_or(Line::is_closed) {
        *line = Some(timeout(CONNECT, caller.connect()).await.ok()?.ok()?);
        let mut connects = shared.connects.lock().expect("nobody panics");
        let second = connects.0.get_or_insert_with(Instant::now).elapsed().as_secs() as usize;
        if connects.1.len() <= second {
            connects.1.resize(second + 1, 0);
        }
        connects.1[second] += 1;
    }
    let begun = Instant::now();
    let (status, answer) = caller::ask(line.as_mut()?, caller::body(ask.clone())).await.ok()?;
    let took = begun.elapsed();
    if status != 200 {
        return None;
    }
    let mut lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Ok(SyncLine::Head(head)) = serde_json::from_slice(lines.next()?) else { return None };
    if head.body == Body::Nothing {
        let late = took.saturating_sub(Duration::from_millis(ask.hold)).as_micros();
        shared.late.lock().expect("nobody panics").push(u32::try_from(late).unwrap_or(u32::MAX));
        return Some((head, false));
    }
    let whole = matches!(serde_json::from_slice(lines.next_back()?), Ok(SyncLine::End { .. }));
    Some((head, whole))
}

/// What a replica holds that took this over.
fn taken_over(held: &Held, head: &Head) -> Held {
    let at = Marks { epoch: head.at.epoch, generation: head.at.generation };
    Held {
        at,
        seen: held.seen.max(at),
        audit: head.audit.clone(),
        counts: head.counts,
        version: Some(head.version),
        ..held.clone()
    }
}
