//! Looks at the Secret Service without ever prompting: is there a bus, a service, a collection, and is it open?
//!
//! The store itself can't tell these apart: a missing collection reads as "no such item", a locked one as a prompt that may
//! never end.

use std::collections::HashMap;

use sealport_core::{Code, Error};
use zbus::{
    blocking::{Connection, Proxy},
    zvariant::{ObjectPath, OwnedObjectPath},
};

use super::keyring;

const SERVICE: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const NOWHERE: &str = "/";

/// `Ok` where the item of `service` and `user` can be reached without a prompt, or `interactive` lets the store prompt.
/// What needs no password to unlock is unlocked.
pub(super) fn look(service: &str, user: &str, interactive: bool) -> Result<(), Error> {
    let bus = Connection::session().map_err(no_bus)?;
    let secrets = proxy(&bus, PATH, "org.freedesktop.Secret.Service")?;
    // A service that the bus can start counts as there: the first call starts it.
    let collection: OwnedObjectPath = secrets.call("ReadAlias", &("default",)).map_err(no_service)?;
    let wanted = HashMap::from([("service", service), ("username", user)]);
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        secrets.call("SearchItems", &(wanted,)).map_err(refused)?;
    if !open.is_empty() {
        return Ok(());
    }
    if !locked.is_empty() {
        return unlock(&secrets, &locked, interactive);
    }
    if collection.as_str() == NOWHERE {
        return Err(Error::new(Code::KeyringMissing, "the Secret Service has no default collection").hint(
            "Log in to the desktop once, or make a default keyring in its window (Seahorse, KWalletManager).",
        ));
    }
    let shown = proxy(&bus, collection.as_str(), "org.freedesktop.Secret.Collection")?;
    if shown.get_property::<bool>("Locked").map_err(refused)? {
        drop(shown);
        return unlock(&secrets, &[collection], interactive);
    }
    Ok(())
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

fn refused(error: zbus::Error) -> Error {
    Error::new(Code::KeyringDenied, "the Secret Service refused to say what it holds")
        .hint("Look at the keyring in its own window, then try again.")
        .because(error)
}
