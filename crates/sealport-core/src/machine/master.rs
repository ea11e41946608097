//! What the master decides: who may do what, when a poll is answered and with what, whether a write is let in, and when
//! it is acknowledged.
//!
//! The decisions are functions on plain facts. [`admit_write`] belongs inside the transaction that writes, with the
//! system's row locked: a check before it lets writes of a former epoch through. [`Master`] holds only what may be lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Ask, AuditMark, HOLD_MAX, KeySetMark, Marks, Moment, ONLINE_FOR, ProvenGrant, Rank, STANDBY_WAIT,
    Standing, State,
};
use crate::id::{Epoch, Generation, KeyVersion, NodeId, Revision};

/// What a node may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Seals, opens and follows.
    Processing,
    /// Holds all that a master needs, and may be promoted.
    Standby,
}

/// Whether the certificate of a caller is within its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is.
    Valid,
    /// It was, and the caller still has its key.
    Expired,
}

/// A caller as the registry knows it, read for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// `Member` or `Revoked`.
    pub standing: Standing,
    /// Role.
    pub role: Role,
    /// Whether it may promote, rotate, invite, revoke.
    pub administrator: bool,
    /// Its certificate.
    pub certificate: Certificate,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Whoever shows no certificate of the system's authority.
    Nobody,
    /// A certificate of the system's authority, of a node that the registry here does not know: it may have joined, or been
    /// restored, since.
    Stranger,
    /// A node of the registry.
    Known(&'a Member),
}

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: health, and joining with a token.
    Anyone,
    /// To tell a grant, and to hear the highest one: what its own signature proves, whoever brings it.
    Tell,
    /// To renew its certificate: an expired member may do this and nothing else.
    Renew,
    /// To follow.
    Sync,
    /// To write records.
    Write,
    /// To hold the keys that only a master needs.
    Stand,
    /// To promote, rotate, invite, revoke.
    Administer,
}

/// Why a caller may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No certificate, or none of a member.
    Unknown,
    /// Revoked. Nothing is left to it.
    Revoked,
    /// It must renew its certificate first.
    Expired,
    /// For standbys.
    NotStandby,
    /// For administrators.
    NotAdministrator,
}

/// Whether a caller may use an endpoint. Refused where no rule lets it.
pub fn admit(caller: Caller<'_>, endpoint: Right) -> Result<(), Denial> {
    let member = match (caller, endpoint) {
        (_, Right::Anyone) | (Caller::Stranger, Right::Tell) => return Ok(()),
        (Caller::Nobody | Caller::Stranger, _) => return Err(Denial::Unknown),
        (Caller::Known(member), _) => member,
    };
    if member.standing != Standing::Member {
        return Err(Denial::Revoked);
    }
    match (endpoint, member.certificate) {
        (Right::Renew | Right::Tell, _) => Ok(()),
        (_, Certificate::Expired) => Err(Denial::Expired),
        (Right::Stand, _) if member.role != Role::Standby => Err(Denial::NotStandby),
        (Right::Administer, _) if !member.administrator => Err(Denial::NotAdministrator),
        (Right::Anyone | Right::Sync | Right::Write | Right::Stand | Right::Administer, _) => Ok(()),
    }
}

/// Where the master durably is. Nothing that a crash could take back may stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterFacts {
    /// Epoch and generation.
    pub at: Marks,
    /// The active version of the master secret.
    pub version: KeyVersion,
    /// The set of versions that nodes are to hold.
    pub keys: KeySetMark,
    /// Number of the last entry of the audit trail.
    pub audit: u64,
    /// The hash of the trail at the entry that the node asked from; `None` if there is no such entry (or it asked from 0).
    pub known: Option<String>,
    /// Where the node's replica is of a former epoch: up to which generation that is part of this history
    /// ([`super::shared_until`]).
    pub shared: Option<Generation>,
}

/// What an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Nothing: all is as the node has it, or the node must judge by the head alone.
    Nothing,
    /// What came after the node's generation and audit entry; the secret, if its set of versions is another one.
    Delta,
    /// Everything.
    Full,
}

/// How a poll is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once, with this.
    Now(Body),
    /// When there is news, or after this many milliseconds.
    Hold(u64),
    /// At once, by the head alone and [`Body::Nothing`]: the node knows of writes that this database does not have. It
    /// refuses us by the head, gets nothing, and does not count as a node that holds anything.
    Differs,
    /// At once, with the grant of this epoch and nothing else: the node does not know it yet, and takes nothing over from a
    /// master whose grant it has not proven.
    Grant,
    /// Not at all: the node has seen a higher epoch, so this is no master any more. Tell [`Master`] by
    /// [`MasterEvent::Met`].
    Superseded,
}

/// How to answer an ask. Called when it comes and, while it is held, after each commit.
pub fn answer(ask: &Ask, facts: &MasterFacts) -> Answer {
    if ask.seen.epoch > facts.at.epoch {
        return Answer::Superseded;
    }
    if ask.seen.epoch < facts.at.epoch && ask.seen.epoch > Epoch(0) {
        return Answer::Grant;
    }
    let same_epoch = ask.at.epoch == facts.at.epoch;
    let same_trail = facts.known.as_ref() == Some(&ask.audit.hash);
    // What a higher epoch means is decided above.
    let other_history =
        same_epoch && lacks_history(facts.at.epoch, facts.known.as_deref(), ask.at.epoch, &ask.audit);
    let newer = same_epoch && ask.version.is_some_and(|version| version > facts.version);
    let set_back = ask.seen > facts.at || newer;
    if set_back || other_history {
        return Answer::Differs;
    }
    // A replica of a former epoch whose whole history is part of this one lacks only what came after.
    let crosses = same_trail && facts.shared.is_some_and(|shared| ask.at.generation <= shared);
    if ask.full || !(same_epoch || crosses) {
        return Answer::Now(Body::Full);
    }
    let behind = !same_epoch || ask.at.generation < facts.at.generation || ask.audit.line < facts.audit;
    if behind || ask.version != Some(facts.version) || ask.keys != Some(facts.keys) {
        return Answer::Now(Body::Delta);
    }
    match ask.hold.min(HOLD_MAX) {
        0 => Answer::Now(Body::Nothing),
        hold => Answer::Hold(hold),
    }
}

/// Whether a master in this epoch lacks history that a node has, whose replica is of `epoch` and ends with `audit`: its database was
/// set back, or it is no master any more. What a node sends is not taken in then, since it would be lost with that database.
/// `known`: the hash of the master's trail at that entry, if it has it.
pub fn lacks_history(present: Epoch, known: Option<&str>, epoch: Epoch, audit: &AuditMark) -> bool {
    let other = audit.line > 0 && known != Some(audit.hash.as_str());
    epoch > present || (epoch == present && other)
}

/// What the writing transaction sees of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteFacts {
    /// Epoch of the master, from the row that is locked.
    pub epoch: Epoch,
    /// The active version, from the same row.
    pub active_version: KeyVersion,
    /// The present revision of the record, if there is one.
    pub present: Option<Revision>,
    /// Whether the record has, at the revision that the write carries, the very envelope of the write: it is a repeat.
    pub same: bool,
    /// Whether the present revision is another envelope than the one that the writer read, where it says which.
    pub unread: bool,
}

/// What a write says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteHead {
    /// The epoch that the writer follows.
    pub epoch: Epoch,
    /// The version that it sealed under.
    pub key_version: KeyVersion,
    /// The revision that it makes.
    pub revision: Revision,
}

/// How a write is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is to be written.
    Write,
    /// It is there already: its answer was lost. Answer it again, write nothing.
    Already,
}

/// Why a write is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteRefusal {
    /// The writer follows a higher epoch: this is no master any more.
    Superseded,
    /// The writer follows a former epoch.
    Epoch {
        /// The present one.
        now: Epoch,
    },
    /// It is not sealed under the active version.
    KeyVersion {
        /// The active one.
        now: KeyVersion,
    },
    /// The record was written since the writer read it, or is not what it thinks.
    Revision {
        /// The present one, if there is one.
        now: Option<Revision>,
    },
    /// The revision that stands has the number of the one that the writer read, and is not that one: it is of another
    /// history, or was sealed anew. Nothing tells the two apart but its content, so the writer reads it again.
    Unread {
        /// Its number.
        now: Revision,
    },
}

/// Whether a write is let in. Inside the transaction that writes it, and nowhere else.
pub fn admit_write(facts: &WriteFacts, write: &WriteHead) -> Result<Admitted, WriteRefusal> {
    if write.epoch > facts.epoch {
        return Err(WriteRefusal::Superseded);
    }
    // A repeat is told its outcome, whatever has changed since.
    if facts.same {
        return Ok(Admitted::Already);
    }
    if write.epoch < facts.epoch {
        return Err(WriteRefusal::Epoch { now: facts.epoch });
    }
    if write.key_version != facts.active_version {
        return Err(WriteRefusal::KeyVersion { now: facts.active_version });
    }
    if write.revision != facts.present.map_or(Revision::FIRST, Revision::next) {
        return Err(WriteRefusal::Revision { now: facts.present });
    }
    if let Some(now) = facts.present.filter(|_| facts.unread) {
        return Err(WriteRefusal::Unread { now });
    }
    Ok(Admitted::Write)
}

/// Where else a write is when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// This standby durably has it.
    ByStandby(NodeId),
    /// No standby was on line.
    NoStandbyOnline,
    /// A standby is on line, but did not have it in time.
    StandbyLate,
    /// This turned out to be no master any more: the write is stranded here, and must not be reported as done.
    Stranded,
}

/// Names a write that waits for its acknowledgement. The caller counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// What happens to a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterEvent {
    /// The moment that [`Master::wakes_at`] told has come.
    Tick,
    /// A member was admitted with a poll, and the answer is [`Answer::Now`] or [`Answer::Hold`].
    Polled {
        /// Who.
        node: NodeId,
        /// Its role.
        role: Role,
        /// What it asked.
        ask: Ask,
        /// The state that it says it is in.
        state: State,
        /// The set of versions that the answer gives.
        given: KeySetMark,
    },
    /// A write is durable here, and not yet answered.
    Committed {
        /// The write.
        write: WriteId,
        /// The generation that it made.
        generation: Generation,
    },
    /// A member was revoked: it counts no more.
    Revoked {
        /// Who.
        node: NodeId,
    },
    /// A higher epoch was met.
    Met {
        /// Which.
        epoch: Epoch,
    },
    /// A grant was proven; this master's own is `own`.
    Granted {
        /// The grant.
        grant: ProvenGrant,
        /// This node in its epoch.
        own: Rank,
    },
}

/// What a step of the master asks for, to be done in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterEffects {
    /// Standing to be made durable first.
    pub persist: Vec<Standing>,
    /// Writes to answer.
    pub send: Vec<(WriteId, Kept)>,
    /// The higher epoch that ended this master: tell people.
    pub superseded: Option<Epoch>,
}

/// What the master has seen of a node since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it last polled.
    pub last: Moment,
    /// Its role.
    pub role: Role,
    /// What it durably held then.
    pub at: Marks,
    /// Whether it asked for a full copy: what it holds can't be relied on.
    pub damaged: bool,
    /// The set of versions that it durably held, where that is the one that it was given: any other it is about to leave.
    pub keys: Option<KeySetMark>,
    /// The state that it said it was in.
    pub state: State,
}

/// The master's volatile part: who polled when and with what, and the writes that wait for a standby.
#[derive(Clone, Debug)]
pub struct Master {
    epoch: Epoch,
    superseded: bool,
    seen: BTreeMap<NodeId, Seen>,
    waiting: BTreeMap<WriteId, Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    generation: Generation,
    until: Moment,
}

impl Master {
    /// The master of this epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, superseded: false, seen: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    /// Takes one event.
    pub fn step(&mut self, now: Moment, event: MasterEvent) -> MasterEffects {
        let mut effects = MasterEffects::default();
        match event {
            MasterEvent::Tick => {}
            MasterEvent::Polled { node, role, ask, state, given } => {
                let keys = ask.keys.filter(|held| *held == given);
                self.seen.insert(node, Seen { last: now, role, at: ask.at, damaged: ask.full, keys, state });
                // It acknowledges nothing, and there may be thousands: the writes that wait are not looked at for each.
                if role == Role::Processing {
                    return effects;
                }
            }
            MasterEvent::Committed { write, generation } => {
                self.waiting.insert(write, Waiting { generation, until: now.after(STANDBY_WAIT) });
            }
            MasterEvent::Revoked { node } => {
                self.seen.remove(&node);
            }
            MasterEvent::Met { epoch } => {
                if epoch > self.epoch {
                    self.end(epoch, &mut effects);
                }
            }
            MasterEvent::Granted { grant, own } => {
                if grant.outranks(self.epoch, Some(own)) {
                    self.end(grant.rank().epoch, &mut effects);
                }
            }
        }
        let answered: Vec<(WriteId, Kept)> = self
            .waiting
            .iter()
            .filter_map(|(write, waiting)| Some((*write, self.kept(waiting, now)?)))
            .collect();
        for (write, _) in &answered {
            self.waiting.remove(write);
        }
        effects.send = answered;
        effects
    }

    fn end(&mut self, epoch: Epoch, effects: &mut MasterEffects) {
        if !self.superseded {
            self.superseded = true;
            effects.persist.push(Standing::Superseded);
            effects.superseded = Some(epoch);
        }
    }

    /// When the next [`MasterEvent::Tick`] is due.
    pub fn wakes_at(&self) -> Option<Moment> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Whether a higher epoch was met: then nothing is answered any more.
    pub fn superseded(&self) -> bool {
        self.superseded
    }

    /// Each node that polled since the start. A node that is not here was not seen.
    pub fn seen(&self) -> &BTreeMap<NodeId, Seen> {
        &self.seen
    }

    /// How a write may be answered, if it may.
    fn kept(&self, waiting: &Waiting, now: Moment) -> Option<Kept> {
        if self.superseded {
            return Some(Kept::Stranded);
        }
        let mut standbys = self.seen.iter().filter(|(_, seen)| seen.role == Role::Standby);
        let has = |seen: &Seen| {
            !seen.damaged && seen.at >= Marks { epoch: self.epoch, generation: waiting.generation }
        };
        if let Some((node, _)) = standbys.clone().find(|(_, seen)| has(seen)) {
            return Some(Kept::ByStandby(*node));
        }
        if !standbys.any(|(_, seen)| now.since(seen.last) < ONLINE_FOR) {
            return Some(Kept::NoStandbyOnline);
        }
        (now >= waiting.until).then_some(Kept::StandbyLate)
    }
}
