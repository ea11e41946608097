//! A change of master: the grant that says who it is, who may give and take it, and how a lost master's place is voted on.
//!
//! Promises: a [`ProvenGrant`] can be made only through the check of its signature; of two grants one outranks the other; a
//! voter promises an epoch to one candidate alone. The functions here are called inside the transactions that they guard.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AuditMark, Marks, Role, Standing, master::Member};
use crate::{
    id::{Epoch, Generation, KeyVersion, NodeId, SystemId},
    time::Timestamp,
};

/// The statement "this node is the master from this epoch on". Made by whoever holds the system's grant key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The system.
    pub system: SystemId,
    /// The epoch that begins.
    pub epoch: Epoch,
    /// Its master.
    pub node: NodeId,
    /// Where its history leaves the former one: the former epoch, and the last generation of it that is kept.
    pub begins: Marks,
    /// How it came about.
    pub kind: GrantKind,
    /// When, by the clock of the node that made it. Nothing is decided by it.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
}

/// How a change of master came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// The former master handed over at its last write.
    Planned,
    /// The former master was lost. Fewer votes than a majority: it was forced.
    Emergency {
        /// Voters that agreed, the new master among them.
        votes: u32,
        /// Voters that there are.
        of: u32,
    },
}

impl GrantKind {
    /// Whether no majority agreed: another master may have been made in the same epoch.
    pub fn forced(self) -> bool {
        matches!(self, GrantKind::Emergency { votes, of } if u64::from(votes) * 2 <= u64::from(of))
    }
}

/// What decides between two grants: the epoch, and within one epoch, where two masters were forced, the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The epoch.
    pub epoch: Epoch,
    /// Its master.
    pub node: NodeId,
}

/// A grant with its signature, as it travels and is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignedGrant {
    /// What is granted.
    pub grant: Grant,
    /// Ed25519 over [`Grant::to_bytes`], in base64.
    pub signature: String,
}

/// A grant whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProvenGrant(SignedGrant);

impl Grant {
    /// The bytes that are signed (`FORMATS.md`).
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, votes, of) = match self.kind {
            GrantKind::Planned => (1u8, 0, 0),
            GrantKind::Emergency { votes, of } => (2, votes, of),
        };
        let mut bytes = b"sealport grant 1\n".to_vec();
        bytes.extend_from_slice(self.system.as_bytes());
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        bytes.extend_from_slice(self.node.as_bytes());
        bytes.extend_from_slice(&self.begins.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.begins.generation.0.to_be_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&votes.to_be_bytes());
        bytes.extend_from_slice(&of.to_be_bytes());
        bytes.extend_from_slice(&self.at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&(self.by.len() as u64).to_be_bytes());
        bytes.extend_from_slice(self.by.as_bytes());
        bytes
    }

    /// Its rank.
    pub fn rank(&self) -> Rank {
        Rank { epoch: self.epoch, node: self.node }
    }
}

impl SignedGrant {
    /// The grant, if it is of this system, makes sense, and `check` finds its signature (base64) good for its bytes.
    pub fn prove(self, system: SystemId, check: impl FnOnce(&[u8], &str) -> bool) -> Option<ProvenGrant> {
        let whole = self.grant.system == system && self.grant.begins.epoch < self.grant.epoch;
        (whole && check(&self.grant.to_bytes(), &self.signature)).then_some(ProvenGrant(self))
    }
}

impl ProvenGrant {
    /// What is granted.
    pub fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// As it travels and is kept.
    pub fn signed(&self) -> &SignedGrant {
        &self.0
    }

    /// Its rank.
    pub fn rank(&self) -> Rank {
        self.0.grant.rank()
    }

    /// Whether this grant goes before what a node knows: a higher epoch than any seen, or the same epoch with a higher node
    /// than the one that was granted it. Where the epoch was seen and no grant of it is known, it is told, not outranked.
    pub fn outranks(&self, seen: Epoch, known: Option<Rank>) -> bool {
        match known {
            Some(known) if known.epoch >= seen => self.rank() > known,
            _ => self.rank().epoch > seen,
        }
    }
}

/// Up to which generation a replica of epoch `of` is part of a history, by the grants in it, newest first. `None` where that
/// epoch is not part of it, or the grants do not tell.
pub fn shared_until<'a>(
    grants: impl IntoIterator<Item = &'a Grant>,
    present: Epoch,
    of: Epoch,
) -> Option<Generation> {
    let mut epoch = present;
    let mut limit = None::<Generation>;
    for grant in grants {
        if epoch <= of {
            break;
        }
        if grant.epoch > epoch {
            continue;
        }
        if grant.epoch < epoch {
            return None;
        }
        limit = Some(limit.map_or(grant.begins.generation, |limit| limit.min(grant.begins.generation)));
        epoch = grant.begins.epoch;
    }
    limit.filter(|_| epoch == of)
}

/// Of the rows of a replica, each known by what makes it itself (id, revision and content), those that a history lacks: they
/// are kept as stranded changes in the transaction that takes the history over.
pub fn strands<T: Ord + Clone>(here: &BTreeSet<T>, history: &BTreeSet<T>) -> BTreeSet<T> {
    here.difference(history).cloned().collect()
}

/// What the transaction of a hand-over sees on the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverFacts {
    /// Where the database is, from the row that is locked.
    pub at: Marks,
    /// The last entry of the audit trail. It has numbers of its own: an act that writes no record raises no generation.
    pub audit: AuditMark,
    /// Whether that row says that this node is the master, and it has not met a higher rank.
    pub master: bool,
    /// Whether no write is let in, and none is under way.
    pub drained: bool,
    /// The candidate, by the registry.
    pub candidate: Option<Member>,
    /// Whether a rotation stands where only this node can go on with it.
    pub rotation_bound: bool,
}

/// What a candidate asks of the master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverAsk {
    /// The epoch that the administrator saw.
    pub expect_epoch: Epoch,
    /// What the candidate's replica wholly and durably holds.
    pub at: Marks,
    /// The last audit entry in it: the same hash is the same trail, to its first entry.
    pub audit: AuditMark,
    /// The versions of the master secret that it read back from its custody.
    pub newest_version: KeyVersion,
}

/// Why a master does not hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverRefusal {
    /// This is no master any more.
    NotMaster,
    /// The master changed since the administrator looked.
    Epoch {
        /// The present one.
        now: Epoch,
    },
    /// The candidate is no standby of this system.
    NotStandby,
    /// The candidate lacks writes that were acknowledged, or entries of the trail; or it has another trail.
    Behind {
        /// Where the master is.
        now: Marks,
    },
    /// Writes are still under way.
    NotDrained,
    /// A rotation can't change its master now.
    Rotation,
}

/// Whether the master hands over. Inside the transaction that raises its epoch, and nowhere else.
pub fn may_hand_over(facts: &HandoverFacts, ask: &HandoverAsk) -> Result<(), HandoverRefusal> {
    if !facts.master {
        return Err(HandoverRefusal::NotMaster);
    }
    if ask.expect_epoch != facts.at.epoch {
        return Err(HandoverRefusal::Epoch { now: facts.at.epoch });
    }
    if !facts.candidate.is_some_and(|member| stands(&member)) {
        return Err(HandoverRefusal::NotStandby);
    }
    if facts.rotation_bound {
        return Err(HandoverRefusal::Rotation);
    }
    if !facts.drained {
        return Err(HandoverRefusal::NotDrained);
    }
    if ask.at != facts.at || ask.audit != facts.audit {
        return Err(HandoverRefusal::Behind { now: facts.at });
    }
    Ok(())
}

/// What the transaction that makes a node the master sees there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BecomeFacts {
    /// This node.
    pub node: NodeId,
    /// What the replica wholly holds, from the row that is locked.
    pub at: Marks,
    /// The highest epoch ever seen.
    pub seen: Epoch,
    /// The highest grant known.
    pub known: Option<Rank>,
    /// What this node last promised as a voter.
    pub promised: Option<Promise>,
    /// Whether custody gave back all that a master needs: every version that records are sealed under, and the keys of the
    /// authority.
    pub holds_all: bool,
    /// Whether the registry has it as a standby, or a backup made it one.
    pub standby: bool,
    /// Whether the replica is known to be damaged.
    pub damaged: bool,
}

/// Why a node does not become the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BecomeRefusal {
    /// The grant names another node.
    NotMine,
    /// The master changed since: this is the highest epoch known, and its master where a grant tells.
    Epoch {
        /// The epoch.
        now: Epoch,
        /// Its master.
        master: Option<NodeId>,
    },
    /// The epoch was promised to another candidate, or not to this one.
    NotPromised,
    /// It lacks keys that a master needs.
    Keys,
    /// It is no standby.
    NotStandby,
    /// Its replica is not where the new history begins: something that was acknowledged is not here.
    Behind,
    /// Its replica is damaged.
    Damaged,
}

/// Whether a node becomes the master by this grant. Inside the transaction that makes it the master, and nowhere else.
/// `expected` is the epoch that the administrator saw, where the node makes the grant itself.
pub fn may_become_master(
    facts: &BecomeFacts,
    grant: &ProvenGrant,
    expected: Option<Epoch>,
) -> Result<(), BecomeRefusal> {
    let Grant { epoch, node, begins, kind, .. } = *grant.grant();
    if node != facts.node {
        return Err(BecomeRefusal::NotMine);
    }
    let higher = facts.known.is_some_and(|known| known > grant.rank()) || facts.seen > epoch;
    let taken = matches!(kind, GrantKind::Emergency { .. }) && facts.seen >= epoch;
    if higher || taken || expected.is_some_and(|expected| expected != facts.seen) {
        let master = facts.known.filter(|known| known.epoch >= facts.seen).map(|known| known.node);
        return Err(BecomeRefusal::Epoch { now: facts.seen, master });
    }
    if !facts.holds_all {
        return Err(BecomeRefusal::Keys);
    }
    if !facts.standby {
        return Err(BecomeRefusal::NotStandby);
    }
    if facts.damaged {
        return Err(BecomeRefusal::Damaged);
    }
    if facts.at != begins {
        return Err(BecomeRefusal::Behind);
    }
    let mine = Promise { epoch, to: node };
    match (kind, facts.promised) {
        // Who promised a later epoch, or this one to another, acts in none up to it: else two are masters of one epoch.
        (_, Some(promise)) if promise.epoch >= epoch && promise != mine => Err(BecomeRefusal::NotPromised),
        (GrantKind::Emergency { .. }, promised) if promised != Some(mine) => Err(BecomeRefusal::NotPromised),
        _ => Ok(()),
    }
}

/// What a voter promised last: this epoch to this candidate, and no epoch up to it to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// The epoch.
    pub epoch: Epoch,
    /// The candidate.
    pub to: NodeId,
}

/// What the transaction of a vote sees on the voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteFacts {
    /// The highest epoch ever seen here, in an answer or a grant.
    pub seen: Epoch,
    /// What was promised last.
    pub promised: Option<Promise>,
    /// Whether the voter is the master, and can do a master's work.
    pub live_master: bool,
    /// The candidate, by the voter's registry.
    pub candidate: Option<Member>,
}

/// Why a voter does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteRefusal {
    /// The voter is the master, and lives.
    MasterLives,
    /// The epoch was seen already.
    Seen {
        /// The highest one that was.
        epoch: Epoch,
    },
    /// The epoch, or a later one, was promised.
    Promised(Promise),
    /// The candidate is no standby here: it may have become one by a backup. That is no agreement, but no objection either.
    NotStandby,
    /// The candidate was revoked.
    Revoked,
}

/// Whether a voter promises an epoch to a candidate. What comes back is durable before the answer goes out. The candidate asks
/// itself first.
pub fn vote(facts: &VoteFacts, ask: &Promise) -> Result<Promise, VoteRefusal> {
    if facts.live_master {
        return Err(VoteRefusal::MasterLives);
    }
    if facts.candidate.is_some_and(|member| member.standing != Standing::Member) {
        return Err(VoteRefusal::Revoked);
    }
    if !facts.candidate.is_some_and(|member| stands(&member)) {
        return Err(VoteRefusal::NotStandby);
    }
    if ask.epoch <= facts.seen {
        return Err(VoteRefusal::Seen { epoch: facts.seen });
    }
    match facts.promised {
        Some(promised) if promised.epoch >= ask.epoch && promised != *ask => {
            Err(VoteRefusal::Promised(promised))
        }
        _ => Ok(*ask),
    }
}

/// What a voter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballot {
    /// It promised.
    Agreed,
    /// It refused.
    Refused(VoteRefusal),
    /// It did not answer.
    Silent,
}

/// What came of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// More than half of the voters agreed: nobody else can be elected in this epoch.
    Elected {
        /// How many.
        votes: u32,
    },
    /// Nobody refused, but too few answered. An administrator who typed the node's name may go on.
    Forced {
        /// How many agreed.
        votes: u32,
    },
    /// The epoch is burnt: somebody refused.
    Lost(VoteRefusal),
}

/// Counts the ballots of all voters, the candidate's own among them. One objection loses: whoever gave it knows better.
pub fn tally(ballots: &[Ballot]) -> Tally {
    let refused = ballots.iter().filter_map(|ballot| match ballot {
        Ballot::Refused(VoteRefusal::NotStandby) | Ballot::Agreed | Ballot::Silent => None,
        Ballot::Refused(refusal) => Some(*refusal),
    });
    // The weightiest reason is told: that the master lives, then who else was promised the epoch.
    let weight = |refusal: &VoteRefusal| match refusal {
        VoteRefusal::Revoked => 4,
        VoteRefusal::MasterLives => 3,
        VoteRefusal::Promised(_) => 2,
        VoteRefusal::Seen { .. } => 1,
        VoteRefusal::NotStandby => 0,
    };
    if let Some(refusal) = refused.max_by_key(weight) {
        return Tally::Lost(refusal);
    }
    let votes = ballots.iter().filter(|ballot| **ballot == Ballot::Agreed).count();
    let elected = votes * 2 > ballots.len();
    let votes = u32::try_from(votes).unwrap_or(u32::MAX);
    if elected { Tally::Elected { votes } } else { Tally::Forced { votes } }
}

/// A member that may become the master.
fn stands(member: &Member) -> bool {
    member.standing == Standing::Member && member.role == Role::Standby
}
