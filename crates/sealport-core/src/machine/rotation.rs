//! A rotation: from one version of the master secret to the next, while everything goes on.
//!
//! [`next`] says what is to be done, by facts that are durable: whoever is master carries it out, and after a crash or a
//! change of master asks again. The guards (`may_…`, `admit_reseal`) belong inside the transactions that do it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Moment, ONLINE_FOR, Seen};
use crate::{
    api::RotationPhase,
    id::{Epoch, KeyVersion, NodeId, Revision},
    seal::KeyCheck,
};

/// A short mark of a set of versions of the master secret. Equal sets have equal marks; by a chance of one in sixteen
/// millions others have too, and then the fetch comes with the activation, by the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySetMark(pub u32);

/// The mark of these versions, which come oldest first.
pub fn derive_key_set_mark(versions: impl IntoIterator<Item = (KeyVersion, KeyCheck)>) -> KeySetMark {
    let mut hash = Sha256::new_with_prefix(b"sealport/1/keys");
    for (version, check) in versions {
        hash.update(version.0.to_be_bytes());
        hash.update(check.0);
    }
    let hash = hash.finalize();
    // Short: each poll carries it twice.
    KeySetMark(u32::from_be_bytes([0, hash[0], hash[1], hash[2]]))
}

/// A rotation as the database of the master keeps it, and every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The version that was active when it began.
    pub from: KeyVersion,
    /// The version that it makes.
    pub to: KeyVersion,
    /// How far it is.
    pub phase: RotationPhase,
    /// Whether an administrator stopped it for now.
    pub paused: bool,
    /// The epoch in which it was prepared: until it is distributed, the master of that epoch alone holds `to`.
    pub epoch: Epoch,
}

impl Rotation {
    /// Whether there is something left to do.
    pub fn under_way(&self) -> bool {
        !matches!(self.phase, RotationPhase::Done | RotationPhase::Cancelled)
    }

    /// Whether nodes are given `to`: then it belongs to the set that the head tells.
    pub fn gives(&self) -> bool {
        !matches!(self.phase, RotationPhase::Prepared | RotationPhase::Proven | RotationPhase::Cancelled)
    }

    /// Whether it can still be given up: before the new version is active.
    pub fn cancellable(&self) -> bool {
        self.under_way() && self.phase < RotationPhase::Resealing
    }
}

/// A member, as a rotation looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberFact {
    /// Who.
    pub node: NodeId,
    /// Whether it polled within [`ONLINE_FOR`]; `None` where it did not poll since this master started.
    pub online: Option<bool>,
    /// Whether its last poll said that it durably holds the set that is given.
    pub holds: bool,
}

impl MemberFact {
    /// By what the master saw of it last.
    pub fn of(node: NodeId, seen: Option<&Seen>, now: Moment, given: KeySetMark) -> Self {
        Self {
            node,
            online: seen.map(|seen| now.since(seen.last) < ONLINE_FOR),
            holds: seen.is_some_and(|seen| seen.keys == Some(given)),
        }
    }

    /// Whether activation waits for it. A master that has just started does not know yet who is on line.
    fn awaited(&self, up: u64) -> bool {
        !self.holds && self.online.unwrap_or(up < ONLINE_FOR)
    }
}

/// All that the next step depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationFacts<'a> {
    /// The rotation that is under way.
    pub rotation: Rotation,
    /// The present epoch.
    pub epoch: Epoch,
    /// Whether the custody of this master holds `to`.
    pub holds_to: bool,
    /// The highest version that was ever in that custody.
    pub highest: KeyVersion,
    /// Members other than the master, without those that were revoked.
    pub members: &'a [MemberFact],
    /// Milliseconds since this master started.
    pub up: u64,
    /// Records and former revisions that are sealed under versions below `to`.
    pub older: u64,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is over, or paused.
    Nothing,
    /// Make `to`, put it into custody, and read it back.
    Make,
    /// An administrator must give a backup file and its passphrase.
    AwaitBackup,
    /// Give `to` to the nodes: [`RotationPhase::Distributing`].
    Distribute,
    /// Members that are on line do not hold `to` yet.
    AwaitMembers,
    /// Make `to` the active version: [`may_activate`], then [`RotationPhase::Resealing`].
    Activate,
    /// Seal a batch anew: [`admit_reseal`] for each.
    Reseal,
    /// Nothing is left: [`RotationPhase::Verifying`].
    Verify,
    /// Open a sample, count again, and end it by [`may_retire`]: [`RotationPhase::Done`].
    Retire,
    /// The new version is lost before any node had it: [`RotationPhase::Cancelled`].
    Cancel,
}

/// What is to be done next. Every step may be done twice, and a crash between two of them loses nothing.
pub fn next(facts: &RotationFacts<'_>) -> Step {
    let rotation = &facts.rotation;
    if !rotation.under_way() || rotation.paused {
        return Step::Nothing;
    }
    if !facts.holds_to && rotation.cancellable() {
        // Only the master that prepared it may make it, only before a backup holds it, and only if it was not made and let go
        // before this database was put back: else there would be two secrets of one number.
        let prepared_here = rotation.epoch == facts.epoch && rotation.phase == RotationPhase::Prepared;
        let new = rotation.to > facts.highest;
        return if prepared_here && new { Step::Make } else { Step::Cancel };
    }
    match rotation.phase {
        RotationPhase::Prepared => Step::AwaitBackup,
        RotationPhase::Proven => Step::Distribute,
        RotationPhase::Distributing if facts.members.iter().any(|member| member.awaited(facts.up)) => {
            Step::AwaitMembers
        }
        RotationPhase::Distributing => Step::Activate,
        // What is under the old version cannot be opened and sealed anew without both.
        RotationPhase::Resealing | RotationPhase::Verifying if !facts.holds_to => Step::Nothing,
        RotationPhase::Resealing | RotationPhase::Verifying if facts.older > 0 => Step::Reseal,
        RotationPhase::Resealing => Step::Verify,
        RotationPhase::Verifying => Step::Retire,
        RotationPhase::Done | RotationPhase::Cancelled => Step::Nothing,
    }
}

/// What the transaction that begins a rotation sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareFacts {
    /// The last rotation, if there was one.
    pub last: Option<Rotation>,
    /// The active version.
    pub active: KeyVersion,
    /// The highest number that a version of this system is known to have had, also one that was cancelled or destroyed, that
    /// a backup holds, or that another node told of.
    pub highest: KeyVersion,
    /// The epoch in which that one was made; the first where nobody knows.
    pub made_in: Epoch,
    /// The present epoch.
    pub epoch: Epoch,
    /// Whether this master was forced: then another one may be too, until all follow this one.
    pub forced: bool,
    /// A standby that was not seen to follow this master in this epoch.
    pub unheard: Option<NodeId>,
    /// Versions that custody holds.
    pub held: usize,
    /// Versions that it has room for.
    pub room: usize,
}

/// Why no rotation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareRefusal {
    /// Another one is under way.
    UnderWay {
        /// To this version.
        to: KeyVersion,
    },
    /// Custody has no room for another version: a retired one must be destroyed first.
    Full {
        /// Versions that it has room for.
        room: usize,
    },
    /// The master was forced, and this standby was not seen to follow it: it could be forced in the same epoch, and make
    /// another secret of the same number.
    Unheard(NodeId),
}

/// Whether a rotation may begin, and to which version. Numbers are never used twice: a node may still hold a version
/// that was cancelled, and each epoch since the highest was made may have made one that nobody here knows.
pub fn may_prepare(facts: &PrepareFacts) -> Result<KeyVersion, PrepareRefusal> {
    if let Some(last) = facts.last.filter(Rotation::under_way) {
        return Err(PrepareRefusal::UnderWay { to: last.to });
    }
    if facts.held >= facts.room {
        return Err(PrepareRefusal::Full { room: facts.room });
    }
    if let (true, Some(node)) = (facts.forced, facts.unheard) {
        return Err(PrepareRefusal::Unheard(node));
    }
    let mut highest = (facts.highest, facts.made_in);
    if let Some(last) = facts.last.filter(|last| last.to > highest.0) {
        highest = (last.to, last.epoch);
    }
    if facts.active > highest.0 {
        highest = (facts.active, Epoch::FIRST);
    }
    let epochs = facts.epoch.0.saturating_sub(highest.1.0);
    let epochs = u32::try_from(epochs).unwrap_or(u32::MAX);
    Ok(KeyVersion(highest.0.next().0.saturating_add(epochs)))
}

/// What the transaction that activates sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivateFacts<'a> {
    /// The rotation, from the row that is locked.
    pub rotation: Rotation,
    /// The epoch of the decision.
    pub decided_in: Epoch,
    /// The epoch now, from the row that is locked.
    pub epoch: Epoch,
    /// The active version, from the same row.
    pub active: KeyVersion,
    /// Whether a backup that holds `to` was proven.
    pub backup: bool,
    /// Whether the custody of this master holds `to`.
    pub holds_to: bool,
    /// Members other than the master, without those that were revoked.
    pub members: &'a [MemberFact],
    /// Milliseconds since this master started.
    pub up: u64,
}

/// Why a version does not become active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivateRefusal {
    /// The epoch is another one than that of the decision.
    Epoch {
        /// The present one.
        now: Epoch,
    },
    /// The rotation is not at that point, or paused.
    Phase,
    /// Another version is active than the one that the rotation began from.
    Active {
        /// The active one.
        now: KeyVersion,
    },
    /// No backup with it was proven.
    NoBackup,
    /// Custody does not hold it.
    NotHeld,
    /// A member that is on line does not hold it yet.
    Member(NodeId),
}

/// Whether the new version may become the active one. Inside the transaction that makes it so.
pub fn may_activate(facts: &ActivateFacts<'_>) -> Result<(), ActivateRefusal> {
    let rotation = &facts.rotation;
    if facts.decided_in != facts.epoch {
        return Err(ActivateRefusal::Epoch { now: facts.epoch });
    }
    if rotation.phase != RotationPhase::Distributing || rotation.paused {
        return Err(ActivateRefusal::Phase);
    }
    if facts.active != rotation.from {
        return Err(ActivateRefusal::Active { now: facts.active });
    }
    if !facts.backup {
        return Err(ActivateRefusal::NoBackup);
    }
    if !facts.holds_to {
        return Err(ActivateRefusal::NotHeld);
    }
    match facts.members.iter().find(|member| member.awaited(facts.up)) {
        Some(member) => Err(ActivateRefusal::Member(member.node)),
        None => Ok(()),
    }
}

/// What the transaction that seals anew sees of one record or former revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResealFacts {
    /// The epoch, from the row that is locked.
    pub epoch: Epoch,
    /// The active version, from the same row.
    pub active: KeyVersion,
    /// The present revision, and the version that it is sealed under; `None` where it is not there.
    pub present: Option<(Revision, KeyVersion)>,
}

/// What was sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResealHead {
    /// The epoch in which it was read.
    pub epoch: Epoch,
    /// The revision that was read; it stays.
    pub revision: Revision,
    /// The version that it was sealed under.
    pub from: KeyVersion,
    /// The version that it is sealed under now.
    pub to: KeyVersion,
}

/// Why what was sealed anew is not written. It is read again where it still must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResealRefusal {
    /// The epoch is another one.
    Epoch {
        /// The present one.
        now: Epoch,
    },
    /// It is not sealed under the active version.
    NotActive {
        /// The active one.
        now: KeyVersion,
    },
    /// It was written or sealed anew meanwhile.
    Changed,
}

/// Whether what was sealed anew takes the place of what is there: compare and set on revision and version.
pub fn admit_reseal(facts: &ResealFacts, head: &ResealHead) -> Result<(), ResealRefusal> {
    if head.epoch != facts.epoch {
        return Err(ResealRefusal::Epoch { now: facts.epoch });
    }
    if head.to != facts.active {
        return Err(ResealRefusal::NotActive { now: facts.active });
    }
    // Never back to an older version: what is newer was sealed by someone who knew more.
    if head.from >= head.to || facts.present != Some((head.revision, head.from)) {
        return Err(ResealRefusal::Changed);
    }
    Ok(())
}

/// Whether a replica takes a row over the one that it has: a higher revision, or the same one sealed under a higher
/// version.
pub fn replaces(held: (Revision, KeyVersion), new: (Revision, KeyVersion)) -> bool {
    new > held
}

/// What the transaction that ends a rotation sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetireFacts {
    /// The rotation, from the row that is locked.
    pub rotation: Rotation,
    /// The active version.
    pub active: KeyVersion,
    /// Records and former revisions under versions below `to`, counted in this transaction.
    pub older: u64,
    /// Parts of the sample that opened, of how many.
    pub opened: (u64, u64),
}

/// Why a version is not retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetireRefusal {
    /// The rotation is not at that point, or paused.
    Phase,
    /// Another version is active.
    Active {
        /// The active one.
        now: KeyVersion,
    },
    /// Something is still sealed under an older version.
    Left {
        /// How many parts.
        parts: u64,
    },
    /// Some of the sample did not open.
    Unopened {
        /// How many.
        parts: u64,
    },
}

/// Whether the former version may be called retired.
pub fn may_retire(facts: &RetireFacts) -> Result<(), RetireRefusal> {
    if facts.rotation.phase != RotationPhase::Verifying || facts.rotation.paused {
        return Err(RetireRefusal::Phase);
    }
    if facts.active != facts.rotation.to {
        return Err(RetireRefusal::Active { now: facts.active });
    }
    if facts.older > 0 {
        return Err(RetireRefusal::Left { parts: facts.older });
    }
    match facts.opened.1 - facts.opened.0 {
        0 => Ok(()),
        parts => Err(RetireRefusal::Unopened { parts }),
    }
}

/// What the transaction that destroys a version sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestroyFacts {
    /// The version.
    pub version: KeyVersion,
    /// Whether custody holds it.
    pub held: bool,
    /// The active version.
    pub active: KeyVersion,
    /// The last rotation.
    pub rotation: Option<Rotation>,
    /// Records, former revisions and stranded changes under it, counted in this transaction.
    pub parts: u64,
}

/// Why a version is not destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestroyRefusal {
    /// There is no such version here.
    Unknown,
    /// It seals.
    Active,
    /// A rotation that is under way comes from it or leads to it.
    Needed,
    /// Something is still sealed under it.
    Used {
        /// How many parts.
        parts: u64,
    },
}

/// Whether a version may be destroyed.
pub fn may_destroy(facts: &DestroyFacts) -> Result<(), DestroyRefusal> {
    if facts.version == facts.active {
        return Err(DestroyRefusal::Active);
    }
    if !facts.held {
        return Err(DestroyRefusal::Unknown);
    }
    let needs = |rotation: &Rotation| {
        rotation.under_way() && (facts.version == rotation.from || facts.version == rotation.to)
    };
    if facts.rotation.as_ref().is_some_and(needs) {
        return Err(DestroyRefusal::Needed);
    }
    match facts.parts {
        0 => Ok(()),
        parts => Err(DestroyRefusal::Used { parts }),
    }
}

/// Whether a node keeps a version that it holds: the master gives it, it seals here, or something here is sealed
/// under it. So what comes late, or was stranded, still opens.
pub fn keeps(given: bool, active: bool, parts: u64) -> bool {
    given || active || parts > 0
}
