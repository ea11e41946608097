//! Many machines as one system, as real processes: each is killed in turn while all write, the master is lost and comes back,
//! replicas are damaged, peers are silent, slow and cut off. Nothing acknowledged is lost, and no read fails.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

#[path = "harness/system.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "other tests use what is not used here")]
mod system;

#[path = "harness/fleet.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::module_inception,
    reason = "other tests use what is not used here"
)]
mod fleet;
#[path = "harness/proxy.rs"]
#[allow(unreachable_pub, reason = "other tests take it too")]
mod proxy;

#[path = "fleet/damage.rs"]
mod damage;
#[path = "fleet/outage.rs"]
mod outage;
#[path = "fleet/ways.rs"]
mod ways;

use fleet::{Ends, Fleet, PATIENCE, wait};
use system::{SendPort, binding};

const PROCESSING: &str = "--role processing";
const STANDBY: &str = "--role standby --administrator";

/// A binding file with `count` ports P0, P1, … at addresses of this round.
fn ports(application: &str, count: usize, round: usize) -> String {
    let ports: Vec<_> = (0..count)
        .map(|n| (format!("{application}.P{n}"), format!("ftp://host-{round}.example/{n}")))
        .collect();
    let ports: Vec<_> = ports
        .iter()
        .map(|(name, address)| SendPort { name, address, user: "someone", password: Some("marked value") })
        .collect();
    binding(application, &ports)
}

/// One machine at work: it writes its own port and reads, one after the other, while it is up.
struct Worker {
    /// Held for each command, and while the machine is down.
    turn: Mutex<()>,
    /// About to be ended: what is under way may fail.
    falling: AtomicBool,
    /// Revisions that were acknowledged, with their notes.
    acknowledged: Mutex<BTreeMap<u64, String>>,
    refused: AtomicU64,
    read: AtomicU64,
}

fn work(fleet: &Fleet, number: usize, worker: &Worker, over: &AtomicBool) {
    let name = format!("Work.P{number}");
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        // Whoever waits for the turn gets it.
        thread::sleep(Duration::from_millis(30));
        let _turn = worker.turn.lock().unwrap();
        let note = format!("n{number} round {round}");
        let set = format!("Address=ftp://n{number}.example/{round}");
        let (code, answer) = fleet.ask(number, "port set", &[&name, &set, "--note", &note]);
        if code == 0 {
            let revision = answer["revision"].as_u64().unwrap();
            worker.acknowledged.lock().unwrap().insert(revision, note);
        } else {
            // Without a master nothing is sealed; nothing else may go wrong, unless this very machine was ended.
            let fine =
                matches!(answer["error"]["code"].as_str(), Some("encryption_unavailable" | "unavailable"));
            assert!(fine || worker.falling.load(Ordering::Relaxed), "n{number}: {code} {answer}");
            worker.refused.fetch_add(1, Ordering::Relaxed);
        }
        let (code, shown) = fleet.ask(number, "port show", &[&name]);
        if code != 0 {
            assert!(worker.falling.load(Ordering::Relaxed), "a read failed on n{number}: {code} {shown}");
            continue;
        }
        worker.read.fetch_add(1, Ordering::Relaxed);
        // Who writes reads its own write, whatever happens to others.
        let last = worker.acknowledged.lock().unwrap().keys().next_back().copied().unwrap_or(0);
        assert!(shown["revision"].as_u64().unwrap() >= last, "n{number} has lost revision {last}: {shown}");
    }
}

/// From now on the database of a node notes that its replica was found to be damaged.
fn note_damage(fleet: &Fleet, number: usize) {
    let note = "CREATE TABLE noted (seq INTEGER PRIMARY KEY);
        CREATE TRIGGER noted AFTER UPDATE OF damaged ON system WHEN new.damaged AND NOT old.damaged
        BEGIN INSERT INTO noted VALUES (NULL); END";
    fleet.database(number).execute_batch(note).unwrap();
}

/// Sabotage: let `Follower::write` answer before the master has, or leave `arrived` out of it: who writes does not read its own
/// write. Let `take_record` not keep what was before: a full copy mends that, so it is counted.
#[test]
fn each_machine_is_killed_in_turn_while_all_write() {
    let mut fleet = Fleet::new();
    for kind in [STANDBY, PROCESSING, STANDBY, PROCESSING] {
        fleet.join(kind, "", &fleet.master());
    }
    let nodes = [1, 2, 3, 4];
    nodes.iter().for_each(|number| note_damage(&fleet, *number));
    let file = fleet.desk.file("Work.xml", &ports("Work", 8, 0));
    let imported = fleet.json(2, "port import", &[&file]);
    assert_eq!(imported["created"], 8);
    let took = fleet.until_equal(&nodes);
    let all = fleet.read_all(0);
    nodes.iter().for_each(|number| assert!(fleet.read_all(*number) == all, "n{number} reads something else"));
    println!("imported on one node, on all after {took:?}");

    // How long a change is on its way.
    let mut ways = Vec::new();
    for round in 0..5 {
        fleet.json(0, "port set", &["Work.P7", &format!("RetryCount={}", round + 10)]);
        let begun = Instant::now();
        for number in nodes {
            let revision = u64::try_from(round).unwrap() + 2;
            wait("a change arrives", PATIENCE, || {
                let shown = fleet.json(number, "port show", &["Work.P7"]);
                if shown["revision"] == revision { Ok(()) } else { Err(shown["revision"].to_string()) }
            });
        }
        ways.push(begun.elapsed());
    }
    ways.sort();
    println!("a change is on all 4 nodes, as 4 commands see it one after the other: {ways:?}");
    assert!(ways[2] < Duration::from_secs(8), "{ways:?}");

    let workers: Vec<_> = (0..5)
        .map(|_| Worker {
            turn: Mutex::default(),
            falling: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            refused: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
        .collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Ends(&over);
        let working: Vec<_> = workers
            .iter()
            .enumerate()
            .map(|(number, worker)| {
                let (fleet, over) = (&fleet, &over);
                scope.spawn(move || {
                    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        work(fleet, number, worker, over);
                    }));
                    if let Err(panic) = ended {
                        over.store(true, Ordering::Relaxed);
                        std::panic::resume_unwind(panic);
                    }
                })
            })
            .collect();
        for number in [1, 2, 0, 3, 4, 0] {
            // Everyone writes before the next one falls.
            let before: Vec<_> =
                workers.iter().map(|worker| worker.acknowledged.lock().unwrap().len()).collect();
            wait("all write", PATIENCE, || {
                let now: Vec<_> =
                    workers.iter().map(|worker| worker.acknowledged.lock().unwrap().len()).collect();
                if over.load(Ordering::Relaxed)
                    || now.iter().zip(&before).all(|(now, before)| *now >= before + 2)
                {
                    Ok(())
                } else {
                    Err(format!("{before:?} {now:?}"))
                }
            });
            let worker = &workers[number];
            worker.falling.store(true, Ordering::Relaxed);
            fleet.kill(number);
            {
                let _down = worker.turn.lock().unwrap();
                let took = fleet.start(number);
                println!("n{number} was killed and is back after {took:?}");
            }
            worker.falling.store(false, Ordering::Relaxed);
            // Nobody writes for a moment: all must be equal then.
            let _still: Vec<_> = workers.iter().map(|worker| worker.turn.lock().unwrap()).collect();
            let took = fleet.until_equal(&nodes);
            println!("all are equal after {took:?}");
        }
        over.store(true, Ordering::Relaxed);
        for worker in working {
            worker.join().unwrap();
        }
    });
    fleet.until_equal(&nodes);
    let mut total = 0;
    for (number, worker) in workers.iter().enumerate() {
        let history = fleet.json((number + 1) % 5, "port history", &[&format!("Work.P{number}")]);
        let revisions = history["revisions"].as_array().unwrap();
        for (revision, note) in worker.acknowledged.lock().unwrap().iter() {
            let kept =
                revisions.iter().any(|kept| kept["revision"] == *revision && kept["note"] == note.as_str());
            assert!(
                kept,
                "revision {revision} of n{number} was acknowledged as {note} and is lost: {history}"
            );
            total += 1;
        }
        println!(
            "n{number}: {} writes acknowledged, {} refused, {} reads",
            worker.acknowledged.lock().unwrap().len(),
            worker.refused.load(Ordering::Relaxed),
            worker.read.load(Ordering::Relaxed)
        );
    }
    println!("{total} acknowledged writes, all there");
    for number in nodes {
        let damaged: u64 =
            fleet.database(number).query_row("SELECT count(*) FROM noted", [], |row| row.get(0)).unwrap();
        assert_eq!(damaged, 0, "the replica of n{number} needed a full copy, though nothing damaged it");
    }
    let all = fleet.read_all(0);
    nodes.iter().for_each(|number| assert!(fleet.read_all(*number) == all, "n{number} reads something else"));

    // Two at once on one port: one wins, the other hears of it.
    for round in 0..4 {
        // Who lost the round before may be behind: both are read until they agree.
        let mut revision = String::new();
        wait("both see the same", PATIENCE, || {
            let [one, other] =
                [1, 4].map(|number| fleet.json(number, "port show", &["Work.P6"])["revision"].to_string());
            revision = one;
            if revision == other { Ok(()) } else { Err(format!("{revision} and {other}")) }
        });
        let set = |number: usize| {
            let value = format!("RetryCount={}", 20 + round * 10 + number);
            fleet.ask(number, "port set", &["Work.P6", &value, "--if-revision", &revision])
        };
        let (one, two) = thread::scope(|scope| {
            let other = scope.spawn(|| set(4));
            (set(1), other.join().unwrap())
        });
        let mut codes = [one.0, two.0];
        codes.sort_unstable();
        assert_eq!(codes, [0, 7], "{one:?} {two:?}");
        let lost = if one.0 == 7 { &one.1 } else { &two.1 };
        assert_eq!(lost["error"]["code"], "revision_conflict");
    }

    // Names and rights change for all, at once.
    fleet.json(1, "node rename", &["N2", "Renamed"]);
    wait("N2 hears its name", PATIENCE, || {
        let name = fleet.status(2)["node"]["name"].to_string();
        if name == "\"Renamed\"" { Ok(()) } else { Err(name) }
    });
    let (code, refused) = fleet.ask(4, "node revoke --yes", &["Renamed"]);
    assert_eq!((code, refused["error"]["code"].as_str()), (5, Some("not_permitted")), "{refused}");
    fleet.json(1, "node revoke --yes", &["Renamed"]);
    println!("a revoked node knows it after {:?}", fleet.until(2, "fenced", PATIENCE));
    for _ in 0..2 {
        for (line, extra) in [("port show", &["Work.P6"][..]), ("port set", &["Work.P6", "RetryCount=2"])] {
            let (code, answer) = fleet.ask(2, line, extra);
            assert_eq!(
                (code, answer["error"]["code"].as_str()),
                (4, Some("encryption_unavailable")),
                "{answer}"
            );
        }
        // It stays so after a restart.
        fleet.kill(2);
        fleet.start(2);
    }
    // Its name is free, and goes to another: everyone has both.
    fleet.json(1, "node rename", &["N1", "Renamed"]);
    fleet.until_equal(&[1, 3, 4]);
    let listed = fleet.json(4, "node list", &[]);
    let named = listed["nodes"].as_array().unwrap().iter().filter(|node| node["name"] == "Renamed").count();
    assert_eq!((named, listed["nodes"].as_array().unwrap().len()), (2, 5), "{listed}");
    // In a full copy too, where the revoked one comes after the one that has its name now.
    fleet.kill(4);
    fleet.database(4).execute_batch("DELETE FROM former; DELETE FROM node").unwrap();
    fleet.start(4);
    fleet.until_equal(&[4]);
}
