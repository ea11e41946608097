//! How a data directory gets its system: made anew, restored from a backup, or filled with samples in memory.
//!
//! Either all of it is there afterwards, or nothing: what was made on the way is taken away again.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{
        CustodyChoice, CustodyKind, FirstBackup, ImportFile, LocalPath, Request, RestoreView, StatusView,
        SystemView,
    },
    backup::{MAX_NAME, one_line},
    bundle::Bundle,
    id::{Epoch, Generation, NodeId, SystemId},
    secret::SecretText,
};
use zeroize::Zeroizing;

use super::{
    Engine, Progress,
    backups::{header, make, opened_words, proven, view},
    held, now,
    system::{CUSTODY_FILE, System, act},
    system_rng,
};
use crate::{
    backup::Reader,
    call::{Call, Handle},
    config::{Config, Settings},
    custody::Custody,
    store::{self, Act, Change, Store, SystemRow},
};

/// The database until the system in it counts.
const UNFINISHED: &str = "sealport.db.new";

macro_rules! sample {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../../samples/", $name)))
    };
}

/// Binding files of our own making, for looking around.
const SAMPLES: &[(&str, &[u8])] = &[
    sample!("HarbourFreight.Booking.BindingInfo.xml"),
    sample!("NorthwindRail.Freight.BindingInfo.xml"),
    sample!("NorthwindRail.Operations.BindingInfo.xml"),
    sample!("NorthwindRail.Ticketing.BindingInfo.xml"),
];

impl Engine {
    /// A system in memory with sample ports, in a folder that goes when the engine goes.
    pub fn explore() -> Result<Self, Error> {
        let unavailable = |cause: std::io::Error| {
            Error::new(Code::Unavailable, "There is no room for temporary files.").because(cause)
        };
        let folder = tempfile::Builder::new().prefix("sealport-sample-").tempdir().map_err(unavailable)?;
        let config =
            Config { data_dir: folder.path().join("data"), custody_passphrase: None, interactive: false };
        let engine = Self::open_in(config, Some(folder))?;
        let cancel = std::sync::atomic::AtomicBool::new(false);
        let call = Call {
            actor: "sample".to_owned(),
            origin: crate::call::Origin::Service,
            notify: &|_| {},
            cancel: &cancel,
        };
        engine.make("Sample system", Custody::memory(), FirstBackup::Later, &call)?;
        let files = SAMPLES.iter().map(|(name, bytes)| ImportFile {
            name: (*name).to_owned(),
            content: SecretText::new(STANDARD.encode(bytes)),
        });
        engine.handle(Request::PortImport { files: files.collect(), dry_run: false }, &call)?;
        Ok(engine)
    }

    pub(super) fn init(
        &self,
        name: &str,
        custody: CustodyChoice,
        backup: FirstBackup,
        call: &Call,
    ) -> Result<StatusView, Error> {
        let name = one_line("name of the system", name, MAX_NAME)?;
        if name.is_empty() {
            return Err(Error::new(Code::Usage, "The system needs a name.").hint("Take one like HUB-EU."));
        }
        let choose = |system| self.custody(custody, system);
        self.make_with(&name, choose, backup, call)?;
        self.status()
    }

    fn make(&self, name: &str, custody: Custody, backup: FirstBackup, call: &Call) -> Result<(), Error> {
        self.make_with(name, |_| custody, backup, call)
    }

    fn make_with(
        &self,
        name: &str,
        custody: impl FnOnce(SystemId) -> Custody,
        backup: FirstBackup,
        call: &Call,
    ) -> Result<(), Error> {
        let _only = held(&self.setup);
        self.expect_empty()?;
        let mut rng = system_rng();
        let id = SystemId::make_new(&mut rng);
        let bundle = Bundle::make_new(id, now(), &mut rng);
        let row = SystemRow {
            id,
            name: name.to_owned(),
            created: now(),
            node: NodeId::make_new(&mut rng),
            node_name: gethostname::gethostname().to_string_lossy().into_owned(),
            epoch: Epoch::FIRST,
            active_version: bundle.active(),
            generation: Generation::FIRST,
        };
        let mut undo = Undo::default();
        let mut change = Change::default();
        change.acts.push(act(
            call,
            "system.init",
            name,
            format!("system {id}, secret version {}", bundle.active()),
        ));
        // The backup comes first: the secret must not be in use before it can be had again.
        match &backup {
            FirstBackup::Now { file: LocalPath(file), passphrase, reminder } => {
                let file = Path::new(file);
                let header = header(&row, &bundle, reminder.clone(), false, 0, 0)?;
                let mut progress = Progress::new(call, "Writing and proving the backup", 0);
                progress.at(0)?;
                let proof = make(file, &header, &row, &bundle, passphrase, |_| Ok(()), &mut |_| Ok(()))?;
                undo.files.push(file.to_owned());
                let view = view(file, header, Some(proof))?;
                change.acts.push(act(call, "backup.create", view.file.clone(), opened_words(&proof)));
                change.backup = Some(proven(&view));
            }
            FirstBackup::Later => {
                change.acts.push(act(call, "backup.later", name, "the first backup was put off"));
            }
        }
        let custody = custody(id);
        let unfinished = self.config.data_dir.join(UNFINISHED);
        undo.database(&unfinished);
        Store::create(&unfinished, &row)?.write(&change)?;
        self.finish(row, custody, &bundle, undo)
    }

    pub(super) fn restore(
        &self,
        file: &Path,
        passphrase: &SecretText,
        custody: CustodyChoice,
        call: &Call,
    ) -> Result<RestoreView, Error> {
        let _only = held(&self.setup);
        self.expect_empty()?;
        let reader = Reader::open(file)?;
        let header = reader.header().clone();
        let mut progress = Progress::new(call, "Restoring records", header.records);
        let mut done = 0;
        let mut undo = Undo::default();
        let unfinished = self.config.data_dir.join(UNFINISHED);
        undo.database(&unfinished);
        let row = SystemRow {
            id: header.system,
            name: header.system_name.clone(),
            created: header.created,
            node: NodeId::make_new(&mut system_rng()),
            node_name: gethostname::gethostname().to_string_lossy().into_owned(),
            epoch: Epoch::FIRST,
            active_version: header.active_version,
            generation: header.generation,
        };
        let mut store = Store::create(&unfinished, &row)?;
        let contents = store.fill(|put| {
            reader.read_all(passphrase, &mut |item| {
                if matches!(item, store::Item::Record(_)) {
                    done += 1;
                    progress.at(done)?;
                }
                put(item)
            })
        })?;
        let shown = view(file, header.clone(), Some(contents.proof))?;
        let entry: Act = act(call, "backup.restore", shown.file.clone(), opened_words(&contents.proof));
        store.settle(contents.system_created)?;
        store.write(&Change { acts: vec![entry], backup: Some(proven(&shown)), ..Change::default() })?;
        drop(store);
        let row = SystemRow { created: contents.system_created, ..row };
        let custody = self.custody(custody, row.id);
        let system = SystemView { id: row.id, name: row.name.clone(), created: row.created };
        self.finish(row, custody, &contents.bundle, undo)?;
        Ok(RestoreView { system, ports: header.ports, records: header.records })
    }

    /// Puts the secret into custody, the settings and the database in their places, and opens the system.
    fn finish(&self, row: SystemRow, custody: Custody, bundle: &Bundle, mut undo: Undo) -> Result<(), Error> {
        let folder = &self.config.data_dir;
        let kind = custody.kind();
        let former = former_item(&custody, bundle)?;
        // Opened to be kept: custody is where it lives from now on.
        custody.store(bundle.to_text().as_bytes())?;
        let place = folder.join(store::FILE);
        // A sample system is never opened again, so nothing needs to say where its secret rests.
        let kept =
            if kind == CustodyKind::Memory { Ok(()) } else { Settings { custody: kind }.write(folder) };
        let placed = kept.and_then(|()| {
            std::fs::rename(folder.join(UNFINISHED), &place)
                .and_then(|()| crate::files::sync_folder(folder))
                .map_err(|cause| crate::files::unavailable("write", &place, cause))
        });
        if let Err(error) = placed {
            let _ = match former {
                Some(former) => custody.store(&former),
                None => custody.remove(),
            };
            return Err(error);
        }
        undo.files.clear();
        let system = System::new(&place, Store::open(&place)?, row, custody)?;
        system.unlocked()?;
        self.install(system);
        Ok(())
    }

    fn expect_empty(&self) -> Result<(), Error> {
        match self.system() {
            Ok(system) => Err(Error::new(
                Code::SystemExists,
                format!("{} already holds the system {}.", self.config.data_dir.display(), system.row.name),
            )
            .hint("Use another data directory (--data-dir). A system is never written over.")),
            Err(_) => Ok(()),
        }
    }

    fn custody(&self, choice: CustodyChoice, system: SystemId) -> Custody {
        match choice {
            CustodyChoice::Keyring => Custody::keyring(system, self.config.interactive),
            CustodyChoice::Passphrase { passphrase } => {
                Custody::Passphrase { file: self.config.data_dir.join(CUSTODY_FILE), passphrase }
            }
        }
    }
}

/// What custody holds of this system already: another data directory on this machine may rely on it, so it is neither
/// taken away nor replaced by another secret.
fn former_item(custody: &Custody, bundle: &Bundle) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let Ok(former) = custody.load() else { return Ok(None) };
    let known = std::str::from_utf8(&former).ok().and_then(|text| Bundle::from_text(text).ok());
    let of_this_system = known.is_some_and(|known| known.system() == bundle.system());
    if of_this_system && *former != *bundle.to_text().as_bytes() {
        return Err(Error::new(
            Code::Refused,
            format!("{} holds another master secret of the system {}.", custody.name(), bundle.system()),
        )
        .hint("It may be newer than the backup. Take it away first if nothing needs it, or choose another custody."));
    }
    Ok(of_this_system.then_some(former))
}

/// Files that were made on the way; taken away when it does not come to an end.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
}

impl Undo {
    /// A database with the files that SQLite keeps beside it. One that a crash left there goes at once.
    fn database(&mut self, file: &Path) {
        for ending in ["", "-wal", "-shm"] {
            let mut name = file.as_os_str().to_owned();
            name.push(ending);
            let _ = std::fs::remove_file(&name);
            self.files.push(name.into());
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}
