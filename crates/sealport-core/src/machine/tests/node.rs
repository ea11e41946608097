//! The rules of the following node, one by one.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use super::super::*;
use crate::id::{Epoch, Generation, KeyVersion, NodeId};

/// Randomness that is always at its lowest, or at its highest.
struct Extreme(u64);

impl TryRng for Extreme {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0 as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

impl TryCryptoRng for Extreme {}

const V1: KeyVersion = KeyVersion(1);
const KEYS: KeySetMark = KeySetMark(7);

pub(super) fn at(epoch: u64, generation: u64) -> Marks {
    Marks { epoch: Epoch(epoch), generation: Generation(generation) }
}

pub(super) fn mark(line: u64) -> AuditMark {
    AuditMark { line, hash: format!("h{line}") }
}

fn system(n: u8) -> SystemId {
    SystemId::from_bytes([n; 16])
}

pub(super) fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 16])
}

/// A replica that holds generation `n`, with as many records.
pub(super) fn held(n: u64) -> Held {
    Held {
        system: system(1),
        node: node(1),
        grant: None,
        seen: at(1, n),
        at: at(1, n),
        audit: mark(n),
        version: Some(V1),
        keys: Some(KEYS),
        counts: Counts { records: n, formers: 0 },
        nodes: 3,
        damaged: false,
        standing: Standing::Member,
    }
}

/// What a master at generation `n` says to a node at generation `asked`.
pub(super) fn head(n: u64, asked: u64) -> Head {
    Head {
        system: system(1),
        at: at(1, n),
        version: V1,
        keys: KEYS,
        audit: mark(n),
        known: Some(format!("h{asked}")),
        counts: Counts { records: n, formers: 0 },
        body: if n == asked { Body::Nothing } else { Body::Delta },
    }
}

/// A node with its clock, driven by hand.
pub(super) struct Bench {
    pub(super) node: Node,
    pub(super) now: Moment,
    draws: Extreme,
}

impl Bench {
    /// A node at generation 5 whose first poll has gone out.
    pub(super) fn started() -> Self {
        Self::holding(held(5))
    }

    pub(super) fn holding(held: Held) -> Self {
        let node = Node::new(held, Settings::default(), Moment(0));
        let mut bench = Self { node, now: Moment(0), draws: Extreme(u64::MAX) };
        bench.step(Event::Started);
        bench
    }

    /// The same, and the first poll was answered with nothing new: a long poll is in flight.
    pub(super) fn calm() -> Self {
        let mut bench = Self::started();
        let effects = bench.head(head(5, 5));
        assert_eq!(effects.notify, []);
        assert_eq!(asked(&effects).0.hold, 18_000);
        bench
    }

    pub(super) fn step(&mut self, event: Event) -> Effects {
        // Ids of polls must differ.
        self.draws.0 -= 1;
        self.node.step(self.now, event, &mut self.draws)
    }

    pub(super) fn pass(&mut self, millis: u64) -> Effects {
        self.now = self.now.after(millis);
        self.step(Event::Tick)
    }

    /// On to the next moment that the node asked for.
    pub(super) fn next(&mut self) -> Effects {
        self.now = self.node.wakes_at().unwrap();
        self.step(Event::Tick)
    }

    /// On to the next one that is for something else than asking around.
    pub(super) fn wait(&mut self) -> Effects {
        loop {
            let effects = self.next();
            if effects.send != [Send::AskAround] || !effects.notify.is_empty() {
                return effects;
            }
        }
    }

    pub(super) fn poll(&self) -> PollId {
        self.node.in_flight().unwrap()
    }

    pub(super) fn head(&mut self, head: Head) -> Effects {
        let poll = self.poll();
        self.step(Event::Head { poll, head })
    }

    pub(super) fn applied(&mut self, held: Held) -> Effects {
        let poll = self.poll();
        self.step(Event::Applied { poll, held })
    }

    pub(super) fn failed(&mut self, failure: Failure) -> Effects {
        let poll = self.poll();
        self.step(Event::Failed { poll, failure })
    }

    /// What goes out until a moment, where every poll is answered with nothing new when it is due.
    pub(super) fn quiet_until(&mut self, end: Moment) -> Vec<Send> {
        let mut sent = Vec::new();
        while self.now < end {
            if self.node.in_flight().is_some() {
                self.now = self.now.after(2_000);
                sent.extend(self.head(head(5, 5)).send);
            } else {
                sent.extend(self.wait().send);
            }
        }
        sent
    }

    fn state_with(&self, version: KeyVersion) -> State {
        derive_state(&self.node.facts(self.now, CustodyFact::Open, Some(version)))
    }

    pub(super) fn state(&self) -> State {
        derive_state(&self.node.facts(self.now, CustodyFact::Open, Some(V1)))
    }
}

pub(super) fn asked(effects: &Effects) -> (&Ask, u64) {
    let mut polls = effects.send.iter().filter_map(|send| match send {
        Send::Poll { ask, deadline, .. } => Some((ask, *deadline)),
        Send::AskAround => None,
    });
    let (Some(poll), None) = (polls.next(), polls.next()) else { panic!("not one poll in {effects:?}") };
    poll
}

#[test]
fn the_first_poll_does_not_wait_and_the_next_ones_do() {
    let mut bench =
        Bench { node: Node::new(held(5), Settings::default(), Moment(0)), now: Moment(0), draws: Extreme(9) };
    let effects = bench.step(Event::Started);
    let expected = Ask {
        seen: at(1, 5),
        at: at(1, 5),
        audit: mark(5),
        version: Some(V1),
        keys: Some(KEYS),
        full: false,
        hold: 0,
    };
    assert_eq!(asked(&effects), (&expected, POLL_DEADLINE_EXTRA));
    assert_eq!(bench.state(), State::Starting);
    bench.now = Moment(40);
    let effects = bench.head(head(5, 5));
    // The lowest draw waits longest.
    assert_eq!(asked(&effects), (&Ask { hold: HOLD_MAX, ..expected }, HOLD_MAX + POLL_DEADLINE_EXTRA));
    assert_eq!(bench.state(), State::Synced);
}

#[test]
fn a_short_sync_interval_shortens_the_wait_and_a_long_one_changes_nothing() {
    for (interval, lowest) in [(5_000, 3_750), (60_000, 18_000), (3_600_000, 18_000)] {
        let mut bench = Bench::started();
        bench.step(Event::Settings(Settings::new(interval).unwrap()));
        assert_eq!(asked(&bench.head(head(5, 5))).0.hold, lowest);
    }
    assert_eq!((Settings::new(4_999), Settings::new(3_600_001)), (None, None));
}

#[test]
fn contact_counts_from_when_the_answered_ask_went_out() {
    let mut bench = Bench::calm();
    bench.now = Moment(23_000);
    bench.head(head(5, 5));
    // The poll was sent at 0, so 0 is what it proves, and not when its answer came.
    assert_eq!(bench.node.contact(bench.now), Contact::Age { ms: 23_000, missed: 0 });
}

#[test]
fn news_count_only_when_they_are_durable() {
    let mut bench = Bench::calm();
    bench.now = Moment(1_000);
    let effects = bench.head(head(6, 5));
    assert_eq!(effects.persist, [Persist::Apply { poll: bench.poll(), seen: at(1, 6) }]);
    assert_eq!((effects.send, bench.node.held().at), (vec![], at(1, 5)));
    bench.now = Moment(1_200);
    let effects = bench.applied(held(6));
    assert_eq!((bench.node.held().at, asked(&effects).0.at), (at(1, 6), at(1, 6)));
    assert_eq!(effects.notify, []);
}

#[test]
fn no_second_poll_while_one_is_in_flight_or_being_applied() {
    let mut bench = Bench::calm();
    for event in [Event::Tick, Event::Nudged, Event::Started] {
        assert_eq!(bench.step(event).send, [], "younger than a second");
    }
    bench.now = Moment(2_000);
    bench.head(head(6, 5));
    for event in [Event::Tick, Event::Nudged, Event::NetworkReturned, Event::Woke, Event::Damaged] {
        assert_eq!(bench.step(event).send, []);
    }
}

#[test]
fn an_answer_to_another_poll_or_a_second_one_is_nothing() {
    let mut bench = Bench::calm();
    let old = bench.poll();
    bench.pass(2_000);
    let effects = bench.step(Event::NetworkReturned);
    assert_eq!(asked(&effects).0.hold, 18_000);
    assert_ne!(bench.poll(), old);
    assert_eq!(bench.step(Event::Head { poll: old, head: head(3, 5) }), Effects::default());
    let poll = bench.poll();
    bench.head(head(6, 5));
    assert_eq!(bench.step(Event::Head { poll, head: head(6, 5) }), Effects::default());
    bench.applied(held(6));
    assert_eq!(bench.step(Event::Applied { poll, held: held(5) }), Effects::default());
    assert_eq!(bench.node.held().at, at(1, 6));
}

#[test]
fn two_missed_polls_degrade_and_tell_once() {
    let mut bench = Bench::calm();
    assert_eq!(bench.failed(Failure::Unreachable).notify, []);
    assert_eq!(bench.state(), State::Synced);
    assert_eq!(asked(&bench.wait()).0.hold, 0, "a retry does not wait");
    let effects = bench.failed(Failure::Unreachable);
    assert_eq!(effects.notify, [Notify::Unreachable { since: Moment(0), last: Some(Failure::Unreachable) }]);
    assert_eq!(bench.state(), State::Degraded);
    for _ in 0..20 {
        bench.wait();
        if bench.node.in_flight().is_some() {
            assert_eq!(bench.failed(Failure::Unreachable).notify, []);
        }
    }
    while bench.node.in_flight().is_none() {
        bench.wait();
    }
    assert_eq!(bench.head(head(5, 5)).notify, [Notify::Restored]);
    assert_eq!(bench.state(), State::Synced);
}

/// Sabotage: let `retry_within` give `lost.min(RETRY_MAX)`.
#[test]
fn retries_come_within_a_minute_in_five_and_never_over_five_minutes() {
    let mut bench = Bench::calm();
    let mut waited = 0;
    for _ in 0..40 {
        let effects = bench.failed(Failure::Unreachable);
        assert_eq!(effects.send, []);
        // The highest draw but a few: the whole time.
        let lost = bench.now;
        while bench.node.in_flight().is_none() {
            bench.wait();
        }
        let before = std::mem::replace(&mut waited, bench.now.since(lost));
        assert!(waited <= RETRY_MAX.min(lost.0.max(RETRY_FIRST)), "{waited} after {lost:?}");
        // A fleet of 10,000 is back within the minute after an outage of five, with 400 connections a second at most.
        assert!(waited <= RETRY_SOON || lost.0 > 300_000, "{waited} after {lost:?}");
        assert!(waited >= before, "{waited} after {before}");
    }
    assert_eq!(waited, RETRY_MAX);
    // The network is back: no more waiting.
    bench.failed(Failure::Unreachable);
    assert_eq!(asked(&bench.step(Event::NetworkReturned)).0.hold, 0);
    bench.failed(Failure::Unreachable);
    assert_eq!(asked(&bench.step(Event::Nudged)).1, POLL_DEADLINE_EXTRA);
}

/// Sabotage: the time that contact is lost left out of `fail`; the next try is minutes away.
#[test]
fn people_who_try_again_and_again_push_no_retry_away() {
    let mut bench = Bench::calm();
    for _ in 0..20 {
        bench.failed(Failure::Unreachable);
        bench.step(Event::Nudged);
    }
    bench.failed(Failure::Unreachable);
    assert!(bench.node.wakes_at().unwrap().since(bench.now) <= RETRY_FIRST);
}

/// Sabotage: let `answered` prove the moment of the answer; seen: degraded at 68 s here, with the longest polls.
#[test]
fn a_master_that_falls_silent_is_noticed_within_the_minute() {
    for draws in [1_000, u64::MAX] {
        let mut bench = Bench::started();
        bench.draws = Extreme(draws);
        let hold = asked(&bench.head(head(5, 5))).0.hold;
        bench.now = Moment(hold);
        bench.head(head(5, 5));
        // The ask of the last answer went out at 0; at any moment after that the master may have died.
        while bench.state() == State::Synced {
            bench.wait();
        }
        assert!(bench.now <= Moment(DEGRADED_AFTER), "{:?}", bench.now);
    }
}

#[test]
fn a_node_that_never_had_contact_starts_and_is_then_degraded() {
    let mut bench = Bench::started();
    assert_eq!(bench.node.wakes_at(), Some(Moment(STARTING_LIMIT)));
    bench.wait();
    assert_eq!(bench.state(), State::Degraded);
    let mut told = vec![];
    while bench.now < Moment(70_000) {
        told.extend(bench.wait().notify);
    }
    assert_eq!(told.len(), 1);
    assert!(matches!(told[0], Notify::Unreachable { since: Moment(0), .. }));
}

#[test]
fn sleep_makes_no_alarm_but_does_make_a_poll() {
    let mut bench = Bench::calm();
    bench.now = Moment(3_600_000);
    let effects = bench.step(Event::Woke);
    assert_eq!(asked(&effects).0.hold, 0);
    assert_eq!((effects.notify, bench.state()), (vec![], State::Degraded), "not proven: it does not seal");
    bench.now = Moment(3_600_050);
    assert_eq!(bench.head(head(5, 5)).notify, []);
    assert_eq!(bench.state(), State::Synced);

    // Without being told: the step comes long after its time. When the poll then fails, that is an alarm.
    let mut bench = Bench::calm();
    bench.now = Moment(3_600_000);
    let effects = bench.step(Event::Tick);
    assert_eq!((asked(&effects).0.hold, effects.notify.len()), (0, 0));
    assert!(matches!(
        bench.failed(Failure::Unreachable).notify[..],
        [Notify::Unreachable { since: Moment(0), .. }]
    ));
}

#[test]
fn what_contradicts_is_never_applied() {
    let rows = [
        (Head { system: system(2), ..head(6, 5) }, Contradiction::OtherSystem),
        (Head { at: at(0, 9), ..head(6, 5) }, Contradiction::LowerEpoch),
        (head(4, 5), Contradiction::LowerGeneration),
        (Head { version: KeyVersion(0), ..head(6, 5) }, Contradiction::LowerVersion),
        (Head { known: Some("other".into()), ..head(6, 5) }, Contradiction::OtherHistory),
        (Head { known: None, ..head(6, 5) }, Contradiction::OtherHistory),
    ];
    for (bad, contradiction) in rows {
        let mut bench = Bench::calm();
        let effects = bench.head(bad.clone());
        assert_eq!(effects.persist, []);
        assert_eq!(effects.notify, [Notify::Contradiction(contradiction)]);
        assert_eq!(bench.state(), State::Stale, "at once");
        assert_eq!(bench.node.held(), &held(5));
        // The same again is not told again; a good answer ends it.
        bench.wait();
        assert_eq!(bench.head(bad).notify, []);
        bench.wait();
        assert_eq!(bench.head(head(5, 5)).notify, [Notify::Agreed]);
        assert_eq!(bench.state(), State::Synced);
    }
}

#[test]
fn what_was_seen_stays_seen_when_applying_fails() {
    let mut bench = Bench::calm();
    bench.head(head(9, 5));
    let poll = bench.poll();
    // Two of four pieces were kept.
    bench.step(Event::ApplyFailed { poll, held: Held { seen: at(1, 9), ..held(7) } });
    let effects = bench.wait();
    assert_eq!((asked(&effects).0.seen, asked(&effects).0.at), (at(1, 9), at(1, 7)));
    let effects = bench.head(head(8, 7));
    assert_eq!(effects.notify, [Notify::Contradiction(Contradiction::LowerGeneration)]);
}

#[test]
fn a_replica_that_counts_differently_is_copied_anew() {
    let mut bench = Bench::calm();
    bench.head(head(6, 5));
    let short = Counts { records: 5, formers: 0 };
    let effects = bench.applied(Held { counts: short, ..held(6) });
    assert_eq!(
        (effects.persist.as_slice(), effects.notify.as_slice()),
        (&[Persist::Damaged][..], &[Notify::Damaged][..])
    );
    assert!(asked(&effects).0.full);
    bench.head(Head { body: Body::Full, ..head(6, 6) });
    assert_eq!(bench.applied(held(6)).notify, [Notify::Repaired]);

    // Seen in an answer that brings nothing, and that was long in coming.
    let mut bench = Bench::calm();
    bench.now = Moment(9_000);
    let more = Counts { records: 6, formers: 0 };
    assert!(asked(&bench.head(Head { counts: more, ..head(5, 5) })).0.full);

    // Told by whoever reads a record that does not open; lasts over a restart.
    let mut bench = Bench::calm();
    bench.pass(2_000);
    let effects = bench.step(Event::Damaged);
    assert_eq!(effects.persist, [Persist::Damaged]);
    assert!(asked(&effects).0.full);
    let mut bench = Bench::holding(Held { damaged: true, ..held(5) });
    let delta = bench.head(head(6, 5));
    assert_eq!(delta.persist.len(), 1);
    // The store may have finished before it heard of the damage.
    let effects = bench.applied(held(6));
    assert!(asked(&effects).0.full, "a delta repairs nothing");
}

/// Found by the simulator: the waits of an outage went on after it, when the first answer showed damage.
#[test]
fn what_is_found_after_a_long_outage_is_mended_at_once() {
    let outage = || {
        let mut bench = Bench::calm();
        for _ in 0..12 {
            bench.failed(Failure::Unreachable);
            while bench.node.in_flight().is_none() {
                bench.wait();
            }
        }
        bench
    };
    let mut bench = outage();
    assert!(asked(&bench.head(Head { counts: Counts { records: 6, formers: 0 }, ..head(5, 5) })).0.full);
    let mut bench = outage();
    bench.head(head(6, 5));
    let poll = bench.poll();
    bench.step(Event::ApplyFailed { poll, held: held(5) });
    let found = bench.now;
    while bench.node.in_flight().is_none() {
        bench.wait(); // also to ask around
    }
    assert!(bench.now <= found.after(RETRY_FIRST));
}

#[test]
fn a_full_copy_that_is_wrong_too_is_not_asked_for_in_a_loop() {
    let mut bench = Bench::holding(Held { damaged: true, ..held(5) });
    bench.head(Head { body: Body::Full, ..head(5, 5) });
    let effects = bench.applied(Held { counts: Counts::default(), ..held(5) });
    assert_eq!((effects.send, effects.notify), (vec![], vec![]));
    assert_eq!(bench.node.wakes_at(), Some(Moment(RETRY_FIRST)));
}

#[test]
fn a_master_that_does_not_wait_makes_no_node_spin() {
    let mut bench = Bench::calm();
    assert_eq!(bench.head(head(5, 5)).send, []);
    assert_eq!(bench.node.wakes_at(), Some(Moment(POLLS_APART)));
    // Nor one that says "nothing" where there is something.
    bench.wait();
    let effects = bench.head(Head { body: Body::Nothing, ..head(6, 5) });
    assert_eq!(effects.send, []);
    assert_eq!(bench.node.contact(bench.now), Contact::Age { ms: 1_000, missed: 1 });
}

#[test]
fn a_version_that_does_not_come_is_told_and_stops_sealing() {
    let mut bench = Bench::calm();
    let new = Head { version: KeyVersion(2), ..head(6, 5) };
    assert_eq!(bench.head(new.clone()).notify, [], "it is on its way");
    assert_eq!(bench.state(), State::Stale);
    let effects = bench.applied(held(6));
    assert_eq!(effects.notify, [Notify::Stale { held: Some(V1), wanted: KeyVersion(2) }]);
    bench.head(Head { body: Body::Delta, ..Head { known: Some("h6".into()), ..new } });
    let effects = bench.applied(Held { version: Some(KeyVersion(2)), ..held(6) });
    assert_eq!(effects.notify, [Notify::Current]);
}

/// Sabotage: leave `keys` out of `same`, or out of `whole`.
#[test]
fn another_set_of_versions_is_fetched_though_the_active_one_is_held() {
    let mut bench = Bench::calm();
    let more = Head { keys: KeySetMark(8), body: Body::Delta, ..head(5, 5) };
    assert_eq!(bench.head(more.clone()).notify, []);
    assert_eq!(bench.state(), State::Synced, "what it has goes on sealing");
    let effects = bench.applied(Held { keys: Some(KeySetMark(8)), ..held(5) });
    assert_eq!(asked(&effects).0.keys, Some(KeySetMark(8)));
    // "Nothing new" from a master whose set is another one is no answer.
    bench.head(Head { keys: KeySetMark(9), ..head(5, 5) });
    assert!(matches!(bench.node.contact(bench.now), Contact::Age { missed: 1, .. }));
    // Nor is a body that did not bring the set: not as fast as the network allows.
    let mut bench = Bench::calm();
    bench.head(more);
    assert_eq!(bench.applied(held(5)).send, []);
}

#[test]
fn a_record_under_an_unknown_version_makes_the_node_stale_and_ask() {
    let mut bench = Bench::calm();
    bench.pass(2_000);
    let effects = bench.step(Event::Evidence(KeyVersion(2)));
    assert_eq!((effects.send.len(), bench.state()), (1, State::Stale));
    // No alarm before a poll has failed to bring it: mostly it was activated just now.
    assert_eq!(effects.notify, []);
    let effects = bench.failed(Failure::Unreachable);
    assert_eq!(effects.notify, [Notify::Stale { held: Some(V1), wanted: KeyVersion(2) }]);

    // A poll that went out before can't have brought it.
    let mut bench = Bench::calm();
    bench.now = Moment(400);
    assert_eq!(bench.step(Event::Evidence(KeyVersion(2))).send, [], "younger than a second");
    bench.now = Moment(500);
    assert_eq!(bench.head(head(5, 5)).notify, []);
    bench.wait();
    bench.head(Head { version: KeyVersion(2), body: Body::Delta, ..head(5, 5) });
    assert_eq!(bench.applied(Held { version: Some(KeyVersion(2)), ..held(5) }).notify, []);
    assert_eq!(bench.state_with(KeyVersion(2)), State::Synced);
}

#[test]
fn a_revoked_node_asks_no_more_and_another_system_is_a_contradiction() {
    let mut bench = Bench::calm();
    let effects = bench.failed(Failure::Revoked);
    assert_eq!(effects.persist, [Persist::Standing(Standing::Revoked)]);
    assert_eq!((effects.send, effects.notify), (vec![], vec![Notify::Revoked]));
    assert_eq!((bench.state(), bench.node.wakes_at()), (State::Fenced, None));
    for event in [Event::Nudged, Event::Woke, Event::NetworkReturned, Event::Tick] {
        assert_eq!(bench.step(event), Effects::default());
    }
    let mut bench = Bench::calm();
    let effects = bench.failed(Failure::OtherSystem);
    assert_eq!(effects.notify, [Notify::Contradiction(Contradiction::OtherSystem)]);
    assert_eq!(bench.state(), State::Stale);
}

#[test]
fn a_long_copy_keeps_contact_by_its_pieces() {
    let mut bench = Bench::calm();
    bench.head(head(9, 5));
    let poll = bench.poll();
    for second in 1..200 {
        bench.now = Moment(second * 1_000);
        assert_eq!(bench.step(Event::Piece { poll, asked: Moment(bench.now.0 - 500) }).notify, []);
        assert_eq!(bench.state(), State::Synced);
    }
    assert_eq!(bench.step(Event::Piece { poll: PollId(0), asked: Moment(199_900) }), Effects::default());
}

#[test]
fn a_clock_that_goes_back_is_not_followed() {
    let mut bench = Bench::calm();
    bench.now = Moment(10_000);
    bench.step(Event::Tick);
    bench.now = Moment(0);
    bench.step(Event::Tick);
    let effects = bench.failed(Failure::Unreachable);
    assert_eq!(effects.send, []);
    assert!(bench.node.wakes_at().unwrap() >= Moment(10_000));
}
