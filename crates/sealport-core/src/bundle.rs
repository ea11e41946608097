//! The bundle: every version of a system's master secret, and the private keys that go with it, as custody and backups
//! keep it.
//!
//! As text it is one line of JSON, well below the 2,560 bytes of a Windows credential for a dozen versions.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{
    Code, Error,
    api::KeyVersionView,
    id::{KeyVersion, SystemId},
    seal::{KeyCheck, derive_key_check},
    secret::{MasterSecret, SecretBytes, Wiped},
    time::Timestamp,
};

/// The master secret of one system: numbered versions, one of them active. With it the private keys that this
/// custody holds.
#[derive(Debug)]
pub struct Bundle {
    system: SystemId,
    active: KeyVersion,
    versions: Vec<SecretVersion>,
    /// The highest number among those that were let go.
    let_go: Option<KeyVersion>,
    /// Proves to other nodes who this one is. Never leaves the node, and is in no backup.
    pub node_key: Option<SecretBytes>,
    /// What a master needs; on the master, on standbys, and in backups.
    pub authority: Option<Authority>,
}

/// The private keys of a system's authority, each in PKCS #8.
#[derive(Debug)]
pub struct Authority {
    /// Signs the certificates of nodes.
    pub ca: SecretBytes,
    /// Signs who is master.
    pub grant: SecretBytes,
}

/// What custody holds of a system.
#[derive(Debug)]
pub enum Kept {
    /// The master secret, and the keys beside it.
    Secret(Bundle),
    /// Only the node's own key: the master secret is kept in memory alone.
    KeyOnly {
        /// The system that the key belongs to.
        system: SystemId,
        /// As in a bundle.
        node_key: SecretBytes,
    },
}

/// Who a copy of the bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This node's own custody: everything.
    Own,
    /// A backup, or a standby: everything but the key of the node.
    Heir,
    /// A processing node: the versions alone.
    Reader,
}

/// One version of the master secret.
#[derive(Debug)]
pub struct SecretVersion {
    /// Its number.
    pub version: KeyVersion,
    /// The secret.
    pub secret: MasterSecret,
    /// When it was made.
    pub created: Timestamp,
}

/// The bundle as JSON. The strings in it are wiped when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    system: SystemId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<KeyVersion>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    versions: Vec<VersionText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    let_go: Option<KeyVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node_key: Option<KeyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<AuthorityText>,
}

/// A private key in base64. Wiped when dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct KeyText(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityText {
    ca: KeyText,
    grant: KeyText,
}

impl KeyText {
    fn new(key: &SecretBytes) -> Self {
        // Opened to be kept: custody and backups seal this text.
        Self(STANDARD.encode(key.expose()))
    }

    fn key(&self) -> Option<SecretBytes> {
        let bytes = Wiped::new(STANDARD.decode(&self.0).ok()?);
        (!bytes.is_empty()).then(|| SecretBytes::from_slice(&bytes))
    }
}

impl Drop for KeyText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionText {
    version: KeyVersion,
    created: Timestamp,
    check: String,
    secret: String,
}

impl Drop for VersionText {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Bundle {
    /// A new system's bundle, with version 1 of a new master secret.
    pub fn make_new(system: SystemId, now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let first =
            SecretVersion { version: KeyVersion::FIRST, secret: MasterSecret::make_new(rng), created: now };
        Self {
            system,
            active: KeyVersion::FIRST,
            versions: vec![first],
            let_go: None,
            node_key: None,
            authority: None,
        }
    }

    /// The system that it belongs to.
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// The version that seals.
    pub fn active(&self) -> KeyVersion {
        self.active
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &SecretVersion> {
        self.versions.iter()
    }

    /// Whether it holds a version.
    pub fn holds(&self, version: KeyVersion) -> bool {
        self.versions.iter().any(|v| v.version == version)
    }

    /// The highest number that was ever here. A number is never used twice, also where a database that was put back has
    /// forgotten it: a node may still hold that version.
    pub fn highest(&self) -> KeyVersion {
        let held = self.versions.last().map_or(self.active, |last| last.version);
        self.let_go.map_or(held, |gone| gone.max(held))
    }

    /// Versions with their check values, oldest first.
    pub fn checks(&self) -> Vec<(KeyVersion, KeyCheck)> {
        self.versions.iter().map(|v| (v.version, self.check(v))).collect()
    }

    /// Adds a new version, which opens only until it is activated.
    ///
    /// # Panics
    /// If its number is not above all others: `may_prepare` gives one that is.
    pub fn make_version(&mut self, version: KeyVersion, now: Timestamp, rng: &mut impl CryptoRng) {
        assert!(version > self.highest(), "a new version has a number that was never used");
        self.versions.push(SecretVersion { version, secret: MasterSecret::make_new(rng), created: now });
    }

    /// Makes a version that it holds the active one. The database says which is active: what stands in the text may be
    /// older. Whether it holds it.
    pub fn activate(&mut self, version: KeyVersion) -> bool {
        let holds = self.holds(version);
        if holds {
            self.active = version;
        }
        holds
    }

    /// Lets versions go; never the active one.
    pub fn retain(&mut self, keep: impl Fn(KeyVersion) -> bool) {
        let (active, highest) = (self.active, self.highest());
        self.versions.retain(|v| v.version == active || keep(v.version));
        self.let_go = Some(highest).filter(|highest| !self.holds(*highest));
    }

    /// Takes versions over from another bundle of the system that it does not hold itself. The rest are let go.
    pub fn adopt(&mut self, other: Bundle, wanted: impl Fn(KeyVersion) -> bool) {
        let highest = self.highest().max(other.highest());
        for version in other.versions {
            if wanted(version.version) && !self.holds(version.version) {
                self.versions.push(version);
            }
        }
        self.versions.sort_by_key(|v| v.version);
        self.let_go = Some(highest).filter(|highest| !self.holds(*highest));
    }

    /// How many versions fit into a custody that takes `limit` bytes.
    pub fn room(&self, limit: usize) -> usize {
        let text = self.to_text(Holder::Own).len();
        let most = u32::MAX.to_string().len();
        let one = VersionText {
            version: KeyVersion(u32::MAX),
            created: self.versions[0].created,
            check: "0".repeat(32),
            secret: "0".repeat(44),
        };
        // With the comma before it; numbers of few digits are shorter.
        let one = serde_json::to_string(&one).expect("a version is plain JSON").len() + 1 - most + 3;
        self.versions.len() + limit.saturating_sub(text) / one
    }

    /// What may be shown of the versions.
    pub fn views(&self) -> Vec<KeyVersionView> {
        let view = |v: &SecretVersion| KeyVersionView {
            version: v.version,
            kcv: self.check(v).to_string(),
            created: v.created,
        };
        self.versions.iter().map(view).collect()
    }

    fn check(&self, version: &SecretVersion) -> KeyCheck {
        derive_key_check(self.system, &version.secret)
    }

    /// The bundle as text, for the custody, backup or node that `holder` is.
    pub fn to_text(&self, holder: Holder) -> Wiped<String> {
        let versions = self.versions.iter().map(|v| VersionText {
            version: v.version,
            created: v.created,
            check: self.check(v).to_string(),
            // Opened to be kept: custody and backups seal this text.
            secret: STANDARD.encode(v.secret.expose()),
        });
        let node_key = self.node_key.as_ref().filter(|_| holder == Holder::Own);
        let authority = self.authority.as_ref().filter(|_| holder != Holder::Reader);
        let let_go = self.let_go.filter(|_| holder != Holder::Reader);
        let text = Text {
            format: 1,
            system: self.system,
            active: Some(self.active),
            versions: versions.collect(),
            let_go,
            node_key: node_key.map(KeyText::new),
            authority: authority
                .map(|keys| AuthorityText { ca: KeyText::new(&keys.ca), grant: KeyText::new(&keys.grant) }),
        };
        Wiped::new(serde_json::to_string(&text).expect("a bundle is plain JSON"))
    }

    /// Reads the text of a bundle again. Refused unless every check value fits its secret, so a damaged or mixed-up
    /// item is found here and not by a record that won't open.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        match Kept::from_text(text)? {
            Kept::Secret(bundle) => Ok(bundle),
            Kept::KeyOnly { .. } => Err(damaged("it holds no version of the master secret")),
        }
    }

    /// Whether both hold the same versions of the same secret. Which one is active the database says.
    pub fn same_secret(&self, other: &Self) -> bool {
        self.system == other.system
            && self.versions.len() == other.versions.len()
            && self
                .versions
                .iter()
                .zip(&other.versions)
                .all(|(one, two)| one.version == two.version && one.secret == two.secret)
    }
}

impl Kept {
    /// The system that it belongs to.
    pub fn system(&self) -> SystemId {
        match self {
            Kept::Secret(bundle) => bundle.system(),
            Kept::KeyOnly { system, .. } => *system,
        }
    }

    /// The text that custody keeps.
    pub fn to_text(&self) -> Wiped<String> {
        match self {
            Kept::Secret(bundle) => bundle.to_text(Holder::Own),
            Kept::KeyOnly { system, node_key } => {
                let text = Text {
                    format: 1,
                    system: *system,
                    active: None,
                    versions: Vec::new(),
                    let_go: None,
                    node_key: Some(KeyText::new(node_key)),
                    authority: None,
                };
                Wiped::new(serde_json::to_string(&text).expect("a key is plain JSON"))
            }
        }
    }

    /// Reads what custody kept. Errors: `integrity`.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let parsed: Text =
            serde_json::from_str(text).map_err(|_| damaged("it is not a bundle of format 1"))?;
        if parsed.format != 1 {
            return Err(damaged("it has a newer format"));
        }
        let key = |text: &KeyText| text.key().ok_or_else(|| damaged("a private key is not base64"));
        let node_key = parsed.node_key.as_ref().map(key).transpose()?;
        let authority = parsed.authority.as_ref();
        let authority = authority
            .map(|text| Ok::<_, Error>(Authority { ca: key(&text.ca)?, grant: key(&text.grant)? }))
            .transpose()?;
        match (parsed.active, node_key) {
            (Some(active), node_key) => {
                let versions = read_versions(parsed.system, active, &parsed.versions)?;
                let (system, let_go) = (parsed.system, parsed.let_go);
                Ok(Kept::Secret(Bundle { system, active, versions, let_go, node_key, authority }))
            }
            (None, Some(node_key)) if parsed.versions.is_empty() && authority.is_none() => {
                Ok(Kept::KeyOnly { system: parsed.system, node_key })
            }
            (None, _) => Err(damaged("it names no active version")),
        }
    }
}

fn read_versions(
    system: SystemId,
    active: KeyVersion,
    texts: &[VersionText],
) -> Result<Vec<SecretVersion>, Error> {
    let mut versions = Vec::with_capacity(texts.len());
    for v in texts {
        let bytes = Wiped::new(STANDARD.decode(&v.secret).map_err(|_| damaged("a version is not base64"))?);
        let secret = MasterSecret::from_slice(&bytes).ok_or_else(|| damaged("a version is not 32 bytes"))?;
        if derive_key_check(system, &secret).to_string() != v.check {
            return Err(damaged("a version does not fit its check value"));
        }
        versions.push(SecretVersion { version: v.version, secret, created: v.created });
    }
    if !versions.is_sorted_by(|a, b| a.version < b.version) {
        return Err(damaged("its versions are out of order"));
    }
    if !versions.iter().any(|v| v.version == active) {
        return Err(damaged("its active version is not in it"));
    }
    Ok(versions)
}

fn damaged(what: &str) -> Error {
    Error::new(Code::Integrity, format!("The kept master secret is damaged: {what}."))
        .hint("Restore the master secret from a backup.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Bytes that differ each time.
    struct Counting(u8);

    impl TryRng for Counting {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.try_next_u64().map(|next| next as u32)
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.0 += 1;
            Ok(self.0.into())
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            self.0 += 1;
            bytes.fill(self.0);
            Ok(())
        }
    }

    impl TryCryptoRng for Counting {}

    const LIMIT: usize = 2560;

    fn full() -> Bundle {
        let mut rng = Counting(0);
        let mut bundle = Bundle::make_new(SystemId::make_new(&mut rng), Timestamp::from_millis(0), &mut rng);
        // Ed25519 in PKCS #8 with its public key.
        let key = || SecretBytes::from_slice(&[7; 83]);
        bundle.node_key = Some(key());
        bundle.authority = Some(Authority { ca: key(), grant: key() });
        bundle
    }

    /// Sabotage: leave the comma or the longest number out of `room`.
    #[test]
    fn as_many_versions_fit_as_it_says_and_a_dozen_do() {
        let mut rng = Counting(100);
        let mut bundle = full();
        assert!(bundle.room(LIMIT) >= 12, "{}", bundle.room(LIMIT));
        while bundle.versions().count() < bundle.room(LIMIT) {
            bundle.make_version(bundle.highest().next(), Timestamp::from_millis(0), &mut rng);
            assert!(bundle.to_text(Holder::Own).len() <= LIMIT);
        }
        bundle.make_version(bundle.highest().next(), Timestamp::from_millis(0), &mut rng);
        assert!(bundle.to_text(Holder::Own).len() > LIMIT, "one more fits");
    }

    #[test]
    fn several_versions_come_back_with_the_active_one_that_was_said() {
        let mut rng = Counting(100);
        let mut bundle = full();
        bundle.make_version(KeyVersion(2), Timestamp::from_millis(1), &mut rng);
        bundle.make_version(KeyVersion(4), Timestamp::from_millis(2), &mut rng);
        assert_eq!(bundle.active(), KeyVersion(1));
        assert!(!bundle.activate(KeyVersion(3)) && bundle.activate(KeyVersion(4)));
        let again = Bundle::from_text(&bundle.to_text(Holder::Own)).unwrap();
        assert_eq!((again.active(), again.checks()), (KeyVersion(4), bundle.checks()));
        // The active one stays, whatever is let go; another bundle gives back what is wanted.
        bundle.retain(|version| version == KeyVersion(2));
        assert_eq!(bundle.versions().map(|held| held.version.0).collect::<Vec<_>>(), [2, 4]);
        bundle.adopt(again, |version| version == KeyVersion(1));
        assert_eq!(bundle.versions().map(|held| held.version.0).collect::<Vec<_>>(), [1, 2, 4]);
    }

    /// Sabotage: let `retain` or `adopt` forget it; let `to_text` leave it out.
    #[test]
    fn a_number_that_was_let_go_is_not_free() {
        let mut rng = Counting(100);
        let mut bundle = full();
        bundle.make_version(KeyVersion(3), Timestamp::from_millis(1), &mut rng);
        bundle.retain(|_| false);
        assert_eq!((bundle.versions().count(), bundle.highest()), (1, KeyVersion(3)));
        let read = |holder| Bundle::from_text(&bundle.to_text(holder)).unwrap();
        assert_eq!([Holder::Own, Holder::Heir].map(|holder| read(holder).highest().0), [3, 3]);
        let mut given = read(Holder::Reader);
        assert_eq!(given.highest(), KeyVersion(1), "who only reads makes none");
        given.adopt(read(Holder::Own), |_| false);
        assert_eq!(given.highest(), KeyVersion(3));
        given.make_version(KeyVersion(4), Timestamp::from_millis(2), &mut rng);
        given.retain(|version| version == KeyVersion(4));
        assert!(!given.to_text(Holder::Own).contains("let_go"), "a higher one says it");
    }
}
