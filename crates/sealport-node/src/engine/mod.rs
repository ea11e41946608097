//! The one door: every request of command line, socket and window is carried out here, and nowhere else.
//!
//! Each act that changes, reveals, exports, backs up or restores leaves its audit entry in the transaction that does it,
//! before the answer goes out. Views never hold a secret value.

mod alarm;
mod alerts;
mod around;
mod backups;
mod beside;
mod changes;
mod clone;
mod export;
mod fleet;
mod health;
mod heard;
mod import;
mod index;
mod keys;
mod listen;
mod opened;
mod ports;
mod preflight;
mod promotion;
mod reseal;
mod rotation;
mod separate;
mod serving;
mod settings;
mod setup;
mod spool;
mod status;
mod stranded;
mod system;
mod versions;
mod yielding;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use sealport_core::{
    Code, Error,
    api::{LocalPath, NodeState, Notice, Request, Response, StatusView},
    id::{Generation, NodeId},
    machine,
    time::Timestamp,
};

use crate::{
    call::{Call, Handle, Hear},
    config::Config,
    lock::DirectoryLock,
    run::Follower,
    store::SealAnew,
};
pub use alarm::Readiness;
pub(crate) use heard::{KEY_CHECK, TIME};
use ports::Seen;
use preflight::How;
pub(crate) use rotation::Pace;
pub(crate) use system::System;

/// Whether a write is refused because another version of the master secret is active by now, or because what it was made on is
/// sealed otherwise where it was to be written: it is to be read and sealed again.
pub(crate) fn needs_sealing(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<SealAnew>())
}

/// How often something is sealed anew because the active version changed meanwhile, and how long a node waits to hear of
/// that.
const SEAL_TRIES: u32 = 3;
const SEAL_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// One that is told, as long as it lives.
type Listener = Weak<dyn Fn(Notice) + Send + Sync>;

/// One data directory, open and held.
pub struct Engine {
    config: Config,
    system: RwLock<Option<Arc<System>>>,
    /// Held while a system is made or restored: only one can be.
    setup: Mutex<()>,
    listeners: RwLock<Vec<Listener>>,
    runtime: Mutex<Option<tokio::runtime::Runtime>>,
    listening: Mutex<listen::Listening>,
    /// What was told of alerts, and how that went.
    alarm: Arc<crate::alert::Alarm>,
    /// How this node reaches others, once its keys are at hand.
    way: RwLock<Option<Arc<crate::net::client::Client>>>,
    /// Where nodes are, as others told with a grant.
    hints: Mutex<BTreeMap<NodeId, String>>,
    /// Held while this node is promoted: one at a time.
    promoting: Mutex<()>,
    /// Held while this node takes its seat.
    seating: Mutex<()>,
    /// When custody last gave back all that a master needs.
    read_back: Mutex<Option<std::time::Instant>>,
    /// Records at a place of the history, and those that opened.
    opened_all: Mutex<Option<(machine::Marks, u64, u64)>>,
    /// Why a change of master does not come to its end here.
    stuck: Mutex<Option<(String, String)>>,
    /// Whether a task looks for later epochs while this node is the master.
    looks: AtomicBool,
    /// The engine itself, once it is shared: what runs on its own needs a way back.
    me: std::sync::OnceLock<Weak<Engine>>,
    /// The rotation that this process carries out, if it does.
    rotating: rotation::Rotating,
    /// The folder of a sample system, taken away when the engine goes.
    _sample: Option<tempfile::TempDir>,
    _lock: DirectoryLock,
}

impl Engine {
    /// Opens a data directory, with or without a system in it, and holds it until it is dropped.
    ///
    /// # Errors
    /// `busy` where another process holds it, `integrity` where its database is damaged. A keyring that does not answer
    /// is no error here: the status says so, and requests that need the secret do.
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_in(config, None)
    }

    fn open_in(config: Config, sample: Option<tempfile::TempDir>) -> Result<Self, Error> {
        // How long this process has been alive is counted from here at the latest.
        let _ = crate::life::own();
        let lock = DirectoryLock::take(&config.data_dir)?;
        let system = System::open(&config)?.map(Arc::new);
        Ok(Self {
            config,
            system: RwLock::new(system),
            setup: Mutex::new(()),
            listeners: RwLock::default(),
            runtime: Mutex::default(),
            listening: Mutex::default(),
            alarm: Arc::default(),
            rotating: rotation::Rotating::default(),
            way: RwLock::default(),
            hints: Mutex::default(),
            promoting: Mutex::default(),
            seating: Mutex::default(),
            read_back: Mutex::default(),
            opened_all: Mutex::default(),
            stuck: Mutex::default(),
            looks: AtomicBool::new(false),
            me: std::sync::OnceLock::new(),
            _sample: sample,
            _lock: lock,
        })
    }

    /// Opens a data directory and, on a node whose master is elsewhere, begins to follow it.
    ///
    /// # Errors
    /// As `open`. That custody is locked is none: following begins when it is open.
    pub fn shared(config: Config) -> Result<Arc<Self>, Error> {
        let engine = Arc::new(Self::open(config)?);
        let _ = engine.me.set(Arc::downgrade(&engine));
        // Where custody refuses, the status says so, and `unlock` begins to follow.
        let _ = engine.follow();
        Ok(engine)
    }

    /// What this installation is and how it is.
    pub fn status_view(&self) -> Result<StatusView, Error> {
        self.status()
    }

    /// Begins what custody kept from beginning, once it gave the keys: following, or serving other nodes.
    pub(crate) fn resume(&self) {
        if self.system().is_ok_and(|system| system.known().is_ok()) {
            // What stands in their way then, a port that is taken, the service says when it starts.
            let _ = self.follow();
            let _ = self.begin_listening();
        }
    }

    /// Begins to follow the master, if this node has one elsewhere and does not follow it yet.
    pub(crate) fn follow(&self) -> Result<(), Error> {
        let Ok(system) = self.system() else { return Ok(()) };
        if system.is_master() || system.cloned.is_some() {
            return Ok(());
        }
        // Held until it is there: two who begin at once would follow twice.
        let mut place = system.follower.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return Ok(());
        }
        let Some(engine) = self.me.get().and_then(Weak::upgrade) else { return Ok(()) };
        let Some(membership) = self.membership_of(&system)? else { return Ok(()) };
        let follower = Follower::start(&engine, &system, membership)?;
        *place = Some(follower);
        drop(place);
        // It was granted the seat, and ended before it took it.
        let granted = system.gate(|store| store.grant())?;
        if granted.is_some_and(|signed| signed.grant.node == system.row.node) {
            self.take_seat_soon();
        }
        Ok(())
    }

    /// Where tasks of the network run.
    pub(crate) fn runtime(&self) -> Result<tokio::runtime::Handle, Error> {
        let mut runtime = held(&self.runtime);
        if runtime.is_none() {
            let made = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("network")
                .enable_all()
                .build()
                .map_err(|e| {
                    Error::new(Code::Unavailable, "The network's threads can't be started.").because(e)
                })?;
            *runtime = Some(made);
        }
        Ok(runtime.as_ref().expect("it was made above").handle().clone())
    }

    /// The state of this node.
    pub(crate) fn node_state(&self) -> NodeState {
        self.system().map_or(NodeState::NoSystem, |system| system.state())
    }

    /// Tells that the state of this node changed.
    pub(crate) fn state_changed(&self, state: NodeState) {
        self.alarm.ring();
        self.tell(|| Notice::State { state });
    }

    /// Takes note of what the protocol told.
    pub(crate) fn noticed(&self, notices: &[machine::Notify]) {
        if !notices.is_empty() {
            self.state_changed(self.node_state());
        }
        if notices.contains(&machine::Notify::Cloned) {
            self.reopen_soon();
        }
    }

    fn tell(&self, notice: impl Fn() -> Notice) {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().filter_map(Weak::upgrade).for_each(|hear| hear(notice()));
    }

    /// Whether anybody listens.
    fn is_heard(&self) -> bool {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().any(|hear| hear.strong_count() > 0)
    }

    /// The system, or the error that says that there is none.
    pub(crate) fn system(&self) -> Result<Arc<System>, Error> {
        self.system.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(|| {
            Error::new(
                Code::NoSystem,
                format!("The data directory {} holds no system yet.", self.config.data_dir.display()),
            )
            .hint("Make one with `sealport init`, or restore a backup with `sealport backup restore`.")
        })
    }

    fn install(&self, system: System) -> Arc<System> {
        let system = Arc::new(system);
        *self.system.write().unwrap_or_else(PoisonError::into_inner) = Some(system.clone());
        system
    }

    /// Does it again, from its reading on, where another version of the master secret became active while it was sealed, or
    /// what it was made on is not what stands at the master: nothing was written.
    fn sealing_anew<T>(&self, mut act: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        for _ in 0..SEAL_TRIES {
            let made_on = |system: &System| (system.keys_held().0, system.position().borrow().at);
            let before = self.system().ok().map(|system| made_on(&system));
            match act() {
                Err(error) if needs_sealing(&error) => {
                    let system = self.system()?;
                    if let Some(follower) = system.follower() {
                        follower.nudge();
                        follower.wait(SEAL_WAIT, || Some(made_on(&system)) != before);
                    }
                }
                result => return result,
            }
        }
        act()
    }

    pub(crate) fn changed(&self, generation: Generation) {
        self.tell(|| Notice::Changed { generation });
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // May be dropped by one of its own tasks, where waiting for the others is not allowed.
        if let Some(runtime) = held(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}

impl Handle for Engine {
    fn handle(&self, request: Request, call: &Call) -> Result<Response, Error> {
        match request {
            Request::Status => self.status().map(Response::Status),
            Request::Unlock { passphrase } => {
                self.system()?.give_passphrase(passphrase)?;
                self.follow()?;
                self.begin_listening()?;
                self.status().map(Response::Status)
            }
            Request::Init { name, custody, backup } => {
                let made = self.init(&name, custody, backup, call)?;
                // That the port is taken must not undo a system that is made: the status tells.
                let _ = self.begin_listening();
                Ok(Response::Status(made))
            }
            Request::PortImport { files, dry_run } => {
                self.import(files, dry_run, call).map(Response::Imported)
            }
            Request::DocumentList => self.documents().map(Response::Documents),
            Request::PortList { filter, offset, limit } => {
                self.list(&filter, offset, limit).map(Response::Ports)
            }
            Request::PortShow { port, revision } => self.show(&port, revision).map(Response::Port),
            Request::PortSet { port, changes, if_revision, if_imprint, note, dry_run } => {
                let seen = Seen { revision: if_revision, imprint: if_imprint };
                self.sealing_anew(|| self.set(&port, &changes, seen, note.clone(), dry_run, call))
                    .map(Response::Saved)
            }
            Request::PortMark { port, path, secret, if_revision, if_imprint } => {
                let seen = Seen { revision: if_revision, imprint: if_imprint };
                self.sealing_anew(|| self.mark(&port, &path, secret, seen, call)).map(Response::Saved)
            }
            Request::PortReveal { port, path } => self.reveal(&port, &path, call).map(Response::Revealed),
            Request::PortMissing => self.missing().map(Response::Missing),
            Request::PortFill { rows, dry_run } => {
                self.sealing_anew(|| self.fill(&rows, dry_run, call)).map(Response::Filled)
            }
            Request::PortExport { out: LocalPath(out), secrets, document } => {
                self.export(out.as_ref(), secrets, document, call).map(Response::Exported)
            }
            Request::PortHistory { port } => self.history(&port).map(Response::History),
            Request::PortDiff { port, from, to } => self.diff(&port, from, to).map(Response::Diff),
            Request::PortRevert { port, to, if_revision, if_imprint } => {
                let seen = Seen { revision: if_revision, imprint: if_imprint };
                self.sealing_anew(|| self.revert(&port, to, seen, call)).map(Response::Saved)
            }
            Request::PortDelete { port, if_revision, if_imprint } => {
                let seen = Seen { revision: if_revision, imprint: if_imprint };
                self.sealing_anew(|| self.delete(&port, seen, call)).map(Response::Saved)
            }
            Request::PortUndelete { port, if_revision, if_imprint } => {
                let seen = Seen { revision: if_revision, imprint: if_imprint };
                self.sealing_anew(|| self.undelete(&port, seen, call)).map(Response::Saved)
            }
            Request::BackupCreate { file: LocalPath(file), passphrase, reminder, secret_only } => {
                self.backup(file.as_ref(), &passphrase, reminder, secret_only, call).map(Response::Backup)
            }
            Request::BackupInspect { file: LocalPath(file) } => {
                backups::inspect(file.as_ref()).map(Response::Backup)
            }
            Request::BackupDrill { file: LocalPath(file), passphrase } => {
                self.drill(file.as_ref(), &passphrase, call).map(Response::Backup)
            }
            Request::BackupRestore { file: LocalPath(file), passphrase, custody } => {
                let restored = self.restore(file.as_ref(), &passphrase, custody, call)?;
                let _ = self.begin_listening();
                self.begin_rotating();
                Ok(Response::Restored(restored))
            }
            Request::AuditList { before, limit } => self.audit(before, limit).map(Response::Audit),
            Request::NodeInvite { name, role, administrator } => {
                self.invite(&name, role, administrator, call)
            }
            Request::Join { url, token, custody, cache } => {
                self.join(&url, &token, custody, cache, call).map(Response::Joined)
            }
            Request::NodeList => self.nodes().map(Response::Nodes),
            Request::NodeRevoke { node } => self.revoke(&node, call),
            Request::NodeRename { node, name } => self.rename(&node, &name, call),
            Request::NodeSeparate { name, forget } => {
                self.separate(&name, forget, call).map(Response::Separated)
            }
            Request::PromotePreflight { node, mode, from_backup, leave_unreadable } => {
                let how = How { mode, from_backup, leave_unreadable };
                self.preflight(&node, how, call).map(Response::Preflight)
            }
            Request::Promote { node, mode, expect_epoch, from_backup, leave_unreadable } => {
                let how = How { mode, from_backup, leave_unreadable };
                self.promote(&node, how, expect_epoch, call).map(Response::Promoted)
            }
            Request::StrandedList => self.stranded_list().map(Response::Stranded),
            Request::StrandedShow { id } => self.stranded_show(id).map(Response::StrandedDiff),
            Request::StrandedAccept { ids } => self.stranded_accept(ids, call),
            Request::StrandedDiscard { ids } => self.stranded_discard(ids, call),
            Request::SecretList => self.versions().map(Response::Versions),
            Request::SecretRotate { file: LocalPath(file), passphrase, reminder } => {
                self.rotate(file.as_ref(), &passphrase, reminder, call).map(Response::Rotation)
            }
            Request::SecretRotation => {
                // Whoever watches one where no service runs carries it out.
                self.begin_rotating();
                self.rotation().map(Response::Rotation)
            }
            Request::SecretSteer { steer } => self.steer(steer, call),
            Request::SecretDestroy { version, confirm } => self.destroy(version, &confirm, call),
            Request::AlertList => self.alerts().map(Response::Alerts),
            Request::AlertTest => self.test_alert().map(Response::Alerts),
            Request::ConfigGet { key } => self.config_get(key.as_deref()).map(Response::Config),
            Request::ConfigSet { key, value } => self.config_set(&key, &value, call).map(Response::Config),
        }
    }

    fn subscribe(&self, hear: &Hear) -> Result<(), Error> {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|hear| hear.strong_count() > 0);
        listeners.push(Arc::downgrade(hear));
        drop(listeners);
        // Whoever lost the way here for a while missed what was said meanwhile.
        hear(Notice::State { state: self.node_state() });
        Ok(())
    }
}

/// Now, by the clock of this machine. Nothing safe depends on it.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The randomness of the operating system. A machine that has none can't go on.
fn system_rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

/// A lock whose holder panicked still holds what the database holds: go on.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_cancel(call: &Call) -> Result<(), Error> {
    if call.cancel.load(Ordering::Relaxed) {
        return Err(Error::new(Code::Cancelled, "Cancelled. Nothing was changed."));
    }
    Ok(())
}

/// Reports how far long work is, at most about ten times a second, and ends it where the caller gave up.
struct Progress<'a> {
    call: &'a Call<'a>,
    doing: &'static str,
    total: u64,
    begun: std::time::Instant,
    last: Option<std::time::Instant>,
}

impl<'a> Progress<'a> {
    fn new(call: &'a Call<'a>, doing: &'static str, total: u64) -> Self {
        Self { call, doing, total, begun: std::time::Instant::now(), last: None }
    }

    fn at(&mut self, done: u64) -> Result<(), Error> {
        check_cancel(self.call)?;
        let now = std::time::Instant::now();
        let due = self.last.is_none_or(|last| now.duration_since(last).as_millis() >= 100);
        if due || done == self.total {
            self.last = Some(now);
            let spent = now.duration_since(self.begun).as_secs_f64();
            let seconds_left = (done > 0 && self.total >= done && spent > 1.0)
                .then(|| (spent / done as f64 * (self.total - done) as f64).ceil() as u64);
            (self.call.notify)(Notice::Progress {
                doing: self.doing.to_owned(),
                done,
                total: self.total,
                seconds_left,
            });
        }
        Ok(())
    }
}

/// Carries out a request, for a test.
#[cfg(test)]
fn ask(engine: &Engine, request: Request) -> Result<Response, Error> {
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let origin = crate::call::Origin::CommandLine;
    engine.handle(request, &Call { actor: "tester".to_owned(), origin, notify: &|_| {}, cancel: &cancel })
}
