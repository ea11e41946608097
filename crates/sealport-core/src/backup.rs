//! The backup file: a header that people read without a passphrase, and the lines that stand inside its age file.
//!
//! The header is authenticated by its SHA-256 in the first line inside. `FORMATS.md` gives every line. Reading the
//! file, and age itself, are the node's.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Code, Error,
    api::{BackupHeaderView, KeyVersionView},
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision},
    secret::{SecretText, crossing},
    time::Timestamp,
};

/// The first line of every backup.
pub const FIRST_LINE: &str = "Sealport backup, format 1";
/// No header is longer than this, in bytes.
pub const MAX_HEADER: usize = 16 << 10;
/// The longest reminder, in characters (Enterprise SSO has the same limit).
pub const MAX_REMINDER: usize = 512;
/// The longest system name, in characters.
pub const MAX_NAME: usize = 128;

/// What the header says; the contract shows it as it is.
pub type Header = BackupHeaderView;

/// The header as text, with the empty line that ends it.
pub fn write_header(header: &Header) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    let mut line = |key: &str, value: &str| {
        text.push_str(key);
        text.push_str(": ");
        text.push_str(value);
        text.push('\n');
    };
    line("System", &header.system_name);
    line("System id", &header.system.to_string());
    line("Created", &header.created.to_string());
    line("Written by", &header.product);
    line("Generation", &header.generation.to_string());
    line("Active secret version", &header.active_version.to_string());
    for v in &header.versions {
        line("Secret version", &format!("{}, check value {}, made {}", v.version, v.kcv, v.created));
    }
    line(
        "Contents",
        if header.secret_only { "the master secret only" } else { "the master secret and every record" },
    );
    line("Ports", &header.ports.to_string());
    line("Records", &header.records.to_string());
    if let Some(reminder) = &header.reminder {
        line("Passphrase reminder", reminder);
    }
    line("Without Sealport", "sed -n '/^-----BEGIN AGE/,$p' THIS_FILE | age -d");
    text.push('\n');
    text
}

/// Reads a header; anything that `write_header` would not write in just this way is refused.
pub fn read_header(text: &str) -> Result<Header, Error> {
    let damaged = || {
        Error::new(Code::Integrity, "The header of the backup is damaged or of a newer format.")
            .hint("Take another copy of the backup, or a Sealport of the version that wrote it.")
    };
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(Error::new(Code::Integrity, "This is not a Sealport backup of format 1.")
            .hint("Choose a file that Sealport wrote as a backup."));
    }
    let mut lines = lines.peekable();
    let value = |line: Option<&str>, key: &str| {
        line.and_then(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
            .ok_or_else(damaged)
    };
    let system_name = value(lines.next(), "System")?;
    let system = value(lines.next(), "System id")?.parse().map_err(|_| damaged())?;
    let created = moment(&value(lines.next(), "Created")?).ok_or_else(damaged)?;
    let product = value(lines.next(), "Written by")?;
    let generation = Generation(value(lines.next(), "Generation")?.parse().map_err(|_| damaged())?);
    let active_version =
        KeyVersion(value(lines.next(), "Active secret version")?.parse().map_err(|_| damaged())?);
    let mut versions = Vec::new();
    while lines.peek().is_some_and(|line| line.starts_with("Secret version: ")) {
        let line = value(lines.next(), "Secret version")?;
        let mut parts = line.split(", ");
        let mut part = |prefix: &str| parts.next()?.strip_prefix(prefix);
        let version = part("").and_then(|v| v.parse().ok()).map(KeyVersion).ok_or_else(damaged)?;
        let kcv = part("check value ").ok_or_else(damaged)?.to_owned();
        let made = part("made ").and_then(moment).ok_or_else(damaged)?;
        versions.push(KeyVersionView { version, kcv, created: made });
    }
    let secret_only = value(lines.next(), "Contents")? == "the master secret only";
    let ports = value(lines.next(), "Ports")?.parse().map_err(|_| damaged())?;
    let records = value(lines.next(), "Records")?.parse().map_err(|_| damaged())?;
    let reminder = match lines.peek() {
        Some(line) if line.starts_with("Passphrase reminder: ") => {
            Some(value(lines.next(), "Passphrase reminder")?)
        }
        _ => None,
    };
    let header = Header {
        format: 1,
        system,
        system_name,
        created,
        product,
        generation,
        active_version,
        versions,
        reminder,
        secret_only,
        ports,
        records,
    };
    // Whatever was not looked at above is caught here: a header has only one spelling.
    if write_header(&header) == text { Ok(header) } else { Err(damaged()) }
}

fn moment(text: &str) -> Option<Timestamp> {
    serde_json::from_value(serde_json::Value::from(text)).ok()
}

/// SHA-256 of the header text, in hex, as the first line inside carries it.
pub fn header_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The bytes that lower-case hex stands for; `None` unless there are `N`.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// One line inside the age file. The first is `Start`, the last `End`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// What everything else hangs on.
    Start(Start),
    /// The present revision of a record.
    Record(RecordLine),
    /// A former revision of the record before it.
    Revision(RevisionLine),
    /// An entry of the audit trail, in its order.
    Audit(AuditLine),
    /// How much there was: a file without it is cut off.
    End(End),
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// 1.
    pub format: u32,
    /// SHA-256 of the header, in hex.
    pub header: String,
    /// The bundle as custody keeps it.
    #[serde(with = "crossing")]
    pub bundle: SecretText,
    /// The node that wrote the backup.
    pub node: NodeLine,
    /// Moment at which the system was made.
    pub system_created: Timestamp,
    /// How often the master had changed by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// Certificate of the system's authority, DER in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The node registry, revoked nodes too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<RegistryLine>,
}

/// One node of the registry, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the columns of the store")]
pub struct RegistryLine {
    pub id: NodeId,
    pub name: String,
    pub standby: bool,
    pub administrator: bool,
    pub revoked: bool,
    /// SHA-256 of the node's public key, in hex.
    pub key: String,
    pub address: Option<String>,
    pub version: String,
    pub joined: Timestamp,
    pub certificate_expires: Timestamp,
    pub spooled: u64,
    pub generation: Generation,
}

/// Which node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeLine {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
}

/// A record as it stands in the store. Envelopes are base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the columns of the store")]
pub struct RecordLine {
    pub id: RecordId,
    pub kind: String,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub generation: Generation,
    pub envelope: String,
    pub summary: String,
}

/// A former revision.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the columns of the store")]
pub struct RevisionLine {
    pub id: RecordId,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub generation: Generation,
    pub envelope: String,
}

/// An audit entry with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "as in the contract's AuditView")]
pub struct AuditLine {
    pub seq: u64,
    pub at: Timestamp,
    pub who: String,
    pub origin: String,
    pub act: String,
    pub object: String,
    pub detail: String,
    /// Hash of the chain up to and with this entry, in hex.
    pub hash: String,
}

impl AuditLine {
    /// The hash that this entry must have after `former` (empty for the first): SHA-256 over the former hash and
    /// every field, each with its length, so that no two entries have the same bytes.
    pub fn derive_hash(&self, former: &str) -> String {
        let mut hash = Sha256::new();
        let at = self.at.as_millis().to_string();
        let seq = self.seq.to_string();
        for field in [former, &seq, &at, &self.who, &self.origin, &self.act, &self.object, &self.detail] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        hex(&hash.finalize())
    }
}

/// The last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Lines of each sort that came before.
    pub records: u64,
    /// Former revisions.
    pub revisions: u64,
    /// Audit entries.
    pub audit: u64,
}

/// A one-line text that people gave: trimmed, without control characters, not too long.
pub fn one_line(what: &str, text: &str, max: usize) -> Result<String, Error> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Error::new(
            Code::Usage,
            format!("The {what} holds a line break or another control character."),
        )
        .hint("Write it in one line."));
    }
    if text.chars().count() > max {
        return Err(Error::new(Code::Usage, format!("The {what} is longer than {max} characters."))
            .hint("Shorten it."));
    }
    Ok(text.to_owned())
}
