//! Views of a change of master: what is checked before it, what came of it, and the changes that only a former master had.

use serde::{Deserialize, Serialize};

use super::{ChangeView, NodeState, PortKind};
use crate::{
    id::{Epoch, Generation, KeyVersion, NodeId, RecordId, Revision},
    time::Timestamp,
};

/// How another node becomes the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PromotionMode {
    /// The present master hands over at its last write.
    Planned,
    /// The present master is lost.
    Emergency,
}

/// How one check before a promotion came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    /// Worth reading; does not stop it.
    Warning,
    /// Stops it.
    Failed,
}

/// One check before a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct CheckView {
    /// Stable, to branch on: `candidate`, `master`, `secret`, `replica`, `records`, `versions`, `clock`, `backup`, `votes`, `epoch`,
    /// `rotation`, `address`.
    pub id: String,
    pub outcome: CheckOutcome,
    /// What is so, in a sentence.
    pub message: String,
    /// What to do about it; empty where nothing is to be done.
    pub hint: String,
}

/// What is known of one node when the master is to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct EvidenceView {
    pub node: NodeId,
    pub name: String,
    /// Whether it answered just now.
    pub reached: bool,
    pub state: Option<NodeState>,
    pub epoch: Option<Epoch>,
    /// How far its replica is.
    pub generation: Option<Generation>,
    /// Seconds since it last heard the master, as it says itself.
    pub master_heard_seconds: Option<u64>,
    /// Whether it may be promoted without a backup.
    pub standby: bool,
    pub master: bool,
    /// Writes that it has and the candidate lacks; they would become stranded changes.
    pub ahead: Option<u64>,
}

/// A version of the master secret that something on the candidate is sealed under, and that the candidate does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct MissingVersionView {
    pub version: KeyVersion,
    /// Records, former revisions and stranded changes under it.
    pub parts: u64,
    /// A proven backup that brings it, where one is known.
    pub backup: Option<String>,
}

/// A standby that answers and opens what the candidate can't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct OpensMoreView {
    pub name: String,
    pub parts: u64,
}

/// What a promotion would do, and whether it can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PreflightView {
    pub candidate: NodeId,
    pub candidate_name: String,
    pub mode: PromotionMode,
    /// What the promotion compares and sets: to be given back with it.
    pub epoch: Epoch,
    pub master_name: Option<String>,
    pub checks: Vec<CheckView>,
    /// No check failed.
    pub possible: bool,
    pub evidence: Vec<EvidenceView>,
    /// Nodes that must agree, and those that can be asked now; fewer than half agreeing is a forced promotion.
    pub voters: u32,
    pub reachable_voters: u32,
    /// Records that the candidate has, and those that opened (emergency only).
    pub records: u64,
    pub records_opened: Option<u64>,
    /// What the candidate has and could not open as the master.
    #[serde(default)]
    pub missing_versions: Vec<MissingVersionView>,
    /// Who would open the most of that. In an emergency it goes on beside such a one only with `leave_unreadable`.
    #[serde(default)]
    pub opens_more: Option<OpensMoreView>,
    /// Whether the checks were made with that consent.
    #[serde(default)]
    pub leave_unreadable: bool,
    /// The passphrase reminder of the backup, where one was named.
    pub reminder: Option<String>,
    /// What will happen, in the order in which it happens.
    pub steps: Vec<String>,
}

/// What came of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PromotedView {
    pub master: NodeId,
    pub master_name: String,
    pub mode: PromotionMode,
    pub former_master: Option<String>,
    pub epoch: Epoch,
    pub generation: Generation,
    /// Nodes that agreed, of those that were to be asked (emergency only).
    pub votes: Option<u32>,
    pub voters: Option<u32>,
    /// From the confirmation to the first write that the new master would take.
    pub seconds: f64,
}

/// A write that only a former master had when it stood down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StrandedView {
    /// Names it in `show`, `accept` and `discard`.
    pub id: u64,
    /// The node that had it.
    pub from: String,
    pub record: RecordId,
    pub kind: Option<PortKind>,
    pub application: String,
    pub name: String,
    pub revision: Revision,
    pub key_version: KeyVersion,
    /// When it was written there, and by whom, as it says itself.
    pub at: Option<Timestamp>,
    pub who: Option<String>,
    /// The revision that stands here now; `None` where there is no such record.
    pub present: Option<Revision>,
    /// Whether the record was written here too since the two parted: accepting replaces that.
    pub diverged: bool,
}

/// All stranded changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StrandedListView {
    pub stranded: Vec<StrandedView>,
}

/// A stranded change beside what stands now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StrandedDiffView {
    pub change: StrandedView,
    /// From what stands now to the stranded change; secrets only as "changed".
    pub fields: Vec<ChangeView>,
}

/// What became of stranded changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StrandedDoneView {
    pub accepted: u64,
    pub discarded: u64,
    pub left: u64,
}
