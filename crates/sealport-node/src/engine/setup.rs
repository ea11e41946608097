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
    bundle::{Bundle, Holder, Kept},
    id::{Epoch, Generation, NodeId, SystemId},
    secret::{SecretBytes, SecretText, Wiped},
};

use super::{
    Engine, Progress,
    backups::{Of, header, make, opened_words, proven, view},
    beside::{Sink, beside},
    held, now,
    system::{CUSTODY_FILE, System, act},
    system_rng,
};
use crate::{
    backup::Reader,
    call::{Call, Handle},
    config::{Config, Settings},
    custody::Custody,
    net::authority,
    store::{self, Act, Change, NodeChange, NodeRow, RotationMove, Store, SystemRow},
};

/// The database until the system in it counts.
pub(super) const UNFINISHED: &str = "sealport.db.new";

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
        let mut bundle = Bundle::make_new(id, now(), &mut rng);
        let (authority, ca) = authority::make_authority(id, now())?;
        bundle.authority = Some(authority);
        let node = NodeId::make_new(&mut rng);
        let row = SystemRow {
            id,
            name: name.to_owned(),
            created: now(),
            node,
            node_name: host_name(),
            epoch: Epoch::FIRST,
            active_version: bundle.active(),
            generation: Generation::FIRST,
            master: node,
            ca: Some(ca),
        };
        let own = own_node(&row, &mut bundle)?;
        let mut undo = Undo::default();
        let mut change =
            Change { nodes: vec![NodeChange::Add { node: own.clone(), invite: None }], ..Change::default() };
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
                let of = Of { row: &row, nodes: &[own], bundle: &bundle };
                let mut progress = Progress::new(call, "Writing and proving the backup", 0);
                progress.at(0)?;
                let proof = make(file, &header, &of, passphrase, |_| Ok(()), &mut |_| Ok(()))?;
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
        self.finish(row, custody, &Kept::Secret(bundle), None, undo)
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
        let node = NodeId::make_new(&mut system_rng());
        let row = SystemRow {
            id: header.system,
            name: header.system_name.clone(),
            created: header.created,
            node,
            node_name: host_name(),
            epoch: Epoch::FIRST,
            active_version: header.active_version,
            generation: header.generation,
            master: node,
            ca: None,
        };
        let mut store = Store::create(&unfinished, &row)?;
        // What is read is proved on this thread while another writes it. It counts only when all of it proved itself.
        let read = |out: &mut Sink<'_, store::Item>| {
            let contents = reader.read_all(passphrase, &mut |item| {
                if matches!(item, store::Item::Record(_)) {
                    done += 1;
                    progress.at(done)?;
                }
                out(item)
            })?;
            Ok(((), contents))
        };
        let (mut contents, ()) = beside(read, |mut coming| {
            store.fill(|put| {
                coming.by_ref().try_for_each(put)?;
                coming.end()
            })
        })?;
        let shown = view(file, header.clone(), Some(contents.proof))?;
        let entry: Act = act(call, "backup.restore", shown.file.clone(), opened_words(&contents.proof));
        // A backup of a time before systems had an authority: it gets one now.
        let ca = match contents.ca.take() {
            Some(ca) if contents.bundle.authority.is_some() => ca,
            _ => {
                let (authority, ca) = authority::make_authority(row.id, now())?;
                contents.bundle.authority = Some(authority);
                ca
            }
        };
        let row = SystemRow { created: contents.system_created, epoch: contents.epoch, ca: Some(ca), ..row };
        let custody = self.custody(custody, row.id);
        let mut kept = Kept::Secret(contents.bundle);
        let former = former_item(&custody, &kept)?;
        let Kept::Secret(bundle) = &mut kept else { unreachable!("it was just made") };
        bundle.node_key = former.and_then(|former| former.node_key);
        let own = own_node(&row, bundle)?;
        // The node that this one replaces, on a machine of the same name, is no more.
        let same_name = |node: &&NodeRow| !node.revoked && node.name.eq_ignore_ascii_case(&own.name);
        let replaced: Vec<_> = contents.nodes.iter().filter(same_name).map(|n| n.id).collect();
        let restored = contents.nodes.into_iter().map(|node| NodeChange::Add { node, invite: None });
        let mut nodes: Vec<_> = restored.collect();
        nodes.extend(replaced.into_iter().map(NodeChange::Revoke));
        nodes.push(NodeChange::Add { node: own, invite: None });
        store.settle(&row)?;
        // A backup of the middle of a rotation: what is under older versions is sealed anew here too.
        let oldest = store.parts()?.first().map(|(version, _)| *version);
        let rotation = oldest
            .filter(|oldest| *oldest < row.active_version)
            .map(|from| RotationMove::Resume { from, at: now(), by: call.actor.clone() });
        store.write(&Change {
            acts: vec![entry],
            rotation,
            backup: Some(proven(&shown)),
            nodes,
            ..Change::default()
        })?;
        drop(store);
        let system = SystemView { id: row.id, name: row.name.clone(), created: row.created };
        self.finish(row, custody, &kept, None, undo)?;
        Ok(RestoreView { system, ports: header.ports, records: header.records })
    }

    /// Puts the secret into custody, the settings and the database in their places, and opens the system.
    pub(super) fn finish(
        &self,
        row: SystemRow,
        custody: Custody,
        secret: &Kept,
        settings: Option<Settings>,
        mut undo: Undo,
    ) -> Result<(), Error> {
        let folder = &self.config.data_dir;
        let kind = custody.kind();
        let former = former_item(&custody, secret)?;
        // Opened to be kept: custody is where it lives from now on.
        custody.store(secret.to_text().as_bytes())?;
        let place = folder.join(store::FILE);
        // A sample system is never opened again, so nothing needs to say where its secret rests.
        let kept = if kind == CustodyKind::Memory {
            Ok(())
        } else {
            settings.unwrap_or(Settings::new(kind)).write(folder)
        };
        let placed = kept.and_then(|()| {
            std::fs::rename(folder.join(UNFINISHED), &place)
                .and_then(|()| crate::files::sync_folder(folder))
                .map_err(|cause| crate::files::unavailable("write", &place, cause))
        });
        if let Err(error) = placed {
            let _ = match former {
                Some(former) => custody.store(&former.text),
                None => custody.remove(),
            };
            return Err(error);
        }
        undo.files.clear();
        let mut system = System::new(&place, Store::open(&place)?, row, custody)?;
        match secret {
            // Custody gave back just this when it took it: asking once more would cost another second.
            Kept::Secret(bundle) => system.unlocked_by(bundle),
            Kept::KeyOnly { .. } => system.memory_only = true,
        }
        self.install(system);
        Ok(())
    }

    pub(super) fn expect_empty(&self) -> Result<(), Error> {
        match self.system() {
            Ok(system) => Err(Error::new(
                Code::SystemExists,
                format!("{} already holds the system {}.", self.config.data_dir.display(), system.row.name),
            )
            .hint("Use another data directory (--data-dir). A system is never written over.")),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn custody(&self, choice: CustodyChoice, system: SystemId) -> Custody {
        match choice {
            CustodyChoice::Keyring => Custody::keyring(system, self.config.interactive),
            CustodyChoice::Passphrase { passphrase } => {
                Custody::Passphrase { file: self.config.data_dir.join(CUSTODY_FILE), passphrase }
            }
        }
    }
}

/// The registry's entry of this node, whose key is made if the bundle holds none.
pub(super) fn own_node(row: &SystemRow, bundle: &mut Bundle) -> Result<NodeRow, Error> {
    let key = match bundle.node_key.take() {
        Some(key) => key,
        None => authority::make_key()?,
    };
    let key_hash = authority::key_hash(&key)?;
    bundle.node_key = Some(key);
    Ok(NodeRow {
        id: row.node,
        name: row.node_name.clone(),
        standby: true,
        administrator: true,
        revoked: false,
        key_hash,
        address: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        joined: now(),
        // A master signs its own certificate whenever it begins to serve.
        certificate_expires: now(),
        spooled: 0,
        generation: row.generation,
    })
}

pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// What custody holds of a system already.
struct FormerItem {
    text: Wiped<Vec<u8>>,
    node_key: Option<SecretBytes>,
}

/// What custody holds of this system already: another data directory on this machine may rely on it, so it is neither
/// taken away nor replaced by another secret.
fn former_item(custody: &Custody, secret: &Kept) -> Result<Option<FormerItem>, Error> {
    let Ok(text) = custody.load() else { return Ok(None) };
    let known = std::str::from_utf8(&text).ok().and_then(|text| Kept::from_text(text).ok());
    let Some(known) = known.filter(|known| known.system() == secret.system()) else { return Ok(None) };
    match (known, secret) {
        (Kept::Secret(known), Kept::Secret(bundle)) if known.same_secret(bundle) && bundle.node_key.is_none() => {
            Ok(Some(FormerItem { text, node_key: known.node_key }))
        }
        (Kept::Secret(known), Kept::Secret(bundle)) if *known.to_text(Holder::Own) == *bundle.to_text(Holder::Own) => {
            Ok(Some(FormerItem { text, node_key: known.node_key }))
        }
        _ => Err(Error::new(
            Code::Refused,
            format!("{} holds another master secret or node of the system {} already.", custody.name(), secret.system()),
        )
        .hint("It may be newer than the backup. Take it away first if nothing needs it, or choose another custody.")),
    }
}

/// Files that were made on the way; taken away when it does not come to an end.
#[derive(Default)]
pub(super) struct Undo {
    files: Vec<PathBuf>,
}

impl Undo {
    /// A file that was made.
    pub(super) fn file(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// A database with the files that SQLite keeps beside it. One that a crash left there goes at once.
    pub(super) fn database(&mut self, file: &Path) {
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
