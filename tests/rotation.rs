//! A rotation of the master secret among real processes: under edits and reads on every node, with a node that is away, killed
//! at each step, paused, cancelled, and taken back from a backup of its middle. Nothing is lost, nothing stays behind.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

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

#[path = "rotation/campaign.rs"]
mod long;
#[path = "rotation/steps.rs"]
mod steps;

use fleet::{Fleet, PATIENCE, wait};
use system::{SendPort, binding};

/// The passphrase of backups.
const WORDS: &str = "correct horse battery staple";

/// A binding file with `count` ports of an application, at addresses of this round.
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

/// What an administrator types, but for the file.
fn rotate(fleet: &Fleet, name: &str, extra: &str) -> (i32, Value) {
    let file = fleet.desk.path(name);
    let line =
        format!("secret rotate {extra} --passphrase-file {} --backup", fleet.desk.path("backup").display());
    fleet.ask(0, &line, &[file.to_str().unwrap()])
}

/// A master with ports that have a history.
fn master(count: usize) -> Fleet {
    let fleet = Fleet::new();
    fleet.desk.file("backup", WORDS);
    for round in 0..2 {
        let file = fleet.desk.file("Old.xml", &ports("Old", count, round));
        fleet.json(0, "port import", &[&file]);
    }
    fleet
}

/// How many parts a machine holds under each version.
fn parts(fleet: &Fleet, number: usize) -> BTreeMap<u32, u64> {
    let database = fleet.database(number);
    let mut query = database
        .prepare("SELECT key_version, count(*) FROM (SELECT key_version FROM record UNION ALL SELECT key_version FROM former) GROUP BY 1")
        .unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

fn phase(fleet: &Fleet) -> String {
    fleet
        .database(0)
        .query_row("SELECT phase FROM rotation ORDER BY version DESC LIMIT 1", [], |row| row.get(0))
        .unwrap_or_default()
}

/// Waits until the rotation is in a phase. It asks the database alone: a command that looks at a rotation carries it on.
fn until_phase(fleet: &Fleet, wanted: &str) {
    wait(&format!("the rotation is {wanted}"), PATIENCE, || {
        let phase = phase(fleet);
        if phase == wanted { Ok(()) } else { Err(format!("{phase}: {:?}", parts(fleet, 0))) }
    });
}

/// Words of the audit trail that belong to the rotation, oldest first, without those of its batches.
fn trail(fleet: &Fleet) -> Vec<String> {
    let database = fleet.database(0);
    let mut query = database
        .prepare("SELECT act FROM audit WHERE act LIKE 'secret.%' AND act <> 'secret.issue' OR act LIKE 'rotation.%' AND act <> 'rotation.reseal' ORDER BY seq")
        .unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// As `cargo xtask campaign rotation`.
#[test]
#[ignore = "a campaign: `cargo xtask campaign rotation`"]
fn campaign() {
    long::campaign();
}

/// One machine at work on its own port while the secret is rotated.
fn work(
    fleet: &Fleet,
    number: usize,
    over: &AtomicBool,
    done: &Mutex<BTreeMap<(usize, u64), String>>,
    reads: &AtomicU64,
) {
    let name = format!("Work.P{number}");
    let mut late = false;
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let note = format!("n{number} round {round}");
        let set = format!("Address=ftp://n{number}.example/{round}");
        let (code, answer) = fleet.ask(number, "port set", &[&name, &set, "--note", &note]);
        if code == 0 {
            done.lock().unwrap().insert((number, answer["revision"].as_u64().unwrap()), note);
            late = false;
        } else {
            // On a machine so slow that its custody needs ten seconds to open, a write is at the master before its node has
            // it; then the next one there is refused.
            let code = answer["error"]["code"].as_str().unwrap_or_default();
            assert!(code == "unavailable" || late && code == "revision_conflict", "n{number}: {answer}");
            late = true;
        }
        for port in [&name, &format!("Old.P{}", round % 40)] {
            fleet.json(number, "port show", &[port]);
            reads.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sabotage: leave the comparison out of `admit_reseal`: a record that was edited does not open. Let `take_record` take only
/// higher revisions: a node keeps what is under the old version. Let `sealing_anew` try once: a write is refused.
#[test]
fn under_edits_and_reads_on_every_node_a_rotation_is_noticed_by_nobody() {
    let mut fleet = master(40);
    let file = fleet.desk.file("Work.xml", &ports("Work", 4, 0));
    fleet.json(0, "port import", &[&file]);
    let at = fleet.master();
    let away = fleet.join("--role processing", "", &at);
    fleet.until_equal(&[away]);
    fleet.kill(away);
    let since = Instant::now();
    let standby = fleet.join("--role standby --administrator", "", &at);
    let memory = fleet.join("--role processing", "--cache memory", &at);
    fleet.until_equal(&[standby, memory]);
    let (list, files) = fleet.read_all(0);

    let (over, done, reads) = (AtomicBool::new(false), Mutex::default(), AtomicU64::new(0));
    let took = thread::scope(|scope| {
        for number in [0, standby, memory] {
            let (fleet, over, done, reads) = (&fleet, &over, &done, &reads);
            scope.spawn(move || work(fleet, number, over, done, reads));
        }
        let begun = Instant::now();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (code, answer) = rotate(&fleet, "rotated.sealport", "");
            assert_eq!((code, answer["rotation"]["phase"].as_str()), (0, Some("done")), "{answer}");
            // Some work under the new version too.
            let before = done.lock().unwrap().len();
            wait("more is written", PATIENCE, || {
                if done.lock().unwrap().len() >= before + 6 { Ok(()) } else { Err(String::new()) }
            });
        }));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        begun.elapsed()
    });
    let done = done.into_inner().unwrap();
    println!("rotated in {took:?} with {} writes and {} reads meanwhile", done.len(), reads.into_inner());

    fleet.until_equal(&[standby, memory]);
    for number in [0, standby, memory] {
        assert_eq!(parts(&fleet, number).into_keys().collect::<Vec<_>>(), [2], "machine {number}");
        assert_eq!(fleet.status(number)["secret"]["active_version"], 2);
    }
    // The one that was away opens what is old here before it hears of anything, and all of it afterwards.
    assert_eq!(parts(&fleet, away).into_keys().collect::<Vec<_>>(), [1]);
    println!("away for {:?}", since.elapsed());
    fleet.start(away);
    fleet.until_equal(&[away]);
    let all = fleet.read_all(0);
    assert_eq!(fleet.read_all(away), all);
    assert_eq!(fleet.read_all(memory), all);
    fleet.json(away, "port set", &["Work.P1", "RetryCount=9"]);

    // What nobody edited is as it was, to the byte; every acknowledged edit is there with its note.
    let old = |files: &[(String, Vec<u8>)]| {
        files.iter().find(|(name, _)| name.starts_with("Old")).cloned().unwrap()
    };
    assert_eq!(old(&files), old(&all.1));
    let untouched = |list: &Value| -> Vec<Value> {
        let ports = list["ports"].as_array().unwrap().iter().cloned();
        ports.filter(|port| port["application"] == "Old").collect()
    };
    assert_eq!(untouched(&list), untouched(&all.0));
    for number in [0, standby, memory] {
        let history = fleet.json(away, "port history", &[&format!("Work.P{number}")]);
        for ((_, revision), note) in done.iter().filter(|((worker, _), _)| *worker == number) {
            let found =
                history["revisions"].as_array().unwrap().iter().find(|entry| entry["revision"] == *revision);
            assert_eq!(found.map(|entry| &entry["note"]), Some(&note.as_str().into()), "revision {revision}");
        }
    }
    assert_eq!(
        trail(&fleet),
        ["secret.prepare", "secret.distribute", "secret.activate", "rotation.verify", "secret.retire"]
    );
    // Every former revision opens, on every machine.
    for number in [0, away, standby, memory] {
        fleet.json(number, "port diff", &["Old.P3", "1", "2"]);
    }
}
