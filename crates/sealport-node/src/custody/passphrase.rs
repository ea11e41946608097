//! The passphrase file: an armoured age file with one scrypt recipient. `age -d` opens it too.
//!
//! The work factor is fixed at 2^17 (128 MiB for scrypt), so that a slow machine never seals weaker than a fast one; up to 2^20 is
//! read, less or more is refused before any work is done.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use age::{DecryptError, armor, scrypt, secrecy::SecretString};
use sealport_core::{
    Code, Error,
    secret::{SecretText, Wiped},
};

use super::BUNDLE_LIMIT;
use crate::files::{self, Existing};

const WORK_FACTOR: u8 = 17;
const WORK_FACTORS_READ: std::ops::RangeInclusive<u8> = WORK_FACTOR..=20;
// An armoured bundle of the longest size takes 4 KiB.
const FILE_LIMIT: u64 = 16 * 1024;

/// Seals the bundle under the passphrase and replaces the file as a whole.
pub(super) fn store(file: &Path, passphrase: &SecretText, bundle: &[u8]) -> Result<(), Error> {
    let mut recipient = scrypt::Recipient::new(opened(passphrase));
    recipient.set_work_factor(WORK_FACTOR);
    let mut sealed = Vec::new();
    let mut write = || -> io::Result<()> {
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let armored = armor::ArmoredWriter::wrap_output(&mut sealed, armor::Format::AsciiArmor)?;
        let mut output = encryptor.wrap_output(armored)?;
        output.write_all(bundle)?;
        output.finish()?.finish()?;
        Ok(())
    };
    write().map_err(|e| Error::new(Code::Internal, "sealing under the passphrase failed").because(e))?;
    files::write_private(file, &sealed, Existing::Replace)
}

/// Opens the file.
pub(super) fn load(file: &Path, passphrase: &SecretText) -> Result<Wiped<Vec<u8>>, Error> {
    let sealed = files::read_limited(file, FILE_LIMIT).map_err(|error| match error.code {
        Code::NotFound => Error::new(
            Code::NotFound,
            format!("the passphrase file {} with the master secret is not there", file.display()),
        )
        .hint("Put it back, or restore the system from a backup into an empty data directory."),
        _ => error,
    })?;
    let damaged = |cause: String| {
        Error::new(Code::Integrity, format!("the passphrase file {} is damaged", file.display()))
            .hint("Put back a copy of it, or restore the system from a backup into an empty data directory.")
            .because(cause)
    };
    let mut binary = Vec::new();
    armor::ArmoredReader::new(sealed.as_slice())
        .read_to_end(&mut binary)
        .map_err(|e| damaged(e.to_string()))?;
    match work_factor(&binary) {
        Some(factor) if WORK_FACTORS_READ.contains(&factor) => {}
        Some(factor) => {
            return Err(damaged(format!("work factor {factor}, which Sealport does not write")));
        }
        None => return Err(damaged("no scrypt recipient".to_owned())),
    }
    let decryptor = age::Decryptor::new(binary.as_slice()).map_err(|e| damaged(e.to_string()))?;
    let mut identity = scrypt::Identity::new(opened(passphrase));
    identity.set_max_work_factor(*WORK_FACTORS_READ.end());
    let mut plain =
        decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
            DecryptError::DecryptionFailed
            | DecryptError::KeyDecryptionFailed
            | DecryptError::NoMatchingKeys => {
                Error::new(Code::WrongPassphrase, format!("the passphrase does not open {}", file.display()))
                    .hint("Check the passphrase of the custody; it is not the one of a backup.")
            }
            other => damaged(other.to_string()),
        })?;
    let mut bundle = Wiped::new(Vec::with_capacity(BUNDLE_LIMIT + 1));
    plain
        .by_ref()
        .take(BUNDLE_LIMIT as u64 + 1)
        .read_to_end(&mut bundle)
        .map_err(|e| damaged(e.to_string()))?;
    if bundle.is_empty() || bundle.len() > BUNDLE_LIMIT {
        return Err(damaged(format!("{} bytes or more within", bundle.len())));
    }
    Ok(bundle)
}

/// Deletes the file.
pub(super) fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(files::unavailable("delete", file, error))
        }
        _ => Ok(()),
    }
}

// age takes its own copy, boxed and wiped as ours is.
fn opened(passphrase: &SecretText) -> SecretString {
    SecretString::from(passphrase.expose().to_owned())
}

// The factor of the only stanza: "age-encryption.org/v1\n-> scrypt SALT FACTOR\n".
fn work_factor(binary: &[u8]) -> Option<u8> {
    let stanza = binary.split(|byte| *byte == b'\n').nth(1)?;
    let stanza = std::str::from_utf8(stanza).ok()?;
    stanza.strip_prefix("-> scrypt ")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn what_was_stored_comes_back_only_under_its_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("custody.age");
        assert_eq!(load(&file, &passphrase("right")).unwrap_err().code, Code::NotFound);
        store(&file, &passphrase("right"), b"bundle one").unwrap();
        assert_eq!(load(&file, &passphrase("right")).unwrap().as_slice(), b"bundle one");
        assert_eq!(load(&file, &passphrase("wrong")).unwrap_err().code, Code::WrongPassphrase);
        store(&file, &passphrase("right"), b"bundle two").unwrap();
        assert_eq!(load(&file, &passphrase("right")).unwrap().as_slice(), b"bundle two");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        remove(&file).unwrap();
        remove(&file).unwrap();
    }

    #[test]
    fn damage_is_told_from_a_wrong_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("custody.age");
        store(&file, &passphrase("right"), b"bundle").unwrap();
        let good = fs::read(&file).unwrap();
        let last_line = good.len() - "-----END AGE ENCRYPTED FILE-----\n".len() - 8;
        // Sabotage: take DecryptError::Io and InvalidMac for a wrong passphrase, and this fails.
        let mut flipped = good.clone();
        flipped[last_line] = if flipped[last_line] == b'A' { b'B' } else { b'A' };
        for bad in [&flipped[..], &good[..good.len() / 2], b"", b"not age at all"] {
            fs::write(&file, bad).unwrap();
            assert_eq!(load(&file, &passphrase("right")).unwrap_err().code, Code::Integrity);
        }
    }

    #[test]
    fn a_weaker_work_factor_is_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("custody.age");
        let mut recipient = scrypt::Recipient::new(SecretString::from("right".to_owned()));
        recipient.set_work_factor(10);
        // Sabotage: widen WORK_FACTORS_READ to 1..=20 and the weak file opens.
        fs::write(&file, age::encrypt_and_armor(&recipient, b"bundle").unwrap()).unwrap();
        assert_eq!(load(&file, &passphrase("right")).unwrap_err().code, Code::Integrity);
    }
}
