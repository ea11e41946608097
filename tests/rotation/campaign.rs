//! Very many records, sealed anew under kills, restarts and edits.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{
    fleet::{Fleet, wait},
    parts, phase, ports, rotate,
};

/// Ports in one file of the import.
const FILE: usize = 5_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Counts: `SEALPORT_RECORDS` (100,000), `SEALPORT_KILLS` (20), `SEALPORT_SEED`.
#[test]
#[ignore = "a campaign: `cargo xtask campaign rotation`"]
fn campaign() {
    let records = number("SEALPORT_RECORDS", 100_000) as usize;
    let kills = number("SEALPORT_KILLS", 20);
    let seed = number("SEALPORT_SEED", Instant::now().elapsed().subsec_nanos().into());
    println!("rotation: {records} records, {kills} kills, seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let fleet = Fleet::new();
    fleet.desk.file("backup", super::WORDS);
    for file in 0..records.div_ceil(FILE) {
        let name = format!("Bulk{file}");
        let path = fleet.desk.file(&format!("{name}.xml"), &ports(&name, FILE.min(records - file * FILE), 0));
        fleet.json(0, "port import", &[&path]);
    }
    let file = fleet.desk.file("Work.xml", &ports("Work", 2, 0));
    fleet.json(0, "port import", &[&file]);
    let before = fleet.read_all(0);
    let total: u64 = parts(&fleet, 0).values().sum();

    let (over, falling) = (AtomicBool::new(false), Mutex::new(()));
    let edits: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let note = format!("round {round}");
                let set = format!("Address=ftp://edited.example/{round}");
                let (code, answer) = fleet.ask(0, "port set", &["Work.P0", &set, "--note", &note]);
                if code == 0 {
                    edits.lock().unwrap().insert(answer["revision"].as_u64().unwrap(), note);
                }
                // Not while the machine is down.
                drop(falling.lock());
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (code, answer) = rotate(&fleet, "rotated.sealport", "--no-wait");
            assert_eq!(code, 0, "{answer}");
            for kill in 0..kills {
                // Some of it goes on between two kills, and not all.
                thread::sleep(Duration::from_millis(rng.next_u64() % 400));
                let down = falling.lock();
                fleet.kill(0);
                fleet.start(0);
                drop(down);
                println!("kill {kill}: {} {:?}", phase(&fleet), parts(&fleet, 0));
            }
            wait("all is sealed anew", Duration::from_secs(600), || {
                let phase = phase(&fleet);
                if phase == "done" { Ok(()) } else { Err(format!("{phase} {:?}", parts(&fleet, 0))) }
            });
        }));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let took = begun.elapsed();
    let edits = edits.into_inner().unwrap();
    let after = parts(&fleet, 0);
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), [2], "{after:?}");
    assert!(
        after[&2] >= total + edits.len() as u64,
        "none lost: {after:?} of {total} and {} edits",
        edits.len()
    );
    let history = fleet.json(0, "port history", &["Work.P0"]);
    for (revision, note) in &edits {
        let found =
            history["revisions"].as_array().unwrap().iter().find(|entry| entry["revision"] == *revision);
        assert_eq!(found.map(|entry| &entry["note"]), Some(&note.as_str().into()), "revision {revision}");
    }
    let now = fleet.read_all(0);
    let bulk = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        files.iter().filter(|(name, _)| name.starts_with("Bulk")).cloned().collect()
    };
    assert!(bulk(&before.1) == bulk(&now.1), "what nobody edited is as it was");
    println!(
        "rotation: {} parts under {kills} kills and {} edits in {took:?}, seed {seed}",
        after[&2],
        edits.len()
    );
}
