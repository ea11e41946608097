//! A rotation step by step: held at each of them by a trigger in the database, killed there, started again.

use std::time::Duration;

use super::{
    fleet::{Fleet, Machine, PATIENCE, wait},
    master, parts, phase, rotate, trail, until_phase,
};

/// The database refuses to write this phase, so the rotation stands before it.
fn hold_before(fleet: &Fleet, phase: &str) {
    let trigger = format!(
        "CREATE TRIGGER held BEFORE INSERT ON rotation WHEN new.phase = '{phase}'
         BEGIN SELECT RAISE(ABORT, 'held by the test'); END"
    );
    fleet.database(0).execute_batch(&trigger).unwrap();
}

/// It refuses to seal more than `parts` records anew.
fn hold_after(fleet: &Fleet, parts: usize) {
    let trigger = format!(
        "CREATE TRIGGER held BEFORE UPDATE OF key_version ON record
         WHEN (SELECT count(*) FROM record WHERE key_version = new.key_version) >= {parts}
         BEGIN SELECT RAISE(ABORT, 'held by the test'); END"
    );
    fleet.database(0).execute_batch(&trigger).unwrap();
}

fn let_go(fleet: &Fleet) {
    fleet.database(0).execute_batch("DROP TRIGGER held").unwrap();
}

/// Sabotage: leave `begin_rotating` out of `Service::start`; it stands where it was killed.
#[test]
fn killed_after_each_persisted_step_it_finishes_by_itself() {
    let fleet = master(30);
    let before = fleet.read_all(0);
    let mut version = 1;
    // Each rotation is killed where it stands before the next step; the last two while records are sealed anew.
    for held in ["distributing", "resealing", "", "verifying", "done"] {
        version += 1;
        match held {
            "" => hold_after(&fleet, 17),
            held => hold_before(&fleet, held),
        }
        let (code, answer) = rotate(&fleet, &format!("v{version}.sealport"), "--no-wait");
        assert_eq!(code, 0, "{held}: {answer}");
        let stands = match held {
            "distributing" => "proven",
            "resealing" => "distributing",
            "" | "verifying" => "resealing",
            _ => "verifying",
        };
        until_phase(&fleet, stands);
        if stands == "resealing" {
            wait("some are sealed anew", PATIENCE, || {
                let sealed = parts(&fleet, 0).get(&version).copied().unwrap_or_default();
                // A batch is one transaction: with the trigger all of it stays back.
                if held.is_empty() || sealed >= 60 { Ok(()) } else { Err(sealed.to_string()) }
            });
        }
        fleet.kill(0);
        let_go(&fleet);
        fleet.start(0);
        until_phase(&fleet, "done");
        assert_eq!(parts(&fleet, 0).into_keys().collect::<Vec<_>>(), [version], "{held}");
        assert!(fleet.read_all(0) == before, "{held}: what is sealed is what it was");
    }
    let list = fleet.json(0, "secret list", &[]);
    let states: Vec<_> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["active", "retired", "retired", "retired", "retired", "retired"]);
    // Backups of every time restore, though their versions are long retired.
    for file in ["v2", "v4"] {
        let data = format!("again-{file}");
        let file = fleet.desk.path(&format!("{file}.sealport")).display().to_string();
        let backup = fleet.desk.path("backup").display().to_string();
        restore(&fleet, &data, &file, &backup);
    }
}

fn restore(fleet: &Fleet, data: &str, file: &str, backup: &str) {
    let custody = fleet.desk.path("custody").display().to_string();
    let line = format!(
        "backup restore --passphrase-file {backup} --custody passphrase --custody-passphrase-file {custody}"
    );
    fleet.desk.json(data, &line, &[file]);
}

/// Killed before the backup is proven it waits for another one, or is given up; the version that was made is gone then, and its
/// number is not used again.
///
/// Sabotage: let `may_prepare` look at the versions that are held alone; the number is used again.
#[test]
fn killed_before_its_backup_is_proven_it_takes_another_or_is_cancelled() {
    let fleet = master(3);
    hold_before(&fleet, "proven");
    // The process ends between the version and its proof.
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| rotate(&fleet, "lost.sealport", "--no-wait"));
        until_phase(&fleet, "prepared");
        fleet.kill(0);
        asked.join().unwrap()
    });
    assert_ne!(asked.0, 0, "{}", asked.1);
    let_go(&fleet);
    fleet.start(0);
    let status = fleet.json(0, "secret rotate --status", &[]);
    assert_eq!(
        (&status["rotation"]["phase"], &status["rotation"]["to"]),
        (&"prepared".into(), &2.into()),
        "{status}"
    );
    assert!(status["rotation"]["note"].as_str().unwrap().contains("--backup"), "{status}");
    let (code, answer) = rotate(&fleet, "found.sealport", "");
    assert_eq!((code, &answer["active_version"]), (0, &2.into()), "{answer}");

    // One that can't be proven leaves nothing behind.
    let (code, answer) = rotate(&fleet, "no/such/folder.sealport", "");
    assert_ne!(code, 0, "{answer}");
    assert_eq!(phase(&fleet), "cancelled");
    let list = fleet.json(0, "secret list", &[]);
    assert_eq!(list["versions"].as_array().unwrap().len(), 2, "{list}");
    let status = fleet.status(0);
    assert_eq!(status["secret"]["versions"].as_array().unwrap().len(), 2, "custody let it go: {status}");
    let (code, answer) = rotate(&fleet, "fourth.sealport", "");
    assert_eq!((code, &answer["active_version"]), (0, &4.into()), "a number is used once: {answer}");
}

/// Sabotage: let `Store::reseal` not look whether it is paused: it seals on (that `next` does not look is not missed then). Let
/// `tidy` do nothing: the version that was destroyed is in custody at the end.
#[test]
fn it_is_cancelled_paused_and_resumed_and_what_is_retired_can_be_destroyed() {
    let mut fleet = master(30);
    let at = fleet.master();
    let node = fleet.join("--role standby --administrator", "", &at);
    fleet.until_equal(&[node]);
    fleet.machines.push(Machine::new("middle", None, "127.0.0.1:0"));
    let restored = fleet.machines.len() - 1;
    // Cancelled when nodes have the new version already: they let it go.
    hold_before(&fleet, "resealing");
    assert_eq!(rotate(&fleet, "given-up.sealport", "--no-wait").0, 0);
    let holds = |version: u64, yes: bool| {
        wait(&format!("the node holds {version}: {yes}"), PATIENCE, || {
            let status = fleet.status(node);
            let held =
                status["secret"]["versions"].as_array().unwrap().iter().any(|v| v["version"] == version);
            if held == yes { Ok(()) } else { Err(status.to_string()) }
        });
    };
    holds(2, true);
    // From another node, too.
    let cancelled = fleet.json(node, "secret rotate --cancel", &[]);
    assert_eq!(cancelled["rotation"]["phase"], "cancelled");
    holds(2, false);
    let_go(&fleet);

    hold_after(&fleet, 17);
    assert_eq!(rotate(&fleet, "third.sealport", "--no-wait").0, 0);
    until_phase(&fleet, "resealing");
    let paused = fleet.json(0, "secret rotate --pause", &[]);
    assert_eq!(paused["rotation"]["paused"], true);
    let_go(&fleet);
    let (code, answer) = fleet.ask(0, "secret rotate --cancel", &[]);
    assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("refused")), "{answer}");
    // It stands, and everything works: old and new open, a write is sealed under the new one.
    let left = parts(&fleet, 0).get(&1).copied();
    fleet.json(0, "port set", &["Old.P0", "RetryCount=7"]);
    fleet.json(node, "port set", &["Old.P1", "RetryCount=7"]);
    fleet.json(node, "port show", &["Old.P29"]);
    // A backup of the middle.
    let backup = fleet.desk.path("backup").display().to_string();
    let file = fleet.desk.path("middle.sealport").display().to_string();
    fleet.json(0, &format!("backup create --passphrase-file {backup}"), &[&file]);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(parts(&fleet, 0).get(&1).copied(), left, "an edit moves a part, it makes none");
    assert_eq!(fleet.status(0)["rotation"]["phase"], "resealing");
    fleet.json(0, "secret rotate --resume", &[]);
    until_phase(&fleet, "done");
    fleet.until_equal(&[node]);

    // It is restored elsewhere, and seals on there.
    restore(&fleet, "middle", &file, &backup);
    assert!(parts(&fleet, restored).contains_key(&1), "it is of the middle");
    fleet.start(restored);
    wait("the restored one is sealed anew", PATIENCE, || {
        let status = fleet.json(restored, "secret rotate --status", &[]);
        if status["rotation"]["phase"] == "done" { Ok(()) } else { Err(status.to_string()) }
    });
    assert_eq!(parts(&fleet, restored).into_keys().collect::<Vec<_>>(), [3]);
    fleet.kill(restored);

    // Destroyed: not the active one, not without the name, and then everywhere.
    let list = fleet.json(0, "secret list", &[]);
    let old = list["versions"].as_array().unwrap().iter().find(|v| v["version"] == 1).cloned().unwrap();
    let named: Vec<_> =
        old["backups"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(named.iter().any(|name| name.ends_with("middle.sealport")), "{named:?}");
    for (line, code) in
        [("destroy 3 --confirm Hub", 4), ("destroy 1 --confirm hub", 4), ("destroy 9 --confirm Hub", 3)]
    {
        let (exit, answer) = fleet.ask(0, &format!("secret {line}"), &[]);
        assert_eq!(exit, code, "{line}: {answer}");
    }
    holds(1, true);
    let list = fleet.json(0, "secret destroy 1 --confirm Hub", &[]);
    assert_eq!(list["versions"].as_array().unwrap().last().unwrap()["state"], "destroyed");
    holds(1, false);
    fleet.until_equal(&[node]);
    assert_eq!(fleet.read_all(node), fleet.read_all(0));
    let words = trail(&fleet);
    for word in ["rotation.cancel", "rotation.pause", "rotation.resume", "secret.retire", "secret.destroy"] {
        assert!(words.iter().any(|found| found == word), "{word} in {words:?}");
    }
    // The wiped version is gone from both custodies after a restart too.
    fleet.kill(0);
    fleet.start(0);
    assert_eq!(fleet.status(0)["secret"]["versions"].as_array().unwrap().len(), 1);
}
