//! The commands that others script against, run on real data directories: shapes of `--json`, exit codes, and the way
//! from an empty directory through a lost machine back to every port.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{fs, process::Command, rc::Rc};

use serde_json::Value;

#[cfg(target_os = "linux")]
#[path = "harness/keyring.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod keyring;

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

use desk::{BINDING, Desk, FILE, INIT, PORT, err, names_in, out};

const PASSWORD: &str = "pa=ss @wörd";

/// Each key is there and is a string, a number, a list or a truth value, as said.
fn expect_keys(value: &Value, keys: &[(&str, &str)]) {
    for (key, kind) in keys {
        let found = value.get(key).unwrap_or_else(|| panic!("no {key} in {value}"));
        let fits = match *kind {
            "text" => found.is_string(),
            "number" => found.is_u64(),
            "list" => found.is_array(),
            "flag" => found.is_boolean(),
            other => panic!("{other}"),
        };
        assert!(fits, "{key} is not a {kind}: {found}");
    }
}

#[test]
fn every_command_of_the_list_does_its_work_and_has_its_shape() {
    let desk = Desk::new();
    let status = desk.json("data", "status", &[]);
    assert_eq!((&status["state"], &status["system"]), (&"no_system".into(), &Value::Null));
    desk.fails("data", "port list", &[], 4, "no_system");
    let made = desk.json("data", INIT, &[]);
    assert_eq!((&made["state"], &made["system"]["name"]), (&"synced".into(), &"Hub".into()));
    assert!(made["alerts"].as_array().unwrap().is_empty(), "{made}");
    desk.fails("data", &INIT.replace("first.", "second."), &[], 4, "system_exists");
    assert!(!desk.path("second.sealport").exists());

    // Import.
    let plan = desk.json("data", "port import --dry-run", &[FILE]);
    assert_eq!(desk.json("data", "port list", &[])["ports"], Value::Array(vec![]));
    let imported = desk.json("data", "port import", &[FILE]);
    expect_keys(
        &imported,
        &[("documents", "list"), ("created", "number"), ("changed", "number"), ("unchanged", "number")],
    );
    let document = &imported["documents"][0];
    expect_keys(
        document,
        &[
            ("id", "text"),
            ("name", "text"),
            ("ports", "number"),
            ("missing_secrets", "number"),
            ("warnings", "list"),
        ],
    );
    assert_eq!((&document["name"], &document["ports"]), (&FILE.into(), &imported["created"]));
    assert_eq!(plan["created"], imported["created"]);
    let again = desk.json("data", "port import", &[FILE]);
    assert_eq!(
        (&again["created"], &again["changed"], &again["unchanged"]),
        (&0.into(), &0.into(), &imported["created"])
    );
    desk.file("broken.xml", &BINDING.replacen("</Address>", "</Adress>", 1));
    let message = desk.fails("data", "port import", &["broken.xml"], 2, "malformed_document");
    assert!(message.starts_with("broken.xml: ") && message.contains("line ") && message.contains("column "));
    desk.fails("data", "port import", &["nothing.xml"], 3, "not_found");

    // List, show.
    let listed = desk.json("data", "port list", &[]);
    let keys = [
        ("id", "text"),
        ("kind", "text"),
        ("application", "text"),
        ("name", "text"),
        ("adapter", "text"),
        ("address", "text"),
        ("revision", "number"),
        ("missing_secrets", "number"),
    ];
    listed["ports"].as_array().unwrap().iter().for_each(|port| expect_keys(port, &keys));
    let count = |line: &str| desk.json("data", line, &[])["ports"].as_array().unwrap().len();
    let all = listed["ports"].as_array().unwrap().len();
    assert_eq!(imported["created"], all);
    assert_eq!(count("port list --search customs"), 1);
    assert_eq!(count("port list --application Nothing"), 0);
    let sftp = count("port list --adapter SFTP");
    assert!(sftp > 0 && sftp < all && (1..all).contains(&count("port list --missing")));
    let shown = desk.json("data", "port show", &[PORT]);
    let id = shown["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.json("data", "port show", &[&id]), shown);
    let property = &shown["properties"][0];
    expect_keys(property, &[("path", "text"), ("type", "text")]);
    assert!(property.get("value").is_some() && property.get("secret").is_some());
    desk.fails("data", "port show", &["Nobody"], 3, "not_found");

    // Missing, set, reveal, history, diff.
    let missing = desk.json("data", "port missing", &[]);
    let keys =
        [("port", "text"), ("application", "text"), ("name", "text"), ("property", "text"), ("user", "text")];
    let missing = missing["missing"].as_array().unwrap();
    missing.iter().for_each(|one| expect_keys(one, &keys));
    let mine = missing.iter().find(|one| one["name"] == PORT).expect("the sample misses a password here");
    assert_eq!(mine["port"], id.as_str());
    let path = mine["property"].as_str().unwrap();
    desk.fails("data", "port reveal", &[&id, path], 3, "not_found");
    let value = desk.file("value", &format!("{PASSWORD}\n"));
    let saved = desk.json("data", "port set", &[&id, &format!("{path}=@{value}"), "--if-revision", "1"]);
    assert_eq!((&saved["revision"], &saved["changes"][0]["secret"]), (&2.into(), &true.into()));
    assert_eq!(desk.json("data", "port reveal", &[&id, path])["value"], PASSWORD);
    desk.json_with("data", "port set", &[PORT, &format!("{path}=@-")], "second value\r\n");
    assert_eq!(out(&desk.run("data", "port reveal", &[PORT, path])), "second value\n");
    let late = [PORT, "RetryCount=1", "--if-revision", "2"];
    desk.fails("data", "port set", &late, 7, "revision_conflict");
    desk.fails("data", "port set", &[PORT, "NoSuchPath=1"], 3, "not_found");
    let history = desk.json("data", "port history", &[PORT]);
    let numbers: Vec<_> = history["revisions"].as_array().unwrap().iter().map(|r| &r["revision"]).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let diff = desk.json("data", "port diff", &[PORT, "1", "3"]);
    assert_eq!(diff["changes"].as_array().unwrap().len(), 1);
    let change = &diff["changes"][0];
    assert!(change["secret"] == true && change["before"].is_null() && change["after"].is_null(), "{change}");
    for line in ["port show", "port history", "port diff"] {
        let numbers: &[&str] = if line == "port diff" { &["1", "2"] } else { &[] };
        for json in ["", "--json "] {
            let output = desk.run("data", &format!("{json}{line}"), &[&[PORT], numbers].concat());
            assert!(output.status.success());
            let text = out(&output) + &err(&output);
            assert!(!text.contains(PASSWORD) && !text.contains("second value"), "{line}: {text}");
        }
    }

    // Revert, delete, undelete.
    assert_eq!(desk.json("data", "port revert --yes", &[PORT, "2"])["revision"], 4);
    assert_eq!(desk.json("data", "port reveal", &[PORT, path])["value"], PASSWORD);
    desk.fails("data", "port revert", &[PORT, "9"], 3, "not_found");
    desk.fails("data", "port revert", &[PORT, "1", "--if-revision", "1"], 7, "revision_conflict");
    desk.json("data", "port delete --yes", &[PORT]);
    assert_eq!((count("port list"), count("port list --deleted")), (all - 1, 1));
    desk.fails("data", "port set", &[PORT, "RetryCount=1"], 4, "refused");
    desk.json("data", "port undelete", &[PORT]);
    assert_eq!(count("port list"), all);

    // Fill: a list with a row that fits nothing fills nothing.
    let rest = desk.json("data", "port missing", &[]);
    let mut csv = "application,port,property,user,value\n".to_owned();
    for one in rest["missing"].as_array().unwrap() {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        csv += &format!(
            "\"{}\",\"{}\",\"{}\",,\"v4lue\"\n",
            text("application"),
            text("name"),
            text("property")
        );
    }
    desk.file("bad.csv", &format!("{csv},Nobody,Password,,v4lue\n"));
    desk.file("good.csv", &csv);
    let message = desk.fails("data", "port fill --csv bad.csv", &[], 4, "refused");
    assert!(message.contains("Nobody") && !message.contains("v4lue"), "{message}");
    assert_eq!(desk.json("data", "port missing", &[]), rest);
    let filled = desk.json("data", "port fill --csv good.csv", &[]);
    assert_eq!(
        (&filled["filled"], &filled["still_missing"]),
        (&rest["missing"].as_array().unwrap().len().into(), &0.into())
    );
    assert_eq!(desk.json("data", "port missing", &[])["missing"], Value::Array(vec![]));

    // Export: masked by default, over nothing.
    let exported = desk.json("data", "port export --out masked", &[]);
    assert_eq!((&exported["files"][0]["name"], &exported["secrets"]), (&FILE.into(), &"mask".into()));
    let masked = fs::read_to_string(desk.path("masked").join(FILE)).unwrap();
    assert!(!masked.contains(PASSWORD) && !masked.contains("v4lue"));
    desk.fails("data", "port export --out masked", &[], 7, "already_exists");
    desk.json(
        "data",
        "port export --secrets include --yes --out open --document",
        &[document["id"].as_str().unwrap()],
    );
    assert!(fs::read_to_string(desk.path("open").join(FILE)).unwrap().contains("v4lue"));

    // Backup: create, inspect, drill, restore.
    desk.fails("data", "backup create first.sealport --passphrase-file backup", &[], 7, "already_exists");
    let made = desk.json("data", "backup create b.sealport --passphrase-file backup", &[]);
    assert!(made["proven"]["records_opened"].as_u64().unwrap() > 0);
    let seen = desk.json("nothing here", "backup inspect b.sealport", &[]);
    assert_eq!((&seen["header"], &seen["proven"]), (&made["header"], &Value::Null));
    desk.json("nothing here", "backup drill b.sealport --passphrase-file backup", &[]);
    desk.fails("data", "backup drill b.sealport --passphrase-file wrong", &[], 6, "wrong_passphrase");
    let restore = "backup restore b.sealport --custody passphrase --custody-passphrase-file custody";
    let wrong = format!("{restore} --passphrase-file wrong");
    let right = format!("{restore} --passphrase-file backup");
    desk.fails("new", &wrong, &[], 6, "wrong_passphrase");
    assert_eq!(desk.json("new", "status", &[])["state"], "no_system");
    desk.fails("data", &right, &[], 4, "system_exists");
    let damaged = fs::read_to_string(desk.path("b.sealport")).unwrap().replacen("Hub", "Hop", 1);
    fs::write(desk.path("damaged.sealport"), damaged).unwrap();
    desk.fails("new", &right.replace("b.sealport", "damaged.sealport"), &[], 6, "integrity");
    let before = (desk.json("data", "port list", &[]), desk.json("data", "port history", &[PORT]));
    // The machine is lost; the file and its passphrase are left.
    fs::remove_dir_all(desk.path("data")).unwrap();
    let restored = desk.json("new", &right, &[]);
    assert_eq!(restored["ports"], all);
    let after = (desk.json("new", "port list", &[]), desk.json("new", "port history", &[PORT]));
    assert_eq!(after, before);
    assert_eq!(desk.json("new", "port reveal", &[PORT, path])["value"], PASSWORD);

    // The trail, newest first, unbroken, without a value.
    let trail = desk.json("new", "audit list", &[]);
    assert_eq!(trail["broken_at"], Value::Null);
    let keys = [
        ("seq", "number"),
        ("at", "text"),
        ("who", "text"),
        ("origin", "text"),
        ("act", "text"),
        ("object", "text"),
    ];
    let entries = trail["entries"].as_array().unwrap();
    entries.iter().for_each(|entry| expect_keys(entry, &keys));
    assert!(entries[0]["act"] == "port.reveal" && entries[1]["act"] == "backup.restore");
    assert!(!trail.to_string().contains(PASSWORD) && !trail.to_string().contains("v4lue"));
    assert_eq!(desk.json("new", "audit list --limit 2", &[])["entries"].as_array().unwrap().len(), 2);
}

/// A disk that takes no more bytes, as a limit on the length of files: the write fails in the middle. Sabotage: the
/// temporary file kept.
#[test]
fn a_backup_that_does_not_fit_leaves_nothing() {
    let desk = Desk::new();
    desk.json(
        "data",
        "init --name Hub --custody passphrase --custody-passphrase-file custody --backup-later",
        &[],
    );
    desk.json("data", "port import", &[FILE]);
    let program = env!("CARGO_BIN_EXE_sealport");
    let line = format!(
        "trap '' XFSZ; ulimit -f 64; exec {program} --json backup create b.sealport --passphrase-file backup"
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(desk.path(""))
        .env("SEALPORT_DATA_DIR", desk.path("data"))
        .env("SEALPORT_CUSTODY_PASSPHRASE_FILE", desk.path("custody"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{}{}", out(&output), err(&output));
    assert_eq!(names_in(&desk.path("")), [FILE, "backup", "custody", "data", "wrong"]);
    assert_eq!(desk.json("data", "status", &[])["backup"]["proven_age_seconds"], Value::Null);
}

/// Sabotage: the status answered without a try of the passphrase.
#[test]
fn unlock_takes_the_passphrase_of_the_custody_and_no_other() {
    let desk = Desk::new();
    desk.json(
        "data",
        "init --name Hub --custody passphrase --custody-passphrase-file custody --backup-later",
        &[],
    );
    assert_eq!(desk.json("data", "unlock --passphrase-file custody", &[])["state"], "synced");
    assert_eq!(
        desk.json_with("data", "unlock --passphrase-file -", &[], "custody words\n")["state"],
        "synced"
    );
    desk.fails("data", "unlock --passphrase-file wrong", &[], 6, "wrong_passphrase");
    desk.fails("nothing", "unlock --passphrase-file custody", &[], 4, "no_system");
    desk.file("custody", "another passphrase\n");
    desk.fails("data", "port list", &[], 6, "wrong_passphrase");
    let status = desk.json("data", "status", &[]);
    assert_eq!(
        (&status["state"], &status["sealing"]["code"]),
        (&"no_secret".into(), &"wrong_passphrase".into())
    );
}

/// In the real Secret Service: each command is a process of its own, as after a restart.
#[cfg(target_os = "linux")]
#[test]
fn the_master_secret_rests_in_the_real_keyring() {
    let mut desk = Desk::new();
    let keyring = Rc::new(keyring::Keyring::start(keyring::Start::Unlocked));
    desk.furnish = Box::new({
        let keyring = Rc::clone(&keyring);
        move |command| {
            keyring.give(command);
            command.env_remove("SEALPORT_CUSTODY_PASSPHRASE_FILE");
        }
    });
    let made = desk.json("data", "init --name Hub --backup b.sealport --passphrase-file backup", &[]);
    assert_eq!(made["custody"], "keyring");
    let system = made["system"]["id"].as_str().unwrap();
    desk.json("data", "port import", &[FILE]);
    let before = desk.json("data", "port show", &[PORT]);
    desk.json("data", "backup create full.sealport --passphrase-file backup", &[]);
    assert!(!names_in(&desk.path("data")).contains(&"custody.age".to_owned()));
    // Beside it on the same machine: the same item serves both, and a failed restore takes nothing away.
    let restore = "backup restore full.sealport --passphrase-file backup";
    desk.fails("wrong one", &restore.replace("file backup", "file wrong"), &[], 6, "wrong_passphrase");
    // Its settings can't be written, which is after the secret went into the keyring.
    fs::create_dir_all(desk.path("blocked/sealport.toml/x")).unwrap();
    let blocked = desk.run("blocked", restore, &[]);
    // Sabotage: `custody.remove()` for whatever was there before, and the system in `data` has lost its secret.
    assert!(!blocked.status.success());
    assert_eq!(desk.json("data", "port show", &[PORT]), before);
    desk.json("second", restore, &[]);
    assert_eq!(desk.json("second", "port show", &[PORT])["properties"], before["properties"]);

    // Somebody deletes the item: told as such, and nothing is made in its place.
    let mut clear = Command::new("secret-tool");
    clear.args(["clear", "service", "sealport", "username", system]);
    keyring.give(&mut clear);
    let cleared = clear.output().expect("this test needs `secret-tool`: apt-get install libsecret-tools");
    assert!(cleared.status.success(), "{}", err(&cleared));
    let message = desk.fails("data", "port show", &[PORT], 8, "keyring_missing");
    assert!(message.contains("belongs to system") && message.contains(system), "{message}");
    desk.fails("data", "port import", &[FILE], 8, "keyring_missing");
    let status = desk.json("data", "status", &[]);
    assert_eq!(
        (&status["state"], &status["sealing"]["code"]),
        (&"no_secret".into(), &"keyring_missing".into())
    );
    desk.json("third", restore, &[]);
    assert_eq!(desk.json("third", "port show", &[PORT])["properties"], before["properties"]);
}
