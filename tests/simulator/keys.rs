//! Versions of the master secret, as a custody holds them. They are real: what is sealed under one opens with that one alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::RwLock,
};

use rand_chacha::ChaCha8Rng;
use sealport_core::{
    bundle::Bundle,
    id::KeyVersion,
    machine::rotation::{KeySetMark, derive_key_set_mark},
    seal::{Context, KeyCheck, Keys, derive_key_check},
    secret::MasterSecret,
};

use crate::grants::system;

/// The version that a system begins with.
pub const V1: KeyVersion = KeyVersion(1);
/// Which secret of a number another system made.
pub const ALIEN: u8 = 200;

/// One secret: its number, and which one of that number it is. Nobody may ever meet two of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub number: KeyVersion,
    pub made: u8,
}

struct Made {
    keys: Keys,
    check: KeyCheck,
}

impl Key {
    fn made(self) -> &'static Made {
        static ALL: RwLock<BTreeMap<Key, &'static Made>> = RwLock::new(BTreeMap::new());
        if let Some(made) = ALL.read().unwrap().get(&self) {
            return made;
        }
        // There are a few dozen, whatever is run.
        ALL.write().unwrap().entry(self).or_insert_with(|| Box::leak(Box::new(self.derive())))
    }

    fn derive(self) -> Made {
        let mut bytes = [self.number.0 as u8; 32];
        bytes[0] = self.made;
        let secret = MasterSecret::from_slice(&bytes).unwrap();
        let check = derive_key_check(system(), &secret);
        let version = serde_json::json!({
            "version": self.number, "created": "2026-01-01T00:00:00.000Z", "check": check.to_string(),
            "secret": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes),
        });
        let text = serde_json::json!({
            "format": 1, "system": system(), "active": self.number, "versions": [version]
        });
        Made { keys: Keys::derive(&Bundle::from_text(&text.to_string()).unwrap()), check }
    }

    pub fn seal(self, context: Context<'_>, plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
        self.made().keys.make_sealed(context, plain, rng)
    }

    /// Whether it opens an envelope as this plaintext.
    pub fn opens(self, context: Context<'_>, envelope: &[u8], plain: &[u8]) -> bool {
        self.made().keys.open(context, envelope).is_ok_and(|opened| **opened == *plain)
    }
}

/// The secrets that a custody or a backup holds, one of each number, and the highest number that was ever in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    held: BTreeMap<KeyVersion, u8>,
    highest: KeyVersion,
}

impl Default for Custody {
    fn default() -> Self {
        Self { held: BTreeMap::new(), highest: KeyVersion(0) }
    }
}

impl Custody {
    /// What a system begins with.
    pub fn first() -> Self {
        Self { held: BTreeMap::from([(V1, 0)]), highest: V1 }
    }

    /// What another system holds.
    pub fn alien() -> Self {
        Self { held: BTreeMap::from([(V1, ALIEN)]), highest: V1 }
    }

    pub fn holds(&self, number: KeyVersion) -> bool {
        self.held.contains_key(&number)
    }

    pub fn key(&self, number: KeyVersion) -> Option<Key> {
        self.held.get(&number).map(|made| Key { number, made: *made })
    }

    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.held.iter().map(|(number, made)| Key { number: *number, made: *made })
    }

    pub fn highest_held(&self) -> Option<KeyVersion> {
        self.held.keys().next_back().copied()
    }

    pub fn highest(&self) -> KeyVersion {
        self.highest
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn put(&mut self, key: Key) {
        self.held.insert(key.number, key.made);
        self.highest = self.highest.max(key.number);
    }

    /// Takes the place of another one.
    pub fn after(self, former: &Self) -> Self {
        Self { highest: self.highest.max(former.highest), ..self }
    }

    pub fn without(&self, left_out: &BTreeSet<KeyVersion>) -> Self {
        let held = self.held.iter().filter(|(number, _)| !left_out.contains(number));
        Self { held: held.map(|(number, made)| (*number, *made)).collect(), ..*self }
    }

    /// The first number of which both have another secret.
    pub fn differing(&self, other: &Self) -> Option<KeyVersion> {
        self.held
            .iter()
            .find(|(number, made)| other.held.get(number).is_some_and(|m| m != *made))
            .map(|(n, _)| *n)
    }

    /// The mark of the set.
    pub fn mark(&self) -> KeySetMark {
        derive_key_set_mark(self.keys().map(|key| (key.number, key.made().check)))
    }
}
