//! The bundle: every version of a system's master secret, as custody and backups keep it.
//!
//! As text it is one line of JSON, well below the 2,560 bytes of a Windows credential for a dozen versions.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Code, Error,
    api::KeyVersionView,
    id::{KeyVersion, SystemId},
    seal::{KeyCheck, derive_key_check},
    secret::MasterSecret,
    time::Timestamp,
};

/// The master secret of one system: numbered versions, one of them active.
#[derive(Debug)]
pub struct Bundle {
    system: SystemId,
    active: KeyVersion,
    versions: Vec<SecretVersion>,
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
    active: KeyVersion,
    versions: Vec<VersionText>,
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
        Self { system, active: KeyVersion::FIRST, versions: vec![first] }
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

    /// The bundle as text, for custody and backups alone.
    pub fn to_text(&self) -> Zeroizing<String> {
        let versions = self.versions.iter().map(|v| VersionText {
            version: v.version,
            created: v.created,
            check: self.check(v).to_string(),
            // Opened to be kept: custody and backups seal this text.
            secret: STANDARD.encode(v.secret.expose()),
        });
        let text = Text { format: 1, system: self.system, active: self.active, versions: versions.collect() };
        Zeroizing::new(serde_json::to_string(&text).expect("a bundle is plain JSON"))
    }

    /// Reads the text again. Refused unless every check value fits its secret, so a damaged or mixed-up item is
    /// found here and not by a record that won't open.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let damaged = |what: &str| {
            Error::new(Code::Integrity, format!("The kept master secret is damaged: {what}."))
                .hint("Restore the master secret from a backup.")
        };
        let parsed: Text =
            serde_json::from_str(text).map_err(|_| damaged("it is not a bundle of format 1"))?;
        if parsed.format != 1 {
            return Err(damaged("it has a newer format"));
        }
        let mut versions = Vec::with_capacity(parsed.versions.len());
        for v in &parsed.versions {
            let bytes =
                Zeroizing::new(STANDARD.decode(&v.secret).map_err(|_| damaged("a version is not base64"))?);
            let secret =
                MasterSecret::from_slice(&bytes).ok_or_else(|| damaged("a version is not 32 bytes"))?;
            if derive_key_check(parsed.system, &secret).to_string() != v.check {
                return Err(damaged("a version does not fit its check value"));
            }
            versions.push(SecretVersion { version: v.version, secret, created: v.created });
        }
        if !versions.is_sorted_by(|a, b| a.version < b.version) {
            return Err(damaged("its versions are out of order"));
        }
        if !versions.iter().any(|v| v.version == parsed.active) {
            return Err(damaged("its active version is not in it"));
        }
        Ok(Self { system: parsed.system, active: parsed.active, versions })
    }
}
