//! Replicas that are behind or damaged, and a master that was set back.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{
    PROCESSING,
    fleet::{Fleet, PATIENCE, wait},
    ports,
};

/// Sabotage: `made_anew` left out.
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
