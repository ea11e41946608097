//! Custody in a real Secret Service, in each of its states: every one has its own code and message, none hangs, and
//! nothing is made because something was not found.
//!
//! Each state is met by a child process (this binary again), since it is the environment that says which bus is used.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use keyring::{Keyring, Start};
use sealport_core::{Error, id::SystemId};
use sealport_node::custody::Custody;

#[path = "harness/keyring.rs"]
#[allow(dead_code, unreachable_pub, reason = "the end-to-end test uses what is not used here")]
mod keyring;

const ACT: &str = "SEALPORT_TEST_CUSTODY_ACT";
const BUNDLE: &[u8] = br#"{"secret":"not a real one"}"#;

/// What a child said of one act.
#[derive(Debug)]
struct Said {
    code: String,
    message: String,
    hint: String,
    took: Duration,
}

#[test]
fn unlocked_it_stores_reads_and_removes() {
    let keyring = Keyring::start(Start::Unlocked);
    let said = child(&keyring, "store load store-other load-other remove load remove");
    let codes: Vec<_> = said.iter().map(|said| said.code.as_str()).collect();
    assert_eq!(codes, ["ok", "ok", "ok", "ok", "ok", "KeyringMissing", "ok"]);
    // The item was taken away: this never reads as a first run.
    assert!(said[5].message.contains("belongs to system"), "{}", said[5].message);
    assert!(said[5].hint.contains("backup restore"), "{}", said[5].hint);
    println!("store with read back {:?}, load {:?}, remove {:?}", said[0].took, said[1].took, said[4].took);
}

#[test]
fn what_was_stored_outlives_the_daemon_and_locked_has_its_own_code() {
    let mut keyring = Keyring::start(Start::Unlocked);
    assert_eq!(child(&keyring, "store")[0].code, "ok");
    keyring.stop_daemon();
    keyring.start_daemon(Start::Locked);
    // Sabotage: without the look before the call this is KeyringMissing or KeyringDenied.
    let said = child(&keyring, "load store remove load-interactive");
    for said in &said[..3] {
        assert_eq!(said.code, "KeyringLocked", "{said:?}");
        assert!(said.message.contains("is locked") && said.hint.contains("Unlock"), "{said:?}");
    }
    // Asked to unlock by prompt, where nobody can show one.
    assert_eq!(said[3].code, "KeyringDenied", "{:?}", said[3]);
    keyring.stop_daemon();
    keyring.start_daemon(Start::Unlocked);
    assert_eq!(child(&keyring, "load")[0].code, "ok");
}

#[test]
fn no_collection_is_not_no_item() {
    let keyring = Keyring::start(Start::Locked);
    for said in child(&keyring, "load store remove") {
        assert_eq!(said.code, "KeyringMissing", "{said:?}");
        // Sabotage: without the look, load says that the item is missing.
        assert!(said.message.contains("no default collection"), "{said:?}");
    }
}

#[test]
fn no_service_is_told_and_trying_again_looks_afresh() {
    let mut keyring = Keyring::bus_only();
    // One process, which waits for a line before it tries again.
    let mut command = act("load wait store load");
    keyring.give(&mut command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let first = next(&mut lines);
    assert_eq!(first.code, "KeyringMissing");
    assert!(first.message.contains("nothing answers as Secret Service"), "{first:?}");
    keyring.start_daemon(Start::Unlocked);
    child.stdin.take().unwrap().write_all(b"again\n").unwrap();
    // Sabotage: keep the store of the first call in a static, and this says NoDefaultStore for ever.
    assert_eq!(next(&mut lines).code, "ok");
    assert_eq!(next(&mut lines).code, "ok");
    child.wait().unwrap();
}

#[test]
fn no_bus_is_told() {
    let keyring = Keyring::bus_only();
    let mut command = act("load store");
    keyring.give(&mut command);
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/none", keyring.home().display()));
    for said in said(&mut command) {
        assert_eq!(said.code, "KeyringMissing", "{said:?}");
        assert!(said.message.contains("no D-Bus session bus"), "{said:?}");
        assert!(said.hint.contains("--custody passphrase"), "{said:?}");
    }
}

#[test]
fn a_daemon_that_stopped_is_a_timeout_each_time_and_then_works_again() {
    let keyring = Keyring::start(Start::Unlocked);
    assert_eq!(child(&keyring, "store")[0].code, "ok");
    let mut command = act("load store load remove wait load");
    keyring.give(&mut command);
    keyring.freeze();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for _ in 0..4 {
        // Sabotage: call without the thread and its deadline, and this never ends.
        let said = next(&mut lines);
        assert_eq!(said.code, "KeyringTimeout", "{said:?}");
        assert!(said.took < Duration::from_secs(3), "{said:?}");
        println!("deadline 1 s, answered after {:?}", said.took);
    }
    keyring.thaw();
    child.stdin.take().unwrap().write_all(b"again\n").unwrap();
    // What gave up was told that nothing happened: the item is there and unchanged.
    assert_eq!(next(&mut lines).code, "ok");
    child.wait().unwrap();
}

/// The child: does what the variable says and tells what came of it, a line each.
#[test]
fn child_process() {
    let Ok(acts) = std::env::var(ACT) else { return };
    let system = SystemId::from_bytes([7; 16]);
    let custody = |interactive| Custody::Keyring { system, deadline: Duration::from_secs(1), interactive };
    for act in acts.split(' ') {
        if act == "wait" {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            continue;
        }
        let start = Instant::now();
        let result = match act {
            "store" => custody(false).store(BUNDLE),
            "store-other" => custody(false).store(b"other"),
            "load" => custody(false).load().map(|bundle| assert_eq!(*bundle, BUNDLE)),
            "load-other" => custody(false).load().map(|bundle| assert_eq!(*bundle, b"other")),
            "load-interactive" => custody(true).load().map(drop),
            "remove" => custody(false).remove(),
            other => panic!("no act {other}"),
        };
        tell(result, start.elapsed());
    }
}

fn tell(result: Result<(), Error>, took: Duration) {
    let (code, message, hint) = match result {
        Ok(()) => ("ok".to_owned(), String::new(), String::new()),
        Err(error) => (format!("{:?}", error.code), error.message, error.hint),
    };
    println!("\nSAID|{code}|{message}|{hint}|{}", took.as_millis());
}

fn act(acts: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_process", "--nocapture", "--test-threads=1"]).env(ACT, acts);
    command
}

fn child(keyring: &Keyring, acts: &str) -> Vec<Said> {
    let mut command = act(acts);
    keyring.give(&mut command);
    let said = said(&mut command);
    assert_eq!(said.len(), acts.split(' ').count(), "the child ended early: {said:?}");
    said
}

fn said(command: &mut Command) -> Vec<Said> {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect()
}

fn next(lines: &mut impl Iterator<Item = String>) -> Said {
    lines.find_map(|line| parse(&line)).expect("the child says what came of the act")
}

fn parse(line: &str) -> Option<Said> {
    let mut parts = line.strip_prefix("SAID|")?.split('|').map(str::to_owned);
    let (code, message, hint) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Said { code, message, hint, took: Duration::from_millis(parts.next()?.parse().ok()?) })
}
