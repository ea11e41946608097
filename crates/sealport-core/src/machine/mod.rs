//! How the nodes of one system decide: what a node is by the facts, how it follows the master, and what the master
//! answers. Pure: no clock, no IO; randomness is passed in. `PROTOCOL.md` beside this crate says it in words, with the proofs.
//!
//! A machine takes an event and gives effects, to be carried out in the order persist, send, notify. Its rules are plain
//! functions on plain facts, so that the store can call the same ones inside a transaction and the server per request.

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Generation, KeyVersion, SystemId};

pub mod clone;
pub mod event;
pub mod master;
pub mod node;
pub mod preflight;
pub mod promotion;
pub mod rotation;
pub mod state;
#[cfg(test)]
mod tests;

pub use clone::{Began, Life, Lives, Spoke};
pub use event::{Effects, Event, Failure, Held, Notify, Persist, PollId, Send, Settings};
pub use master::{
    Admitted, Answer, Body, Caller, Certificate, Denial, Kept, Master, MasterEffects, MasterEvent,
    MasterFacts, Member, Right, Role, Seen, WriteFacts, WriteHead, WriteId, WriteRefusal, admit, admit_write,
    answer, lacks_history,
};
pub use node::{Node, contradicts};
pub use promotion::{
    Ballot, BecomeFacts, BecomeRefusal, Grant, GrantKind, HandoverAsk, HandoverFacts, HandoverRefusal,
    Promise, ProvenGrant, Rank, SignedGrant, Tally, VoteFacts, VoteRefusal, may_become_master, may_hand_over,
    shared_until, strands, tally, vote,
};
pub use rotation::KeySetMark;
pub use state::{
    Cause, Contact, Contradiction, CustodyFact, Facts, Refusal, SecretFact, Standing, State, derive_state,
    may_open, may_seal,
};

/// The longest that a poll asks the master to wait, in milliseconds. Two of them and two round trips of up to 6 s stay
/// below [`DEGRADED_AFTER`], so a quiet system is never degraded (`PROTOCOL.md`, timing).
pub const HOLD_MAX: u64 = 24_000;
/// How much longer than its hold a poll may take before it counts as missed: the deadline that every request has.
pub const POLL_DEADLINE_EXTRA: u64 = 10_000;
/// Age of the last proof of contact from which on a node is degraded. The promise is 65 s after the loss; the rest is
/// for clocks that differ by up to 8 % and for timers that fire late.
pub const DEGRADED_AFTER: u64 = 60_000;
/// Missed polls in a row from which on a node is degraded, however young the last proof is.
pub const DEGRADED_MISSES: u32 = 2;
/// The first retry comes within this time; each further one within the double.
pub const RETRY_FIRST: u64 = 1_000;
/// The longest wait between two retries.
pub const RETRY_MAX: u64 = 300_000;
/// Retries come within this time however long the outage lasts, until it is [`RETRY_SHARE`] times as long: then within that
/// share of it. So a fleet is back a short while after its master, and what is short grows with what was lost.
pub const RETRY_SOON: u64 = 50_000;
/// See [`RETRY_SOON`].
pub const RETRY_SHARE: u64 = 6;
/// How long a node may say that it is starting. Then it says what it is without the master.
pub const STARTING_LIMIT: u64 = 5_000;
/// A poll that brought nothing is not followed by another before this time, whatever the master does; and a poll that is
/// younger than this is not given up for a nudge.
pub const POLLS_APART: u64 = 1_000;
/// A step that comes this much later than it was asked for: the process or the machine had stopped meanwhile.
pub const STALL: u64 = 5_000;
/// How long the answer to a write waits for a standby: half of the deadline that every request has.
pub const STANDBY_WAIT: u64 = 5_000;
/// A node that polled within this time is on line: a hold, its deadline, and two retries.
pub const ONLINE_FOR: u64 = 60_000;
/// A node whose poll failed asks all others who is master within this time.
pub const ASK_AROUND_SOON: u64 = 500;
/// It asks again after this time, and after the double each time, up to a time that the number of nodes gives: so the standbys,
/// whom each of them asks, have no more to answer in a large system than in a small one.
pub const ASK_AROUND_APART: u64 = 3_000;
/// The longest wait between two times of asking around, as long as the master is silent, however many nodes there are.
pub const ASK_AROUND_MAX: u64 = 24_000;
/// From as many nodes on it is [`ASK_AROUND_MAX`]; with fewer, that share of it, but never less than [`ASK_AROUND_APART`].
pub const ASK_AROUND_FLEET: u64 = 10_000;
/// Bounds of the setting `sync_interval`, and what it is until set.
pub const SYNC_INTERVAL: std::ops::RangeInclusive<u64> = 5_000..=3_600_000;
/// `sync_interval` until it is set.
pub const SYNC_INTERVAL_DEFAULT: u64 = 60_000;

/// A moment of one machine: milliseconds of a clock that never goes back and runs on while the machine sleeps
/// (`CLOCK_BOOTTIME`). Means nothing on another machine or after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `millis` later.
    pub fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; zero where that is the later one.
    pub fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A place in the history of a system. Epochs count first: a generation compares only within its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Marks {
    /// Epoch.
    pub epoch: Epoch,
    /// Generation in it.
    pub generation: Generation,
}

/// A place in the audit trail, with the hash of the chain up to it: equal only where the whole history before it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditMark {
    /// Number of the entry; 0 before the first.
    pub line: u64,
    /// Hash of the chain up to and with it, as the trail writes it; empty before the first.
    pub hash: String,
}

/// How much a database holds at its generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Former revisions.
    pub formers: u64,
}

/// What a node asks the master. On the wire as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The highest that the node has ever seen. A master below this epoch is none any more.
    pub seen: Marks,
    /// What its replica wholly and durably holds. Reaching a write's generation here acknowledges the write.
    pub at: Marks,
    /// The last audit entry that it holds.
    pub audit: AuditMark,
    /// The active version of the master secret that it holds.
    pub version: Option<KeyVersion>,
    /// The set of versions that it durably holds, as the master gave it.
    pub keys: Option<KeySetMark>,
    /// Whether it wants everything anew, because its replica is damaged. Left away where it does not: each poll carries it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// How long the master may wait for news, in milliseconds.
    pub hold: u64,
}

/// What the master says first. On the wire as it stands; the body follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The system.
    pub system: SystemId,
    /// Where the master is.
    pub at: Marks,
    /// The active version of the master secret.
    pub version: KeyVersion,
    /// The set of versions that nodes are to hold.
    pub keys: KeySetMark,
    /// The last entry of its audit trail.
    pub audit: AuditMark,
    /// The hash that its trail has at the entry that the node asked from; `None` if there is no such entry.
    pub known: Option<String>,
    /// What it holds at `at`.
    pub counts: Counts,
    /// What the body brings.
    pub body: Body,
}

/// A number from 0 to `most`, each as likely.
fn draw(rng: &mut impl Rng, most: u64) -> u64 {
    ((u128::from(rng.next_u64()) * (u128::from(most) + 1)) >> 64) as u64
}
