//! Backup files: written whole or not at all, and read only after every byte of them has proved itself.
//!
//! A file is the readable header of `sealport_core::backup`, then an armoured age file. age keeps the inside whole;
//! the first line inside carries the hash of the header; `armor` refuses every spelling but the one that we write.

mod armor;
mod read;
mod write;

use std::path::Path;

use age::secrecy::SecretString;
use sealport_core::{Code, Error, secret::SecretText};

use crate::store::Item;

pub use read::{Contents, Proof, Reader};
pub use write::{Cost, Plan, write};

/// Takes the items of a backup one by one, and may end it.
pub type Sink<'a> = dyn FnMut(Item) -> Result<(), Error> + 'a;

/// The first bytes of the age part.
const ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// age wants its own type; the text is opened only to be handed over.
fn passphrase(secret: &SecretText) -> SecretString {
    SecretString::from(secret.expose().to_owned())
}

fn unreadable(file: &Path, cause: std::io::Error) -> Error {
    let shown = file.display();
    let error = match cause.kind() {
        std::io::ErrorKind::NotFound => Error::new(Code::NotFound, format!("There is no file {shown}.")),
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Code::AlreadyExists, format!("{shown} is there already."))
                .hint("A backup is never written over. Choose another name.")
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::new(Code::Unavailable, format!("{shown} can't be opened: permission denied."))
                .hint("Choose a folder that you may write to.")
        }
        std::io::ErrorKind::StorageFull => {
            Error::new(Code::Unavailable, format!("The disk of {shown} is full."))
                .hint("Make room, or choose another disk.")
        }
        _ => Error::new(Code::Unavailable, format!("{shown}: {cause}.")),
    };
    error.because(cause)
}

fn damaged(file: &Path, what: &str) -> Error {
    Error::new(Code::Integrity, format!("The backup {} is damaged: {what}.", file.display()))
        .hint("Nothing was changed. Take another copy of it, or an older backup.")
}
