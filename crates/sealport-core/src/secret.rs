//! Secrets, each with a type: boxed, wiped when dropped, unprintable, not cloned, not serialised, compared in
//! constant time, and opened only by `expose`.
//!
//! A secret crosses a process in one way: a field of the contract marked `#[serde(with = "crossing")]`.

use std::fmt;

use rand_core::CryptoRng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// One version of the master secret: 32 random bytes, made in place on the heap.
pub struct MasterSecret(SecretBox<[u8; 32]>);

impl MasterSecret {
    /// A new master secret.
    pub fn make_new(rng: &mut impl CryptoRng) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| rng.fill_bytes(bytes)))
    }

    /// The master secret with these bytes; `None` unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32)
            .then(|| Self(SecretBox::init_with_mut(|own: &mut [u8; 32]| own.copy_from_slice(bytes))))
    }

    /// The bytes. Only key derivation and custody have a reason to ask.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl PartialEq for MasterSecret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret(hidden)")
    }
}

/// Secret bytes of any length: a private key in PKCS #8.
pub struct SecretBytes(SecretBox<[u8]>);

impl SecretBytes {
    /// A copy of the bytes; the caller wipes its own.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(SecretBox::new(bytes.into()))
    }

    /// The bytes. Say beside the call why they are opened.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(hidden)")
    }
}

/// Secret text: a passphrase, the password of a port, the text of a port element.
pub struct SecretText(SecretString);

impl SecretText {
    /// Takes ownership of the text; the caller's buffer becomes the secret's.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text. Say beside the call why it is opened.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(mut text: Zeroizing<String>) -> Self {
        Self::new(std::mem::take(&mut *text))
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

/// The one explicit crossing of a process border, for fields of the contract that must carry a secret.
pub mod crossing {
    use super::SecretText;

    /// Writes the secret as a string.
    pub fn serialize<S: serde::Serializer>(secret: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    /// Reads the secret from a string.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer).map(SecretText::new)
    }
}
