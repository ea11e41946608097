//! What goes over the wire between nodes. Lines and bodies are JSON; unknown fields are ignored, so that a newer node may
//! say more.

use sealport_core::{
    Code, Error,
    api::{KeyVersionView, NodeState, Request},
    backup::{AuditLine, RecordLine, RegistryLine, RevisionLine},
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision, SystemId},
    machine::{Ask, AuditMark, Began, HandoverAsk, Head, Life, Marks, Promise, SignedGrant, VoteRefusal},
    record::RecordKind,
    secret::{SecretText, crossing},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::store::{self, Act, BackupRow, DestroyedRow, RotationRow, StrandedRow};

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
    /// Public key that grants are checked with, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_key: Option<String>,
    /// The grant of the present epoch, where the master changed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub grant: Option<SignedGrant>,
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
    /// Alone, in the place of a head: the node must know the grant of this epoch first.
    Grant(SignedGrant),
    Stranded(StrandedLine),
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
        /// Public key of grants, in base64, for a node that joined before there were any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant_key: Option<String>,
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
    /// For each of them, SHA-256 (in hex) of id, revision and envelope of the revision that it was made on, where it depends
    /// on one; empty from a node that does not say.
    #[serde(default)]
    pub read: Vec<Option<String>>,
    /// The last entry of the trail that the node has: a master that lacks it was set back. Line 0 from a node that does not
    /// say.
    #[serde(default)]
    #[schema(value_type = serde_json::Value)]
    pub audit: AuditMark,
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
    /// The write that the present history lacks, if the act is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stranded: Option<StrandedLine>,
    /// The node that this one had revoked while it was the master; taken from a standby only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub revoked: Option<NodeId>,
}

impl Spooled {
    /// From the line in which the database keeps it.
    ///
    /// # Errors
    /// `integrity` where it is not one of ours.
    pub fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text)
            .map_err(|e| Error::new(Code::Integrity, "A kept audit entry can't be read.").because(e))
    }
}

/// A write that the present history lacks.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the columns of the store")]
pub struct StrandedLine {
    pub seq: u64,
    pub origin: String,
    #[schema(value_type = String)]
    pub record: RecordId,
    pub kind: String,
    pub application: String,
    pub name: String,
    #[schema(value_type = u64)]
    pub revision: Revision,
    #[schema(value_type = u32)]
    pub key_version: KeyVersion,
    #[schema(value_type = u64)]
    pub generation: Generation,
    /// In base64.
    pub envelope: String,
    /// SHA-256 of id, revision and envelope, in hex; an outcome leaves only this of the envelope.
    pub digest: String,
    pub outcome: String,
}

impl From<StrandedRow> for StrandedLine {
    fn from(row: StrandedRow) -> Self {
        StrandedLine {
            seq: row.seq,
            origin: row.origin,
            record: row.record,
            kind: row.kind.body().name().to_owned(),
            application: row.application,
            name: row.name,
            revision: row.revision,
            key_version: row.key_version,
            generation: row.generation,
            envelope: STANDARD.encode(&row.envelope),
            digest: sealport_core::backup::hex(&row.digest),
            outcome: row.outcome,
        }
    }
}

impl StrandedLine {
    /// The row of the line; `None` where the line is not one of ours.
    pub fn row(self) -> Option<StrandedRow> {
        let envelope = STANDARD.decode(&self.envelope).ok()?;
        let digest = sealport_core::backup::from_hex(&self.digest)?;
        // What is there is checked; what an outcome took away can't be.
        let whole =
            !self.outcome.is_empty() || digest == store::digest(self.record, self.revision, &envelope);
        whole.then_some(StrandedRow {
            seq: self.seq,
            origin: self.origin,
            record: self.record,
            kind: RecordKind::named(&self.kind)?,
            application: self.application,
            name: self.name,
            revision: self.revision,
            key_version: self.key_version,
            generation: self.generation,
            digest,
            envelope,
            outcome: self.outcome,
        })
    }
}

/// A node asks another how it is, before a promotion.
#[derive(Default, Serialize, Deserialize, ToSchema)]
pub struct AboutAsk {
    /// Who asks, where it believes that it asks itself: two processes of one node meet so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub own: Option<Began>,
}

/// How a node is, as it says itself.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names speak")]
pub struct AboutAnswer {
    #[schema(value_type = String)]
    pub node: NodeId,
    #[schema(value_type = String)]
    pub state: NodeState,
    /// Whether it is the master, and whether it can do a master's work.
    pub master: bool,
    pub live: bool,
    #[schema(value_type = serde_json::Value)]
    pub at: Marks,
    #[schema(value_type = serde_json::Value)]
    pub seen: Marks,
    #[schema(value_type = u32)]
    pub active_version: KeyVersion,
    /// Versions that it holds, with their check values.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub versions: Vec<KeyVersionView>,
    #[schema(value_type = Option<serde_json::Value>)]
    pub grant: Option<SignedGrant>,
    #[schema(value_type = Option<serde_json::Value>)]
    pub promised: Option<Promise>,
    /// Seconds since it last heard the master.
    pub heard_seconds: Option<u64>,
    /// Its clock, in milliseconds of Unix time.
    pub time: i64,
    /// Who asks is a copy of the node that answers: it holds the same key, and began later.
    #[serde(default)]
    pub cloned: bool,
    /// Who answers is a copy of the node that asks, in this life, and is fenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub copy: Option<Life>,
}

/// The highest grant that a node knows, and where its master is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// `None` where no change of master is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub grant: Option<SignedGrant>,
    /// `host:port` of the node that it names, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A candidate asks a voter.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VoteAsk {
    /// The epoch, and the candidate: the caller itself.
    #[schema(value_type = serde_json::Value)]
    pub promise: Promise,
}

/// What a voter says: it agreed where there is no refusal.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VoteAnswer {
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub refusal: Option<VoteRefusal>,
}

/// A candidate asks the master to hand over.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct HandoverRequest {
    /// What is asked.
    #[schema(value_type = serde_json::Value)]
    pub ask: HandoverAsk,
    /// The person who asks.
    pub actor: String,
}

/// What the master says.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct HandoverAnswer {
    /// Where the master is while it takes no write: the candidate asks again when it has that.
    #[schema(value_type = serde_json::Value)]
    pub at: Marks,
    /// The last entry of its trail.
    #[schema(value_type = serde_json::Value)]
    pub audit: AuditMark,
    /// The grant, once it handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub grant: Option<SignedGrant>,
}

/// Entries of a spool, by number.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SpoolAsk {
    /// The epoch of the node's replica; `None` from a node that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub epoch: Option<Epoch>,
    /// The last entry of the trail that the node has, as in [`WriteAsk`].
    #[serde(default)]
    #[schema(value_type = serde_json::Value)]
    pub audit: AuditMark,
    /// The oldest ones, in order.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub entries: Vec<(u64, Spooled)>,
}

/// How far the trail has a spool.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SpoolAnswer {
    /// Number of the last entry that it holds.
    pub upto: u64,
    /// Where the master was then: a node forgets a stranded change when its own replica holds the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub at: Option<Marks>,
}

/// A node asks for a new certificate.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RenewAsk {
    /// PKCS #10 request for the key that it has, DER in base64.
    pub request: String,
    /// Version of Sealport.
    pub version: String,
    /// Where others reach it: a standby serves too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A new certificate.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RenewAnswer {
    /// DER in base64.
    pub certificate: String,
}

/// What [`Problem::denial`] says where a write must be read and sealed anew: another version of the master secret is active by
/// now, or what it was made on is not what stands.
pub const SEAL_ANEW: &str = "seal_anew";

/// What [`Problem::denial`] says where another process is the very node that asks, and began before.
pub const CLONED: &str = "cloned";

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
    /// Why a caller was not admitted, to branch on: `unknown`, `revoked`, `cloned`, `expired`,
    /// `not_standby`, `not_administrator`, `superseded`.
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
