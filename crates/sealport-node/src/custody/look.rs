//! Looks at the Secret Service without ever prompting: is there a bus, a service, a collection, and is it open?
//!
//! The store itself can't tell these apart: a missing collection reads as "no such item", a locked one as a prompt that may
//! never end.

use std::{collections::HashMap, error::Error as _, time::Duration};

use sealport_core::{Code, Error};
use secret_service::{EncryptionType, blocking::SecretService};
use zbus::{
    blocking::{Connection, Proxy},
    zvariant::{ObjectPath, OwnedObjectPath},
};

use super::keyring;

const SERVICE: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const NOWHERE: &str = "/";
/// How often something is asked that the service says it can't do.
const ASKS: usize = 3;
const MOMENT: Duration = Duration::from_millis(50);

/// A way to the Secret Service, once looking found nothing in it.
pub(super) struct Looked {
    bus: Connection,
    /// The one item that was asked for, where it is there and open.
    item: Option<OwnedObjectPath>,
}

/// `Ok` where the item of `service` and `user` can be reached without a prompt, or `interactive` lets the store prompt.
/// What needs no password to unlock is unlocked.
pub(super) fn look(service: &str, user: &str, interactive: bool) -> Result<Looked, Error> {
    let bus = Connection::session().map_err(no_bus)?;
    let secrets = proxy(&bus, PATH, "org.freedesktop.Secret.Service")?;
    let wanted = HashMap::from([("service", service), ("username", user)]);
    // A service that the bus can start counts as there: the first call starts it.
    let (mut open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        secrets.call("SearchItems", &(wanted,)).map_err(no_answer)?;
    if !open.is_empty() {
        let item = if (open.len(), locked.len()) == (1, 0) { open.pop() } else { None };
        drop(secrets);
        return Ok(Looked { bus, item });
    }
    if !locked.is_empty() {
        unlock(&secrets, &locked, interactive)?;
    } else {
        let collection: OwnedObjectPath = secrets.call("ReadAlias", &("default",)).map_err(refused)?;
        if collection.as_str() == NOWHERE {
            return Err(Error::new(Code::KeyringMissing, "the Secret Service has no default collection").hint(
                "Log in to the desktop once, or make a default keyring in its window (Seahorse, KWalletManager).",
            ));
        }
        let shown = proxy(&bus, collection.as_str(), "org.freedesktop.Secret.Collection")?;
        if shown.get_property::<bool>("Locked").map_err(refused)? {
            drop(shown);
            unlock(&secrets, &[collection], interactive)?;
        }
    }
    drop(secrets);
    Ok(Looked { bus, item: None })
}

impl Looked {
    /// What the item holds, over the connection that found it: a command that opens one port waits for every question to
    /// the keyring. `None` where it was not found open, or does not come this way: the store asks once more, and tells why.
    pub fn read(self) -> Option<Vec<u8>> {
        let item = self.item?;
        let secrets = SecretService::connect_with_existing(EncryptionType::Dh, self.bus).ok()?;
        secrets.get_item_by_path(item).and_then(|item| item.get_secret()).ok()
    }
}

/// Asks, and once or twice again where the service said that it lacks a method: a real gnome-keyring (42.1) says so of
/// `SearchItems` about once in some thousand calls, when several callers come at once.
pub(super) fn ask_again<T>(ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..ASKS {
        match ask() {
            Err(error) if lacks_method(&error) => std::thread::sleep(MOMENT),
            answer => return answer,
        }
    }
    ask()
}

fn lacks_method(error: &Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let mut bus = causes.filter_map(|cause| cause.downcast_ref::<zbus::Error>());
    bus.any(|error| {
        matches!(error, zbus::Error::MethodError(name, ..) if name.as_str().ends_with(".UnknownMethod"))
    })
}

// Asks to unlock without showing the prompt that may come back for it.
fn unlock(secrets: &Proxy<'_>, what: &[OwnedObjectPath], interactive: bool) -> Result<(), Error> {
    let what: Vec<ObjectPath<'_>> = what.iter().map(|path| path.as_ref()).collect();
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
        secrets.call("Unlock", &(what,)).map_err(refused)?;
    if prompt.as_str() == NOWHERE || interactive { Ok(()) } else { Err(keyring::locked()) }
}

fn proxy<'a>(bus: &Connection, path: &'a str, interface: &'static str) -> Result<Proxy<'a>, Error> {
    Proxy::new(bus, SERVICE, path, interface).map_err(no_service)
}

fn no_bus(error: zbus::Error) -> Error {
    Error::new(Code::KeyringMissing, "there is no keyring: no D-Bus session bus can be reached")
        .hint(
            "Log in to a desktop session, or choose custody `passphrase` on a machine without one \
             (`sealport init --custody passphrase`).",
        )
        .because(error)
}

fn no_service(error: zbus::Error) -> Error {
    Error::new(
        Code::KeyringMissing,
        "there is no keyring: nothing answers as Secret Service on the session bus",
    )
    .hint("Install and start gnome-keyring or KDE Wallet, or choose custody `passphrase`.")
    .because(error)
}

/// Tells a service that is not there from one that is and refuses.
fn no_answer(error: zbus::Error) -> Error {
    let absent = match &error {
        zbus::Error::MethodError(name, ..) => {
            let name = name.as_str();
            name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner") || name.contains(".Spawn.")
        }
        _ => false,
    };
    if absent { no_service(error) } else { refused(error) }
}

fn refused(error: zbus::Error) -> Error {
    // What the bus calls it; nothing of what the service holds is in it.
    Error::new(Code::KeyringDenied, format!("the Secret Service refused to say what it holds: {error}"))
        .hint("Look at the keyring in its own window, then try again.")
        .because(error)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use zbus::{message::Message, names::OwnedErrorName};

    use super::*;

    fn method_error(name: &str) -> zbus::Error {
        let call = Message::method_call("/", "Ask").unwrap().build(&()).unwrap();
        zbus::Error::MethodError(OwnedErrorName::try_from(name).unwrap(), None, call)
    }

    /// Sabotage: let `lacks_method` say no, or always yes; let `ask_again` never end.
    #[test]
    fn what_a_service_lacks_for_a_moment_is_asked_again_and_nothing_else() {
        let asked = |failures: usize, error: fn() -> Error| {
            let asks = Cell::new(0);
            let answer = ask_again(|| {
                asks.set(asks.get() + 1);
                if asks.get() <= failures { Err(error()) } else { Ok(()) }
            });
            (asks.get(), answer.is_ok())
        };
        let lacks = || refused(method_error("org.freedesktop.DBus.Error.UnknownMethod"));
        // As it comes through the store.
        let within = || {
            let bus = secret_service::Error::Zbus(method_error("org.freedesktop.DBus.Error.UnknownMethod"));
            Error::new(Code::KeyringDenied, "").because(keyring_core::Error::PlatformFailure(Box::new(bus)))
        };
        assert_eq!([asked(1, lacks), asked(1, within)], [(2, true); 2]);
        assert_eq!(asked(9, lacks), (ASKS, false));
        assert_eq!(
            asked(1, || no_answer(method_error("org.freedesktop.DBus.Error.AccessDenied"))),
            (1, false)
        );
        assert_eq!(
            asked(1, || no_answer(method_error("org.freedesktop.DBus.Error.ServiceUnknown"))),
            (1, false)
        );
    }
}
