//! The protocol, searched through: every order in which two or three nodes can write, follow, crash, change their master
//! (handed over, elected, forced), rotate the master secret and lose their custody to an old backup. Where the simulator
//! tries long runs at random, this tries all short ones.
//!
//! **The core's own** (`model/guard.rs` calls them with the facts of a modelled node): `may_seal`, `admit_write`, `answer` with
//! `shared_until`, `contradicts`; `SignedGrant::prove`, `outranks`, `vote`, `tally`, `may_hand_over`, `may_become_master`;
//! `rotation::next`, `may_prepare`, `may_activate`, `admit_reseal`, `may_retire`, `may_destroy`, `keeps`.
//!
//! **What the model stands for itself**: the stores' transactions (one step each), the network (whatever was sent may arrive
//! at any time, or never; a grant at any node), the disks (what a transaction wrote is there after a crash, nothing else is),
//! custody as a set of secrets, that a database takes writes only while its own row names its node as the master, that a node
//! knows by the certificate which master it hears, and the administrators, who look at what is shown to them. It has one
//! record, no clocks, and no database that is put back: those are the simulator's. Nobody asks others for the versions that they
//! hold: numbers must differ without that.
//!
//! Each guard has a sabotage ([`guard::Guard`]) that the checker must find: `each_guard_is_missed`.
//! Nodes are not interchangeable, since grants of one epoch are ordered by node: no symmetry is used.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use guard::{Rules, SABOTAGES};
use moves::Protocol;
use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::{moves::Move, world::World};

#[path = "simulator/grants.rs"]
mod grants;
#[path = "model/guard.rs"]
mod guard;
#[path = "model/moves.rs"]
mod moves;
#[path = "model/rotate.rs"]
mod rotate;
#[path = "model/truth.rs"]
mod truth;
#[path = "model/world.rs"]
mod world;

/// What was found.
struct Found {
    states: usize,
    depth: usize,
    took: Duration,
    complete: bool,
    /// Names of what was reached, and of what does not hold with the way there.
    reached: Vec<&'static str>,
    broken: Vec<(&'static str, Vec<Move>)>,
}

/// Searches, breadth first, until something does not hold, all is searched, or the time is over.
fn search(model: Protocol, most: Duration) -> Found {
    search_until(HasDiscoveries::AnyFailures, model, most)
}

fn search_until(until: HasDiscoveries, model: Protocol, most: Duration) -> Found {
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let checker = model.checker().threads(threads).timeout(most).finish_when(until).spawn_bfs().join();
    let found = checker.discoveries();
    let fails = |name: &str| checker.discovery_classification(name).to_string() == "counterexample";
    let shortest = |(name, path): (&'static str, Path<World, Move>)| (name, path.into_actions());
    let broken = found.iter().filter(|(name, _)| fails(name)).map(|(name, path)| (*name, path.clone()));
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        complete: begun.elapsed() < most,
        reached: found.keys().copied().filter(|name| !fails(name)).collect(),
        broken: broken.map(shortest).collect(),
    }
}

fn tell(what: &str, found: &Found) {
    let Found { states, depth, took, complete, .. } = found;
    let how = match (found.broken.is_empty(), complete) {
        (false, _) => "until it broke",
        (true, true) => "to the end",
        (true, false) => "as far as the time went",
    };
    println!("{what}: {states} states, {depth} deep, {:.1} s, {how}", took.as_secs_f64());
}

/// Nothing may be broken.
fn holds(what: &str, found: &Found) {
    tell(what, found);
    if let Some((name, path)) = found.broken.iter().min_by_key(|(_, path)| path.len()) {
        let path: Vec<String> = path.iter().map(|step| format!("{step:?}")).collect();
        panic!("{what} breaks {name}:\n{}", path.join("\n"));
    }
}

const PROTOCOL: Protocol = Protocol {
    rules: Rules { off: None },
    nodes: 2,
    epochs: 2,
    versions: 2,
    writes: 1,
    late: false,
    mishaps: 0,
};

/// A number from the environment.
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// The time that is given, or what the environment says.
fn seconds(or: u64) -> Duration {
    Duration::from_secs(variable("SEALPORT_SECONDS").unwrap_or(or))
}

/// All that two nodes can do; three epochs and three versions with a write among them only as far as the time goes: after
/// 4,155,824 states, 23 deep, there were more.
#[test]
fn two_nodes_hold() {
    let calm = search(Protocol { writes: 2, ..PROTOCOL }, seconds(600));
    holds("2 nodes, 2 epochs, 2 versions, 2 writes", &calm);
    assert!(calm.complete, "not searched through");
    let versions = search(Protocol { versions: 3, ..PROTOCOL }, seconds(600));
    holds("2 nodes, 2 epochs, 3 versions, 1 write", &versions);
    assert!(versions.complete, "not searched through");
    let unwritten = search(Protocol { epochs: 3, versions: 3, writes: 0, ..PROTOCOL }, seconds(600));
    holds("2 nodes, 3 epochs, 3 versions, no write", &unwritten);
    assert!(unwritten.complete, "not searched through");
    let all = search(Protocol { epochs: 3, versions: 3, ..PROTOCOL }, seconds(30));
    holds("2 nodes, 3 epochs, 3 versions, 1 write", &all);
    let late = search(Protocol { writes: 2, late: true, mishaps: 1, ..PROTOCOL }, seconds(10));
    holds("2 nodes, late messages, a mishap", &late);
}

/// What three nodes can do, as far as the time goes.
#[test]
fn three_nodes_hold() {
    let three = search(Protocol { nodes: 3, epochs: 3, versions: 3, writes: 2, ..PROTOCOL }, seconds(30));
    holds("3 nodes, 3 epochs, 3 versions, 2 writes", &three);
}

/// The same to the end, or as far as SEALPORT_SECONDS go for each.
#[test]
#[ignore = "a campaign: cargo xtask campaign model"]
fn campaign() {
    let all = Protocol { epochs: 3, versions: 3, ..PROTOCOL };
    holds("2 nodes, 3 epochs, 3 versions, 1 write", &search(all, seconds(3_600)));
    holds(
        "2 nodes, late messages, a mishap",
        &search(Protocol { late: true, mishaps: 1, ..all }, seconds(3_600)),
    );
    holds("2 nodes, 2 writes", &search(Protocol { writes: 2, ..all }, seconds(3_600)));
    holds("3 nodes", &search(Protocol { nodes: 3, writes: 2, ..all }, seconds(3_600)));
}

/// Each guard that is taken away is missed: the checker finds what it was there for.
#[test]
fn each_guard_is_missed() {
    let mut unseen = Vec::new();
    for (guard, breaks) in SABOTAGES {
        let until = HasDiscoveries::AnyOf(breaks.iter().copied().collect());
        let found = search_until(until, guard.shows_in(PROTOCOL), seconds(600));
        tell(&format!("without {guard:?}"), &found);
        match found.broken.iter().find(|(name, _)| breaks.contains(name)) {
            Some((name, path)) => println!("    {name} after {} steps", path.len()),
            None => unseen.push(guard),
        }
    }
    assert!(unseen.is_empty(), "nobody misses {unseen:?}");
}

/// Everything that the invariants are about does happen.
#[test]
fn all_of_it_is_reached() {
    let model = Protocol { epochs: 3, ..PROTOCOL };
    let wanted: BTreeSet<&str> = model
        .properties()
        .into_iter()
        .filter(|property| property.expectation == Expectation::Sometimes)
        .map(|property| property.name)
        .collect();
    let found = search_until(HasDiscoveries::AllOf(wanted.clone()), model, seconds(600));
    tell("until all is reached", &found);
    let never: Vec<_> = wanted.iter().filter(|name| !found.reached.contains(name)).collect();
    assert!(never.is_empty(), "never: {never:?}");
}

/// One protocol, as the environment says: NODES, EPOCHS, VERSIONS, WRITES, LATE, MISHAPS.
#[test]
fn one_protocol() {
    let Some(nodes) = variable("NODES") else { return };
    let of = |name: &str, or: u64| variable(name).unwrap_or(or) as u8;
    let model = Protocol {
        nodes: nodes as u8,
        epochs: of("EPOCHS", 2),
        versions: of("VERSIONS", 2),
        writes: of("WRITES", 1),
        late: of("LATE", 0) > 0,
        mishaps: of("MISHAPS", 0),
        ..PROTOCOL
    };
    holds("the protocol of the environment", &search(model, seconds(60)));
}
