//! Many machines as one system, as real processes: each is killed in turn while all write, the master is lost and comes back,
//! replicas are damaged, peers are silent, slow and cut off. Nothing acknowledged is lost, and no read fails.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sealport_node::custody::Custody;
use serde_json::Value;

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

#[path = "harness/system.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "other tests use what is not used here")]
mod system;

#[path = "fleet/fleet.rs"]
#[allow(clippy::module_inception, reason = "the fleet itself, beside its tests")]
mod fleet;
#[path = "fleet/proxy.rs"]
mod proxy;

use fleet::{Fleet, PATIENCE, wait};
use proxy::{Proxy, Way};
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

/// Sabotage: let `Follower::write` answer before the master has; let `take_record` not keep what was before; leave out
/// `arrived`.
#[test]
fn each_machine_is_killed_in_turn_while_all_write() {
    let mut fleet = Fleet::new();
    for kind in [STANDBY, PROCESSING, STANDBY, PROCESSING] {
        fleet.join(kind, "", &fleet.master());
    }
    let nodes = [1, 2, 3, 4];
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
    let all = fleet.read_all(0);
    nodes.iter().for_each(|number| assert!(fleet.read_all(*number) == all, "n{number} reads something else"));

    // Two at once on one port: one wins, the other hears of it.
    for round in 0..4 {
        let revision = fleet.json(1, "port show", &["Work.P6"])["revision"].to_string();
        wait("both see it", PATIENCE, || {
            let there = fleet.json(4, "port show", &["Work.P6"])["revision"].to_string();
            if there == revision { Ok(()) } else { Err(there) }
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
}

fn is(value: &Value, kinds: &[(&str, &str)]) {
    for (path, kind) in kinds {
        let found = value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value}"));
        let fits = match *kind {
            "text" => found.is_string(),
            "number" => found.is_u64(),
            "flag" => found.is_boolean(),
            "list" => found.is_array(),
            "nothing" => found.is_null(),
            other => found == other,
        };
        assert!(fits, "{path} is not {kind}: {found}");
    }
}

/// The fields that others script against.
fn status_shape(status: &Value, state: &str, possible: bool) {
    is(
        status,
        &[
            ("/system/id", "text"),
            ("/system/name", "Hub"),
            ("/node/id", "text"),
            ("/node/name", "text"),
            ("/node/role", "text"),
            ("/state", state),
            ("/master/id", "text"),
            ("/master/name", "text"),
            ("/master/address", "text"),
            ("/epoch", "number"),
            ("/generation", "number"),
            ("/secret/active_version", "number"),
            ("/secret/versions", "list"),
            ("/sync/age_seconds", "number"),
            ("/sync/interval_seconds", "number"),
            ("/sealing/possible", "flag"),
            ("/sealing/reason", if possible { "nothing" } else { "text" }),
            ("/sealing/since", if possible { "nothing" } else { "text" }),
            ("/backup/proven_age_seconds", "nothing"),
            ("/alerts", "list"),
        ],
    );
    assert_eq!(status["sealing"]["possible"], possible, "{status}");
}

/// Sabotage: `may_open` refused where the master is unreachable; the secret not stored in custody; the spool
/// kept in memory; `DEGRADED_MISSES` and `DEGRADED_AFTER` made endless.
#[test]
fn an_outage_costs_nobody_their_reads() {
    let mut fleet = Fleet::new();
    fleet.join(STANDBY, "", &fleet.master());
    fleet.join(PROCESSING, "", &fleet.master());
    fleet.join(PROCESSING, "--cache memory", &fleet.master());
    let file = fleet.desk.file("Out.xml", &ports("Out", 6, 0));
    fleet.json(1, "port import", &[&file]);
    fleet.until_equal(&[1, 2, 3]);
    let all = fleet.read_all(0);
    for number in 0..4 {
        status_shape(&fleet.status(number), "synced", true);
    }
    let listed = fleet.json(2, "node list", &[]);
    for node in listed["nodes"].as_array().unwrap() {
        is(
            node,
            &[
                ("/id", "text"),
                ("/name", "text"),
                ("/role", "text"),
                ("/administrator", "flag"),
                ("/state", "synced"),
                ("/last_sync_age_seconds", "number"),
                ("/epoch", "number"),
                ("/generation", "number"),
                ("/version", "text"),
            ],
        );
        assert!(node.get("address").is_some());
    }
    let summary = listed["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("All 4 nodes agree: ") && summary.ends_with(" is master, epoch 1."),
        "{summary}"
    );

    fleet.kill(0);
    let lost = Instant::now();
    for number in [1, 2, 3] {
        assert!(fleet.read_all(number) == all, "n{number} reads something else");
    }
    for number in [1, 2, 3] {
        fleet.until(number, "degraded", Duration::from_secs(65).saturating_sub(lost.elapsed()));
        let after = lost.elapsed();
        let status = fleet.status(number);
        status_shape(&status, "degraded", false);
        assert_eq!(status["alerts"][0]["id"], "master_unreachable", "{status}");
        let (code, answer) = fleet.ask(number, "port set", &["Out.P1", "RetryCount=9"]);
        assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("encryption_unavailable")), "{answer}");
        println!("n{number} refuses to seal {after:?} after the loss: {}", answer["error"]["message"]);
        let listed = fleet.json(number, "node list", &[]);
        assert_eq!((&listed["live"], listed["nodes"].as_array().unwrap().len()), (&false.into(), 4));
    }
    let reveal = |number: usize, port: usize| {
        let seen = fleet.json(number, "port reveal", &[&format!("Out.P{port}"), "Password"]);
        assert_eq!(seen["value"], "marked value");
    };
    (0..3).for_each(|port| reveal(1, port));
    // Restarted while nobody gives the secret anew.
    for number in [1, 2] {
        fleet.kill(number);
        let begun = Instant::now();
        fleet.start(number);
        reveal(number, 4);
        let took = begun.elapsed();
        assert!(fleet.read_all(number) == all, "n{number} reads something else");
        println!("n{number} opens {took:?} after its restart in the outage");
        // Opening the custody is made to be slow; on a machine with much else to do it alone takes longer than all else.
        let begun = Instant::now();
        Custody::Passphrase {
            file: fleet.file(number, "custody.age"),
            passphrase: system::secret(desk::CUSTODY),
        }
        .load()
        .unwrap();
        let custody = begun.elapsed();
        assert!(took < Duration::from_secs(5).max(custody * 4), "{took:?}, of which custody {custody:?}");
    }
    // In memory alone: as the original does.
    fleet.kill(3);
    fleet.start(3);
    for line in ["port list", "port show Out.P1", "port reveal Out.P1 Password"] {
        let (code, answer) = fleet.ask(3, line, &[]);
        assert_eq!(
            (code, answer["error"]["code"].as_str()),
            (4, Some("encryption_unavailable")),
            "{line}: {answer}"
        );
    }
    assert_eq!(fleet.status(3)["state"], "no_secret");
    let custody = fs::read(fleet.file(3, "custody.age")).unwrap();

    fleet.start(0);
    let back = Instant::now();
    for number in [1, 2, 3] {
        fleet.until(number, "synced", PATIENCE * 3);
        println!("n{number} is synced {:?} after the master is back", back.elapsed());
    }
    status_shape(&fleet.status(1), "synced", true);
    assert!(
        fs::read(fleet.file(3, "custody.age")).unwrap() == custody,
        "the secret went into a custody that must not have it"
    );
    // What was seen meanwhile is in the trail, once.
    let told = |port: usize, on: &str| {
        let trail = fleet.json(0, "audit list --limit 1000", &[]);
        assert_eq!(trail["broken_at"], Value::Null);
        let fits = |entry: &&Value| {
            entry["act"] == "port.reveal"
                && entry["object"].as_str().unwrap().contains(&format!("Out.P{port}"))
                && entry["origin"].as_str().unwrap().contains(on)
        };
        trail["entries"].as_array().unwrap().iter().filter(fits).count()
    };
    let expected = [(0, "N1", 1), (1, "N1", 1), (2, "N1", 1), (4, "N1", 1), (4, "N2", 1)];
    wait("the spools arrive", PATIENCE, || {
        let counts: Vec<_> = expected.iter().map(|(port, on, _)| told(*port, on)).collect();
        if counts.iter().all(|count| *count > 0) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
    fleet.until_equal(&[1, 2, 3]);
    for (port, on, times) in expected {
        assert_eq!(told(port, on), times, "Out.P{port} was seen on {on}");
    }
    for number in [1, 2, 3] {
        fleet.json(number, "port set", &[&format!("Out.P{number}"), "RetryCount=33"]);
    }
    fleet.until_equal(&[1, 2, 3]);
    let all = fleet.read_all(0);
    [1, 2, 3]
        .iter()
        .for_each(|number| assert!(fleet.read_all(*number) == all, "n{number} reads something else"));
}

/// Sabotage: counts left out of the head; `begin_full` a delta; `made_anew` left out; `contradicts` without
/// its look at the trail.
#[test]
fn a_replica_that_is_behind_or_damaged_becomes_whole_again() {
    let mut fleet = Fleet::new();
    fleet.join(PROCESSING, "", &fleet.master());
    let file = fleet.desk.file("Far.xml", &ports("Far", 100, 0));
    fleet.json(0, "port import", &[&file]);
    fleet.until_equal(&[1]);

    // Away for 500 changes.
    fleet.kill(1);
    for round in 1..=5 {
        fleet.desk.file("Far.xml", &ports("Far", 100, round));
        assert_eq!(fleet.json(0, "port import", &[&file])["changed"], 100);
    }
    fleet.start(1);
    println!("500 changes behind: equal after {:?}", fleet.until_equal(&[1]));
    let all = fleet.read_all(0);
    assert!(fleet.read_all(1) == all);

    let damages: [(&str, &str); 4] = [
        (
            "rows that do not open",
            "UPDATE record SET envelope = zeroblob(length(envelope)), summary = zeroblob(length(summary)) WHERE rowid % 7 = 3",
        ),
        ("former revisions gone", "DELETE FROM former WHERE rowid % 3 = 0"),
        ("rows gone", "PRAGMA foreign_keys = OFF; DELETE FROM record WHERE rowid % 5 = 1"),
        (
            "an older state of a row",
            "UPDATE record SET (revision, generation, envelope, key_version) = (SELECT revision, generation, envelope, key_version FROM former WHERE former.id = record.id AND former.revision = 2) WHERE kind <> 'document' AND rowid % 9 = 4",
        ),
    ];
    for (what, sql) in damages {
        fleet.kill(1);
        fleet.database(1).execute_batch(sql).unwrap();
        fleet.start(1);
        // Someone reads, as people do; it may fail until the copy is there.
        let _ = fleet.ask(1, "port list", &[]);
        let place = tempfile::tempdir().unwrap();
        let _ = fleet.ask(
            1,
            "port export --secrets include --yes --out",
            &[place.path().join("x").to_str().unwrap()],
        );
        println!("{what}: whole again after {:?}", fleet.until_equal(&[1]));
        assert!(fleet.read_all(1) == all, "{what}");
    }
    // The file itself, whole and in its middle.
    fleet.json(1, "port reveal", &["Far.P1", "Password"]);
    fleet.until_equal(&[1]);
    for what in ["garbage", "a torn middle", "an empty file"] {
        fleet.kill(1);
        // Everything into the one file.
        fleet.database(1).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let path = fleet.file(1, "sealport.db");
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        match what {
            "garbage" => bytes.iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * 31 % 253) as u8),
            "a torn middle" => bytes[length / 4..length * 3 / 4].fill(0xa5),
            _ => bytes.clear(),
        }
        fs::write(&path, &bytes).unwrap();
        fleet.start(1);
        let begun = Instant::now();
        let mut again = false;
        wait(what, PATIENCE, || {
            let (code, listed) = fleet.ask(1, "port list", &[]);
            if code == 0 && listed == all.0 {
                return Ok(());
            }
            // A file torn in its middle is found while it is read; the next start makes it anew.
            if !again && begun.elapsed() > Duration::from_secs(3) {
                again = true;
                fleet.kill(1);
                fleet.start(1);
            }
            Err(listed.to_string().chars().take(400).collect())
        });
        fleet.until_equal(&[1]);
        assert!(fleet.read_all(1) == all, "{what}");
        println!("{what}: whole again after {:?}, started anew: {again}", begun.elapsed());
    }
    // What it does now is told as before, although its spool began anew.
    fleet.json(1, "port reveal", &["Far.P2", "Password"]);
    wait("the trail has it", PATIENCE, || {
        let trail = fleet.json(0, "audit list --limit 1000", &[]).to_string();
        if trail.contains("Far.P2") { Ok(()) } else { Err("not yet".to_owned()) }
    });

    // A master that was put back to an older copy: refused, by its head, and then by its trail.
    fleet.until_equal(&[1]);
    let kept = |name: &str, back: bool| {
        for end in ["", "-wal", "-shm"] {
            let here = fleet.file(0, &format!("sealport.db{end}"));
            let there = fleet.desk.path(&format!("{name}{end}"));
            let (from, to) = if back { (there, here) } else { (here, there) };
            let _ = fs::remove_file(&to);
            if from.exists() {
                fs::copy(&from, &to).unwrap();
            }
        }
    };
    fleet.kill(0);
    kept("older", false);
    fleet.start(0);
    for round in 1..4 {
        fleet.json(0, "port set", &["Far.P3", &format!("RetryCount={}", 40 + round)]);
    }
    fleet.until_equal(&[1]);
    let all = fleet.read_all(1);
    fleet.until_equal(&[1]);
    fleet.kill(0);
    kept("newer", false);
    kept("older", true);
    fleet.start(0);
    for written_to in [false, true] {
        if written_to {
            for round in 1..9 {
                fleet.json(0, "port set", &["Far.P4", &format!("RetryCount={}", 50 + round)]);
            }
        }
        wait("the older master is refused", PATIENCE, || {
            let (code, answer) = fleet.ask(1, "port set", &["Far.P5", "RetryCount=8"]);
            let words = answer["error"]["message"].to_string();
            let why = words.contains(if written_to { "another history" } else { "has lost writes" });
            assert_ne!(code, 0, "written to a master that was set back: {answer}");
            if code == 4 && why { Ok(()) } else { Err(answer.to_string()) }
        });
        println!("set back: {}", fleet.status(1)["sealing"]["reason"]);
        assert!(fleet.read_all(1) == all, "opening goes on, and nothing was taken over");
    }
    fleet.kill(0);
    kept("newer", true);
    fleet.start(0);
    // Someone who wants to seal does not wait for the back-off.
    let took = wait("the right master is taken", PATIENCE, || {
        let (code, answer) = fleet.ask(1, "port set", &["Far.P5", "RetryCount=8"]);
        if code == 0 { Ok(()) } else { Err(answer.to_string()) }
    });
    println!("the right master again: sealed after {took:?}");
    fleet.until_equal(&[1]);
}

/// Sabotage: `deadline` of a poll and `STALL` made an hour; a new connection for each poll.
#[test]
fn a_quiet_poll_is_small_and_a_bad_way_is_bounded() {
    let mut fleet = Fleet::new();
    let proxy = Proxy::start(fleet.master().parse().unwrap());
    fleet.join(PROCESSING, "", &proxy.at.to_string());
    let file = fleet.desk.file("Way.xml", &ports("Way", 20, 0));
    fleet.json(0, "port import", &[&file]);
    fleet.json(1, "config set", &["sync_interval", "5s"]);
    fleet.until_equal(&[1]);
    // Quiet from here on: the second poll ends after the settings have come into force.
    let (_, turns) = proxy.passed();
    wait("polls are quiet", PATIENCE, || {
        if proxy.passed().1 >= turns + 2 { Ok(()) } else { Err(String::new()) }
    });
    let (bytes, turns) = proxy.passed();
    wait("three more", PATIENCE, || if proxy.passed().1 >= turns + 3 { Ok(()) } else { Err(String::new()) });
    let (more, polls) = proxy.passed();
    let each = (more - bytes) / (polls - turns);
    println!(
        "a poll with nothing new: {each} bytes on the wire, of TLS records in both directions, over {} polls",
        polls - turns
    );
    // The same for a system of many years, whose nine numbers have up to six digits more.
    assert!(each + 54 <= 1024, "{each} bytes");

    let all = fleet.read_all(1);
    for (round, way) in [Way::Reset, Way::Slow, Way::Silent].into_iter().enumerate() {
        proxy.set(way);
        let begun = Instant::now();
        // Something to fetch, so that the answer has a body.
        fleet.desk.file("Way.xml", &ports("Way", 20, round + 1));
        fleet.json(0, "port import", &[&file]);
        let left = Duration::from_secs(65);
        fleet.until(1, "degraded", left);
        println!("{way:?}: degraded after {:?}", begun.elapsed());
        let (code, answer) = fleet.ask(1, "port set", &["Way.P1", "RetryCount=8"]);
        assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("encryption_unavailable")), "{answer}");
        assert_eq!(fleet.json(1, "port list", &[])["ports"].as_array().unwrap().len(), 20);
        let memory = fs::read_to_string(format!("/proc/{}/status", fleet.process(1))).unwrap_or_default();
        let memory = memory.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
        proxy.set(Way::Open);
        let begun = Instant::now();
        fleet.until(1, "synced", PATIENCE);
        fleet.until_equal(&[1]);
        println!("{way:?}: synced {:?} after the way is good again; {memory}", begun.elapsed());
    }
    assert!(fleet.read_all(1) != all, "the changes came");
    assert!(fleet.read_all(1) == fleet.read_all(0));
}
