//! The master is lost: a standby takes its place, nodes follow, the old one returns and stands down, and what only it had is
//! decided upon. A database that was set back is accepted by name; a backup makes a processing node the master.

use std::{fs, time::Duration};

use sealport_core::{bundle::Kept, id::KeyVersion, secret::SecretText};
use sealport_node::custody::Custody;
use serde_json::Value;

use super::{
    Fleet, PATIENCE, PROCESSING, STANDBY, desk, equal, fleet::Machine, fleet_of, list, told, until_role, wait,
};

/// Sabotage: leave `keep_parted` out of `arrive`: nothing is stranded. Let `Engine::granted` not stand the old master down: it
/// takes a write of its own.
#[test]
fn a_lost_master_is_replaced_and_stands_down_when_it_returns() {
    let fleet = fleet_of(&[STANDBY, PROCESSING, STANDBY]);
    // Three writes that no other machine gets.
    for number in [1, 2, 3] {
        fleet.kill(number);
    }
    let mut read = String::new();
    for (port, note) in [("Work.P3", "alone 1"), ("Work.P3", "alone 2"), ("Work.P4", "alone 3")] {
        let set = format!("Address=ftp://alone.example/{}", note.replace(' ', "-"));
        fleet.json(0, "port set", &[port, &set, "--note", note]);
        if note == "alone 1" {
            read = fleet.json(0, "port show", &[port])["imprint"].as_str().unwrap().to_owned();
        }
    }
    fleet.json(0, "node revoke N2", &[]);
    fleet.kill(0);
    for number in [1, 2, 3] {
        fleet.start(number);
    }
    fleet.until(1, "degraded", Duration::from_secs(65));
    let preflight = fleet.json(3, "promote N1 --emergency --dry-run", &[]);
    assert_eq!(preflight["possible"], true, "{preflight}");
    assert_eq!((preflight["voters"].as_u64(), preflight["reachable_voters"].as_u64()), (Some(3), Some(2)));
    assert_eq!(preflight["records"], preflight["records_opened"]);
    // A planned one is refused, and an emergency asks for more than silence.
    assert_eq!(fleet.ask(1, "promote self", &[]).0, 4);
    let (code, answer) = fleet.ask(1, "promote self --emergency", &[]);
    assert_eq!(
        (code, answer["error"]["code"].as_str()),
        (2, Some("usage")),
        "the name must be typed: {answer}"
    );
    let promoted = fleet.json(3, "promote N1 --emergency --yes", &[]);
    assert_eq!((promoted["epoch"].as_u64(), promoted["votes"].as_u64()), (Some(2), Some(2)), "{promoted}");
    println!("emergency: {} s from confirm to serving", promoted["seconds"]);
    assert!(promoted["seconds"].as_f64().unwrap() < 20.0, "{promoted}");
    until_role(&fleet, 1, "master", 2);
    until_role(&fleet, 2, "processing", 2);
    until_role(&fleet, 3, "standby", 2);
    // The new history writes one of the ports too.
    fleet.json(2, "port set", &["Work.P3", "Address=ftp://new.example", "--note", "new"]);
    // The old master returns. No write of its own is ever taken again.
    fleet.start(0);
    let (code, answer) =
        fleet.ask(0, "port set", &["Work.P5", "Address=ftp://late.example", "--note", "late"]);
    if code == 0 {
        // It had learned already, and sent it on.
        let history = fleet.json(1, "port history", &["Work.P5"]).to_string();
        assert!(history.contains("late"), "{history}");
    } else {
        assert_eq!(answer["error"]["code"], "encryption_unavailable", "{answer}");
    }
    until_role(&fleet, 0, "standby", 2);
    equal(&fleet, 1, &[0, 3]);
    // Whoever read the port's revision 2 before the change of master writes nothing on the revision 2 of the new one.
    // Sabotage: compare the number alone in `expect_seen`.
    let edit = ["Work.P3", "Address=ftp://unread.example", "--if-revision", "2", "--if-imprint", &read];
    let (code, answer) = fleet.ask(0, "port set", &edit);
    assert_eq!((code, answer["error"]["code"].as_str()), (7, Some("revision_conflict")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("another revision 2"), "{answer}");
    // Nor does a mark, a deletion or a revert that was decided upon then.
    let read = ["--if-revision", "2", "--if-imprint", &read];
    for line in ["port mark Work.P3 Address", "port delete --yes Work.P3", "port revert --yes Work.P3 1"] {
        let (code, answer) = fleet.ask(0, line, &read);
        assert_eq!(
            (code, answer["error"]["code"].as_str()),
            (7, Some("revision_conflict")),
            "{line} {answer}"
        );
    }
    wait("three changes are stranded", PATIENCE, || {
        let here = list(&fleet, 1);
        if here.len() == 3 { Ok(()) } else { Err(format!("{here:?}")) }
    });
    let changes = list(&fleet, 1);
    let find = |port: &str, revision: u64| {
        let fits = |change: &&serde_json::Value| change["name"] == port && change["revision"] == revision;
        changes.iter().find(fits).unwrap_or_else(|| panic!("{port} {revision}: {changes:?}"))
    };
    let (first, second, third) = (find("Work.P3", 2), find("Work.P3", 3), find("Work.P4", 2));
    assert_eq!(
        (first["diverged"].as_bool(), third["diverged"].as_bool()),
        (Some(true), Some(false)),
        "{changes:?}"
    );
    // The same list everywhere, and the alert.
    wait("the old master has the list too", PATIENCE, || {
        if list(&fleet, 0).len() == 3 { Ok(()) } else { Err(String::new()) }
    });
    let alerts = fleet.json(1, "alert list", &[]).to_string();
    assert!(alerts.contains("stranded_changes") && alerts.contains("master_changed"), "{alerts}");
    // The revocation that only it had holds again.
    wait("N2 is revoked again", PATIENCE, || {
        let nodes = fleet.json(1, "node list", &[]);
        let rows = nodes["nodes"].as_array().unwrap();
        let gone = rows.iter().any(|row| row["name"] == "N2" && row["revoked"] == true);
        if gone { Ok(()) } else { Err(nodes.to_string()) }
    });
    // One is let go, one accepted from the old master, the rest at once.
    let id = |change: &serde_json::Value| change["id"].to_string();
    let shown = fleet.json(1, "stranded show", &[&id(second)]);
    assert!(shown.to_string().contains("alone-2"), "{shown}");
    let done = fleet.json(1, "stranded discard", &[&id(first)]);
    assert_eq!((done["discarded"].as_u64(), done["left"].as_u64()), (Some(1), Some(2)), "{done}");
    let done = fleet.json(0, "stranded accept", &[&id(second)]);
    assert_eq!((done["accepted"].as_u64(), done["left"].as_u64()), (Some(1), Some(1)), "{done}");
    assert_eq!(fleet.ask(1, "stranded accept", &[&id(first)]).0, 3, "it was let go");
    let done = fleet.json(1, "stranded accept --all", &[]);
    assert_eq!((done["accepted"].as_u64(), done["left"].as_u64()), (Some(1), Some(0)), "{done}");
    for (port, address) in [("Work.P3", "alone-2"), ("Work.P4", "alone-3")] {
        let shown = fleet.json(1, "port show", &[port]).to_string();
        assert!(shown.contains(address), "{port}: {shown}");
    }
    equal(&fleet, 1, &[0, 3]);
    let audit = fleet.json(1, "audit list", &[]);
    let acts =
        |act: &str| audit["entries"].as_array().unwrap().iter().filter(|entry| entry["act"] == act).count();
    assert_eq!((acts("stranded.accept"), acts("stranded.discard"), acts("master.promote")), (2, 1, 1));
    assert!(audit["broken_at"].is_null(), "{audit}");
}

/// A former master can't tell what stranded on it before it is the master again: then it takes that into the list itself.
/// Sabotage: leave `take_own_spool` out of `Engine::doubt`. Seen: nothing is stranded.
#[test]
fn what_stranded_on_a_node_that_is_the_master_again_is_in_the_list() {
    let fleet = fleet_of(&[STANDBY]);
    fleet.kill(1);
    fleet.json(0, "port set", &["Work.P3", "Address=ftp://alone.example"]);
    fleet.kill(0);
    fleet.start(1);
    fleet.json(1, "promote self --emergency --yes", &[]);
    let hold =
        "CREATE TRIGGER held BEFORE INSERT ON stranded BEGIN SELECT RAISE(ABORT, 'held by the test'); END";
    fleet.database(1).execute_batch(hold).unwrap();
    fleet.start(0);
    until_role(&fleet, 0, "standby", 2);
    let kept = "SELECT count(*) FROM spool WHERE entry LIKE '%envelope%'";
    let kept =
        |number: usize| -> u64 { fleet.database(number).query_row(kept, [], |row| row.get(0)).unwrap() };
    assert_eq!(kept(0), 1);
    fleet.json(0, "promote self", &[]);
    fleet.database(1).execute_batch("DROP TRIGGER held").unwrap();
    until_role(&fleet, 0, "master", 3);
    wait("it is in the list", PATIENCE, || {
        let here = list(&fleet, 0);
        if here.len() == 1 { Ok(()) } else { Err(format!("{here:?}")) }
    });
    // It is taken in one transaction and crossed off in the next.
    wait("it is kept no longer", PATIENCE, || match kept(0) {
        0 => Ok(()),
        left => Err(left.to_string()),
    });
    until_role(&fleet, 1, "standby", 3);
    fleet.json(1, "stranded accept --all", &[]);
    let shown = fleet.json(0, "port show", &["Work.P3"]).to_string();
    assert!(shown.contains("alone.example"), "{shown}");
    equal(&fleet, 0, &[1]);
}

/// An election that ended without a master leaves a promise behind, which has no end. Who gave it is told so when it is promoted, and
/// what it is told to do works. Sabotage: let `take_over` answer with `who_won`; let it ask for the hand-over all the same.
#[test]
fn who_promised_the_next_epoch_away_says_so_and_what_to_do() {
    let fleet = fleet_of(&[STANDBY, STANDBY]);
    let other = fleet.status(1)["node"]["id"].as_str().unwrap().replace('-', "");
    let promise = format!("UPDATE system SET promised_epoch = 2, promised_to = x'{other}'");
    fleet.database(2).execute_batch(&promise).unwrap();
    let (code, answer) = fleet.ask(2, "promote self", &[]);
    let [message, hint] = ["message", "hint"].map(|part| answer["error"][part].as_str().unwrap_or_default());
    assert_eq!((code, answer["error"]["code"].as_str()), (7, Some("epoch_conflict")), "{answer}");
    assert!(message.contains("promised epoch 2 to N1") && hint.contains("Promote N1"), "{answer}");
    fleet.json(1, "promote self", &[]);
    until_role(&fleet, 2, "standby", 2);
    fleet.json(2, "promote self", &[]);
    until_role(&fleet, 2, "master", 3);
}

/// What hinders a node after it has the seat is told as that, and not as a promotion that failed; and it begins by itself.
/// Sabotage: let `take_in_emergency` fail where `reopen` does; let it not try that again.
#[test]
fn who_has_the_seat_and_can_not_begin_says_so_and_begins_later() {
    let fleet = fleet_of(&[STANDBY, STANDBY]);
    fleet.kill(0);
    let membership = fleet.file(1, "membership.json");
    fs::remove_file(&membership).unwrap();
    fs::create_dir(&membership).unwrap();
    let (code, answer) = fleet.ask(1, "promote self --emergency --yes", &[]);
    let [message, hint] = ["message", "hint"].map(|part| answer["error"][part].as_str().unwrap_or_default());
    assert_ne!(code, 0, "{answer}");
    assert!(message.contains("Epoch 2 is granted to this node, but it can't begin: "), "{answer}");
    assert!(hint.contains("tried again by itself"), "{answer}");
    let status = fleet.status(1);
    let alert = |alert: &serde_json::Value| alert["id"] == "master_change_stuck";
    assert!(status["alerts"].as_array().unwrap().iter().any(alert), "{status}");
    assert!(status["sealing"]["reason"].as_str().unwrap().contains("follows none"), "{status}");
    fs::remove_dir(&membership).unwrap();
    until_role(&fleet, 1, "master", 2);
    until_role(&fleet, 2, "standby", 2);
    fleet.json(2, "port set", &["Work.P1", "Address=ftp://later.example"]);
}

/// The database of a machine that is down, as after a power cut: what was written last stands in the log beside it.
struct Copied([Vec<u8>; 2]);

impl Copied {
    const FILES: [&str; 2] = ["sealport.db", "sealport.db-wal"];

    fn of(fleet: &Fleet, number: usize) -> Self {
        Self(Self::FILES.map(|file| fs::read(fleet.file(number, file)).unwrap_or_default()))
    }

    fn put_back(&self, fleet: &Fleet, number: usize) {
        for (file, content) in Self::FILES.iter().zip(&self.0) {
            fs::write(fleet.file(number, file), content).unwrap();
        }
        let _ = fs::remove_file(fleet.file(number, "sealport.db-shm"));
    }
}

/// Sabotage: compare neither `seen` nor the trail in `contradicts`, since each is enough here.
#[test]
fn a_database_that_was_set_back_is_accepted_by_name() {
    let fleet = fleet_of(&[STANDBY]);
    fleet.kill(0);
    let old = Copied::of(&fleet, 0);
    fleet.start(0);
    told(&fleet, 1);
    for round in 0..3 {
        fleet.json(1, "port set", &["Work.P1", &format!("Address=ftp://new.example/{round}")]);
    }
    fleet.kill(0);
    old.put_back(&fleet, 0);
    fleet.start(0);
    // Whoever saw more seals nothing, until somebody says that it is meant.
    fleet.until(1, "stale", PATIENCE);
    assert_eq!(fleet.ask(1, "port set", &["Work.P1", "Address=ftp://x.example"]).0, 4);
    let promoted = fleet.json(0, "promote self --emergency --yes", &[]);
    assert_eq!(promoted["epoch"], 2, "{promoted}");
    until_role(&fleet, 0, "master", 2);
    until_role(&fleet, 1, "standby", 2);
    equal(&fleet, 0, &[1]);
    wait("what it lacks is stranded", PATIENCE, || {
        let changes = list(&fleet, 0);
        if changes.len() == 3 { Ok(()) } else { Err(format!("{changes:?}")) }
    });
    fleet.json(1, "stranded accept --all", &[]);
    let shown = fleet.json(0, "port show", &["Work.P1"]).to_string();
    assert!(shown.contains("ftp://new.example/2"), "{shown}");
}

/// What a node did of its own while its master was away waits for the database that it knows: one that was set back is gone again
/// when the newer one comes back, with all that it took. Sabotage: leave `has_history_of` out of `spool_for`.
#[test]
fn a_master_that_was_set_back_takes_nothing_that_its_nodes_would_forget() {
    let fleet = fleet_of(&[PROCESSING]);
    fleet.kill(0);
    let old = Copied::of(&fleet, 0);
    fleet.start(0);
    fleet.json(1, "port set", &["Work.P1", "Address=ftp://new.example"]);
    fleet.kill(0);
    let new = Copied::of(&fleet, 0);
    let reveal = || fleet.json(1, "port reveal", &["Work.P2", "Password"]);
    reveal();
    old.put_back(&fleet, 0);
    fleet.start(0);
    fleet.until(1, "stale", PATIENCE);
    // Each act lets it send what it has.
    (0..3).for_each(|_| drop(reveal()));
    let kept = "SELECT count(*) FROM spool WHERE entry LIKE '%port.reveal%'";
    let kept = || -> u64 { fleet.database(1).query_row(kept, [], |row| row.get(0)).unwrap() };
    assert_eq!(kept(), 4, "it was taken");
    fleet.kill(0);
    new.put_back(&fleet, 0);
    fleet.start(0);
    fleet.until(1, "synced", PATIENCE);
    wait("all is in the trail", PATIENCE, || {
        let trail = fleet.json(0, "audit list", &[]);
        let entries = trail["entries"].as_array().unwrap();
        let there = entries.iter().filter(|entry| entry["act"] == "port.reveal").count();
        if (there, kept()) == (4, 0) { Ok(()) } else { Err(format!("{} are left\n{trail}", kept())) }
    });
}

/// Sabotage: leave the comparison of systems out of `custody_check`: it is refused for another reason, which says nothing of
/// whose backup it is.
#[test]
fn a_backup_makes_a_processing_node_the_master() {
    let fleet = fleet_of(&[PROCESSING, PROCESSING]);
    let words = fleet.desk.file("words", "a passphrase of many words");
    let backup = fleet.desk.path("b.sealport");
    let backup = backup.to_str().unwrap();
    fleet.json(0, "backup create", &[backup, "--passphrase-file", &words, "--reminder", "the usual"]);
    fleet.json(1, "port list", &[]);
    equal(&fleet, 0, &[1, 2]);
    fleet.kill(0);
    fleet.until(1, "degraded", Duration::from_secs(65));
    assert_eq!(fleet.ask(1, "promote self --emergency --yes", &[]).0, 5, "it is no administrator's");
    let with = ["--from-backup", backup, "--passphrase-file", &words];
    let preflight = fleet.json(1, "promote self --emergency --dry-run", &with);
    assert_eq!(preflight["reminder"], "the usual", "{preflight}");
    assert_eq!(preflight["possible"], true, "{preflight}");
    let other = fleet.desk.file("other words", "another passphrase of words");
    let wrong = ["--from-backup", backup, "--passphrase-file", &other];
    assert_eq!(fleet.ask(1, "promote self --emergency --yes", &wrong).0, 6, "the wrong passphrase");
    // Nor does a backup of another system make a master of this one.
    let init = "init --name Other --custody passphrase --custody-passphrase-file custody --backup-later";
    fleet.desk.json("other", init, &[]);
    let foreign = fleet.desk.path("other.sealport");
    let foreign = foreign.to_str().unwrap();
    fleet.desk.json("other", "backup create", &[foreign, "--passphrase-file", &words]);
    let foreign = ["--from-backup", foreign, "--passphrase-file", &words];
    let (code, answer) = fleet.ask(1, "promote self --emergency --yes", &foreign);
    assert_eq!((code, answer["error"]["code"].as_str()), (6, Some("integrity")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("Other"), "{answer}");
    let promoted = fleet.json(1, "promote self --emergency --yes", &with);
    assert_eq!((promoted["epoch"].as_u64(), promoted["votes"].as_u64()), (Some(2), Some(1)), "{promoted}");
    until_role(&fleet, 1, "master", 2);
    fleet.json(1, "port set", &["Work.P1", "Address=ftp://after.example"]);
    // No node but the old master had an address: the others learn of the new one when that is back.
    fleet.start(0);
    until_role(&fleet, 0, "standby", 2);
    until_role(&fleet, 2, "processing", 2);
    equal(&fleet, 1, &[0, 2]);
    fleet.kill(1);
    fleet.start(1);
    until_role(&fleet, 1, "master", 2);
}

/// A master that was restored on another machine, at an address that nobody knows: it has a certificate of the system, and no
/// other registry than its own tells of it. Sabotage: give `/v1/grant` the right `Renew`. Seen: nobody follows.
#[test]
fn a_master_restored_at_a_new_address_is_followed() {
    let mut fleet = fleet_of(&[STANDBY, PROCESSING]);
    let words = fleet.desk.file("words", "a passphrase of many words");
    let backup = fleet.desk.path("b.sealport");
    let backup = backup.to_str().unwrap();
    fleet.json(0, "backup create", &[backup, "--passphrase-file", &words]);
    fleet.kill(0);
    let restore = "backup restore --custody passphrase --custody-passphrase-file custody --passphrase-file";
    fleet.desk.json("restored", restore, &[&words, backup]);
    fleet.machines.push(Machine::new("restored", None, "127.0.0.1:0"));
    fleet.start(3);
    let promoted = fleet.json(3, "promote self --emergency --yes", &[]);
    assert_eq!(promoted["epoch"].as_u64(), Some(2), "{promoted}");
    until_role(&fleet, 3, "master", 2);
    until_role(&fleet, 1, "standby", 2);
    until_role(&fleet, 2, "processing", 2);
    fleet.json(2, "port set", &["Work.P1", "Address=ftp://after.example"]);
    equal(&fleet, 3, &[1, 2]);
}

/// A row under a version of the master secret that the candidate's custody does not hold, and no other node either: it is named,
/// and whoever promotes knows. Sabotage: leave `missing_versions` empty.
#[test]
fn a_version_that_the_candidate_lacks_is_named() {
    let fleet = fleet_of(&[STANDBY]);
    fleet.kill(0);
    let versions = || {
        let preflight = fleet.json(1, "promote self --emergency --dry-run", &[]);
        assert_eq!(preflight["possible"], true, "{preflight}");
        let checks = preflight["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == "versions").unwrap().clone()
    };
    assert_eq!(versions()["outcome"], "passed");
    let database = fleet.database(1);
    let changed = database.execute("UPDATE record SET key_version = 7 WHERE name = 'Work.P1'", []).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let check = versions();
    assert_eq!(check["outcome"], "warning", "{check}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains("version 7 (1 part is") && message.contains("no proven backup"), "{message}");
}

/// A standby that holds the active version of the master secret and not the one before, which one row of its replica is still
/// sealed under, as it is in the midst of a rotation. The other standby has both, so it is named, and nothing happens until an
/// administrator consents. What was left unreadable opens again with its backup. A standby that lacks the active version is no
/// master with any consent: nobody could follow it. Sabotage: let `status` fail where a record does not open: it does not even
/// start. Leave `opens_more` out of the facts; or take the consent for given; or leave `lacks_active` out.
#[test]
fn what_only_another_standby_opens_is_left_unreadable_with_consent_alone() {
    let fleet = fleet_of(&[STANDBY, STANDBY]);
    let words = fleet.desk.file("words", "a passphrase of many words");
    let place = |name: &str| fleet.desk.path(name).display().to_string();
    let (first, second) = (place("v1.sealport"), place("v2.sealport"));
    fleet.json(0, "backup create", &[&first, "--passphrase-file", &words]);
    equal(&fleet, 0, &[1, 2]);
    let sealed = |fleet: &Fleet| -> (Vec<u8>, Vec<u8>) {
        let read = "SELECT summary, envelope FROM record WHERE name = 'Work.P1'";
        fleet.database(1).query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let (summary, envelope) = sealed(&fleet);
    let custody = Custody::Passphrase {
        file: fleet.file(1, "custody.age"),
        passphrase: SecretText::new(desk::CUSTODY.to_owned()),
    };
    let older = custody.load().unwrap();
    fleet.json(0, "secret rotate", &["--backup", &second, "--passphrase-file", &words]);
    wait("the rotation is done", PATIENCE, || {
        let rotation = fleet.json(0, "secret rotate --status", &[]);
        if rotation["rotation"]["phase"] == "done" { Ok(()) } else { Err(rotation.to_string()) }
    });
    equal(&fleet, 0, &[1, 2]);
    wait("each node has the new version", PATIENCE, || {
        let status = [1, 2].map(|number| fleet.status(number)["secret"]["active_version"].clone());
        if status == [2, 2] { Ok(()) } else { Err(format!("{status:?}")) }
    });
    fleet.kill(0);
    fleet.kill(1);
    let newer = custody.load().unwrap();
    let look = |extra: &str| fleet.json(1, &format!("promote self --emergency --dry-run {extra}"), &[]);
    let named = |preflight: &Value, id: &str| {
        let checks = preflight["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap().clone()
    };
    let failed = |preflight: &Value| -> Vec<Value> {
        let checks = preflight["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["outcome"] == "failed").map(|check| check["id"].clone()).collect()
    };
    let refused = |extra: &str| -> String {
        let (code, answer) = fleet.ask(1, &format!("promote self --emergency --yes {extra}"), &[]);
        assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("refused")), "{extra} {answer}");
        answer["error"]["message"].to_string()
    };

    // Without the active version there is nothing to consent to.
    custody.store(&older).unwrap();
    fleet.start(1);
    let lacking = look("--leave-unreadable");
    assert_eq!(failed(&lacking), ["secret"], "{lacking}");
    assert!(named(&lacking, "secret")["message"].to_string().contains("version 2"), "{lacking}");
    assert!(refused("--leave-unreadable").contains("no node would follow it"));
    fleet.kill(1);

    let mut bundle = match Kept::from_text(std::str::from_utf8(&newer).unwrap()).unwrap() {
        Kept::Secret(bundle) => bundle,
        Kept::KeyOnly { .. } => panic!("the secret is kept in custody"),
    };
    bundle.activate(KeyVersion(2));
    bundle.retain(|_| false);
    custody.store(Kept::Secret(bundle).to_text().as_bytes()).unwrap();
    let put = "UPDATE record SET key_version = 1, summary = ?, envelope = ? WHERE name = 'Work.P1'";
    assert_eq!(fleet.database(1).execute(put, (summary, envelope)).unwrap(), 1);
    fleet.start(1);
    // It starts all the same, and says what it can't open.
    let alerts = fleet.json(1, "alert list", &[]);
    let listed = alerts["alerts"].as_array().unwrap();
    let unreadable = listed.iter().find(|alert| alert["id"] == "records_unreadable");
    assert!(unreadable.is_some_and(|alert| alert["severity"] == "critical"), "{alerts}");
    let preflight = look("");
    assert_eq!(failed(&preflight), ["versions"], "{preflight}");
    assert_eq!((&preflight["possible"], &preflight["leave_unreadable"]), (&false.into(), &false.into()));
    let missing = preflight["missing_versions"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{preflight}");
    assert_eq!((&missing[0]["version"], &missing[0]["parts"]), (&1.into(), &1.into()), "{preflight}");
    assert!(missing[0]["backup"].as_str().unwrap().ends_with(".sealport"), "{preflight}");
    assert_eq!(
        (&preflight["opens_more"]["name"], &preflight["opens_more"]["parts"]),
        (&"N2".into(), &1.into())
    );
    assert!(refused("").contains("N2 opens 1 of these parts"));
    assert_eq!(fleet.status(2)["epoch"], 1, "nothing was changed");
    // Asked from the other standby it is refused alike, which itself lacks nothing.
    assert_eq!(fleet.ask(2, "promote N1 --emergency --yes", &[]).0, 4);
    let other = fleet.json(2, "promote self --emergency --dry-run", &[]);
    assert_eq!((&other["possible"], &other["missing_versions"]), (&true.into(), &serde_json::json!([])));

    let agreed = look("--leave-unreadable");
    assert_eq!((&agreed["possible"], &agreed["leave_unreadable"]), (&true.into(), &true.into()), "{agreed}");
    assert_eq!(named(&agreed, "versions")["outcome"], "warning");
    let promoted = fleet.json(1, "promote self --emergency --leave-unreadable --yes", &[]);
    assert_eq!(promoted["epoch"].as_u64(), Some(2), "{promoted}");
    until_role(&fleet, 2, "standby", 2);
    // What was told is what came: it does not open here, it does there, and nothing is gone.
    let (code, answer) = fleet.ask(1, "port show Work.P1", &[]);
    assert_eq!((code, answer["error"]["code"].as_str()), (6, Some("integrity")), "{answer}");
    let with = ["--from-backup", &first, "--passphrase-file", &words];
    let again = fleet.json(1, "promote self --emergency --yes", &with);
    assert_eq!(again["epoch"].as_u64(), Some(3), "{again}");
    fleet.json(1, "port show Work.P1", &[]);
    until_role(&fleet, 2, "standby", 3);
    fleet.json(2, "port set", &["Work.P2", "Address=ftp://after.example"]);
}
