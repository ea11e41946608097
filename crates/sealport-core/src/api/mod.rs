//! The one contract of command line, local socket and window: requests, responses, notices and the views in them.
//!
//! A view never holds a secret value. The fields that must carry one say so with `crossing`.
//! Field names and spellings are public: others script against them.

#![allow(missing_docs, reason = "the names of the contract speak; what they do not say stands beside them")]

use serde::{Deserialize, Serialize};

pub use fleet::*;
pub use promotion::*;
pub use rotation::*;
pub use views::*;

use crate::{
    Error,
    id::{Epoch, Generation, KeyVersion, RecordId, Revision},
    seal::Imprint,
    secret::{SecretText, crossing},
};

mod fleet;
mod promotion;
mod rotation;
mod views;

/// A path on the machine of the service. The window never holds one: the shell swaps its tokens for paths with
/// [`Request::map_paths`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct LocalPath(pub String);

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PortKind {
    /// Receives messages at its receive locations.
    ReceivePort,
    /// Sends messages through its transports.
    SendPort,
    /// Names send ports that get the same message (BizTalk: distribution list).
    SendPortGroup,
}

/// Where the master secret rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CustodyKind {
    /// The keyring of the operating system.
    Keyring,
    /// A file sealed under a passphrase, for machines without a keyring.
    Passphrase,
    /// Memory only: the sample system, gone when it is closed.
    Memory,
}

/// Whether an export carries secret values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ExportSecrets {
    /// Every secret as BizTalk writes it when it removes one.
    #[default]
    Mask,
    /// Every secret in the clear, as BizTalk needs it to import.
    Include,
}

/// Everything that can be asked. What the window can do, the command can do.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Request {
    /// What this installation is and how it is.
    Status,
    /// Gives the passphrase of a passphrase custody to a process that runs without it.
    Unlock {
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
    },
    /// Makes a system in a data directory without one.
    Init { name: String, custody: CustodyChoice, backup: FirstBackup },
    /// Reads binding files into ports; with `dry_run` only says what would happen.
    PortImport { files: Vec<ImportFile>, dry_run: bool },
    /// The documents that were imported.
    DocumentList,
    /// Ports that fit the filter, in the order application, name, kind.
    PortList { filter: PortFilter, offset: u32, limit: Option<u32> },
    /// One port, now or as it was at a revision. `port` is an id or a name that fits only one.
    PortShow { port: String, revision: Option<Revision> },
    /// Changes properties; with `dry_run` only says what would change.
    PortSet {
        port: String,
        changes: Vec<Assignment>,
        if_revision: Option<Revision>,
        /// As [`PortView::imprint`] told it: another change of master may have put another revision of that number there.
        if_imprint: Option<Imprint>,
        note: Option<String>,
        dry_run: bool,
    },
    /// Marks a property as secret, or takes an administrator's own mark away.
    PortMark {
        port: String,
        path: String,
        secret: bool,
        #[serde(default)]
        if_revision: Option<Revision>,
        /// See [`Request::PortSet`].
        #[serde(default)]
        if_imprint: Option<Imprint>,
    },
    /// One secret value. Leaves an audit entry before it answers.
    PortReveal { port: String, path: String },
    /// Every secret that is still missing.
    PortMissing,
    /// Fills missing secrets, all rows or none; with `dry_run` only says which rows fit.
    PortFill { rows: Vec<FillRow>, dry_run: bool },
    /// Writes documents as binding files into a folder.
    PortExport { out: LocalPath, secrets: ExportSecrets, document: Option<RecordId> },
    /// The revisions of a port, newest first.
    PortHistory { port: String },
    /// What changed from one revision to another; secrets only as "changed".
    PortDiff { port: String, from: Revision, to: Revision },
    /// Writes a former revision again, as a new one.
    PortRevert { port: String, to: Revision, if_revision: Option<Revision>, if_imprint: Option<Imprint> },
    /// Deletes a port; its history stays and it can come back.
    PortDelete {
        port: String,
        #[serde(default)]
        if_revision: Option<Revision>,
        /// See [`Request::PortSet`].
        #[serde(default)]
        if_imprint: Option<Imprint>,
    },
    /// Brings a deleted port back.
    PortUndelete {
        port: String,
        #[serde(default)]
        if_revision: Option<Revision>,
        /// See [`Request::PortSet`].
        #[serde(default)]
        if_imprint: Option<Imprint>,
    },
    /// Writes a backup, reads it back and drills it before it counts.
    BackupCreate {
        file: LocalPath,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
        reminder: Option<String>,
        secret_only: bool,
    },
    /// The readable header of a backup; needs no passphrase.
    BackupInspect { file: LocalPath },
    /// Proves that a backup restores: opens it and every record in it, changes nothing.
    BackupDrill {
        file: LocalPath,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
    },
    /// Restores a backup into a data directory without a system.
    BackupRestore {
        file: LocalPath,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
        custody: CustodyChoice,
    },
    /// The audit trail, newest first; `before` pages on.
    AuditList { before: Option<u64>, limit: Option<u32> },
    /// Makes a token with which one node may join, once, within 15 minutes.
    NodeInvite { name: String, role: NodeRole, administrator: bool },
    /// Joins the system of a master, in a data directory without one.
    Join {
        /// `https://host:port` of the master.
        url: String,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        token: SecretText,
        custody: CustodyChoice,
        cache: Cache,
    },
    /// The nodes of the system.
    NodeList,
    /// Shuts a node out: from its next request on it gets nothing. `node` is an id or a name.
    NodeRevoke { node: String },
    /// Gives a node another name.
    NodeRename { node: String, name: String },
    /// Makes this data directory a system of its own, of one node: all that is here is sealed anew under a new master secret, and
    /// what could reach the former system is let go. For a copy of a data directory.
    NodeSeparate {
        /// What the new system is called; not as the former one.
        name: String,
        /// Whether the former system's secret is taken out of the keyring too, where another data directory on this machine may
        /// still need it.
        forget: bool,
    },
    /// What a promotion would do, and whether it can; changes nothing. `node` is an id, a name, or `self`.
    PromotePreflight {
        node: String,
        mode: PromotionMode,
        from_backup: Option<BackupSource>,
        /// See [`Request::Promote`].
        #[serde(default)]
        leave_unreadable: bool,
    },
    /// Makes another node the master. Refused unless the system is still in the epoch that the administrator saw.
    Promote {
        node: String,
        mode: PromotionMode,
        /// As the preflight told it; `None` takes the epoch that this node knows.
        expect_epoch: Option<Epoch>,
        /// The candidate restores the master secret from it first; for a node that lacks what a master needs.
        from_backup: Option<BackupSource>,
        /// Emergency: goes on though the candidate lacks versions of the master secret with which another would open more.
        #[serde(default)]
        leave_unreadable: bool,
    },
    /// Writes that only a former master had.
    StrandedList,
    /// One of them beside what stands now.
    StrandedShow { id: u64 },
    /// Writes stranded changes again, each as a new revision on what stands now; all of them without `ids`.
    StrandedAccept { ids: Option<Vec<u64>> },
    /// Lets stranded changes go; all of them without `ids`.
    StrandedDiscard { ids: Option<Vec<u64>> },
    /// The versions of the master secret, with what each still seals.
    SecretList,
    /// Begins a rotation: a new version, its backup, its distribution, and every record sealed anew.
    SecretRotate {
        file: LocalPath,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
        reminder: Option<String>,
    },
    /// The rotation that is under way, or the last one.
    SecretRotation,
    /// Pauses, resumes or cancels it.
    SecretSteer { steer: RotationAct },
    /// Wipes a retired version from every node. `confirm` is the name of the system, typed.
    SecretDestroy { version: KeyVersion, confirm: String },
    /// What needs a person now, and where alerts go.
    AlertList,
    /// Sends a test alert to every sink, and says how it went.
    AlertTest,
    /// One setting, or all.
    ConfigGet { key: Option<String> },
    /// Changes a setting.
    ConfigSet { key: String, value: String },
}

/// What came of a request. The tag is not `kind`, since a port has a kind of its own.
#[allow(clippy::large_enum_variant, reason = "one answer at a time, never kept in numbers")]
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    Status(StatusView),
    Imported(ImportView),
    Documents(DocumentListView),
    Ports(PortListView),
    Port(PortView),
    Saved(SaveView),
    Revealed(RevealView),
    Missing(MissingListView),
    Filled(FillView),
    Exported(ExportView),
    History(HistoryView),
    Diff(DiffView),
    Backup(BackupView),
    Restored(RestoreView),
    Audit(AuditListView),
    Invited(InviteView),
    Joined(JoinView),
    Nodes(NodeListView),
    Separated(SeparatedView),
    Preflight(PreflightView),
    Promoted(PromotedView),
    Stranded(StrandedListView),
    StrandedDiff(StrandedDiffView),
    StrandedDone(StrandedDoneView),
    Versions(VersionListView),
    Rotation(RotationStatusView),
    Alerts(AlertListView),
    Config(ConfigView),
}

/// What the service says of its own accord.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Long work goes on. `total` is 0 while it is not known.
    Progress { doing: String, done: u64, total: u64, seconds_left: Option<u64> },
    /// Something was written: views may be old.
    Changed { generation: Generation },
    /// The state of this node, its master or its alerts changed: the status is old.
    State { state: NodeState },
    /// An alert was raised, or ended; once each. A test alert is raised and never ends. `notify` says whether the settings
    /// want it on the desktop.
    Alert { raised: bool, alert: AlertView, notify: bool },
}

/// An answer on the local socket: notices come first, then one of the other two.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Notice(Notice),
    Response(Box<Response>),
    Error(Error),
}

/// How custody is to be kept. The choice is explicit and never falls back.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "custody", rename_all = "snake_case")]
pub enum CustodyChoice {
    Keyring,
    Passphrase {
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
    },
}

/// The backup that a new system starts with.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "when", rename_all = "snake_case")]
pub enum FirstBackup {
    /// Written and drilled before the system counts as made.
    Now {
        file: LocalPath,
        #[serde(with = "crossing")]
        #[cfg_attr(feature = "types", ts(type = "string"))]
        passphrase: SecretText,
        reminder: Option<String>,
    },
    /// The administrator put it off; the status stays red until it is done.
    Later,
}

/// A backup file with what opens it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct BackupSource {
    pub file: LocalPath,
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub passphrase: SecretText,
}

/// One binding file as it is on disk.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ImportFile {
    /// File name without folders; export writes it again.
    pub name: String,
    /// The bytes, in base64: a binding file may be UTF-16 and may hold secrets.
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub content: SecretText,
}

/// Which ports to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(default)]
pub struct PortFilter {
    /// Words that must all occur in name, address, adapter, user or application, ignoring case.
    pub search: Option<String>,
    pub application: Option<String>,
    pub adapter: Option<String>,
    pub kind: Option<PortKind>,
    /// Only ports with missing secrets.
    pub missing: bool,
    /// Only deleted ports.
    pub deleted: bool,
}

/// A new value for one property. The value may be a secret, so it is treated as one.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct Assignment {
    /// Path of the property, or an end of it that fits only one.
    pub path: String,
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub value: SecretText,
}

/// One row of a fill list.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FillRow {
    pub application: String,
    /// Name or id of the port.
    pub port: String,
    /// Path of the property; empty fits where the port misses just one.
    pub property: String,
    /// User name; empty fits any.
    pub user: String,
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub value: SecretText,
}

impl Request {
    /// The request with every path in it replaced; the first failure ends it.
    pub fn map_paths<E>(mut self, mut map: impl FnMut(LocalPath) -> Result<LocalPath, E>) -> Result<Self, E> {
        let path = match &mut self {
            Request::Init { backup: FirstBackup::Now { file, .. }, .. }
            | Request::BackupCreate { file, .. }
            | Request::BackupInspect { file }
            | Request::BackupDrill { file, .. }
            | Request::BackupRestore { file, .. }
            | Request::PromotePreflight { from_backup: Some(BackupSource { file, .. }), .. }
            | Request::Promote { from_backup: Some(BackupSource { file, .. }), .. }
            | Request::SecretRotate { file, .. } => Some(file),
            Request::PortExport { out, .. } => Some(out),
            Request::Init { backup: FirstBackup::Later, .. }
            | Request::Status
            | Request::Unlock { .. }
            | Request::PortImport { .. }
            | Request::DocumentList
            | Request::PortList { .. }
            | Request::PortShow { .. }
            | Request::PortSet { .. }
            | Request::PortMark { .. }
            | Request::PortReveal { .. }
            | Request::PortMissing
            | Request::PortFill { .. }
            | Request::PortHistory { .. }
            | Request::PortDiff { .. }
            | Request::PortRevert { .. }
            | Request::PortDelete { .. }
            | Request::PortUndelete { .. }
            | Request::AuditList { .. }
            | Request::NodeInvite { .. }
            | Request::Join { .. }
            | Request::NodeList
            | Request::NodeRevoke { .. }
            | Request::NodeRename { .. }
            | Request::NodeSeparate { .. }
            | Request::PromotePreflight { from_backup: None, .. }
            | Request::Promote { from_backup: None, .. }
            | Request::StrandedList
            | Request::StrandedShow { .. }
            | Request::StrandedAccept { .. }
            | Request::StrandedDiscard { .. }
            | Request::SecretList
            | Request::SecretRotation
            | Request::SecretSteer { .. }
            | Request::SecretDestroy { .. }
            | Request::AlertList
            | Request::AlertTest
            | Request::ConfigGet { .. }
            | Request::ConfigSet { .. } => None,
        };
        if let Some(path) = path {
            *path = map(path.clone())?;
        }
        Ok(self)
    }
}
