//! Secrets, each with a type: boxed, wiped when dropped, unprintable, not cloned, not serialised, compared in
//! constant time, and opened only by `expose`.
//!
//! A secret crosses a process in one way: a field of the contract marked `#[serde(with = "crossing")]`.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use rand_core::CryptoRng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

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

impl From<Wiped<String>> for SecretText {
    fn from(mut text: Wiped<String>) -> Self {
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

/// What may hold a secret while it is made or read, a `String` or a `Vec<u8>`: wiped when dropped, its spare room too, and
/// unprintable. It must not grow beyond its capacity, since what it leaves behind then is not wiped.
pub struct Wiped<B: Buffer>(B);

impl<B: Buffer> Wiped<B> {
    /// Takes ownership: the caller's buffer becomes this one.
    pub fn new(buffer: B) -> Self {
        Self(buffer)
    }
}

impl<B: Buffer> Deref for Wiped<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0
    }
}

impl<B: Buffer> DerefMut for Wiped<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.0
    }
}

impl<B: Buffer> Drop for Wiped<B> {
    fn drop(&mut self) {
        // zeroize wipes what a Vec holds byte by byte, and its spare room in one go.
        self.0.clear();
        self.0.zeroize();
    }
}

impl<B: Buffer> fmt::Debug for Wiped<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wiped(hidden)")
    }
}

/// A buffer that [`Wiped`] wipes.
pub trait Buffer: Zeroize {
    /// Makes all of it spare room.
    fn clear(&mut self);
}

impl Buffer for String {
    fn clear(&mut self) {
        self.clear();
    }
}

impl Buffer for Vec<u8> {
    fn clear(&mut self) {
        self.clear();
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

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// A buffer that writes down what is done with it.
    struct Watched(Rc<RefCell<Vec<&'static str>>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.borrow_mut().push("wiped");
        }
    }

    impl Buffer for Watched {
        fn clear(&mut self) {
            self.0.borrow_mut().push("emptied");
        }
    }

    /// That what is emptied is still wiped, since it is spare room then, `zeroize` promises of a `Vec`.
    /// Sabotage: leave out either line of `drop`.
    #[test]
    fn a_buffer_is_emptied_and_then_wiped_when_it_is_dropped() {
        let done = Rc::default();
        let wiped = Wiped::new(Watched(Rc::clone(&done)));
        assert!(wiped.0.0.borrow().is_empty());
        drop(wiped);
        assert_eq!(*done.borrow(), ["emptied", "wiped"]);
        assert_eq!(SecretText::from(Wiped::new("secret".to_owned())).expose(), "secret");
    }
}
