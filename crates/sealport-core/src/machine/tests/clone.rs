//! What a node does that its master told that it is a copy.

use super::node::{Bench, held};
use crate::machine::{Effects, Event, Failure, Held, Notify, Persist, Standing, State};

/// Sabotage: take `Failure::Cloned` as one that is tried again.
#[test]
fn a_copy_asks_no_more_and_follows_no_grant() {
    let mut bench = Bench::calm();
    let effects = bench.failed(Failure::Cloned);
    assert_eq!(effects.persist, [Persist::Standing(Standing::Cloned)]);
    assert_eq!((effects.send, effects.notify), (vec![], vec![Notify::Cloned]));
    assert_eq!((bench.state(), bench.node.wakes_at()), (State::Fenced, None));
    for event in [Event::Nudged, Event::Woke, Event::NetworkReturned, Event::Tick] {
        assert_eq!(bench.step(event), Effects::default());
    }
    // The same where it starts so.
    let mut bench = Bench::holding(Held { standing: Standing::Cloned, ..held(5) });
    assert_eq!((bench.step(Event::Nudged), bench.node.wakes_at()), (Effects::default(), None));
}
