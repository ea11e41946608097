//! A node that follows: the loop around the protocol's machine, and the way to the master for everything else.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{NodeState, Response},
    backup::hex,
    id::{Epoch, Generation, KeyVersion, NodeId},
    machine::{
        AuditMark, CustodyFact, Effects, Event, Facts, Marks, Node, Notify, Persist, ProvenGrant, Send,
        Settings, Standing, event::PollId,
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::poll;
use crate::{
    clock,
    engine::{Engine, System},
    membership::Membership,
    net::{
        authority,
        client::{Client, DEADLINE, Refused},
        wire::{Administer, RenewAnswer, RenewAsk, SpoolAnswer, SpoolAsk, Spooled, WriteAnswer, WriteAsk},
    },
    store::{Change, NOBODY},
};

/// How long a write may wait for its own replica to have it.
const ARRIVE: Duration = Duration::from_secs(10);
/// How long a write may take: the master waits up to 5 s for a standby.
const WRITE: Duration = Duration::from_secs(20);
/// How soon a grant that could not be made durable is tried again.
const GRANT_AGAIN: Duration = Duration::from_secs(1);
/// Entries of the spool in one request.
const SPOOL_BATCH: u32 = 200;
/// Bytes of them.
const SPOOL_BYTES: usize = 900 << 10;

/// A node's following of its master. Lives as long as its engine.
pub struct Follower {
    engine: Weak<Engine>,
    node: Mutex<Node>,
    membership: RwLock<Membership>,
    client: RwLock<Arc<Client>>,
    events: mpsc::UnboundedSender<Event>,
    /// The answer to the poll in flight waits here for its judgement.
    judged: Mutex<Option<(PollId, oneshot::Sender<bool>)>>,
    /// Counts steps: whoever waits for something looks again.
    stepped: watch::Sender<u64>,
    last_error: Mutex<Option<String>>,
    /// Another system of the same data directory took over: nothing goes out any more.
    stopped: AtomicBool,
    runtime: tokio::runtime::Handle,
}

impl Follower {
    /// Begins to follow. Needs the node's key, so custody must be open.
    pub(crate) fn start(
        engine: &Arc<Engine>,
        system: &System,
        membership: Membership,
    ) -> Result<Arc<Self>, Error> {
        let client = Client::member(&membership, &system.node_key()?)?;
        engine.go_by(client.at(&membership.url)?);
        let client = to_master(&client, &membership.url, system.position().borrow().master)?;
        let (events, inbox) = mpsc::unbounded_channel();
        let node = Node::new(system.machine_held()?, settings(engine.sync_interval()), clock::now());
        let runtime = engine.runtime()?;
        let follower = Arc::new(Self {
            engine: Arc::downgrade(engine),
            node: Mutex::new(node),
            membership: RwLock::new(membership),
            client: RwLock::new(Arc::new(client)),
            events,
            judged: Mutex::default(),
            stepped: watch::Sender::new(0),
            last_error: Mutex::default(),
            stopped: AtomicBool::new(false),
            runtime: runtime.clone(),
        });
        runtime.spawn(follow(follower.clone(), inbox));
        runtime.spawn(upkeep(Arc::downgrade(&follower)));
        Ok(follower)
    }

    /// The facts of this node.
    pub fn facts(&self, custody: CustodyFact, version: Option<KeyVersion>) -> Facts {
        held(&self.node).facts(clock::now(), custody, version)
    }

    /// A grant was proven.
    pub fn granted(&self, grant: ProvenGrant) {
        self.tell(Event::Granted(grant));
    }

    /// Ends it: nothing is asked any more, and nothing that still comes is taken over.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.tell(Event::Tick);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Another node, elsewhere, is the master from now on.
    fn moves_to(&self, url: &str, master: NodeId, data_dir: &std::path::Path) -> Result<(), Error> {
        let moved = self.membership.read().unwrap_or_else(PoisonError::into_inner).moved(url);
        moved.write(data_dir)?;
        let client = to_master(&self.client(), url, master)?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = moved;
        Ok(())
    }

    /// Where the master is.
    pub fn url(&self) -> String {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).url.clone()
    }

    /// When the certificate of this node ends.
    pub fn certificate_expires(&self) -> Option<sealport_core::time::Timestamp> {
        let certificate =
            self.membership.read().unwrap_or_else(PoisonError::into_inner).certificate().ok()?;
        authority::read(&certificate).map(|said| said.expires)
    }

    /// Why the last try failed, in a few words, while it does.
    pub fn last_error(&self) -> Option<String> {
        held(&self.last_error).clone()
    }

    /// Someone wants the latest now.
    pub fn nudge(&self) {
        self.tell(Event::Nudged);
    }

    /// A record does not open: the replica is damaged.
    pub fn damaged(&self) {
        self.tell(Event::Damaged);
    }

    /// The settings changed.
    pub fn set_interval(&self, interval: Duration) {
        self.tell(Event::Settings(settings(interval)));
    }

    /// Waits, at most `patience`, until `done` says so; looks again after each step.
    pub fn wait(&self, patience: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut stepped = self.stepped.subscribe();
        loop {
            if done() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // States also change by time alone.
            let look = left.min(Duration::from_millis(200));
            let _ = self.runtime.block_on(async { tokio::time::timeout(look, stepped.changed()).await });
        }
    }

    /// Sends a write, and says what the master made of it. An answer that was lost is asked for once more: the very
    /// same write is not written twice.
    pub fn write(&self, change: &Change, epoch: Epoch, audit: AuditMark) -> Result<WriteAnswer, Error> {
        let ask = WriteAsk {
            epoch,
            puts: change.puts.iter().map(Into::into).collect(),
            read: change.puts.iter().map(|put| put.read.map(|read| hex(&read))).collect(),
            audit,
            acts: change.acts.iter().map(Into::into).collect(),
        };
        self.runtime.block_on(async {
            let client = self.client();
            match client.post("/v1/writes", &ask, WRITE).await {
                Err(refused) if !refused.answered => client.post("/v1/writes", &ask, WRITE).await,
                answer => answer,
            }
            .map_err(|refused| self.write_failed(refused))
        })
    }

    /// Waits until this node's own replica has a generation.
    pub(crate) fn arrived(&self, system: &System, generation: Generation) -> Result<(), Error> {
        self.nudge();
        let position = system.position();
        let there = || position.borrow().at.generation >= generation;
        if self.wait(ARRIVE, there) {
            return Ok(());
        }
        Err(Error::new(
            Code::Unavailable,
            "The master has the write, but it did not come back to this node in time.",
        )
        .hint("It comes with the next sync. Look again before you repeat anything."))
    }

    /// Asks the master something that only it can answer.
    pub fn ask(&self, path: &str, request: &Administer) -> Result<Response, Error> {
        self.runtime.block_on(async { self.client().post(path, request, DEADLINE).await }).map_err(Into::into)
    }

    /// Waits until this node's own replica has what its master had there, in the same epoch.
    fn has(&self, system: &System, at: Marks) -> bool {
        self.nudge();
        self.wait(ARRIVE, || {
            let here = system.position().borrow().at;
            here.epoch == at.epoch && here.generation >= at.generation
        })
    }

    pub(super) fn client(&self) -> Arc<Client> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The way to the node that is the master by what was proven here: nobody else's word is taken, whatever answers at its
    /// address.
    pub(super) fn way(&self, system: &System) -> Result<Arc<Client>, Error> {
        let master = system.position().borrow().master;
        let client = self.client();
        if client.meant() == Some(master) || master == NOBODY {
            return Ok(client);
        }
        let client = Arc::new(to_master(&client, &self.url(), master)?);
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client.clone();
        Ok(client)
    }

    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.upgrade()
    }

    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Waits for the loop's judgement of a head: whether its body is to be taken over.
    pub(super) fn judge(&self, poll: PollId) -> oneshot::Receiver<bool> {
        let (judge, judged) = oneshot::channel();
        *held(&self.judged) = Some((poll, judge));
        judged
    }

    /// Remembers why something failed, for people.
    pub(super) fn note(&self, why: String) {
        *held(&self.last_error) = Some(why);
    }

    pub(super) fn failed(&self, poll: PollId, refused: Refused) {
        self.note(refused.why);
        self.tell(Event::Failed { poll, failure: refused.failure });
    }

    fn write_failed(&self, refused: Refused) -> Error {
        if refused.answered {
            return refused.error;
        }
        self.nudge();
        Error::new(Code::EncryptionUnavailable, format!("Nothing can be sealed: {}", refused.error.message))
            .hint("What was typed is kept. Opening goes on. It works again when the master answers.")
    }

    /// Carries out what a step asks for, in its order.
    fn carry_out(self: &Arc<Self>, effects: Effects, flight: &mut Option<JoinHandle<()>>) {
        let Some(engine) = self.engine() else { return };
        let Ok(system) = engine.system() else { return };
        if self.stopped() {
            return;
        }
        for persist in effects.persist {
            let done = match persist {
                Persist::Apply { poll, seen } => {
                    let done = system.change_own(|own| own.seen = seen);
                    if done.is_ok()
                        && let Some((_, judge)) = held(&self.judged).take_if(|(waiting, _)| *waiting == poll)
                    {
                        let _ = judge.send(true);
                    }
                    done
                }
                Persist::Damaged => system.change_own(|own| own.damaged = true),
                Persist::Standing(Standing::Cloned) => system.fence(),
                Persist::Standing(standing) => system.change_own(|own| own.standing = standing),
                Persist::Grant(grant) => {
                    let done = self.follow_grant(&engine, &system, &grant);
                    if done.is_err() {
                        self.follow_grant_later(grant);
                    }
                    done
                }
            };
            if let Err(error) = done {
                // Nothing of this step may go out: the node tries again, as after a poll that failed.
                *held(&self.last_error) = Some(error.message);
                if let Some((poll, _)) = held(&self.judged).take() {
                    let now = held(&self.node).held().clone();
                    self.tell(Event::ApplyFailed { poll, held: now });
                }
                return;
            }
        }
        for send in effects.send {
            let Send::Poll { poll, ask, deadline } = send else {
                engine.ask_around();
                continue;
            };
            if let Some(former) = flight.take() {
                former.abort();
            }
            let follower = self.clone();
            *flight =
                Some(self.runtime.spawn(poll::poll(follower, poll, ask, Duration::from_millis(deadline))));
        }
        for notify in &effects.notify {
            if matches!(notify, Notify::Restored | Notify::Agreed) {
                held(&self.last_error).take();
            }
        }
        engine.noticed(&effects.notify);
    }
}

impl Follower {
    /// The machine hears of a grant once. One that could not be made durable is tried until it can, or the node ends.
    fn follow_grant_later(self: &Arc<Self>, grant: ProvenGrant) {
        let follower = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(GRANT_AGAIN).await;
                let Some(follower) = follower.upgrade().filter(|follower| !follower.stopped()) else {
                    return;
                };
                let Some(engine) = follower.engine() else { return };
                let Ok(system) = engine.system() else { return };
                let known = tokio::task::block_in_place(|| system.highest_grant());
                if known.is_ok_and(|known| known.is_some_and(|known| known.rank() > grant.rank())) {
                    // It has its own way.
                    return;
                }
                let done = tokio::task::block_in_place(|| follower.follow_grant(&engine, &system, &grant));
                if done.is_ok() {
                    return follower.nudge();
                }
            }
        });
    }

    /// Makes a grant durable and goes to its master; where it names this node, it takes its seat.
    fn follow_grant(&self, engine: &Arc<Engine>, system: &System, grant: &ProvenGrant) -> Result<(), Error> {
        system.keep_grant(grant)?;
        if grant.rank().node == system.row.node {
            engine.take_seat_soon();
            return Ok(());
        }
        match engine.address_of(system, grant.rank().node) {
            Some(address) => {
                self.moves_to(&format!("https://{address}"), grant.rank().node, &system.data_dir)
            }
            // It is asked for again, and whoever answers says where.
            None => Ok(()),
        }
    }
}

/// The loop. Ends with the engine.
async fn follow(follower: Arc<Follower>, mut inbox: mpsc::UnboundedReceiver<Event>) {
    let mut flight: Option<JoinHandle<()>> = None;
    let mut state = None;
    let mut event = Event::Started;
    loop {
        let effects = {
            let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
            held(&follower.node).step(clock::now(), event, &mut rng)
        };
        let refused_head = !effects.persist.iter().any(|p| matches!(p, Persist::Apply { .. }));
        if follower.stopped() {
            if let Some(flight) = flight.take() {
                flight.abort();
            }
            return;
        }
        tokio::task::block_in_place(|| follower.carry_out(effects, &mut flight));
        if refused_head {
            // A head that is not to be applied: its body is dropped.
            let in_flight = held(&follower.node).in_flight();
            held(&follower.judged).take_if(|(poll, _)| Some(*poll) != in_flight);
        }
        follower.stepped.send_modify(|steps| *steps += 1);
        let Some(engine) = follower.engine() else { return };
        let now = tokio::task::block_in_place(|| engine.node_state());
        if state != Some(now) {
            if now == NodeState::Synced {
                held(&follower.last_error).take();
            }
            state = Some(now);
            engine.state_changed(now);
        }
        drop(engine);
        let due = held(&follower.node).wakes_at();
        let sleep = due.map(|due| Duration::from_millis(due.since(clock::now())));
        event = tokio::select! {
            event = inbox.recv() => match event {
                Some(event) => event,
                None => return,
            },
            () = tokio::time::sleep(sleep.unwrap_or(Duration::from_secs(3_600))) => Event::Tick,
        };
    }
}

/// What must be done now and then: renewing the certificate, sending up the spool. Ends with the follower.
async fn upkeep(follower: Weak<Follower>) {
    loop {
        {
            let Some(follower) = follower.upgrade() else { return };
            if follower.stopped() {
                return;
            }
            let _ = follower.send_spool().await;
            let _ = follower.renew().await;
        }
        let wait = {
            let Some(follower) = follower.upgrade() else { return };
            let mut stepped = follower.stepped.subscribe();
            drop(follower);
            async move {
                let _ = stepped.changed().await;
                // A burst of steps is one reason to look.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(60), wait).await;
    }
}

impl Follower {
    /// Sends what this node did of its own, until nothing is left.
    async fn send_spool(&self) -> Result<(), Error> {
        loop {
            let Some(engine) = self.engine() else { return Ok(()) };
            let system = engine.system()?;
            let entries = tokio::task::block_in_place(|| system.spooled(SPOOL_BATCH))?;
            if entries.is_empty() {
                return Ok(());
            }
            let read = |(seq, text): (u64, String)| Spooled::read(&text).map(|entry| (seq, entry));
            // A stranded change may be large: one request takes what fits, and always one.
            let mut bytes = 0;
            let fits = |(at, (_, text)): &(usize, (u64, String))| {
                bytes += text.len();
                *at == 0 || bytes <= SPOOL_BYTES
            };
            let entries = entries.into_iter().enumerate().take_while(fits).map(|(_, entry)| entry);
            let entries: Vec<_> = entries.map(read).collect::<Result<_, _>>()?;
            let stranded = entries.iter().any(|(_, entry): &(u64, Spooled)| entry.stranded.is_some());
            let position = system.position().borrow().clone();
            let ask = SpoolAsk { epoch: Some(position.at.epoch), audit: position.audit, entries };
            let answer: SpoolAnswer = self.client().post("/v1/spool", &ask, DEADLINE).await?;
            // Until the list is here too, what is stranded, and the version that opens it, are kept for this alone.
            if let Some(at) = answer.at.filter(|_| stranded)
                && !tokio::task::block_in_place(|| self.has(&system, at))
            {
                return Ok(());
            }
            tokio::task::block_in_place(|| system.spool_taken(answer.upto))?;
        }
    }

    /// Gets a new certificate where the present one has less than six days left.
    async fn renew(&self) -> Result<(), Error> {
        let Some(expires) = self.certificate_expires() else { return Ok(()) };
        let Some(engine) = self.engine() else { return Ok(()) };
        let system = engine.system()?;
        // A standby that serves tells where.
        let address = engine.address();
        let told = address.is_none() || engine.address_of(&system, system.row.node) == address;
        if told && expires.as_millis() - clock::wall().as_millis() > authority::RENEW_BELOW {
            return Ok(());
        }
        let key = tokio::task::block_in_place(|| system.node_key())?;
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let ask = RenewAsk {
            request: STANDARD.encode(authority::request(&key)?),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address,
        };
        let answer: RenewAnswer = self.client().post("/v1/renew", &ask, DEADLINE).await?;
        let certificate = STANDARD
            .decode(answer.certificate)
            .map_err(|e| Error::new(Code::Unavailable, "The new certificate makes no sense.").because(e))?;
        let renewed = {
            let membership = self.membership.read().unwrap_or_else(PoisonError::into_inner);
            membership.renewed(&certificate)
        };
        let client = Client::member(&renewed, &key)?;
        engine.go_by(client.at(&renewed.url)?);
        let client = to_master(&client, &renewed.url, system.position().borrow().master)?;
        renewed.write(&system.data_dir)?;
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
        self.nudge();
        Ok(())
    }
}

/// The way to the master at this address; to whoever is the master there where this node does not know who it is.
fn to_master(client: &Client, url: &str, master: NodeId) -> Result<Client, Error> {
    if master == NOBODY { client.at(url) } else { client.to(url, master) }
}

fn settings(interval: Duration) -> Settings {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Settings::new(millis).unwrap_or_default()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
