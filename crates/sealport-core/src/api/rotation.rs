//! Views of the versions of the master secret, and of a rotation from one to the next.

use serde::{Deserialize, Serialize};

use crate::{id::KeyVersion, time::Timestamp};

/// What a version of the master secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Made, and not used yet: opens nothing that exists.
    Prepared,
    /// Seals and opens.
    Active,
    /// Opens only; records are still sealed under it.
    Opens,
    /// Opens only; no record here is sealed under it any more. Older backups and databases may need it.
    Retired,
    /// Gone from every node. What is sealed under it can't be opened again.
    Destroyed,
}

/// One version of the master secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct VersionView {
    pub version: KeyVersion,
    pub state: VersionState,
    /// Key check value, 16 bytes in hex.
    pub kcv: String,
    pub created: Timestamp,
    /// Records, former revisions and stranded changes that are sealed under it.
    pub records: u64,
    /// Files of proven backups that hold records under it: they can't be restored once it is destroyed.
    pub backups: Vec<String>,
}

/// All versions, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct VersionListView {
    pub versions: Vec<VersionView>,
    /// Days after which a new version is due by age, by the setting.
    pub due_after_days: u32,
    /// Why a rotation is due now, in a sentence; `None` while it is not.
    pub due: Option<String>,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RotationPhase {
    /// The new version is made, in the custody of the master alone.
    Prepared,
    /// Its backup is written and drilled.
    Proven,
    /// Nodes take it, to open only.
    Distributing,
    /// It seals; records are sealed anew under it.
    Resealing,
    /// Nothing is left under the old version; a sample is opened.
    Verifying,
    Done,
    Cancelled,
}

/// A rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RotationView {
    pub from: KeyVersion,
    pub to: KeyVersion,
    pub phase: RotationPhase,
    pub paused: bool,
    pub started: Timestamp,
    pub by: String,
    /// Members that hold the new version, and those that do not yet.
    pub holding: Vec<String>,
    pub missing: Vec<String>,
    /// Sealed parts done and in all; 0 until re-sealing begins.
    pub done: u64,
    pub total: u64,
    pub per_second: Option<u64>,
    pub seconds_left: Option<u64>,
    /// Whether it can still be cancelled: before the new version is active.
    pub cancellable: bool,
    /// What it waits for or why it stands, in a sentence.
    pub note: Option<String>,
    pub finished: Option<Timestamp>,
}

/// The rotation that is under way, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RotationStatusView {
    pub rotation: Option<RotationView>,
    pub active_version: KeyVersion,
}

/// What is done about a rotation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RotationAct {
    Pause,
    Resume,
    /// Only before the new version is active.
    Cancel,
}
