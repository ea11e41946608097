//! Sealing and opening: the key tree and the envelope, byte for byte as `FORMATS.md` says. The only user of the cipher.
//!
//! An envelope opens only as what it was sealed as: same system, record, application, kind, revision and key version.
//! Every key encrypts one envelope and is never used again.

use std::{collections::BTreeMap, sync::Arc};

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Code, Error,
    backup::{from_hex, hex},
    bundle::Bundle,
    id::{KeyVersion, RecordId, Revision, SystemId},
    secret::{MasterSecret, Wiped},
};

/// Bytes of the fixed header.
pub const HEADER: usize = 68;
/// Bytes that sealing adds to the padded plaintext.
pub const OVERHEAD: usize = HEADER + TAG;
/// The longest plaintext that is sealed: a binding file of 64 MiB and what is said of it.
pub const MAX_PLAINTEXT: usize = 65 << 20;

const MAGIC: &[u8; 4] = b"SEAL";
const FORMAT: u8 = 1;
const SUITE: u8 = 1;
const TAG: usize = 16;
const PAD: usize = 64;

/// What an envelope is sealed as. All of it is bound in, so it opens as nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The record that it belongs to.
    pub record: RecordId,
    /// The application of the record; empty where it has none.
    pub application: &'a str,
    /// What it holds.
    pub kind: SealedKind,
    /// The revision of the record.
    pub revision: Revision,
}

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names speak")]
pub enum SealedKind {
    ReceivePort,
    SendPort,
    SendPortGroup,
    Document,
    ReceivePortSummary,
    SendPortSummary,
    SendPortGroupSummary,
    DocumentSummary,
}

impl SealedKind {
    /// The name that is bound into the envelope. Names are for ever.
    pub fn name(self) -> &'static str {
        match self {
            SealedKind::ReceivePort => "receive_port",
            SealedKind::SendPort => "send_port",
            SealedKind::SendPortGroup => "send_port_group",
            SealedKind::Document => "document",
            SealedKind::ReceivePortSummary => "receive_port/summary",
            SealedKind::SendPortSummary => "send_port/summary",
            SealedKind::SendPortGroupSummary => "send_port_group/summary",
            SealedKind::DocumentSummary => "document/summary",
        }
    }
}

/// Why an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, too long, or with a header that no version of Sealport writes.
    #[error("it is not an envelope of a known format")]
    Format,
    /// Sealed under a version of the master secret that is not here.
    #[error("it is sealed under version {0} of the master secret, which is not here")]
    UnknownVersion(KeyVersion),
    /// Sealed as another revision than the one it stands for.
    #[error("it belongs to another revision")]
    Revision,
    /// Changed, or sealed as something else or by another system.
    #[error("it was changed, or belongs to another record or system")]
    Tampered,
}

/// A version's public check value: equal if and only if system and master secret are. Says nothing about the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCheck(pub [u8; 16]);

impl std::fmt::Display for KeyCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The keys of one system, derived from its master secret; wiped when dropped.
pub struct Keys {
    system: SystemId,
    active: KeyVersion,
    roots: BTreeMap<KeyVersion, Arc<Root>>,
}

/// The pseudo-random key of one version (`PRK_v`).
struct Root(Zeroizing<[u8; 32]>);

impl Root {
    fn derive_expanded(&self, info: &[&[u8]], out: &mut [u8]) {
        Hkdf::<Sha256>::from_prk(&*self.0)
            .expect("32 bytes are a pseudo-random key")
            .expand_multi_info(info, out)
            .expect("a few dozen bytes are within HKDF's length");
    }
}

/// The key check value of a master secret in a system.
pub fn derive_key_check(system: SystemId, secret: &MasterSecret) -> KeyCheck {
    let mut check = [0; 16];
    derive_root(system, secret).derive_expanded(&[b"sealport/1/kcv"], &mut check);
    KeyCheck(check)
}

fn derive_root(system: SystemId, secret: &MasterSecret) -> Root {
    let mut salt = [0; 26];
    salt[..10].copy_from_slice(b"sealport/1");
    salt[10..].copy_from_slice(system.as_bytes());
    // The secret is opened here because this is the one place that keys come from.
    let (mut prk, _) = Hkdf::<Sha256>::extract(Some(&salt), secret.expose());
    let root = Root(Zeroizing::new(prk.into()));
    prk.zeroize();
    root
}

/// What one revision of a record is known by to whoever read it: the same only where record, revision and content are,
/// whatever it is sealed under meanwhile. Of two histories each may have its own revision 3; their imprints differ. It is
/// keyed by the master secret, so it tells nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(as = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Imprint {
    version: KeyVersion,
    bytes: [u8; 16],
}

impl std::fmt::Display for Imprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.version, hex(&self.bytes))
    }
}

impl std::str::FromStr for Imprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (version, bytes) = text.split_once('-')?;
            Some(Self { version: KeyVersion(version.parse().ok()?), bytes: from_hex(bytes)? })
        };
        parse().ok_or_else(|| {
            Error::new(Code::Usage, "This is not a whole imprint of a port.")
                .hint("`sealport --json port show` tells it.")
        })
    }
}

impl TryFrom<String> for Imprint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Imprint> for String {
    fn from(imprint: Imprint) -> Self {
        imprint.to_string()
    }
}

fn derive_imprint(root: &Root, record: RecordId, revision: Revision, plain: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let content = Sha256::digest(plain);
    let info = [b"sealport/1/imp".as_slice(), record.as_bytes(), &revision.0.to_be_bytes(), &content];
    root.derive_expanded(&info, &mut bytes);
    bytes
}

impl Keys {
    /// The imprint of what a revision holds.
    pub fn derive_imprint(&self, record: RecordId, revision: Revision, plain: &[u8]) -> Imprint {
        let version = self.active;
        Imprint { version, bytes: derive_imprint(&self.roots[&version], record, revision, plain) }
    }

    /// Whether an imprint is of this revision with this content. `false` also where its version is not here any more: then
    /// nobody can tell.
    pub fn is_imprint(&self, imprint: Imprint, record: RecordId, revision: Revision, plain: &[u8]) -> bool {
        let root = self.roots.get(&imprint.version);
        root.is_some_and(|root| derive_imprint(root, record, revision, plain) == imprint.bytes)
    }

    /// The keys of every version in the bundle.
    pub fn derive(bundle: &Bundle) -> Self {
        Self {
            system: bundle.system(),
            active: bundle.active(),
            roots: bundle
                .versions()
                .map(|version| (version.version, Arc::new(derive_root(bundle.system(), &version.secret))))
                .collect(),
        }
    }

    /// The system that they belong to.
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// The version that seals.
    pub fn active(&self) -> KeyVersion {
        self.active
    }

    /// Whether they open what is sealed under a version.
    pub fn holds(&self, version: KeyVersion) -> bool {
        self.roots.contains_key(&version)
    }

    /// The highest version that they open.
    pub fn newest(&self) -> KeyVersion {
        self.roots.keys().next_back().copied().unwrap_or(self.active)
    }

    /// The same keys, sealing under another version; `None` where they do not hold it.
    pub fn sealing_under(&self, active: KeyVersion) -> Option<Self> {
        self.holds(active).then(|| Self { system: self.system, active, roots: self.roots.clone() })
    }

    /// The same keys, and with them versions that only `other` holds.
    pub fn with(mut self, other: &Self, versions: &[KeyVersion]) -> Self {
        for version in versions {
            if let Some(root) = other.roots.get(version) {
                self.roots.entry(*version).or_insert_with(|| root.clone());
            }
        }
        self
    }

    /// Seals `plaintext` under the active version. Draws 32 random bytes.
    ///
    /// # Panics
    /// If `plaintext` is longer than [`MAX_PLAINTEXT`]: callers hold their input to limits far below.
    pub fn make_sealed(&self, context: Context<'_>, plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        self.make_sealed_from(context, &[plaintext], rng)
    }

    /// The same for a plaintext in pieces. They come together only where they are encrypted, so that no other copy is to be
    /// wiped.
    pub(crate) fn make_sealed_from(
        &self,
        context: Context<'_>,
        pieces: &[&[u8]],
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        assert!(length <= MAX_PLAINTEXT, "more than is ever sealed");
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);

        let padded = (4 + length).next_multiple_of(PAD);
        let mut envelope = Vec::with_capacity(padded + OVERHEAD);
        envelope.extend_from_slice(&header_start(self.active, context.revision));
        envelope.extend_from_slice(&[0; 16]);
        envelope.extend_from_slice(&salt);
        envelope.extend_from_slice(&(length as u32).to_be_bytes());
        pieces.iter().for_each(|piece| envelope.extend_from_slice(piece));
        envelope.resize(HEADER + padded, 0);

        let aad = self.associated_data(context, &envelope[..20]);
        let record = self.derive_record_key(&self.roots[&self.active], context, &salt, &aad);
        envelope[20..36].copy_from_slice(record.commitment());
        let tag = record
            .cipher()
            .encrypt_inout_detached(&record.nonce(), &aad, (&mut envelope[HEADER..]).into())
            .expect("the plaintext is within AES-GCM's length");
        envelope.extend_from_slice(&tag);
        envelope
    }

    /// Opens an envelope as what `context` says that it is.
    pub fn open(&self, context: Context<'_>, envelope: &[u8]) -> Result<Wiped<Vec<u8>>, OpenError> {
        let body = envelope.len().checked_sub(OVERHEAD).ok_or(OpenError::Format)?;
        if body == 0 || body % PAD != 0 || body > MAX_PLAINTEXT + PAD || envelope[..8] != header_start_fixed()
        {
            return Err(OpenError::Format);
        }
        let version = key_version(envelope).ok_or(OpenError::Format)?;
        let root = self.roots.get(&version).ok_or(OpenError::UnknownVersion(version))?;
        if envelope[12..20] != context.revision.0.to_be_bytes() {
            return Err(OpenError::Revision);
        }
        let salt: [u8; 32] = envelope[36..HEADER].try_into().expect("32 bytes");
        let aad = self.associated_data(context, &envelope[..20]);
        let record = self.derive_record_key(root, context, &salt, &aad);
        // Before the tag: AES-GCM alone lets one ciphertext open under two keys.
        if !bool::from(record.commitment().ct_eq(&envelope[20..36])) {
            return Err(OpenError::Tampered);
        }
        let (sealed, tag) = envelope[HEADER..].split_at(body);
        let mut plain = Wiped::new(sealed.to_vec());
        record
            .cipher()
            .decrypt_inout_detached(
                &record.nonce(),
                &aad,
                plain.as_mut_slice().into(),
                tag.try_into().expect("a tag's length"),
            )
            .map_err(|_| OpenError::Tampered)?;

        let length = u32::from_be_bytes(plain[..4].try_into().expect("four bytes")) as usize;
        let padding = plain.get(4 + length..).ok_or(OpenError::Format)?;
        if padding.len() >= PAD || padding.iter().any(|byte| *byte != 0) {
            return Err(OpenError::Format);
        }
        plain.truncate(4 + length);
        plain.drain(..4);
        Ok(plain)
    }

    fn associated_data(&self, context: Context<'_>, header: &[u8]) -> Vec<u8> {
        let kind = context.kind.name();
        let mut aad = Vec::with_capacity(80 + context.application.len() + kind.len());
        aad.extend_from_slice(b"sealport/1/aad");
        aad.extend_from_slice(self.system.as_bytes());
        aad.extend_from_slice(context.record.as_bytes());
        for text in [context.application, kind] {
            aad.extend_from_slice(&(text.len() as u32).to_be_bytes());
            aad.extend_from_slice(text.as_bytes());
        }
        aad.extend_from_slice(header);
        aad
    }

    fn derive_record_key(&self, root: &Root, context: Context<'_>, salt: &[u8; 32], aad: &[u8]) -> RecordKey {
        let mut application = Zeroizing::new([0; 32]);
        root.derive_expanded(&[b"sealport/1/app", context.application.as_bytes()], &mut *application);
        let mut okm = RecordKey(Zeroizing::new([0; 60]));
        Hkdf::<Sha256>::new(Some(salt), &*application)
            .expand_multi_info(&[b"sealport/1/rec", &Sha256::digest(aad)], &mut *okm.0)
            .expect("60 bytes are within HKDF's length");
        okm
    }
}

/// Key, nonce and commitment of one envelope, used once.
struct RecordKey(Zeroizing<[u8; 60]>);

impl RecordKey {
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.0[..32].try_into().expect("32 bytes"))
    }

    fn nonce(&self) -> aes_gcm::Nonce<aes_gcm::aead::consts::U12> {
        self.0[32..44].try_into().expect("twelve bytes")
    }

    fn commitment(&self) -> &[u8] {
        &self.0[44..60]
    }
}

fn header_start_fixed() -> [u8; 8] {
    [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], FORMAT, SUITE, 0, 0]
}

fn header_start(version: KeyVersion, revision: Revision) -> [u8; 20] {
    let mut start = [0; 20];
    start[..8].copy_from_slice(&header_start_fixed());
    start[8..12].copy_from_slice(&version.0.to_be_bytes());
    start[12..20].copy_from_slice(&revision.0.to_be_bytes());
    start
}

/// The version of the master secret that an envelope names; `None` where it is too short to be one.
#[must_use]
pub fn key_version(envelope: &[u8]) -> Option<KeyVersion> {
    let bytes = envelope.get(8..12)?.try_into().ok()?;
    Some(KeyVersion(u32::from_be_bytes(bytes)))
}
