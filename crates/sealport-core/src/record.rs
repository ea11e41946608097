//! What a sealed record holds: one line of JSON about it, a line feed, and its body.
//!
//! The body is the text of a port's element, or the bytes of a binding file, untouched. Beside each record stands a
//! sealed summary, so that lists need not read bodies.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Code, Error,
    api::PortKind,
    id::RecordId,
    seal::{Context, Keys, SealedKind},
    time::Timestamp,
};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A port configuration.
    Port(PortKind),
    /// A binding document.
    Document,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [RecordKind; 4] = [
        RecordKind::Port(PortKind::ReceivePort),
        RecordKind::Port(PortKind::SendPort),
        RecordKind::Port(PortKind::SendPortGroup),
        RecordKind::Document,
    ];

    /// What its envelope is sealed as; the name of that is the name of the kind in the store and in backups.
    pub fn body(self) -> SealedKind {
        match self {
            RecordKind::Port(PortKind::ReceivePort) => SealedKind::ReceivePort,
            RecordKind::Port(PortKind::SendPort) => SealedKind::SendPort,
            RecordKind::Port(PortKind::SendPortGroup) => SealedKind::SendPortGroup,
            RecordKind::Document => SealedKind::Document,
        }
    }

    /// What its summary is sealed as.
    pub fn summary(self) -> SealedKind {
        match self {
            RecordKind::Port(PortKind::ReceivePort) => SealedKind::ReceivePortSummary,
            RecordKind::Port(PortKind::SendPort) => SealedKind::SendPortSummary,
            RecordKind::Port(PortKind::SendPortGroup) => SealedKind::SendPortGroupSummary,
            RecordKind::Document => SealedKind::DocumentSummary,
        }
    }

    /// The kind by this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.body().name() == name)
    }
}

/// Who wrote a revision, when, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// When, by the clock of the node.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What was done: "imported", "edited", "reverted to 3".
    pub what: String,
    /// The writer's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Labels of the properties that changed against the revision before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// What is said of one revision of a port. The body is the text of its element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortHead {
    /// SHA-256, in hex, of the element texts that this state grew out of by edits: what export looks for.
    pub bases: BTreeSet<String>,
    /// The document that it was last imported from.
    pub document: RecordId,
    /// Name of the port; compared with the row it stands in.
    pub name: String,
    /// Paths that an administrator marked as secret.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marked: BTreeSet<String>,
    /// Paths of secrets that were filled in or changed here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub filled: BTreeSet<String>,
    /// Whether this revision deletes the port.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Who wrote it, when, what for.
    pub written: Written,
}

/// What is said of a document. The body is its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentHead {
    /// File name without folders.
    pub name: String,
    /// SHA-256 of the bytes, in hex: the same file again is the same document.
    pub sha256: String,
    /// Encoding, for people.
    pub encoding: String,
    /// Length of the bytes.
    pub bytes: u64,
    /// The ports in it, in its order.
    pub ports: Vec<PortIdentity>,
    /// Who imported it, and when.
    pub written: Written,
}

/// What makes a port the same port when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortIdentity {
    /// Application; empty where the file names none.
    pub application: String,
    /// Name, unique in its application and kind.
    pub name: String,
    /// Kind.
    pub kind: PortKind,
}

/// What a list shows of a port, sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSummary {
    /// Name of the port; compared with the row it stands in.
    pub name: String,
    /// Adapters without repeats, joined by ", ".
    pub adapter: String,
    /// First address, secrets masked.
    pub address: String,
    /// User names, joined by ", ".
    pub user: String,
    /// Secrets without a value.
    pub missing_secrets: u64,
    /// Whether all or none of a receive port's locations are enabled.
    pub enabled: Option<bool>,
    /// Whether the port is deleted.
    pub deleted: bool,
    /// When the revision was written.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// Seals a record of this head and body under the active version. A summary has no body.
pub fn make_sealed(
    keys: &Keys,
    context: Context<'_>,
    head: &impl Serialize,
    body: &[u8],
    rng: &mut impl CryptoRng,
) -> Vec<u8> {
    let head = serde_json::to_vec(head).expect("a head is plain JSON");
    keys.make_sealed_from(context, &[&head, b"\n", body], rng)
}

/// Takes the plaintext of a record apart again.
pub fn from_plain<H: DeserializeOwned>(plain: &[u8]) -> Result<(H, &[u8]), Error> {
    let damaged = || Error::new(Code::Integrity, "A record opened, but does not hold what records hold.");
    let end = plain.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let head = serde_json::from_slice(&plain[..end]).map_err(|cause| damaged().because(cause))?;
    Ok((head, &plain[end + 1..]))
}
