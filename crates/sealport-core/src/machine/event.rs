//! What happens to a following node, and what it asks for in return: the words between the machine and the loop.

use super::{
    Ask, AuditMark, Contradiction, Counts, Head, KeySetMark, Marks, Moment, ProvenGrant, Rank, SYNC_INTERVAL,
    SYNC_INTERVAL_DEFAULT, Standing,
};
use crate::id::{KeyVersion, NodeId, SystemId};

/// Names one poll. Random, so that an answer to a poll of a former life of the process fits none of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// What the node durably holds, as its store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The system.
    pub system: SystemId,
    /// This node.
    pub node: NodeId,
    /// The highest grant that was proven here; `None` where no change of master is known.
    pub grant: Option<Rank>,
    /// The highest ever seen: durable before the answer that showed it counts.
    pub seen: Marks,
    /// What the replica wholly holds. Generation 0 in a new one.
    pub at: Marks,
    /// The last audit entry held.
    pub audit: AuditMark,
    /// The active version of the master secret that custody holds, or memory where it is kept there only.
    pub version: Option<KeyVersion>,
    /// The set of versions that it holds, as the master gave it last.
    pub keys: Option<KeySetMark>,
    /// What the replica holds, counted in it.
    pub counts: Counts,
    /// How many nodes its registry has, without those that are revoked; 0 in a new one.
    pub nodes: u64,
    /// Whether the replica is known to be damaged: only a full copy ends that.
    pub damaged: bool,
    /// Membership.
    pub standing: Standing,
}

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(super) sync_interval: u64,
}

impl Settings {
    /// A sync interval in milliseconds; `None` outside of [`SYNC_INTERVAL`]. Above [`super::HOLD_MAX`] it changes nothing for a
    /// node that can reach its master, since a poll never waits longer.
    pub fn new(sync_interval: u64) -> Option<Self> {
        SYNC_INTERVAL.contains(&sync_interval).then_some(Self { sync_interval })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { sync_interval: SYNC_INTERVAL_DEFAULT }
    }
}

/// Why a poll brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, no answer in time, or an answer that makes no sense.
    Unreachable,
    /// The master says that this node is revoked. Only what an authenticated master says may be told as this.
    Revoked,
    /// The master says that another process is this very node, and began before. As for [`Failure::Revoked`].
    Cloned,
    /// Another system answers at the master's address.
    OtherSystem,
    /// The master takes this node's certificate as expired: it must be renewed.
    Expired,
    /// The one that was asked is not the master any more, or its epoch is not granted here yet; or another node than the
    /// master by the highest grant answers at its address.
    Superseded,
    /// The master refuses for another reason.
    Refused,
    /// The answer came, but could not be taken over.
    NotApplied,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Event {
    /// The process runs. Polls at once.
    Started,
    /// The moment that [`super::Node::wakes_at`] told has come.
    Tick,
    /// The machine slept.
    Woke,
    /// The network came back, or changed.
    NetworkReturned,
    /// Someone wants the latest now.
    Nudged,
    /// The head of the answer to a poll has come.
    Head {
        /// The poll.
        poll: PollId,
        /// What the master says.
        head: Head,
    },
    /// A piece of a long body was asked for with a request of its own, has come, and is durable.
    Piece {
        /// The poll.
        poll: PollId,
        /// When the request for the piece went out.
        asked: Moment,
    },
    /// The whole body is durable.
    Applied {
        /// The poll.
        poll: PollId,
        /// What the store now holds.
        held: Held,
    },
    /// The body ended early, or could not be taken over.
    ApplyFailed {
        /// The poll.
        poll: PollId,
        /// What the store now holds.
        held: Held,
    },
    /// The poll failed.
    Failed {
        /// The poll.
        poll: PollId,
        /// How.
        failure: Failure,
    },
    /// A grant came and its signature is good: pushed by a new master, or in answer to [`Send::AskAround`] or a poll.
    Granted(ProvenGrant),
    /// A record of the replica does not open, or is not there: the replica is damaged.
    Damaged,
    /// A record, or another node, is known to use this version of the master secret.
    Evidence(KeyVersion),
    /// The settings changed; counts from the next poll.
    Settings(Settings),
}

/// What must be durable before anything else of the same step is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persist {
    /// Take over the body that follows the head. A delta: in one transaction, with `seen` in it. A full copy: aside, in
    /// as many pieces as it likes (the first writes `seen`), and then in place of what is there. Exactly one [`Event::Applied`] or [`Event::ApplyFailed`] ends it (or
    /// [`Event::Failed`], if the master refuses a piece).
    Apply {
        /// The poll.
        poll: PollId,
        /// The highest ever seen from now on.
        seen: Marks,
    },
    /// The replica is damaged, also after a restart, until a full copy is applied.
    Damaged,
    /// Membership changed.
    Standing(Standing),
    /// A higher grant: kept, with [`Held::seen`] raised to where its epoch begins, and the address of its master. A replica
    /// of another master of the very same epoch counts as one of the epoch before from now on (`begins.epoch`). Where it
    /// names this node, the loop makes it the master next.
    Grant(ProvenGrant),
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Send {
    /// Ask the master. Cancels any former poll.
    Poll {
        /// The poll.
        poll: PollId,
        /// What to ask.
        ask: Ask,
        /// Milliseconds within which the head must come.
        deadline: u64,
    },
    /// Ask every address of the registry for the highest grant that it knows. What comes is an [`Event::Granted`]; nothing
    /// need come.
    AskAround,
}

/// What to tell people. Each once per change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Degraded: sealing is refused from now on.
    Unreachable {
        /// The last proof of contact, or the start.
        since: Moment,
        /// How the last poll failed; `None` where it only got old.
        last: Option<Failure>,
    },
    /// Contact is back after [`Notify::Unreachable`].
    Restored,
    /// An answer contradicts what was seen.
    Contradiction(Contradiction),
    /// A good answer came after [`Notify::Contradiction`].
    Agreed,
    /// The active version of the master secret is known but did not come.
    Stale {
        /// Held here.
        held: Option<KeyVersion>,
        /// In use.
        wanted: KeyVersion,
    },
    /// The active version came after [`Notify::Stale`].
    Current,
    /// The node was revoked: it asks no more.
    Revoked,
    /// This is a copy of a node that is at work: it asks no more.
    Cloned,
    /// Another node is the master now, by a grant that was proven.
    Master(Rank),
    /// The replica is damaged; a full copy is asked for.
    Damaged,
    /// A full copy is in place after [`Notify::Damaged`].
    Repaired,
}

/// What a step asks for, to be done in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// First.
    pub persist: Vec<Persist>,
    /// Then.
    pub send: Vec<Send>,
    /// Last.
    pub notify: Vec<Notify>,
}
