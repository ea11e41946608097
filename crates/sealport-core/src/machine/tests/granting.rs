//! How a following node takes grants, and how it asks around for them.

use super::{
    super::*,
    node::{Bench, asked, at, head, held},
    promotion::granted,
};

/// Sabotage, still to be tried: let `Node::head` compare a head of a higher epoch like any other; then it is applied.
#[test]
fn a_higher_epoch_counts_by_its_grant_alone() {
    let mut bench = Bench::calm();
    bench.now = Moment(4_000);
    let new = Head { at: at(2, 4), body: Body::Delta, ..head(4, 5) };
    let effects = bench.head(new.clone());
    assert_eq!((effects.persist.as_slice(), effects.send.as_slice()), (&[][..], &[Send::AskAround][..]));
    assert_eq!(bench.node.held().seen, at(1, 5));
    // By its grant it is followed, and may have a lower generation.
    let grant = granted(2, 2, at(1, 3));
    let effects = bench.step(Event::Granted(grant.clone()));
    assert_eq!(effects.persist, [Persist::Grant(grant.clone())]);
    assert_eq!(effects.notify, [Notify::Master(grant.rank())]);
    assert_eq!((asked(&effects).0.seen, asked(&effects).0.at), (at(2, 3), at(1, 5)));
    let new = Head { known: None, body: Body::Full, ..new };
    assert_eq!(bench.head(new).persist, [Persist::Apply { poll: bench.poll(), seen: at(2, 4) }]);
    bench.applied(Held { grant: Some(grant.rank()), seen: at(2, 4), at: at(2, 4), ..held(4) });
    bench.pass(1_500);
    bench.step(Event::NetworkReturned);
    assert_eq!(bench.head(head(9, 4)).notify, [Notify::Contradiction(Contradiction::LowerEpoch)]);
    // The same grant again, a lower one, and one for an epoch that was seen, change nothing.
    for old in [grant, granted(2, 1, at(1, 3)), granted(1, 9, at(0, 0))] {
        let effects = bench.step(Event::Granted(old));
        assert_eq!((effects.persist, effects.notify), (vec![], vec![]));
    }
}

/// What a new reign made active comes with its first answer: nobody is told that it did not.
/// Sabotage: set `wanted` and not `hopes` in `Node::head` where the epoch is higher; `Stale` is told here.
#[test]
fn a_version_that_a_new_reign_made_active_is_on_its_way() {
    let mut bench = Bench::calm();
    let grant = granted(2, 2, at(1, 5));
    bench.step(Event::Granted(grant.clone()));
    let version = KeyVersion(2);
    let effects = bench.head(Head { at: at(2, 7), version, body: Body::Delta, ..head(7, 5) });
    assert_eq!((effects.persist.len(), effects.notify), (1, vec![]));
    let held = Held { grant: Some(grant.rank()), seen: at(2, 7), at: at(2, 7), ..held(7) };
    let effects = bench.applied(held.clone());
    assert_eq!(effects.notify, [Notify::Stale { held: held.version, wanted: version }], "it did not come");
}

/// A replica that was made anew knows of no epoch: it begins with the master that it was given, whatever its epoch.
/// Sabotage: take `Epoch(0)` out of `Node::head`; the head is refused here.
#[test]
fn who_has_seen_nothing_begins_with_any_epoch() {
    let mut bench = Bench::holding(Held { seen: at(0, 0), at: at(0, 0), ..held(0) });
    let effects = bench.head(Head { at: at(3, 4), body: Body::Full, ..head(4, 5) });
    assert_eq!(effects.persist, [Persist::Apply { poll: bench.poll(), seen: at(3, 4) }]);
}

/// Two masters were forced in one epoch: the higher node wins, and the replica of the other is of an epoch that is over.
#[test]
fn within_one_epoch_the_higher_node_wins() {
    let mut bench = Bench::calm();
    bench.step(Event::Granted(granted(2, 3, at(1, 5))));
    bench.head(Head { at: at(2, 7), body: Body::Delta, ..head(7, 5) });
    bench.applied(Held {
        grant: Some(granted(2, 3, at(1, 5)).rank()),
        seen: at(2, 7),
        at: at(2, 7),
        ..held(7)
    });
    let effects = bench.step(Event::Granted(granted(2, 4, at(1, 4))));
    assert_eq!((asked(&effects).0.seen, asked(&effects).0.at), (at(2, 4), at(1, 7)));
}

/// Sabotage, still to be tried: leave `leads` out of `Node::poll`; then it polls itself.
#[test]
fn who_is_granted_the_epoch_asks_no_master() {
    let mut bench = Bench::calm();
    let effects = bench.step(Event::Granted(granted(2, 1, at(1, 5))));
    assert!(bench.node.leads());
    assert_eq!((effects.send, bench.node.in_flight()), (vec![Send::AskAround], None));
    // Until it takes its seat, a later grant is heard of.
    let effects = bench.step(Event::Granted(granted(3, 2, at(2, 6))));
    assert!(!bench.node.leads() && asked(&effects).0.seen == at(3, 6));
}

/// Who is granted the epoch and can't take its seat polls nobody; that the machine slept keeps it from saying so no longer.
/// Sabotage: leave `leads` out of `Node::tell`.
#[test]
fn who_is_granted_the_epoch_and_slept_says_that_it_is_alone() {
    let mut bench = Bench::calm();
    bench.step(Event::Granted(granted(2, 1, at(1, 5))));
    bench.now = Moment(3_600_000);
    let effects = bench.step(Event::Woke);
    assert!(matches!(effects.notify[..], [Notify::Unreachable { .. }]), "{effects:?}");
}

/// The master of a node falls silent: the waits between its asking around within the next ten minutes.
fn waits(bench: &mut Bench) -> Vec<u64> {
    let silent = bench.now;
    bench.failed(Failure::Unreachable);
    let mut times = Vec::new();
    while bench.now < silent.after(600_000) {
        if bench.next().send.contains(&Send::AskAround) {
            times.push(bench.now);
        }
        if bench.node.in_flight().is_some() {
            bench.failed(Failure::Unreachable);
        }
    }
    assert!(times[0].since(silent) <= ASK_AROUND_SOON, "{times:?}");
    times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

/// A node of a system of so many that has just heard of nothing new.
fn one_of(nodes: u64) -> Bench {
    let mut bench = Bench::holding(Held { nodes, ..held(5) });
    bench.head(head(5, 5));
    bench.now = Moment(4_000);
    bench
}

/// Sabotage: leave `around_apart` as it is after each time. Still to be tried: ask only when a poll is due.
#[test]
fn a_silent_master_is_asked_for_around_again_and_again_but_ever_less() {
    let mut bench = one_of(ASK_AROUND_FLEET);
    let waits = waits(&mut bench);
    assert!(waits.iter().all(|wait| (ASK_AROUND_APART / 2..=ASK_AROUND_MAX).contains(wait)), "{waits:?}");
    assert!(waits.len() < 60 && waits[4..].iter().all(|wait| *wait >= ASK_AROUND_MAX / 2), "{waits:?}");
    // The master answers: nobody is asked any more.
    bench.now = bench.node.wakes_at().unwrap();
    while bench.node.in_flight().is_none() {
        bench.next();
    }
    bench.head(head(5, 5));
    let mut quiet = bench.quiet_until(bench.now.after(60_000));
    quiet.retain(|send| *send == Send::AskAround);
    assert_eq!(quiet, []);
}

/// A small system finds its new master within seconds, however long it was without one; in a large one no standby is asked more
/// often than 10,000 nodes ask it. The number is that of the registry as it was taken over last.
/// Sabotage: give every system `ASK_AROUND_MAX`; or leave the number that comes with a body out of `hold_now`.
#[test]
fn the_more_nodes_the_less_often_each_asks_around() {
    for (nodes, within) in [
        (0, 3_000),
        (50, 3_000),
        (1_250, 3_000),
        (2_500, 6_000),
        (5_000, 12_000),
        (10_000, 24_000),
        (u64::MAX, 24_000),
    ] {
        // Each wait is drawn from its longer half; here it is always the longest.
        let waits = waits(&mut one_of(nodes));
        assert!(waits[4..].iter().all(|wait| *wait == within), "{nodes}: {waits:?}");
        let asked = nodes.saturating_mul(1_000) / (within * 3 / 4);
        assert!(
            asked <= 556 || nodes > ASK_AROUND_FLEET,
            "{nodes} nodes ask a standby {asked} times a second"
        );
    }
    let mut grown = one_of(3);
    grown.head(head(6, 5));
    grown.applied(Held { nodes: 10_000, ..held(6) });
    assert_eq!(waits(&mut grown).last(), Some(&ASK_AROUND_MAX));
}

/// "Not the master any more" is worth asking around at once, but not for each of many answers.
#[test]
fn who_is_told_of_another_master_asks_around_at_once() {
    let mut bench = Bench::calm();
    bench.now = Moment(5_000);
    assert_eq!(bench.failed(Failure::Superseded).send, [Send::AskAround]);
    let again = loop {
        let effects = bench.next();
        if effects.send.contains(&Send::AskAround) {
            break bench.now;
        }
        if bench.node.in_flight().is_some() {
            bench.failed(Failure::Superseded);
        }
    };
    assert!(again.since(Moment(5_000)) >= ASK_AROUND_APART / 2, "{again:?}");
}
