//! The simulator: the core's machines in a world of up to 16 that fails. Messages come late, twice, out of order or never;
//! machines lose power and what was not synced, stand still, sleep, and their clocks jump and drift; ways are cut, one or both;
//! replicas are damaged, nodes revoked, the database of any machine put back to an older copy. The master hands over, or is lost
//! and replaced, by votes, by force or with a backup (a wrong one too), now and then by two at once, and comes back; what only it
//! had is stranded and decided upon. The master secret is rotated meanwhile, in all its phases. After every event the invariants of `simulator/truth.rs` hold,
//! and when faults stop, all nodes are synced and equal.
//!
//! A case that fails prints its seed, is cut down, and is written into `simulator/replays`, where it stays: every run runs
//! all of them. `SEALPORT_SEED=N cargo test -p sealport-tests --test simulator one_seed -- --nocapture` traces one seed;
//! `cargo xtask campaign simulator` runs 100,000 cases, or as many as `SEALPORT_CASES` says, from `SEALPORT_SEED` on.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::{fs, path::Path, time::Instant};

use run::{Outcome, run, run_many, shrink};
use sabotage::SABOTAGES;
use script::Script;

#[path = "simulator/chance.rs"]
mod chance;
#[path = "simulator/commits.rs"]
mod commits;
#[path = "simulator/data.rs"]
mod data;
#[path = "simulator/ending.rs"]
mod ending;
#[path = "simulator/follow.rs"]
mod follow;
#[path = "simulator/grants.rs"]
mod grants;
#[path = "simulator/keys.rs"]
mod keys;
#[path = "simulator/machines.rs"]
mod machines;
#[path = "simulator/master.rs"]
mod master;
#[path = "simulator/promote.rs"]
mod promote;
#[path = "simulator/restore.rs"]
mod restore;
#[path = "simulator/rotate.rs"]
mod rotate;
#[path = "simulator/rows.rs"]
mod rows;
#[path = "simulator/run.rs"]
mod run;
#[path = "simulator/sabotage.rs"]
mod sabotage;
#[path = "simulator/script.rs"]
mod script;
#[path = "simulator/strand.rs"]
mod strand;
#[path = "simulator/truth.rs"]
mod truth;
#[path = "simulator/world.rs"]
mod world;

/// A number from the environment.
fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn replays() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("simulator/replays")
}

/// Runs cases and says what was done. One that fails is cut down, kept, and ends the test.
fn hold(seeds: std::ops::Range<u64>) {
    let begun = Instant::now();
    let Outcome { cases, failed, figures } = run_many(seeds, None);
    let took = begun.elapsed().as_secs_f64();
    println!("{cases} cases in {took:.1} s, {:.0} a second", cases as f64 / took);
    for (what, many) in figures {
        println!("{many:>12} {what}");
    }
    let Some((script, broken)) = failed else { return };
    let small = shrink(&script, None, &broken, 2_000);
    let seed = script.seed;
    let file = replays().join(format!("seed-{seed}.txt"));
    let text = format!("# {}: {}\n{small}", broken.name, broken.what);
    fs::write(&file, &text).unwrap();
    panic!(
        "seed {seed} breaks {}: {}\nreplay: SEALPORT_SEED={seed} cargo test -p sealport-tests --test simulator one_seed -- --nocapture\n\
         cut down, in simulator/replays:\n{text}",
        broken.name, broken.what
    );
}

#[test]
fn a_thousand_cases_hold() {
    hold(0..1_000);
}

#[test]
#[ignore = "a campaign: cargo xtask campaign simulator"]
fn campaign() {
    let first = variable("SEALPORT_SEED").unwrap_or(1_000_000);
    hold(first..first + variable("SEALPORT_CASES").unwrap_or(100_000));
}

/// Traces one seed, if one is named.
#[test]
fn one_seed() {
    let Some(seed) = variable("SEALPORT_SEED") else { return };
    let script = Script::make(seed);
    println!("{script}");
    let (outcome, _) = run(&script, None, true);
    assert_eq!(outcome, Ok(()));
}

/// Every case that ever failed, cut down.
#[test]
fn every_replay_holds() {
    let mut files: Vec<_> = fs::read_dir(replays()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let script: Script = text.parse().unwrap_or_else(|what| panic!("{}: {what}", file.display()));
        let trace = std::env::var_os("SEALPORT_TRACE").is_some();
        let (outcome, _) = run(&script, None, trace);
        assert_eq!(outcome, Ok(()), "{}", file.display());
    }
}

/// The invariants can fail: each break of the world is caught, by one of those that are there for it.
#[test]
fn each_sabotage_is_caught() {
    let mut unseen = Vec::new();
    for (sabotage, by) in SABOTAGES {
        let Outcome { cases, failed, .. } = run_many(0..6_000, Some(*sabotage));
        let Some((_, broken)) = failed else {
            unseen.push(format!("{sabotage:?}: nobody saw it in {cases} cases"));
            continue;
        };
        println!("{sabotage:?}: {} after {cases} cases ({})", broken.name, broken.what);
        if !by.contains(&broken.name) {
            unseen.push(format!("{sabotage:?}: {} instead of {by:?}: {}", broken.name, broken.what));
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn a_script_is_read_as_it_was_written() {
    for seed in 0..200 {
        let script = Script::make(seed);
        assert_eq!(script.to_string().parse(), Ok(script));
    }
}

/// The same seed makes the same run.
#[test]
fn a_seed_is_a_run() {
    for seed in 0..20 {
        let script = Script::make(seed);
        assert_eq!(run(&script, None, false), run(&script, None, false));
    }
}

/// A failing case is cut down to what it needs.
#[test]
fn a_failure_is_cut_down() {
    let sabotage = Some(sabotage::Sabotage::WritesRepeats);
    let (script, broken) = run_many(0..400, sabotage).failed.unwrap();
    let small = shrink(&script, sabotage, &broken, 500);
    assert!(small.acts.len() * 3 < script.acts.len(), "{} of {} acts", small.acts.len(), script.acts.len());
    assert_eq!(run(&small, sabotage, false).0.unwrap_err().name, broken.name);
}
