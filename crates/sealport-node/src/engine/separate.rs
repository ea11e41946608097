//! A copy of a data directory becomes a system of its own: new ids, authority and master secret, everything sealed anew, and nothing
//! left that the former system would let in.
//!
//! It counts with one transaction of the database. The new secret waits beside the old one until then; whoever opens the directory
//! after a crash finds by the database which of the two is meant (`settle`).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
};

use sealport_core::{
    Code, Error,
    api::{CustodyKind, SeparatedView, SystemView},
    backup::{MAX_NAME, one_line},
    bundle::{Bundle, Holder},
    id::{Epoch, KeyVersion, NodeId, SystemId},
    seal::Keys,
    secret::SecretText,
};

use super::{
    Engine, Progress, held, now,
    reseal::seal_one,
    setup::{host_name, own_node},
    system::{CUSTODY_FILE, System, act},
    system_rng,
};
use crate::{
    call::Call,
    custody::Custody,
    files,
    membership::Membership,
    net::{authority, wire::Spooled},
    store::{Act, Cursor, Separation, Store, SystemRow},
};

/// Parts that are sealed anew at a time.
const BATCH: usize = 256;
/// What a passphrase custody is called until its system counts: between these stands the system's id.
const ASIDE: (&str, &str) = ("custody-", ".age");

/// A new secret in its custody, taken away again unless its system counts.
struct Aside(Option<Custody>);

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(custody) = &self.0 {
            let _ = custody.remove();
        }
    }
}

impl Engine {
    /// Makes the system of this data directory another one, of this node alone.
    pub(super) fn separate(&self, name: &str, forget: bool, call: &Call) -> Result<SeparatedView, Error> {
        let name = one_line("name of the system", name, MAX_NAME)?;
        let only = held(&self.setup);
        let former = self.system()?;
        if name.is_empty() || name.eq_ignore_ascii_case(&former.row.name) {
            return Err(Error::new(Code::Usage, "The new system needs a name of its own.")
                .hint(format!("Take another one than {}, like {}-TEST.", former.row.name, former.row.name)));
        }
        if former.memory_only || former.custody().kind() == CustodyKind::Memory {
            return Err(Error::new(
                Code::Refused,
                "The master secret is kept in memory only, so there is no custody for a new one.",
            )
            .hint("Make the system anew from a backup, in an empty data directory."));
        }
        // What custody and database hold stays as it is until this has come to its end.
        let keeping = held(&former.keeping);
        let mut writer = held(&former.writer);
        let (present, own) = (writer.system()?, writer.own()?);
        if own.damaged {
            return Err(Error::new(Code::Integrity, "The replica of this node is damaged.")
                .hint("Make the system anew from a backup, in an empty data directory."));
        }
        let old = former.unlocked()?;
        let mut rng = system_rng();
        let id = SystemId::make_new(&mut rng);
        let mut bundle = Bundle::make_new(id, now(), &mut rng);
        let (keys, ca) = authority::make_authority(id, now())?;
        let grant_key = authority::grant_key(&keys)?;
        bundle.authority = Some(keys);
        let node = NodeId::make_new(&mut rng);
        let row = SystemRow {
            id,
            name: name.clone(),
            created: now(),
            node,
            node_name: host_name(),
            epoch: Epoch::FIRST,
            active_version: bundle.active(),
            generation: present.generation.next(),
            master: node,
            ca: Some(ca),
        };
        let node = own_node(&row, &mut bundle)?;
        let mut aside = Aside(Some(custody_aside(&former, id)));
        // Opened to be kept: custody is where it lives from now on. It is read back and compared.
        if let Some(custody) = &aside.0 {
            custody.store(bundle.to_text(Holder::Own).as_bytes())?;
        }
        let mut acts = spooled(writer.spooled(u32::MAX)?)?;
        let from = format!(
            "it was part of {} ({}), at generation {}",
            former.row.name, former.row.id, present.generation
        );
        acts.push(act(call, "node.separate", name, from));
        let (ports, _) = writer.counts()?;
        let total = writer.parts()?.iter().map(|(_, parts)| parts).sum();
        let reader = Store::open(writer.file())?;
        let new = Keys::derive(&bundle);
        let mut cursor = Cursor::default();
        let mut progress = Progress::new(call, "Sealing everything anew", total);
        let mut parts = 0;
        writer.separate(&Separation { row: &row, own: &node, grant_key: &grant_key, acts: &acts }, || {
            progress.at(parts)?;
            let older = reader.next_older(KeyVersion(u32::MAX), &mut cursor, BATCH)?;
            parts += older.len() as u64;
            let seal = |part| seal_one((&old.keys, &new), bundle.active(), row.epoch, part);
            older.iter().map(seal).collect()
        })?;
        // The database is the new system's from here on: there is no way back.
        aside.0 = None;
        former.over.store(true, Ordering::Release);
        former.position.send_modify(|_| {});
        drop((writer, keeping));
        if let Some(follower) = former.follower.write().unwrap_or_else(PoisonError::into_inner).take() {
            follower.stop();
        }
        self.be_silent();
        held(&self.hints).clear();
        *held(&self.read_back) = None;
        *held(&self.opened_all) = None;
        *held(&self.stuck) = None;
        let system =
            System::open(&self.config)?.ok_or_else(|| Error::new(Code::Internal, "The database is gone."))?;
        *system.custody.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(custody_of(&former, id));
        system.unlocked_by(&bundle);
        let generation = row.generation;
        self.install(system);
        drop(only);
        let former_secret = match &*former.custody() {
            Custody::Keyring { .. } if !forget => Some(former.custody().name()),
            custody @ Custody::Keyring { .. } => custody.remove().err().map(|_| custody.name()),
            _ => None,
        };
        if self.begin_listening().is_err() {
            // The former listener may not have let the port go yet.
            self.aside(Self::begin_listening);
        }
        self.state_changed(self.node_state());
        self.changed(generation);
        Ok(SeparatedView {
            system: SystemView { id, name: row.name, created: row.created },
            former: SystemView {
                id: former.row.id,
                name: former.row.name.clone(),
                created: former.row.created,
            },
            ports,
            parts,
            former_secret,
        })
    }
}

/// Where the new secret waits until its system counts.
fn custody_aside(former: &System, system: SystemId) -> Custody {
    match custody_of(former, system) {
        Custody::Passphrase { passphrase, .. } => {
            Custody::Passphrase { file: aside_file(&former.data_dir, system), passphrase }
        }
        custody => custody,
    }
}

/// Where it rests from then on: in a custody of the same kind.
fn custody_of(former: &System, system: SystemId) -> Custody {
    match &*former.custody() {
        Custody::Keyring { interactive, .. } => Custody::keyring(system, *interactive),
        Custody::Passphrase { passphrase, .. } => Custody::Passphrase {
            file: former.data_dir.join(CUSTODY_FILE),
            // Copied because both systems are there for a moment.
            passphrase: SecretText::new(passphrase.expose().to_owned()),
        },
        Custody::Memory(_) => Custody::memory(),
    }
}

fn aside_file(data_dir: &Path, system: SystemId) -> PathBuf {
    data_dir.join(format!("{}{system}{}", ASIDE.0, ASIDE.1))
}

/// What this node did of its own and nobody's trail has yet.
fn spooled(entries: Vec<(u64, String)>) -> Result<Vec<Act>, Error> {
    let act = |(_, text): (u64, String)| {
        let act = Spooled::read(&text)?.act;
        Ok(Act {
            at: act.at,
            who: act.who,
            origin: act.origin,
            act: act.act.into(),
            object: act.object,
            detail: act.detail,
        })
    };
    entries.into_iter().map(act).collect()
}

/// Brings a separation to its end that was cut off after it counted, and takes away what is left of one that never did. `system` is
/// the one that the database holds.
pub(super) fn settle(data_dir: &Path, system: SystemId) -> Result<(), Error> {
    let failed = |cause| files::unavailable("look through", data_dir, cause);
    if Membership::read(data_dir).is_ok_and(|membership| membership.is_some_and(|m| m.system != system)) {
        // The former system's: a certificate whose key is about to go.
        Membership::remove(data_dir)?;
    }
    for entry in fs::read_dir(data_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let middle = name.strip_prefix(ASIDE.0).and_then(|name| name.strip_suffix(ASIDE.1));
        let Some(of) = middle.and_then(|id| id.parse::<SystemId>().ok()) else { continue };
        if of == system {
            // The former secret, and with it the key that the former system knows, is gone with this.
            let place = data_dir.join(CUSTODY_FILE);
            fs::rename(&path, &place).map_err(|cause| files::unavailable("write", &place, cause))?;
        } else {
            fs::remove_file(&path).map_err(|cause| files::unavailable("take away", &path, cause))?;
        }
        files::sync_folder(data_dir).map_err(failed)?;
    }
    Ok(())
}
