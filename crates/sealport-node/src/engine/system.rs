//! The system of an open data directory: its database, its custody, its keys once custody gave them, and the list of
//! its ports.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{Cache, KeptView},
    bundle::{Bundle, Kept},
    id::{Epoch, Generation, KeyVersion, Revision},
    machine::{Moment, Standing},
    port::Port,
    record::{PortHead, Written},
    seal::{Context, Keys, OpenError, SealedKind},
    secret::{SecretBytes, SecretText, Wiped},
    time::Timestamp,
};
use tokio::sync::watch;

use super::{
    Engine,
    heard::Heard,
    held,
    index::Index,
    keys::{Lent, Unlocked},
    now, separate,
};
use crate::{
    call::{Call, Origin},
    clock,
    config::{Config, Settings},
    custody::Custody,
    membership::Membership,
    meter::Meters,
    run::{Follower, Seat},
    store::{self, Act, Change, Position, Put, Row, Store, SystemRow},
};

/// Name of the file that a passphrase custody keeps the bundle in.
pub(super) const CUSTODY_FILE: &str = "custody.age";

/// How old a refusal gets before a custody that asks nobody is asked again on its own account.
const ASK_AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct System {
    pub row: SystemRow,
    pub data_dir: PathBuf,
    /// The master's memory of its nodes; `None` on a node that is not the master.
    pub seat: Option<Seat>,
    /// Where the database is, told at every change.
    pub(super) position: watch::Sender<Position>,
    /// Reads the registry for requests of other nodes, so that they never wait for a long read.
    pub(super) gate: Mutex<Store>,
    pub follower: RwLock<Option<Arc<Follower>>>,
    /// Whether another system of the same data directory took its place: nothing is answered from it any more.
    pub(super) over: AtomicBool,
    /// Until when no write is let in, since this master hands over.
    pub(super) drain: Mutex<Option<Instant>>,
    /// Whether a master that just started has asked around for a higher grant.
    pub(super) sure: (Mutex<bool>, Condvar),
    /// Since when this is fenced as a copy of a node that is at work: it serves nobody, asks nobody, and leads nothing.
    pub cloned: Option<Timestamp>,
    /// Where the registry had this node when it was opened.
    pub was_at: Option<String>,
    /// Whether the master secret is kept in memory alone.
    pub memory_only: bool,
    pub(super) opened: Moment,
    pub(super) custody: RwLock<Arc<Custody>>,
    pub(super) writer: Mutex<Store>,
    reader: Mutex<Store>,
    pub(super) unlocked: RwLock<Option<Arc<Unlocked>>>,
    /// Since when custody refuses.
    pub(super) locked_since: Mutex<Option<Timestamp>>,
    /// The last refusal, and when it came.
    refused: Mutex<Option<(Instant, Error)>>,
    pub(super) index: Mutex<Option<Index>>,
    /// What other nodes that ask are given.
    pub(super) lent: Mutex<Option<Lent>>,
    /// Held while what custody keeps is changed.
    pub(super) keeping: Mutex<()>,
    /// What the master said of itself.
    pub heard: Heard,
    /// What is counted.
    pub meters: Meters,
}

/// The database of a node, empty, in the place of one that can't be read: the master has everything that was in it but
/// what this node had not told yet. The damaged one stays beside it.
fn made_anew(file: &Path, membership: &Membership) -> Result<(Store, SystemRow), Error> {
    for end in ["", "-wal", "-shm"] {
        let name = |middle: &str| file.with_file_name(format!("{}{middle}{end}", store::FILE));
        match std::fs::rename(name(""), name(".damaged")) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::files::unavailable("move aside", &name(""), cause));
            }
            _ => {}
        }
    }
    let row = SystemRow {
        id: membership.system,
        name: membership.system_name.clone(),
        created: now(),
        node: membership.node,
        node_name: membership.node.to_string(),
        epoch: Epoch(0),
        active_version: KeyVersion(0),
        generation: Generation(0),
        master: store::NOBODY,
        ca: Some(membership.ca()?),
    };
    let mut store = Store::create(file, &row)?;
    // Numbers of entries that the master's trail has are never used again.
    store.begin_spool(now())?;
    Ok((store, row))
}

impl System {
    /// Opens the system of a data directory, if it holds one. Custody is asked only when the secret is needed.
    pub fn open(config: &Config) -> Result<Option<Self>, Error> {
        let file = config.data_dir.join(store::FILE);
        if !file.exists() {
            return Ok(None);
        }
        let stored = || -> Result<(Store, SystemRow), Error> {
            let store = Store::open(&file)?;
            let row = store.system()?;
            // Asked again where something did not open before: a database that is torn takes no full copy.
            if store.own()?.damaged {
                store.check()?;
            }
            store.position()?;
            Ok((store, row))
        };
        let (writer, row) = match (stored(), Membership::read(&config.data_dir)?) {
            // A file that was emptied is a database too, of no system.
            (Err(error), Some(membership)) if matches!(error.code, Code::Integrity | Code::NoSystem) => {
                made_anew(&file, &membership)?
            }
            (stored, _) => stored?,
        };
        separate::settle(&config.data_dir, row.id)?;
        let settings = Settings::read(&config.data_dir)?.ok_or_else(|| {
            Error::new(
                Code::Integrity,
                format!("{} has a database but no sealport.toml.", config.data_dir.display()),
            )
            .hint("Write one that says `custody = \"keyring\"` or `custody = \"passphrase\"`, as it was.")
        })?;
        let custody = match settings.custody {
            sealport_core::api::CustodyKind::Keyring => Custody::keyring(row.id, config.interactive),
            sealport_core::api::CustodyKind::Passphrase => {
                let given = config.custody_passphrase.as_ref();
                // Copied because the configuration outlives an unlock that failed.
                let passphrase = SecretText::new(given.map(|p| p.expose().to_owned()).unwrap_or_default());
                Custody::Passphrase { file: config.data_dir.join(CUSTODY_FILE), passphrase }
            }
            sealport_core::api::CustodyKind::Memory => Custody::memory(),
        };
        let mut system = Self::new(&file, writer, row, custody)?;
        system.memory_only = settings.cache == Some(Cache::Memory);
        Ok(Some(system))
    }

    pub fn new(file: &Path, writer: Store, row: SystemRow, custody: Custody) -> Result<Self, Error> {
        let own = writer.own()?;
        let cloned = (own.standing == Standing::Cloned).then(|| own.cloned_since.unwrap_or_else(now));
        let seat = (row.master == row.node && cloned.is_none()).then(|| Seat::new(row.epoch));
        if let Some(seat) = seat.as_ref().filter(|_| own.standing == Standing::Superseded) {
            // It met a higher epoch before it ended, and does not know yet whose.
            seat.met(row.epoch.next());
        }
        let was_at =
            writer.nodes()?.into_iter().find(|node| node.id == row.node).and_then(|node| node.address);
        Ok(Self {
            cloned,
            was_at,
            data_dir: file.parent().unwrap_or(Path::new(".")).to_owned(),
            seat,
            position: watch::Sender::new(writer.position()?),
            gate: Mutex::new(Store::open(file)?),
            follower: RwLock::default(),
            over: AtomicBool::new(false),
            drain: Mutex::default(),
            sure: (Mutex::new(true), Condvar::new()),
            memory_only: false,
            opened: clock::now(),
            row,
            custody: RwLock::new(Arc::new(custody)),
            writer: Mutex::new(writer),
            reader: Mutex::new(Store::open(file)?),
            unlocked: RwLock::default(),
            locked_since: Mutex::default(),
            refused: Mutex::default(),
            index: Mutex::default(),
            lent: Mutex::default(),
            keeping: Mutex::default(),
            heard: Heard::default(),
            meters: Meters::new(),
        })
    }

    /// Takes over what the former system of the same data directory knows and no file tells: the passphrase and the keys.
    pub(super) fn carry_on(&self, former: &Self) {
        *self.custody.write().unwrap_or_else(PoisonError::into_inner) = former.custody();
        let unlocked = former.unlocked.read().unwrap_or_else(PoisonError::into_inner).clone();
        *self.unlocked.write().unwrap_or_else(PoisonError::into_inner) = unlocked;
        *held(&self.locked_since) = *held(&former.locked_since);
    }

    /// The keys, for somebody who needs them now. Custody is asked until it gives them; an earlier failure is never the
    /// answer.
    pub fn unlocked(&self) -> Result<Arc<Unlocked>, Error> {
        if let Some(unlocked) = self.unlocked.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(unlocked);
        }
        let result = self.unlock();
        let mut since = held(&self.locked_since);
        match result {
            Ok(unlocked) => {
                *since = None;
                *self.unlocked.write().unwrap_or_else(PoisonError::into_inner) = Some(unlocked.clone());
                Ok(unlocked)
            }
            Err(error) => {
                since.get_or_insert_with(now);
                let told = Error::new(error.code, error.message.clone()).hint(error.hint.clone());
                *held(&self.refused) = Some((Instant::now(), told));
                Err(error)
            }
        }
    }

    /// The keys as far as they are known, for whoever only wants to tell how things are: the last refusal stands until
    /// somebody needs the keys. A keyring may prompt, or be silent for long, and must not do so every few seconds; one that
    /// asks nobody is looked at once a minute, so that a service comes back by itself.
    pub fn known(&self) -> Result<Arc<Unlocked>, Error> {
        if let Some(unlocked) = self.unlocked.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(unlocked);
        }
        let may_ask = !self.custody().may_prompt();
        let last = held(&self.refused);
        match last.as_ref() {
            Some((at, error)) if !may_ask || at.elapsed() < ASK_AGAIN => {
                Err(Error::new(error.code, error.message.clone()).hint(error.hint.clone()))
            }
            _ => {
                drop(last);
                self.unlocked()
            }
        }
    }

    fn unlock(&self) -> Result<Arc<Unlocked>, Error> {
        let bundle = match self.kept()? {
            Kept::Secret(bundle) => bundle,
            Kept::KeyOnly { .. } => {
                return Err(Error::new(
                    Code::EncryptionUnavailable,
                    "The master secret is kept in memory only, and the master has not given it since this start.",
                )
                .hint("It comes by itself when the master answers. `sealport status` tells what stands in the way."));
            }
        };
        Ok(Arc::new(Unlocked::new(&bundle)))
    }

    /// What custody holds. It is asked each time, so that private keys are nowhere else.
    pub fn kept(&self) -> Result<Kept, Error> {
        let custody = self.custody();
        if matches!(&*custody, Custody::Passphrase { passphrase, .. } if passphrase.is_empty()) {
            return Err(Error::new(Code::CustodyLocked, "The passphrase of the custody was not given.")
                .hint(
                    "Give it with `sealport unlock`, or name its file in SEALPORT_CUSTODY_PASSPHRASE_FILE.",
                ));
        }
        let text = custody.load()?;
        let text = std::str::from_utf8(&text)
            .map_err(|_| Error::new(Code::Integrity, "What custody holds is not text."))?;
        let kept = Kept::from_text(text)?;
        let system = kept.system();
        if system != self.row.id {
            return Err(Error::new(
                Code::Integrity,
                format!("Custody holds the master secret of another system ({system})."),
            )
            .hint("Restore the master secret of this system from its backup."));
        }
        Ok(match kept {
            Kept::Secret(mut bundle) => {
                // The database says which version is active: a crash between the two is no harm then.
                bundle.activate(self.position.borrow().active_version);
                Kept::Secret(bundle)
            }
            kept => kept,
        })
    }

    /// The bundle, for a new backup or another node. Where it is kept in memory alone there is none to give.
    pub fn bundle(&self) -> Result<Bundle, Error> {
        match self.kept()? {
            Kept::Secret(bundle) => {
                self.unlocked_by(&bundle);
                Ok(bundle)
            }
            Kept::KeyOnly { .. } => Err(Error::new(
                Code::Refused,
                "This node keeps the master secret in memory only, so it can't write it to a backup.",
            )
            .hint("Back up on the master, or on a node that keeps the secret in its custody.")),
        }
    }

    /// The private key that this node proves itself with.
    pub fn node_key(&self) -> Result<SecretBytes, Error> {
        let key = match self.kept()? {
            Kept::Secret(bundle) => {
                self.unlocked_by(&bundle);
                bundle.node_key
            }
            Kept::KeyOnly { node_key, .. } => Some(node_key),
        };
        key.ok_or_else(|| {
            Error::new(Code::Integrity, "Custody holds no private key of this node.")
                .hint("Restore the latest backup in a new data directory, or join again.")
        })
    }

    /// Takes the keys from a bundle that custody gave for another reason: opening it once more costs a second.
    pub(super) fn unlocked_by(&self, bundle: &Bundle) {
        let mut unlocked = self.unlocked.write().unwrap_or_else(PoisonError::into_inner);
        if unlocked.is_none() {
            *unlocked = Some(Arc::new(Unlocked::new(bundle)));
            *held(&self.locked_since) = None;
        }
    }

    /// Where the bundle rests.
    pub fn custody(&self) -> Arc<Custody> {
        self.custody.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the passphrase of a passphrase custody, and keeps it only if it opens the bundle.
    pub fn give_passphrase(&self, passphrase: SecretText) -> Result<(), Error> {
        let former = self.custody();
        let Custody::Passphrase { file, .. } = &*former else {
            return Err(Error::new(
                Code::Refused,
                "The master secret of this system is not kept under a passphrase.",
            ));
        };
        let given = Custody::Passphrase { file: file.clone(), passphrase };
        *self.custody.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(given);
        // Also where the keys are here already: what is kept now opens the bundle for the next backup.
        let result = self.unlock();
        if result.is_err() {
            *self.custody.write().unwrap_or_else(PoisonError::into_inner) = former;
        }
        let unlocked = result?;
        *held(&self.locked_since) = None;
        *self.unlocked.write().unwrap_or_else(PoisonError::into_inner) = Some(unlocked);
        Ok(())
    }

    pub fn locked_since(&self) -> Option<Timestamp> {
        *held(&self.locked_since)
    }

    /// Changes the database behind the back of everything, for a test.
    #[cfg(test)]
    pub(super) fn damage(&self, sql: &str) {
        held(&self.writer).damage(sql);
    }

    /// Reads the database.
    pub fn read<T>(&self, read: impl FnOnce(&mut Store) -> Result<T, Error>) -> Result<T, Error> {
        read(&mut held(&self.reader)).inspect_err(|error| self.suspect(error))
    }

    /// Another connection to the database, for what reads long: nobody who opens a port waits for it.
    pub fn reader_aside(&self) -> Result<Store, Error> {
        let file = held(&self.reader).file().to_owned();
        Store::open(&file).inspect_err(|error| self.suspect(error))
    }

    /// Looks at the list of ports, which is made on first use.
    pub(super) fn index<T>(&self, look: impl FnOnce(&Index) -> T) -> Result<T, Error> {
        self.may_open()?;
        let unlocked = self.unlocked()?;
        if let Some(index) = held(&self.index).as_ref() {
            return Ok(look(index));
        }
        // The writer comes first, as in `write`: the list must not miss a change that commits meanwhile.
        let writer = held(&self.writer);
        let mut index = held(&self.index);
        if index.is_none() {
            *index = Some(Index::read(&unlocked.keys, &writer).inspect_err(|error| self.suspect(error))?);
        }
        drop(writer);
        Ok(look(index.as_ref().expect("it was made above")))
    }

    /// What does not open is damaged here; on a node the master has a good copy.
    pub(super) fn suspect(&self, error: &Error) {
        // What needs a version that custody lacks is whole: another copy of it opens no better.
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
        if matches!(cause, Some(OpenError::UnknownVersion(_))) {
            return;
        }
        if let (Code::Integrity, Some(follower)) = (error.code, self.follower()) {
            follower.damaged();
        }
    }
}

/// Opens an envelope of a row, and says in words what is wrong where it does not open.
pub(super) fn open(
    keys: &Keys,
    row: &Row,
    kind: SealedKind,
    revision: Revision,
    envelope: &[u8],
) -> Result<Wiped<Vec<u8>>, Error> {
    let context = Context { record: row.id, application: &row.application, kind, revision };
    keys.open(context, envelope).map_err(|cause| {
        let error = Error::new(
            Code::Integrity,
            format!("{} (revision {revision}) does not open: {cause}.", row.name),
        );
        match cause {
            OpenError::UnknownVersion(_) => {
                error.hint("Restore the master secret from a backup that holds that version.")
            }
            OpenError::Format | OpenError::Revision | OpenError::Tampered => {
                error.hint("The database was damaged or changed by other means. Restore the latest backup.")
            }
        }
        .because(cause)
    })
}

/// Marks of a port, as its record keeps them.
pub(super) fn head_of(port: &Port, base: PortHead, written: Written) -> PortHead {
    PortHead { marked: port.marks().marked.clone(), filled: port.marks().filled.clone(), written, ..base }
}

/// An audit entry of this call.
pub(super) fn act(
    call: &Call,
    act: impl Into<std::borrow::Cow<'static, str>>,
    object: impl Into<String>,
    detail: impl Into<String>,
) -> Act {
    Act {
        at: now(),
        who: call.actor.clone(),
        origin: call.origin.to_string(),
        act: act.into(),
        object: object.into(),
        detail: detail.into(),
    }
}

/// An audit entry of what this node does of its own accord.
pub(super) fn own_act(word: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Act {
    Act {
        at: now(),
        who: "sealport".to_owned(),
        origin: Origin::Service.to_string(),
        act: word.into(),
        object: object.into(),
        detail: detail.into(),
    }
}

pub(super) fn written(call: &Call, what: impl Into<String>) -> Written {
    Written { at: now(), by: call.actor.clone(), what: what.into(), note: None, changed: Vec::new() }
}

impl Engine {
    /// Writes one revision of one port with its audit entry.
    pub(super) fn write_port(&self, system: &System, put: Put, act: Act) -> Result<Option<KeptView>, Error> {
        let written = system.write(Change { puts: vec![put], acts: vec![act], ..Change::default() })?;
        self.changed(written.generation);
        Ok(written.kept)
    }
}
