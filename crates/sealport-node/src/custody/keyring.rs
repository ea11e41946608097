//! One item in the keyring of the operating system: service `sealport`, user the id of the system, text.
//!
//! A keyring can hang: on a prompt that nobody sees, on a service that stopped. So every call runs on a thread of its own with a
//! deadline, over a connection of its own: a later call never waits behind one that hangs, and "try again" looks afresh.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use keyring_core::{Entry, Error as KeyringError, api::CredentialStore};
use sealport_core::{Code, Error, id::SystemId, secret::Wiped};

/// What people call the keyring of this system.
#[cfg(windows)]
pub(super) const NAME: &str = "Windows Credential Manager";
#[cfg(target_os = "macos")]
pub(super) const NAME: &str = "macOS Keychain";
#[cfg(not(any(windows, target_os = "macos")))]
pub(super) const NAME: &str = "Secret Service (GNOME Keyring or KDE Wallet)";

const SERVICE: &str = "sealport";

// Calls that outlived their deadline still hold a thread each; more than a few of them and no new ones start.
const UNANSWERED_LIMIT: usize = 16;
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// The item of one system and how to ask for it.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub system: SystemId,
    pub deadline: Duration,
    pub interactive: bool,
}

impl Item {
    /// Sets the item, a new one or in the place of the old one.
    pub fn store(self, bundle: &[u8]) -> Result<(), Error> {
        let bundle = Wiped::new(bundle.to_vec());
        self.in_time("store", move |given_up| {
            let entry = self.entry()?;
            // After the deadline the caller has been told that nothing was stored; so nothing is.
            if given_up.load(Ordering::SeqCst) {
                return Err(self.timeout("store"));
            }
            entry.set_secret(&bundle).map_err(|error| self.explain("store", error))
        })
    }

    /// Reads the item.
    pub fn load(self) -> Result<Wiped<Vec<u8>>, Error> {
        self.in_time("read", move |_| {
            #[cfg(all(unix, not(target_os = "macos")))]
            if let Some(secret) = self.look()?.read() {
                return Ok(Wiped::new(secret));
            }
            let secret = self.open()?.get_secret().map_err(|error| self.explain("read", error))?;
            Ok(Wiped::new(secret))
        })
    }

    /// Deletes the item, if it is there.
    pub fn remove(self) -> Result<(), Error> {
        self.in_time("delete", move |given_up| {
            let entry = self.entry()?;
            if given_up.load(Ordering::SeqCst) {
                return Err(self.timeout("delete"));
            }
            match entry.delete_credential() {
                Ok(()) | Err(KeyringError::NoEntry) => Ok(()),
                Err(error) => Err(self.explain("delete", error)),
            }
        })
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    fn look(self) -> Result<super::look::Looked, Error> {
        super::look::look(SERVICE, &self.system.to_string(), self.interactive)
    }

    /// Looks first (no prompt), then opens the store anew.
    fn entry(self) -> Result<Entry, Error> {
        #[cfg(all(unix, not(target_os = "macos")))]
        self.look()?;
        self.open()
    }

    fn open(self) -> Result<Entry, Error> {
        let store = open_store().map_err(|error| self.explain("open", error))?;
        let label = HashMap::from([("label", "Sealport master secret")]);
        let label = cfg!(all(unix, not(target_os = "macos"))).then_some(&label);
        store.build(SERVICE, &self.system.to_string(), label).map_err(|error| self.explain("open", error))
    }

    fn in_time<T: Send + 'static>(
        self,
        verb: &'static str,
        call: impl Fn(&AtomicBool) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let counted = Counted::new();
        if UNDER_WAY.load(Ordering::SeqCst) > UNANSWERED_LIMIT {
            return Err(self.timeout(verb));
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let given_up = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&given_up);
        thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                let _counted = counted;
                // Nobody listens after the deadline; the answer is dropped, and wiped, here.
                #[cfg(all(unix, not(target_os = "macos")))]
                let answered = super::look::ask_again(|| call(&seen));
                #[cfg(not(all(unix, not(target_os = "macos"))))]
                let answered = call(&seen);
                let _ = answer.send(answered);
            })
            .map_err(|e| Error::new(Code::Unavailable, "can't start a thread for the keyring").because(e))?;
        match answered.recv_timeout(self.deadline) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                given_up.store(true, Ordering::SeqCst);
                Err(self.timeout(verb))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(Error::new(Code::Internal, format!("the call to {verb} in {NAME} broke off")))
            }
        }
    }

    fn timeout(self, verb: &str) -> Error {
        let seconds = self.deadline.as_secs_f32();
        Error::new(
            Code::KeyringTimeout,
            format!("the keyring, {NAME}, did not answer within {seconds} s when asked to {verb}"),
        )
        .hint("Look for a prompt that waits for its answer, or start the keyring again; then try again.")
    }

    fn explain(self, verb: &str, error: KeyringError) -> Error {
        match error {
            KeyringError::NoEntry => no_item(&self.system.to_string()),
            KeyringError::NoStorageAccess(_) if self.interactive => Error::new(
                Code::KeyringDenied,
                format!(
                    "the keyring, {NAME}, refused to {verb}: its prompt was not answered with a password"
                ),
            )
            .hint("Try again and give the keyring's password; without a screen, unlock it first.")
            .because(error),
            KeyringError::NoStorageAccess(_) => locked().because(error),
            // Its parts may hold the secret itself, so they don't become a cause.
            KeyringError::BadEncoding(_) | KeyringError::BadDataFormat(..) => {
                Error::new(Code::Integrity, format!("the item in the keyring, {NAME}, can't be read"))
                    .hint("Restore the system from a backup into an empty data directory.")
            }
            KeyringError::Ambiguous(ref entries) => Error::new(
                Code::KeyringDenied,
                format!("the keyring, {NAME}, holds {} items of system {}", entries.len(), self.system),
            )
            .hint("Keep the right one: delete the others in the keyring's own window."),
            KeyringError::TooLong(..) => {
                Error::new(Code::Refused, format!("the keyring, {NAME}, takes no item of that length"))
                    .because(error)
            }
            KeyringError::NoDefaultStore | KeyringError::NotSupportedByStore(_) => {
                Error::new(Code::KeyringMissing, format!("there is no keyring: {NAME} can't be used here"))
                    .hint("Choose custody `passphrase` on a machine without a keyring.")
                    .because(error)
            }
            error => Error::new(Code::KeyringDenied, format!("the keyring, {NAME}, refused to {verb}"))
                .hint("Look at the keyring in its own window, then try again.")
                .because(error),
        }
    }
}

/// The keyring answered, and the item is not in it. This never means "first run".
pub(super) fn no_item(system: &str) -> Error {
    Error::new(
        Code::KeyringMissing,
        format!(
            "the data directory belongs to system {system}, whose master secret is not in this keyring ({NAME})"
        ),
    )
    .hint(
        "Log in as the user who made the system, or restore it from a backup into an empty data directory: \
         `sealport --data-dir NEW backup restore FILE`.",
    )
}

/// The keyring is there, and locked.
pub(super) fn locked() -> Error {
    Error::new(Code::KeyringLocked, format!("the keyring, {NAME}, is locked"))
        .hint("Unlock it (log in to the desktop, or open the keyring's own window), then try again.")
}

#[cfg(windows)]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(not(any(windows, target_os = "macos")))]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

/// Counts a call while it is under way.
struct Counted;

impl Counted {
    fn new() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}
