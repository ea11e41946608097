//! The rules of a rotation, one by one.

use super::super::{
    rotation::{
        ActivateFacts, ActivateRefusal, DestroyFacts, DestroyRefusal, MemberFact, PrepareFacts,
        PrepareRefusal, ResealFacts, ResealHead, ResealRefusal, RetireFacts, RetireRefusal, Rotation,
        RotationFacts, Step, admit_reseal, derive_key_set_mark, keeps, may_activate, may_destroy,
        may_prepare, may_retire, next, replaces,
    },
    *,
};
use crate::{
    api::RotationPhase::{self, Cancelled, Distributing, Done, Prepared, Proven, Resealing, Verifying},
    id::{Epoch, KeyVersion, NodeId, Revision},
    seal::KeyCheck,
};

const V1: KeyVersion = KeyVersion(1);
const V2: KeyVersion = KeyVersion(2);
const E1: Epoch = Epoch(1);
const GIVEN: KeySetMark = KeySetMark(3);

fn at(phase: RotationPhase) -> Rotation {
    Rotation { from: V1, to: V2, phase, paused: false, epoch: E1 }
}

fn member(online: Option<bool>, holds: bool) -> MemberFact {
    MemberFact { node: NodeId::from_bytes([1; 16]), online, holds }
}

fn facts(phase: RotationPhase) -> RotationFacts<'static> {
    let rotation = at(phase);
    RotationFacts { rotation, epoch: E1, holds_to: true, highest: V2, members: &[], up: u64::MAX, older: 0 }
}

#[test]
fn the_next_step_follows_from_the_facts() {
    let late = &[member(Some(true), false)];
    let away = &[member(Some(false), false), member(Some(true), true)];
    let unseen = &[member(None, false)];
    let rows = [
        (facts(Prepared), Step::AwaitBackup),
        (RotationFacts { holds_to: false, highest: V1, ..facts(Prepared) }, Step::Make),
        // Another master must not make another secret of the same number, nor this one once more.
        (RotationFacts { holds_to: false, highest: V1, epoch: Epoch(2), ..facts(Prepared) }, Step::Cancel),
        (RotationFacts { holds_to: false, ..facts(Prepared) }, Step::Cancel),
        (RotationFacts { holds_to: false, ..facts(Proven) }, Step::Cancel),
        (RotationFacts { holds_to: false, ..facts(Distributing) }, Step::Cancel),
        (RotationFacts { holds_to: false, older: 9, ..facts(Resealing) }, Step::Nothing),
        (facts(Proven), Step::Distribute),
        (RotationFacts { epoch: Epoch(2), ..facts(Proven) }, Step::Distribute),
        (RotationFacts { members: late, ..facts(Distributing) }, Step::AwaitMembers),
        (RotationFacts { members: away, ..facts(Distributing) }, Step::Activate),
        (RotationFacts { members: unseen, up: ONLINE_FOR - 1, ..facts(Distributing) }, Step::AwaitMembers),
        (RotationFacts { members: unseen, up: ONLINE_FOR, ..facts(Distributing) }, Step::Activate),
        (RotationFacts { older: 1, ..facts(Resealing) }, Step::Reseal),
        (facts(Resealing), Step::Verify),
        (RotationFacts { older: 1, ..facts(Verifying) }, Step::Reseal),
        (facts(Verifying), Step::Retire),
        (facts(Done), Step::Nothing),
        (facts(Cancelled), Step::Nothing),
    ];
    for (facts, step) in rows {
        assert_eq!(next(&facts), step, "{facts:?}");
        let rotation = Rotation { paused: true, ..facts.rotation };
        assert_eq!(next(&RotationFacts { rotation, ..facts }), Step::Nothing, "paused");
    }
}

#[test]
fn a_phase_says_who_has_the_version_and_whether_there_is_a_way_back() {
    for phase in [Prepared, Proven, Distributing, Resealing, Verifying, Done, Cancelled] {
        let rotation = at(phase);
        assert_eq!(rotation.under_way(), !matches!(phase, Done | Cancelled));
        assert_eq!(rotation.gives(), matches!(phase, Distributing | Resealing | Verifying | Done));
        assert_eq!(rotation.cancellable(), matches!(phase, Prepared | Proven | Distributing));
    }
}

fn preparation() -> PrepareFacts {
    PrepareFacts {
        last: None,
        active: V1,
        highest: V1,
        made_in: E1,
        epoch: E1,
        forced: false,
        unheard: None,
        held: 1,
        room: 12,
    }
}

#[test]
fn one_rotation_at_a_time_and_no_number_twice() {
    let facts = preparation();
    assert_eq!(may_prepare(&facts), Ok(V2));
    for phase in [Prepared, Proven, Distributing, Resealing, Verifying] {
        let refused = may_prepare(&PrepareFacts { last: Some(at(phase)), ..facts });
        assert_eq!(refused, Err(PrepareRefusal::UnderWay { to: V2 }));
    }
    // A node may still hold the version that was cancelled.
    let cancelled = PrepareFacts { last: Some(at(Cancelled)), ..facts };
    assert_eq!(may_prepare(&cancelled), Ok(KeyVersion(3)));
    assert_eq!(may_prepare(&PrepareFacts { highest: KeyVersion(7), ..facts }), Ok(KeyVersion(8)));
    let full = PrepareFacts { held: 12, ..facts };
    assert_eq!(may_prepare(&full), Err(PrepareRefusal::Full { room: 12 }));
}

/// Two masters that know nothing of each other, each in an epoch of its own, make two numbers. Sabotage: leave the epochs out
/// of `may_prepare`; or take the present epoch for the one in which the last rotation made its version.
#[test]
fn a_number_skips_one_for_each_epoch_since_the_highest_was_made() {
    let facts = PrepareFacts { epoch: Epoch(2), ..preparation() };
    assert_eq!(may_prepare(&facts), Ok(KeyVersion(3)));
    assert_eq!(may_prepare(&PrepareFacts { epoch: Epoch(3), ..facts }), Ok(KeyVersion(4)));
    // Made in this very epoch: the next one.
    let here = PrepareFacts { highest: KeyVersion(3), made_in: Epoch(2), ..facts };
    assert_eq!(may_prepare(&here), Ok(KeyVersion(4)));
    // The last rotation says in which epoch its version was made.
    let last = Some(Rotation { to: KeyVersion(5), epoch: Epoch(2), ..at(Done) });
    assert_eq!(may_prepare(&PrepareFacts { last, epoch: Epoch(4), ..facts }), Ok(KeyVersion(8)));
}

/// Sabotage: leave `Unheard` out of `may_prepare`.
#[test]
fn a_forced_master_begins_none_before_every_standby_follows_it() {
    let other = member(None, false).node;
    let facts = PrepareFacts { epoch: Epoch(2), forced: true, unheard: Some(other), ..preparation() };
    assert_eq!(may_prepare(&facts), Err(PrepareRefusal::Unheard(other)));
    assert_eq!(may_prepare(&PrepareFacts { unheard: None, ..facts }), Ok(KeyVersion(3)));
    assert_eq!(may_prepare(&PrepareFacts { forced: false, ..facts }), Ok(KeyVersion(3)));
}

fn activation() -> ActivateFacts<'static> {
    ActivateFacts {
        rotation: at(Distributing),
        decided_in: E1,
        epoch: E1,
        active: V1,
        backup: true,
        holds_to: true,
        members: &[],
        up: u64::MAX,
    }
}

#[test]
fn a_version_becomes_active_only_with_its_backup_and_in_the_epoch_of_the_decision() {
    assert_eq!(may_activate(&activation()), Ok(()));
    let late = &[member(Some(true), true), member(Some(true), false)];
    let unseen = &[member(None, false)];
    let awaited = Err(ActivateRefusal::Member(late[1].node));
    let rows = [
        (ActivateFacts { epoch: Epoch(2), ..activation() }, Err(ActivateRefusal::Epoch { now: Epoch(2) })),
        (ActivateFacts { rotation: at(Proven), ..activation() }, Err(ActivateRefusal::Phase)),
        (ActivateFacts { rotation: at(Cancelled), ..activation() }, Err(ActivateRefusal::Phase)),
        (
            ActivateFacts { rotation: Rotation { paused: true, ..at(Distributing) }, ..activation() },
            Err(ActivateRefusal::Phase),
        ),
        (ActivateFacts { active: V2, ..activation() }, Err(ActivateRefusal::Active { now: V2 })),
        (ActivateFacts { backup: false, ..activation() }, Err(ActivateRefusal::NoBackup)),
        (ActivateFacts { holds_to: false, ..activation() }, Err(ActivateRefusal::NotHeld)),
        (ActivateFacts { members: late, ..activation() }, awaited),
        (ActivateFacts { members: unseen, up: 0, ..activation() }, awaited),
        (ActivateFacts { members: unseen, ..activation() }, Ok(())),
    ];
    for (facts, expected) in rows {
        assert_eq!(may_activate(&facts), expected, "{facts:?}");
    }
}

#[test]
fn what_was_edited_meanwhile_is_not_overwritten() {
    let facts = ResealFacts { epoch: E1, active: V2, present: Some((Revision(3), V1)) };
    let head = ResealHead { epoch: E1, revision: Revision(3), from: V1, to: V2 };
    assert_eq!(admit_reseal(&facts, &head), Ok(()));
    for present in [
        None,
        Some((Revision(4), V2)),
        Some((Revision(4), V1)),
        Some((Revision(3), V2)),
        Some((Revision(2), V1)),
    ] {
        assert_eq!(admit_reseal(&ResealFacts { present, ..facts }, &head), Err(ResealRefusal::Changed));
    }
    let epoch = ResealFacts { epoch: Epoch(2), ..facts };
    assert_eq!(admit_reseal(&epoch, &head), Err(ResealRefusal::Epoch { now: Epoch(2) }));
    let other = ResealFacts { active: V1, ..facts };
    assert_eq!(admit_reseal(&other, &head), Err(ResealRefusal::NotActive { now: V1 }));
    let back = ResealFacts { active: V1, present: Some((Revision(3), V2)), ..facts };
    let down = ResealHead { from: V2, to: V1, ..head };
    assert_eq!(admit_reseal(&back, &down), Err(ResealRefusal::Changed));
}

#[test]
fn a_replica_takes_the_same_revision_only_under_a_higher_version() {
    let held = (Revision(3), V2);
    assert!(replaces(held, (Revision(3), KeyVersion(3))));
    assert!(replaces(held, (Revision(4), V1)));
    for old in [(Revision(3), V2), (Revision(3), V1), (Revision(2), KeyVersion(9))] {
        assert!(!replaces(held, old), "{old:?}");
    }
}

#[test]
fn a_version_is_retired_only_when_nothing_is_left_and_the_sample_opens() {
    let facts = RetireFacts { rotation: at(Verifying), active: V2, older: 0, opened: (64, 64) };
    assert_eq!(may_retire(&facts), Ok(()));
    assert_eq!(may_retire(&RetireFacts { opened: (0, 0), ..facts }), Ok(()), "an empty system");
    let rows = [
        (RetireFacts { rotation: at(Resealing), ..facts }, RetireRefusal::Phase),
        (RetireFacts { active: V1, ..facts }, RetireRefusal::Active { now: V1 }),
        (RetireFacts { older: 1, ..facts }, RetireRefusal::Left { parts: 1 }),
        (RetireFacts { opened: (63, 64), ..facts }, RetireRefusal::Unopened { parts: 1 }),
    ];
    for (facts, refusal) in rows {
        assert_eq!(may_retire(&facts), Err(refusal));
    }
}

#[test]
fn only_a_version_that_nothing_needs_is_destroyed() {
    let facts = DestroyFacts { version: V1, held: true, active: V2, rotation: Some(at(Done)), parts: 0 };
    assert_eq!(may_destroy(&facts), Ok(()));
    let rows = [
        (DestroyFacts { active: V1, ..facts }, DestroyRefusal::Active),
        (DestroyFacts { held: false, ..facts }, DestroyRefusal::Unknown),
        (DestroyFacts { parts: 2, ..facts }, DestroyRefusal::Used { parts: 2 }),
        (DestroyFacts { rotation: Some(at(Verifying)), ..facts }, DestroyRefusal::Needed),
        (
            DestroyFacts { version: V2, active: V1, rotation: Some(at(Distributing)), ..facts },
            DestroyRefusal::Needed,
        ),
    ];
    for (facts, refusal) in rows {
        assert_eq!(may_destroy(&facts), Err(refusal), "{facts:?}");
    }
    // One that was cancelled, and came back with a backup, is nothing's.
    let cancelled = DestroyFacts { version: V2, active: V1, rotation: Some(at(Cancelled)), ..facts };
    assert_eq!(may_destroy(&cancelled), Ok(()));
}

#[test]
fn a_node_keeps_what_it_still_needs() {
    assert!(keeps(true, false, 0) && keeps(false, true, 0) && keeps(false, false, 1));
    assert!(!keeps(false, false, 0));
}

#[test]
fn the_mark_tells_sets_of_versions_apart() {
    let one = (V1, KeyCheck([1; 16]));
    let two = (V2, KeyCheck([2; 16]));
    let marks = [
        derive_key_set_mark([]),
        derive_key_set_mark([one]),
        derive_key_set_mark([one, two]),
        derive_key_set_mark([two]),
        derive_key_set_mark([(V1, KeyCheck([2; 16]))]),
    ];
    let different: std::collections::BTreeSet<_> = marks.iter().collect();
    assert_eq!(different.len(), marks.len());
    assert_eq!(derive_key_set_mark([one, two]), marks[2]);
}

#[test]
fn a_member_holds_what_its_last_poll_said() {
    let polled = |keys| Seen {
        last: Moment(5),
        role: Role::Processing,
        at: Marks { epoch: E1, generation: crate::id::Generation(1) },
        damaged: false,
        keys,
        state: State::Synced,
    };
    let node = NodeId::from_bytes([1; 16]);
    let of = |seen: Option<&Seen>, now| MemberFact::of(node, seen, Moment(now), GIVEN);
    assert_eq!(of(None, 9), member(None, false));
    assert_eq!(of(Some(&polled(None)), 9), member(Some(true), false));
    assert_eq!(of(Some(&polled(Some(GIVEN))), 9), member(Some(true), true));
    assert_eq!(of(Some(&polled(Some(KeySetMark(4)))), 5 + ONLINE_FOR), member(Some(false), false));
}
