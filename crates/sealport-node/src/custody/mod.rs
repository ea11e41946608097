//! Custody: where the bundle with the master secret rests while nobody needs it.
//!
//! The choice is the administrator's and stands in `sealport.toml`. There is no falling back from one place to another, and
//! nothing is ever made because something was not found.

use std::{path::PathBuf, sync::Mutex, sync::PoisonError, time::Duration};

use sealport_core::{
    Code, Error,
    api::CustodyKind,
    id::SystemId,
    secret::{SecretText, Wiped},
};
use subtle::ConstantTimeEq;

mod keyring;
#[cfg(all(unix, not(target_os = "macos")))]
mod look;
mod passphrase;

/// Longest bundle in bytes: what Windows' Credential Manager takes as one item.
pub const BUNDLE_LIMIT: usize = 2560;

/// How long the keyring has for one call, a person's answer to its prompt included.
pub const KEYRING_DEADLINE: Duration = Duration::from_secs(20);

/// A place for the bundle of one system.
pub enum Custody {
    /// One item in the keyring of the operating system: service `sealport`, user the id of the system.
    Keyring {
        /// Whose bundle.
        system: SystemId,
        /// Longest time for one call.
        deadline: Duration,
        /// Whether the keyring may ask the person at the screen to unlock it.
        interactive: bool,
    },
    /// A file that age seals under a passphrase.
    Passphrase {
        /// The file; it is replaced as a whole.
        file: PathBuf,
        /// What opens it.
        passphrase: SecretText,
    },
    /// Memory only, for the sample system: gone with the process.
    Memory(Mutex<Option<Wiped<Vec<u8>>>>),
}

impl Custody {
    /// The keyring with the usual deadline.
    pub fn keyring(system: SystemId, interactive: bool) -> Self {
        Self::Keyring { system, deadline: KEYRING_DEADLINE, interactive }
    }

    /// Empty memory.
    pub fn memory() -> Self {
        Self::Memory(Mutex::new(None))
    }

    /// Which kind it is.
    pub fn kind(&self) -> CustodyKind {
        match self {
            Custody::Keyring { .. } => CustodyKind::Keyring,
            Custody::Passphrase { .. } => CustodyKind::Passphrase,
            Custody::Memory(_) => CustodyKind::Memory,
        }
    }

    /// Whether asking it may put a question to a person.
    pub fn may_prompt(&self) -> bool {
        matches!(self, Custody::Keyring { interactive: true, .. })
    }

    /// What it is called on this machine.
    pub fn name(&self) -> String {
        match self {
            Custody::Keyring { .. } => keyring::NAME.to_owned(),
            Custody::Passphrase { .. } => "passphrase file".to_owned(),
            Custody::Memory(_) => "memory only".to_owned(),
        }
    }

    /// Stores the bundle, reads it back and compares it in constant time; a former bundle of the system is replaced as
    /// a whole. The bundle is text (KDE Wallet takes nothing else) of at most `BUNDLE_LIMIT` bytes.
    /// Errors: `Keyring*`, `Unavailable`, `NotPermitted`; `Integrity` where something else comes back.
    pub fn store(&self, bundle: &[u8]) -> Result<(), Error> {
        if bundle.is_empty() || bundle.len() > BUNDLE_LIMIT {
            return Err(Error::new(
                Code::Refused,
                format!(
                    "the secret's bundle has {} bytes; 1 to {BUNDLE_LIMIT} fit in a keyring",
                    bundle.len()
                ),
            ));
        }
        if std::str::from_utf8(bundle).is_err() || bundle.contains(&0) {
            return Err(Error::new(Code::Internal, "the secret's bundle is not text"));
        }
        match self {
            Custody::Keyring { system, deadline, interactive } => {
                keyring::Item { system: *system, deadline: *deadline, interactive: *interactive }
                    .store(bundle)?;
            }
            Custody::Passphrase { file, passphrase } => passphrase::store(file, passphrase, bundle)?,
            Custody::Memory(place) => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wiped::new(bundle.to_vec()));
            }
        }
        if bool::from(self.load()?.as_slice().ct_eq(bundle)) {
            Ok(())
        } else {
            Err(Error::new(
                Code::Integrity,
                format!("{} gave back something else than was stored", self.name()),
            )
            .hint("Nothing relies on it yet. Try again; if it happens again, choose another custody."))
        }
    }

    /// The bundle. Errors: `KeyringMissing` also where the item is not there; `WrongPassphrase`, `Integrity`,
    /// `NotFound` for a passphrase file.
    pub fn load(&self) -> Result<Wiped<Vec<u8>>, Error> {
        match self {
            Custody::Keyring { system, deadline, interactive } => {
                keyring::Item { system: *system, deadline: *deadline, interactive: *interactive }.load()
            }
            Custody::Passphrase { file, passphrase } => passphrase::load(file, passphrase),
            Custody::Memory(place) => place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(|bundle| Wiped::new(bundle.to_vec()))
                .ok_or_else(|| Error::new(Code::NotFound, "the sample system has no secret any more")),
        }
    }

    /// Takes the bundle away. That it was not there is no error.
    pub fn remove(&self) -> Result<(), Error> {
        match self {
            Custody::Keyring { system, deadline, interactive } => {
                keyring::Item { system: *system, deadline: *deadline, interactive: *interactive }.remove()
            }
            Custody::Passphrase { file, .. } => passphrase::remove(file),
            Custody::Memory(place) => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_gives_back_what_it_took_until_it_is_removed() {
        let custody = Custody::memory();
        assert_eq!(custody.load().unwrap_err().code, Code::NotFound);
        custody.store(b"bundle").unwrap();
        assert_eq!(custody.load().unwrap().as_slice(), b"bundle");
        custody.remove().unwrap();
        assert_eq!(custody.load().unwrap_err().code, Code::NotFound);
        assert_eq!(custody.kind(), CustodyKind::Memory);
    }

    #[test]
    fn a_bundle_that_no_keyring_would_hold_is_refused_everywhere() {
        let custody = Custody::memory();
        custody.store(&[b'a'; BUNDLE_LIMIT]).unwrap();
        assert_eq!(custody.store(&[b'a'; BUNDLE_LIMIT + 1]).unwrap_err().code, Code::Refused);
        assert_eq!(custody.store(b"").unwrap_err().code, Code::Refused);
        assert_eq!(custody.store(b"\xff").unwrap_err().code, Code::Internal);
    }
}
