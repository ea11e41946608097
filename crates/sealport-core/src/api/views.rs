//! What the window draws and the command prints. No view holds a secret value but `RevealView`.

use serde::{Deserialize, Serialize};

use super::{
    AlertView, CustodyKind, ExportSecrets, KeptView, MasterView, NodeState, NodeView, PortKind, RotationView,
    SyncView,
};
use crate::{
    Code,
    id::{Epoch, Generation, KeyVersion, RecordId, Revision, SystemId},
    seal::Imprint,
    secret::{SecretText, crossing},
    time::Timestamp,
};

/// State of this installation.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StatusView {
    /// `None` until `init` or `restore`.
    pub system: Option<SystemView>,
    pub node: Option<NodeView>,
    pub state: NodeState,
    pub master: Option<MasterView>,
    pub epoch: Option<Epoch>,
    pub generation: Option<Generation>,
    /// Where the master secret rests, also while it can't be had.
    pub custody: Option<CustodyKind>,
    pub secret: Option<SecretStatusView>,
    pub sync: Option<SyncView>,
    pub sealing: SealingView,
    pub backup: BackupStatusView,
    pub counts: CountsView,
    /// Stranded changes that wait for an administrator.
    pub stranded: u64,
    /// The rotation that is under way.
    pub rotation: Option<RotationView>,
    pub alerts: Vec<AlertView>,
    pub data_dir: String,
    pub version: String,
    pub store: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SystemView {
    pub id: SystemId,
    pub name: String,
    pub created: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SecretStatusView {
    pub active_version: KeyVersion,
    /// Versions with their public key check values.
    pub versions: Vec<KeyVersionView>,
    pub custody: CustodyKind,
    /// What the kind of custody is called on this machine.
    pub custody_name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct KeyVersionView {
    pub version: KeyVersion,
    /// Key check value, 16 bytes in hex.
    pub kcv: String,
    pub created: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SealingView {
    pub possible: bool,
    /// Why not, to branch on.
    pub code: Option<Code>,
    /// Why not, in a sentence.
    pub reason: Option<String>,
    pub hint: Option<String>,
    pub since: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct BackupStatusView {
    /// Seconds since a backup of the active secret version last passed its drill.
    pub proven_age_seconds: Option<u64>,
    /// Backups and drills, newest first.
    pub history: Vec<BackupRecordView>,
}

/// A backup that was written or drilled.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct BackupRecordView {
    pub file: String,
    pub created: Timestamp,
    pub proven: Timestamp,
    pub secret_only: bool,
    pub ports: u64,
    pub records: u64,
    pub reminder: Option<String>,
    /// Generation of the database when it was written.
    pub generation: Generation,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct CountsView {
    pub receive_ports: u64,
    pub send_ports: u64,
    pub send_port_groups: u64,
    pub deleted: u64,
    pub documents: u64,
    pub missing_secrets: u64,
    pub applications: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ImportView {
    pub documents: Vec<ImportedDocumentView>,
    pub created: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// Whether anything was written.
    pub dry_run: bool,
    /// What happens to each port.
    pub plan: Vec<ImportPlanView>,
    /// Where else the write is; `None` where nothing was written.
    #[serde(default)]
    pub kept: Option<KeptView>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ImportedDocumentView {
    pub id: RecordId,
    pub name: String,
    /// How many ports it holds.
    pub ports: u64,
    /// How many of their secrets are missing, after what was filled in before is kept.
    pub missing_secrets: u64,
    pub warnings: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ImportPlanView {
    pub document: String,
    pub kind: PortKind,
    pub application: String,
    pub name: String,
    pub adapter: String,
    pub address: String,
    pub outcome: ImportOutcome,
    /// For a changed port: what changes.
    pub changes: Vec<ChangeView>,
    /// Secrets that will be missing.
    pub missing: Vec<MissingView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    Created,
    Changed,
    Unchanged,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct DocumentListView {
    pub documents: Vec<DocumentView>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct DocumentView {
    pub id: RecordId,
    pub name: String,
    pub encoding: String,
    pub bytes: u64,
    pub ports: u64,
    pub imported: Timestamp,
    /// A later document of the same name holds all of its ports; it is exported only when it is named.
    pub superseded: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PortListView {
    pub ports: Vec<PortSummaryView>,
    /// How many fit the filter in all.
    pub total: u64,
    /// Applications and adapters over all ports, for the tree and the filters.
    pub facets: FacetsView,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FacetsView {
    pub applications: Vec<ApplicationFacetView>,
    pub adapters: Vec<FacetView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ApplicationFacetView {
    /// Empty where the file names no application.
    pub name: String,
    pub receive_ports: u64,
    pub send_ports: u64,
    pub send_port_groups: u64,
    pub missing_secrets: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FacetView {
    pub name: String,
    pub ports: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PortSummaryView {
    pub id: RecordId,
    pub kind: PortKind,
    pub application: String,
    pub name: String,
    /// Adapters of its transports or locations, without repeats, joined by ", ".
    pub adapter: String,
    /// Address of the first transport or location; secrets in it are masked.
    pub address: String,
    /// User names, joined by ", ".
    pub user: String,
    pub revision: Revision,
    pub missing_secrets: u64,
    /// For receive ports: whether all (`true`) or none (`false`) of its locations are enabled.
    pub enabled: Option<bool>,
    pub deleted: bool,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PortView {
    pub id: RecordId,
    pub kind: PortKind,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    /// Names what was read here, for a change that is to be made on nothing else; `None` for a former revision.
    pub imprint: Option<Imprint>,
    pub deleted: bool,
    pub changed_at: Timestamp,
    pub changed_by: String,
    pub description: String,
    pub missing_secrets: u64,
    /// Name of the document that it came from.
    pub document: String,
    pub transports: Vec<TransportView>,
    /// Every value of the port, in the order of the document.
    pub properties: Vec<PropertyView>,
}

/// A transport of a send port, or a receive location.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct TransportView {
    /// Path of the element.
    pub path: String,
    /// "Primary transport", "Secondary transport", or the name of the receive location.
    pub label: String,
    pub adapter: String,
    pub address: String,
    pub handler: String,
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PropertyView {
    /// Address of the value within the port, as `port set` and `port reveal` take it.
    pub path: String,
    /// The last step of the path, or the label that the adapter's table gives it.
    pub label: String,
    /// Where it belongs: "General", "Primary transport", "Receive location NAME", "Pipeline", "Filter", ...
    pub section: String,
    /// How deep it is nested below its section, from 0.
    pub depth: u32,
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// The value as text; `None` for secrets, and for what has no value.
    pub value: Option<String>,
    /// Set where the property is a secret.
    pub secret: Option<SecretState>,
    /// Whether an administrator marked it as secret.
    pub marked: bool,
    /// Values that the adapter knows, where it knows them.
    pub choices: Vec<String>,
    /// Whether `port set` may change it.
    pub writable: bool,
}

/// How a value is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    Text,
    Boolean,
    Integer,
    /// `xsi:nil`, or a VARIANT of type null.
    Null,
    /// A placeholder such as `${Name}` where a value belongs.
    Reference,
}

/// What is known of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SecretState {
    /// There is a value.
    Set,
    /// BizTalk removed it; it waits to be filled in.
    Missing,
    /// It names a value that stands elsewhere (a macro or a template variable).
    Reference,
    /// It is rightly empty: nothing names a user beside it.
    Unused,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SaveView {
    pub id: RecordId,
    /// The revision that was written; the present one where nothing changed or `dry_run`.
    pub revision: Revision,
    pub dry_run: bool,
    pub changes: Vec<ChangeView>,
    /// Where else the write is; `None` where nothing was written.
    #[serde(default)]
    pub kept: Option<KeptView>,
}

/// One property, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ChangeView {
    pub path: String,
    pub label: String,
    pub section: String,
    /// `None`: it was not there. Always `None` for secrets.
    pub before: Option<String>,
    /// `None`: it is no longer there. Always `None` for secrets.
    pub after: Option<String>,
    /// A secret changed: values are not shown.
    pub secret: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RevealView {
    pub path: String,
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub value: SecretText,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct MissingListView {
    pub missing: Vec<MissingView>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct MissingView {
    /// Id of the port; in the plan of an import, empty for a port that is not there yet.
    pub port: String,
    pub application: String,
    pub name: String,
    /// Path of the property.
    pub property: String,
    pub label: String,
    /// User name beside it.
    pub user: String,
    pub adapter: String,
    pub address: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FillView {
    pub filled: u64,
    pub ports: u64,
    pub still_missing: u64,
    pub dry_run: bool,
    /// Rows that fit nothing, with the reason; where there are any, nothing is written.
    pub problems: Vec<FillProblemView>,
    /// Where else the write is; `None` where nothing was written.
    #[serde(default)]
    pub kept: Option<KeptView>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FillProblemView {
    /// Row number from 1, the heading not counted.
    pub row: u64,
    pub reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ExportView {
    pub folder: String,
    pub files: Vec<ExportedFileView>,
    pub secrets: ExportSecrets,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ExportedFileView {
    pub document: RecordId,
    pub name: String,
    pub bytes: u64,
    pub ports: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct HistoryView {
    pub id: RecordId,
    pub name: String,
    pub revisions: Vec<RevisionView>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RevisionView {
    pub revision: Revision,
    pub at: Timestamp,
    pub by: String,
    /// What was done: "imported", "edited", "secret filled", "reverted to 3", "deleted", "brought back".
    pub what: String,
    pub note: Option<String>,
    /// Labels of what changed against the revision before.
    pub changed: Vec<String>,
    pub deleted: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct DiffView {
    pub id: RecordId,
    pub name: String,
    pub from: Revision,
    pub to: Revision,
    pub changes: Vec<ChangeView>,
}

/// A backup file.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct BackupView {
    pub file: String,
    pub bytes: u64,
    pub header: BackupHeaderView,
    /// Set where it was opened and every record in it with it.
    pub proven: Option<ProofView>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct BackupHeaderView {
    pub format: u32,
    pub system: SystemId,
    pub system_name: String,
    pub created: Timestamp,
    pub product: String,
    pub generation: Generation,
    pub active_version: KeyVersion,
    pub versions: Vec<KeyVersionView>,
    pub reminder: Option<String>,
    pub secret_only: bool,
    pub ports: u64,
    pub records: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ProofView {
    pub at: Timestamp,
    pub records_opened: u64,
    pub seconds: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RestoreView {
    pub system: SystemView,
    pub ports: u64,
    pub records: u64,
}

/// A data directory that was made a system of its own.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SeparatedView {
    pub system: SystemView,
    /// The system that it was part of.
    pub former: SystemView,
    pub ports: u64,
    /// Records and former revisions that were sealed anew.
    pub parts: u64,
    /// Where the former system's secret still rests on this machine; `null` where it does not.
    pub former_secret: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct AuditListView {
    pub entries: Vec<AuditView>,
    /// Whether the chain of hashes holds over the whole trail; else the first entry where it does not.
    pub broken_at: Option<u64>,
    pub total: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct AuditView {
    pub seq: u64,
    pub at: Timestamp,
    pub who: String,
    /// Where it came from: "command line", "window", "socket", "service".
    pub origin: String,
    /// What was done, as `noun.verb`: `port.reveal`, `backup.create`.
    pub act: String,
    /// On what: a name, never a value.
    pub object: String,
    pub detail: String,
}
