//! The SSO database of one node: sealed records with every former revision, the audit trail, the backups that were
//! proven.
//!
//! It stores envelopes and knows no keys. A write is one transaction that holds the row of the system locked, checks
//! the active version and every expected revision, and carries its audit entries.

mod fleet;
mod lines;
mod promotion;
mod read;
mod refusal;
mod replica;
mod reseal;
mod rotation;
mod separate;
mod sqlite;
mod write;

use std::{borrow::Cow, path::PathBuf};

use sealport_core::{
    Code, Error,
    backup::AuditLine,
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision, SystemId},
    record::{PortSummary, RecordKind},
    time::Timestamp,
};

pub use fleet::{InviteRow, NodeChange, NodeRow};
pub use promotion::{Parted, Seating, StrandedRow, digest};
pub use replica::{Arrival, Own, Piece, Position};
pub use reseal::{Cursor, Older, Resealed};
pub use rotation::{DestroyedRow, RotationMove, RotationRow};
pub use separate::Separation;
pub use sqlite::Store;
pub use write::Committed;

/// File name of the database in the data directory.
pub const FILE: &str = "sealport.db";

/// The master of a replica that was made anew: nobody, until a master says who it is.
pub const NOBODY: NodeId = NodeId::from_bytes([0; 16]);

/// The one system of a database.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct SystemRow {
    pub id: SystemId,
    pub name: String,
    pub created: Timestamp,
    pub node: NodeId,
    pub node_name: String,
    pub epoch: Epoch,
    pub active_version: KeyVersion,
    pub generation: Generation,
    /// The node that writes.
    pub master: NodeId,
    /// Certificate of the system's authority, DER; a system that was made before it had one has none.
    pub ca: Option<Vec<u8>>,
}

/// The present revision of a record.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct Row {
    pub id: RecordId,
    pub kind: RecordKind,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub generation: Generation,
    pub summary: Vec<u8>,
    pub envelope: Vec<u8>,
}

impl Row {
    /// What the row of a write will say of itself in the clear; its generation comes with the write.
    pub fn without_content_of(put: &Put) -> Self {
        Self {
            id: put.id,
            kind: put.kind,
            application: put.application.clone(),
            name: put.name.clone(),
            revision: put.revision,
            key_version: put.key_version,
            generation: Generation(0),
            summary: Vec::new(),
            envelope: Vec::new(),
        }
    }

    /// What it says of itself in the clear.
    pub fn without_content(&self) -> Self {
        Self {
            application: self.application.clone(),
            name: self.name.clone(),
            summary: Vec::new(),
            envelope: Vec::new(),
            ..*self
        }
    }
}

/// A former revision of a record.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct Former {
    pub id: RecordId,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub generation: Generation,
    pub envelope: Vec<u8>,
}

/// One record to write: revision 1 of a new one, or the revision after the one that the writer saw.
#[derive(Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct Put {
    pub id: RecordId,
    pub kind: RecordKind,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    pub key_version: KeyVersion,
    pub summary: Vec<u8>,
    pub envelope: Vec<u8>,
    /// [`digest`] of the revision that the writer read, where what it writes depends on that.
    pub read: Option<[u8; 32]>,
    /// What the summary of a port holds, where it was sealed here: the list of ports need not open it again.
    pub listed: Option<PortSummary>,
}

impl Put {
    /// What a list is told of it, once it is written.
    pub fn without_content(self) -> Self {
        let summary = if self.listed.is_some() { Vec::new() } else { self.summary };
        Self { envelope: Vec::new(), summary, ..self }
    }
}

impl Row {
    /// What names this very revision as it is sealed.
    pub fn digest(&self) -> [u8; 32] {
        digest(self.id, self.revision, &self.envelope)
    }
}

/// An audit entry before it has its place in the chain. Names only, never a value.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in the contract's AuditView")]
pub struct Act {
    pub at: Timestamp,
    pub who: String,
    pub origin: String,
    pub act: Cow<'static, str>,
    pub object: String,
    pub detail: String,
}

/// A backup that passed its drill.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct BackupRow {
    pub file: String,
    pub created: Timestamp,
    pub proven: Timestamp,
    pub active_version: KeyVersion,
    /// All that it holds; empty in one of before there were several.
    pub versions: Vec<KeyVersion>,
    pub generation: Generation,
    pub secret_only: bool,
    pub ports: u64,
    pub records: u64,
    pub reminder: Option<String>,
}

/// What one transaction writes.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Change {
    pub puts: Vec<Put>,
    pub acts: Vec<Act>,
    pub backup: Option<BackupRow>,
    pub nodes: Vec<NodeChange>,
    /// A new invitation, and the moment by which others are over.
    pub invite: Option<(InviteRow, Timestamp)>,
    /// A move of the rotation.
    pub rotation: Option<RotationMove>,
    /// The epoch that the writer saw; a write of this node's own needs none.
    pub epoch: Option<Epoch>,
    /// Writes that the present history lacks, for the list.
    pub stranded: Vec<StrandedRow>,
    /// Stranded changes that end, each with its outcome.
    pub ended: Vec<(u64, &'static str)>,
}

impl Change {
    /// Whether other nodes must hear of it by its generation. The audit trail has numbers of its own, and the list of
    /// backups goes with it.
    pub fn raises_generation(&self) -> bool {
        let told = |change: &NodeChange| !matches!(change, NodeChange::Spooled(..));
        let list = !self.stranded.is_empty() || !self.ended.is_empty();
        !self.puts.is_empty() || list || self.rotation.is_some() || self.nodes.iter().any(told)
    }

    /// Whether there is anything in it that its entries tell of.
    pub fn changes(&self) -> bool {
        let beside = self.backup.is_some() || self.invite.is_some() || !self.nodes.is_empty();
        self.raises_generation() || beside
    }
}

/// One thing of a database as a backup carries it.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub enum Item {
    Record(Row),
    Former(Former),
    Audit(AuditLine),
}

/// The cause of an error that says: read it and seal it anew, since another version of the master secret is active now, or
/// what was read is not what stands. Nothing was written.
#[derive(Debug)]
pub struct SealAnew;

impl std::fmt::Display for SealAnew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("made on what does not stand any more")
    }
}

impl std::error::Error for SealAnew {}

/// The result of anything that the store does.
pub type Result<T> = std::result::Result<T, Error>;

fn failed(what: &str, file: &std::path::Path, cause: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, ReadOnly,
    };
    let file = file.display();
    let error = match cause.sqlite_error_code() {
        Some(DiskFull) => Error::new(Code::Unavailable, format!("{what}: the disk of {file} is full."))
            .hint("Make room and try again; nothing was changed."),
        Some(DatabaseCorrupt | NotADatabase) => {
            Error::new(Code::Integrity, format!("{what}: {file} is damaged."))
                .hint("Move the data directory aside and restore the latest backup.")
        }
        Some(DatabaseBusy | DatabaseLocked) => {
            Error::new(Code::Busy, format!("{what}: another program holds {file}."))
                .hint("End that program and try again.")
        }
        Some(ReadOnly) => Error::new(Code::Unavailable, format!("{what}: {file} can't be written."))
            .hint("Check the rights of the data directory."),
        _ => Error::new(Code::Unavailable, format!("{what}: the database {file} answered: {cause}"))
            .hint("Check the disk of the data directory."),
    };
    error.because(cause)
}

/// Where a store is, for its messages.
#[derive(Debug, Clone)]
struct Place(PathBuf);

impl Place {
    /// Turns an SQLite error into one that says what failed.
    fn on(&self, what: &'static str) -> impl Fn(rusqlite::Error) -> Error + '_ {
        move |cause| failed(what, &self.0, cause)
    }
}
