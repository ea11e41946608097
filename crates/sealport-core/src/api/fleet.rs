//! Views of many nodes: who they are, how they are, what they were told, and what needs a person.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::{
    id::{Epoch, Generation, NodeId, SystemId},
    machine::State,
    secret::{SecretText, crossing},
    time::Timestamp,
};

/// What a node may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// The master secret server.
    Master,
    /// Holds everything a master needs and may be promoted.
    Standby,
    /// Seals, opens and follows; can't be promoted.
    Processing,
}

impl NodeRole {
    /// The role in one word.
    pub fn name(self) -> &'static str {
        match self {
            NodeRole::Master => "master",
            NodeRole::Standby => "standby",
            NodeRole::Processing => "processing",
        }
    }
}

/// What a node can do now. Derived from facts each time, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// The data directory holds no system.
    NoSystem,
    /// The first seconds, while it is not known yet whether the master answers.
    Starting,
    /// There is a system, but the master secret can't be had.
    NoSecret,
    /// Seals and opens.
    Synced,
    /// The master can't be reached: opens, seals nothing.
    Degraded,
    /// There is proof of a newer secret than this node has: opens what it can, seals nothing.
    Stale,
    /// Shut out: revoked, of another system, or a former master.
    Fenced,
}

impl From<State> for NodeState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => NodeState::Starting,
            State::NoSecret => NodeState::NoSecret,
            State::Synced => NodeState::Synced,
            State::Degraded => NodeState::Degraded,
            State::Stale => NodeState::Stale,
            State::Fenced => NodeState::Fenced,
        }
    }
}

impl NodeState {
    /// The state in one word, as `--json` spells it.
    pub fn name(self) -> &'static str {
        match self {
            NodeState::NoSystem => "no_system",
            NodeState::Starting => "starting",
            NodeState::NoSecret => "no_secret",
            NodeState::Synced => "synced",
            NodeState::Degraded => "degraded",
            NodeState::Stale => "stale",
            NodeState::Fenced => "fenced",
        }
    }
}

/// Where the master secret is kept on a node that is not the master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// In the node's custody: a restart while the master is away costs nothing.
    #[default]
    Keyring,
    /// In memory only, as Enterprise SSO does: a restart while the master is away opens nothing.
    Memory,
}

/// This installation among the nodes.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct NodeView {
    pub id: NodeId,
    pub name: String,
    pub role: NodeRole,
    /// Whether it may invite, rename and revoke nodes.
    pub administrator: bool,
}

/// The node that writes.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct MasterView {
    pub id: NodeId,
    pub name: String,
    /// `host:port`; `None` for a master that serves no other node.
    pub address: Option<String>,
}

/// How fresh a node is.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SyncView {
    /// Seconds since the master was last heard; 0 on the master, `None` where it never was.
    pub age_seconds: Option<u64>,
    /// Longest time between two syncs, in seconds.
    pub interval_seconds: u64,
    /// Why the last try failed, while it does.
    pub error: Option<String>,
}

/// Where a write is besides on the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct KeptView {
    /// The standby that durably has it; `None` where none was on line, or none had it within 5 s.
    pub standby: Option<String>,
    /// Whether a standby was on line and late.
    pub late: bool,
}

/// A token for one node.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct InviteView {
    /// Lets one node join, once.
    #[serde(with = "crossing")]
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub token: SecretText,
    pub expires: Timestamp,
    /// Short fingerprint of the system's authority; the node that joins shows the same.
    pub fingerprint: String,
    pub name: String,
    pub role: NodeRole,
    pub administrator: bool,
    /// Where to join: `https://host:port`; `None` while the master does not listen.
    pub url: Option<String>,
}

/// What came of joining.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct JoinView {
    pub system: SystemId,
    pub system_name: String,
    pub node: NodeView,
    /// Short fingerprint of the system's authority; the invitation shows the same.
    pub fingerprint: String,
    pub ports: u64,
}

/// All nodes of the system.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct NodeListView {
    pub nodes: Vec<NodeEntryView>,
    /// Whether the master said so just now. If not, this is what the node last knew, and states are unknown.
    pub live: bool,
    /// The truth about all of them in one sentence.
    pub summary: String,
    /// Short fingerprint of the system's authority.
    pub fingerprint: Option<String>,
}

/// One node, as the master knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct NodeEntryView {
    pub id: NodeId,
    pub name: String,
    pub role: NodeRole,
    pub administrator: bool,
    /// `None` where the master has not heard of it since it started, or can't be asked.
    pub state: Option<NodeState>,
    /// Seconds since it last asked the master; 0 for the master itself.
    pub last_sync_age_seconds: Option<u64>,
    pub epoch: Option<Epoch>,
    pub generation: Option<Generation>,
    pub address: Option<String>,
    pub version: Option<String>,
    /// Whether it is this installation.
    pub here: bool,
    pub revoked: bool,
    pub joined: Timestamp,
    /// When its certificate ends.
    pub certificate_expires: Option<Timestamp>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct AlertView {
    /// Stable id, as in `docs/alerts.md`.
    pub id: String,
    pub severity: Severity,
    pub message: String,
    pub hint: String,
    /// Since when, where that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// What needs a person now, and how it is told.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct AlertListView {
    pub alerts: Vec<AlertView>,
    /// Where alerts go, and how the last one got there.
    pub sinks: Vec<SinkView>,
}

/// One place that alerts go to.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SinkView {
    /// `log`, `webhook`, `desktop` or `metrics`.
    pub name: String,
    pub on: bool,
    /// Whether the last alert arrived; `None` where there was none.
    #[serde(default)]
    pub delivered: Option<bool>,
    /// What happened to the last alert, in words; empty where there was none.
    pub last: String,
}

/// Settings of this installation.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ConfigView {
    pub settings: Vec<SettingView>,
}

/// One setting.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct SettingView {
    pub key: String,
    pub value: String,
    /// Where the value came from: `default` or a file.
    pub source: String,
    /// What it does, in a sentence.
    pub about: String,
}
