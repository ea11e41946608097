//! What goes over the wire between nodes. Lines and bodies are JSON; unknown fields are ignored, so that a newer node may
//! say more.

use sealport_core::{
    Error,
    api::{NodeState, Request},
    backup::{AuditLine, RecordLine, RegistryLine, RevisionLine},
    id::{Epoch, Generation, KeyVersion, NodeId, SystemId},
    machine::{Ask, Head},
    secret::{SecretText, crossing},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Act, BackupRow, DestroyedRow, RotationRow};

/// A node asks to be let in.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct JoinAsk {
    /// The secret part of its token.
    #[serde(with = "crossing")]
    #[schema(value_type = String)]
    pub token: SecretText,
    /// PKCS #10 request for its key, DER in base64.
    pub request: String,
    /// Version of Sealport.
    pub version: String,
    /// It would keep the master secret in memory only.
    #[serde(default)]
    pub memory_only: bool,
}

/// What a node gets when it is let in.
#[derive(Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names speak")]
pub struct JoinAnswer {
    #[schema(value_type = String)]
    pub system: SystemId,
    pub system_name: String,
    #[schema(value_type = String)]
    pub system_created: Timestamp,
    #[schema(value_type = String)]
    pub node: NodeId,
    pub name: String,
    pub standby: bool,
    pub administrator: bool,
    /// DER in base64.
    pub certificate: String,
    /// DER in base64.
    pub ca: String,
    #[schema(value_type = u64)]
    pub epoch: Epoch,
    #[schema(value_type = String)]
    pub master: NodeId,
    #[schema(value_type = u32)]
    pub active_version: KeyVersion,
    /// The bundle for this node.
    #[serde(with = "crossing")]
    #[schema(value_type = String)]
    pub bundle: SecretText,
}

/// A poll.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SyncAsk {
    /// What the node has and wants.
    #[schema(value_type = serde_json::Value)]
    pub ask: Ask,
    /// How it is.
    #[schema(value_type = String)]
    pub state: NodeState,
}

/// One line of an answer to a poll. The first is the head; `end` is the last where anything follows the head.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names speak")]
pub enum SyncLine {
    Head(Head),
    Node(RegistryLine),
    Record(RecordLine),
    Revision(RevisionLine),
    Backup(BackupLine),
    Rotation(RotationRow),
    Destroyed(DestroyedRow),
    Audit(AuditLine),
    /// All is said. Who is master, for the registry.
    End {
        master: NodeId,
    },
}

/// A backup that was proven.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the columns of the store")]
pub struct BackupLine {
    pub file: String,
    #[schema(value_type = String)]
    pub created: Timestamp,
    #[schema(value_type = String)]
    pub proven: Timestamp,
    #[schema(value_type = u32)]
    pub active_version: KeyVersion,
    #[serde(default)]
    #[schema(value_type = Vec<u32>)]
    pub versions: Vec<KeyVersion>,
    #[schema(value_type = u64)]
    pub generation: Generation,
    pub secret_only: bool,
    pub ports: u64,
    pub records: u64,
    pub reminder: Option<String>,
}

impl BackupLine {
    /// The line of a row.
    pub fn new(row: BackupRow) -> Self {
        BackupLine {
            file: row.file,
            created: row.created,
            proven: row.proven,
            active_version: row.active_version,
            versions: row.versions,
            generation: row.generation,
            secret_only: row.secret_only,
            ports: row.ports,
            records: row.records,
            reminder: row.reminder,
        }
    }

    /// The row of the line.
    pub fn row(self) -> BackupRow {
        BackupRow {
            file: self.file,
            created: self.created,
            proven: self.proven,
            active_version: self.active_version,
            versions: self.versions,
            generation: self.generation,
            secret_only: self.secret_only,
            ports: self.ports,
            records: self.records,
            reminder: self.reminder,
        }
    }
}

/// The bundle for a node.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SecretAnswer {
    /// As custody keeps it; a processing node gets the versions alone.
    #[serde(with = "crossing")]
    #[schema(value_type = String)]
    pub bundle: SecretText,
}

/// A write of a node: sealed there, decided here.
#[derive(Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "as in the store's Change")]
pub struct WriteAsk {
    #[schema(value_type = u64)]
    pub epoch: Epoch,
    #[schema(value_type = Vec<serde_json::Value>)]
    pub puts: Vec<RecordLine>,
    pub acts: Vec<ActLine>,
}

/// What came of a write.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct WriteAnswer {
    /// The generation that it made, or had made before.
    #[schema(value_type = u64)]
    pub generation: Generation,
    /// The standby that has it too.
    pub standby: Option<String>,
}

/// An act of a node, for the audit trail. Never a value.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "as in the contract's AuditView")]
pub struct ActLine {
    #[schema(value_type = String)]
    pub at: Timestamp,
    pub who: String,
    pub origin: String,
    pub act: String,
    pub object: String,
    pub detail: String,
}

impl From<&Act> for ActLine {
    fn from(act: &Act) -> Self {
        ActLine {
            at: act.at,
            who: act.who.clone(),
            origin: act.origin.clone(),
            act: act.act.clone().into_owned(),
            object: act.object.clone(),
            detail: act.detail.clone(),
        }
    }
}

/// What a node did while nobody had to be asked: kept on it until the trail has it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Spooled {
    /// The act.
    pub act: ActLine,
    /// The backup that it proved, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupLine>,
}

/// Entries of a spool, by number.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SpoolAsk {
    /// The oldest ones, in order.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub entries: Vec<(u64, Spooled)>,
}

/// How far the trail has a spool.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SpoolAnswer {
    /// Number of the last entry that it holds.
    pub upto: u64,
}

/// A node asks for a new certificate.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RenewAsk {
    /// PKCS #10 request for the key that it has, DER in base64.
    pub request: String,
    /// Version of Sealport.
    pub version: String,
}

/// A new certificate.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RenewAnswer {
    /// DER in base64.
    pub certificate: String,
}

/// What [`Problem::denial`] says where a write must be sealed anew: another version of the master secret is active by now.
pub const SEAL_ANEW: &str = "seal_anew";

/// An error between nodes (RFC 9457), with what the caller needs to tell its own people.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status and the code say what it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What failed, on what.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// The error as the door gives it.
    #[schema(value_type = super::openapi::ErrorShape)]
    pub error: Error,
    /// Why a caller was not admitted, to branch on: `unknown`, `revoked`, `expired`, `not_standby`,
    /// `not_administrator`, `superseded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
}

/// A request that a node passes on to the master.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Administer {
    /// The person at that node.
    pub actor: String,
    /// What is asked. Only what is about nodes is taken.
    #[schema(value_type = serde_json::Value)]
    pub request: Request,
}
