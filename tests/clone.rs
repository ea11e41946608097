//! A data directory that was copied, beside its original: the one that began later is fenced, the other goes on, and a directory
//! that was only moved is nobody's copy. Real processes; each copy is one of the files, as a snapshot of a machine gives it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

#[path = "harness/system.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "other tests use what is not used here")]
mod system;

#[path = "harness/fleet.rs"]
#[allow(dead_code, reason = "other tests use what is not used here")]
mod fleet;

use fleet::{Fleet, Machine, PATIENCE, wait};
use system::{SendPort, binding};

const PROCESSING: &str = "--role processing";
const STANDBY: &str = "--role standby --administrator";
/// Far less than a poll waits: who is one of two is woken.
const SOON: Duration = Duration::from_secs(12);

/// A master with six ports, one of them with a former revision, and a node of this kind beside it.
fn fleet_of(kind: &str) -> Fleet {
    let mut fleet = Fleet::new();
    let ports: Vec<_> = (0..6).map(|n| (format!("Work.P{n}"), format!("ftp://host.example/{n}"))).collect();
    let ports: Vec<_> = ports
        .iter()
        .map(|(name, address)| SendPort { name, address, user: "someone", password: Some("marked value") })
        .collect();
    let file = fleet.desk.file("Work.xml", &binding("Work", &ports));
    fleet.json(0, "port import", &[&file]);
    edit(&fleet, 0, 11);
    let node = fleet.join(kind, "", &fleet.master());
    fleet.until_equal(&[node]);
    fleet
}

/// Changes a port on a machine.
fn edit(fleet: &Fleet, number: usize, count: u32) -> Value {
    fleet.json(number, "port set", &["Work.P0", &format!("RetryCount={count}")])
}

/// The files of a machine on another one, which listens there.
fn copied(fleet: &mut Fleet, number: usize, listen: &str) -> usize {
    let copy = fleet.machines.len();
    let data = format!("c{copy}");
    copy_files(&fleet.desk.path(&fleet.machines[number].data), &fleet.desk.path(&data));
    fleet.machines.push(Machine::new(&data, None, listen));
    copy
}

/// Files alone: what a process keeps beside them, such as its socket, is no part of a snapshot.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A machine is fenced as a copy: it says so everywhere, seals nothing, takes no seat, and opens all that `like` opens.
fn is_fenced(fleet: &Fleet, number: usize, like: usize) {
    let status = fleet.status(number);
    assert_eq!((&status["state"], &status["sealing"]["possible"]), (&"fenced".into(), &false.into()));
    assert!(status["sealing"]["since"].is_string(), "{status}");
    assert!(status["sealing"]["hint"].as_str().unwrap().contains("node separate"), "{status}");
    let alert = status["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == "node_cloned");
    assert_eq!(alert.unwrap()["severity"], "critical");
    for (line, extra) in [
        ("port set", &["Work.P0", "RetryCount=99"][..]),
        ("node invite --role processing --name", &["N9"]),
        ("promote self --emergency --yes", &[]),
        ("promote self --emergency --dry-run", &[]),
    ] {
        let (code, answer) = fleet.ask(number, line, extra);
        assert_eq!(
            (code, &answer["error"]["code"]),
            (4, &"encryption_unavailable".into()),
            "{line} {answer}"
        );
    }
    let (_, here) = fleet.read_all(number);
    let (_, there) = fleet.read_all(like);
    assert!(here == there, "what is here does not open");
    let revealed = fleet.json(number, "port reveal", &["Work.P1", "Password"]);
    assert_eq!(revealed["value"], "marked value");
}

/// Sabotage: don't wake a poll that waits (`Seat::spoke`): it takes as long as a poll waits. Count the earlier life as the copy
/// (`Lives::spoke`): the original is fenced. Leave `fence` out of the follower's `carry_out`: the copy is a member again when it
/// starts. Leave `not_cloned` out of `promote`: the copy makes itself the master.
#[test]
fn a_copy_of_a_node_is_fenced_in_seconds_and_its_original_goes_on() {
    let mut fleet = fleet_of(STANDBY);
    let copy = copied(&mut fleet, 1, "127.0.0.1:0");
    // Both polls wait by now; the original's began before.
    fleet.start(copy);
    let took = fleet.until(copy, "fenced", SOON);
    println!("a copy of a node is fenced {took:?} after its service said that it is ready");
    edit(&fleet, 1, 12);
    fleet.until_equal(&[1]);
    assert_eq!(fleet.status(1)["state"], "synced");
    is_fenced(&fleet, copy, copy);

    // It stays so, with its master and without one, however often it starts.
    fleet.kill(copy);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    fleet.kill(0);
    fleet.kill(copy);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    // A master that has just started has met neither of them; the copy does not speak to it.
    fleet.start(0);
    fleet.until(1, "synced", PATIENCE);
    is_fenced(&fleet, copy, copy);
    // The original restarts as ever.
    fleet.kill(1);
    fleet.start(1);
    fleet.until(1, "synced", PATIENCE);
    edit(&fleet, 1, 13);
    assert_eq!(fleet.status(0)["state"], "synced");
}

/// Sabotage: leave `meet_oneself` out of the master's look; or let `System::new` give a fenced one its seat.
#[test]
fn a_copy_of_the_master_is_fenced_before_it_writes() {
    let mut fleet = fleet_of(PROCESSING);
    let before = fleet.held(0);
    let copy = copied(&mut fleet, 0, "127.0.0.1:0");
    fleet.start(copy);
    let took = fleet.until(copy, "fenced", SOON);
    println!("a copy of the master is fenced {took:?} after its service said that it is ready");
    assert!(fleet.held(copy) == before, "it has written");
    is_fenced(&fleet, copy, 0);
    edit(&fleet, 1, 12);
    edit(&fleet, 0, 13);
    fleet.until_equal(&[1]);
    assert_eq!(fleet.status(1)["state"], "synced");
    // Also when the original is gone by then.
    fleet.kill(copy);
    fleet.kill(0);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    fleet.start(0);
    fleet.until(1, "synced", PATIENCE);
    edit(&fleet, 1, 14);
}

/// What was moved goes on; its original, if it comes back after all, is the one that came later.
/// Sabotage: count a life as a copy at its first word (`Lives::spoke`): the moved one is fenced. Compare lives alone (`is_copy`).
#[test]
fn a_directory_that_was_moved_goes_on() {
    let mut fleet = fleet_of(PROCESSING);
    fleet.kill(1);
    let node = copied(&mut fleet, 1, "127.0.0.1:0");
    fleet.start(node);
    fleet.until(node, "synced", PATIENCE);
    edit(&fleet, node, 12);
    fleet.start(1);
    fleet.until(1, "fenced", SOON);
    edit(&fleet, node, 13);

    fleet.kill(0);
    let master = copied(&mut fleet, 0, "127.0.0.1:0");
    fleet.start(master);
    assert_eq!(edit(&fleet, master, 14)["revision"], 5);
    assert_eq!(fleet.status(master)["state"], "synced");
    fleet.start(0);
    // It is asked every ten seconds.
    fleet.until(0, "fenced", PATIENCE);
    is_fenced(&fleet, 0, 0);
    assert_eq!(edit(&fleet, master, 15)["revision"], 6);
    assert_eq!(fleet.status(master)["state"], "synced");
    wait("the moved master has no alert of it", PATIENCE, || {
        let status = fleet.status(master);
        let ids: Vec<_> = status["alerts"].as_array().unwrap().iter().map(|alert| &alert["id"]).collect();
        if ids.iter().all(|id| **id != "node_cloned") { Ok(()) } else { Err(status.to_string()) }
    });
}
