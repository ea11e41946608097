//! The protocol, searched through: every order in which a few nodes can write, follow, crash, promote and rotate.
#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::time::{Duration, Instant};

use guard::Rules;
use moves::Protocol;
use stateright::{Checker, HasDiscoveries, Model};

#[path = "model/guard.rs"]
mod guard;
#[path = "model/moves.rs"]
mod moves;
#[path = "model/truth.rs"]
mod truth;
#[path = "model/world.rs"]
mod world;

fn env(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().map_or(or, |text| text.parse().unwrap())
}

#[test]
fn probe() {
    let begun = Instant::now();
    let model = Protocol {
        rules: Rules::default(),
        nodes: env("N", 2) as u8,
        epochs: env("E", 3) as u8,
        versions: env("V", 3) as u8,
        writes: env("W", 2) as u8,
        late: env("L", 0) == 1,
    };
    let checker = model
        .checker()
        .threads(2)
        .target_max_depth(env("D", 1000) as usize)
        .timeout(Duration::from_secs(env("T", 60)))
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let took = begun.elapsed();
    println!("{} unique, {} generated, depth {}, {took:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth());
    for (name, path) in checker.discoveries() {
        println!("== {name}: {} {} steps", checker.discovery_classification(name), path.clone().into_actions().len());
        if checker.discovery_classification(name).to_string() == "counterexample" {
            for action in path.clone().into_actions() { println!("   {action:?}"); }
            println!("{:?}", path.last_state());
        }
    }
}
