//! Killed without warning, again and again: what was acknowledged is there, what was not is there whole or not at all.
//!
//! A child process (this binary again) writes and says so on standard output; the test kills it at random moments.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng};
use sealport_core::api::{Assignment, CustodyChoice, FirstBackup, PortFilter, Request};
use sealport_node::{config::Config, engine::Engine};
use sealport_tests::{
    system::{SendPort, binding, import_file, secret},
    view,
};

const DIR: &str = "SEALPORT_TEST_CRASH_DIR";
const CUSTODY: &str = "custody words";
const KILLS: usize = 30;
/// Ports in one import: all of them, or none.
const BATCH: usize = 40;

/// What is known to be written: the counter's last value, and the imports.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    counter: u64,
    batches: BTreeSet<u64>,
}

fn open(data_dir: &Path) -> Engine {
    let custody_passphrase = Some(secret(CUSTODY));
    Engine::open(Config { data_dir: data_dir.to_owned(), custody_passphrase, interactive: false }).unwrap()
}

fn import(name: &str, ports: usize, application: &str) -> Request {
    let names: Vec<String> = (0..ports).map(|number| format!("{name}{number}")).collect();
    let port = |name| SendPort { name, address: "ftp://h/", user: "u", password: Some("p") };
    let file = binding(application, &names.iter().map(|name| port(name.as_str())).collect::<Vec<_>>());
    let files = vec![import_file(&format!("{name}.xml"), file.as_bytes())];
    Request::PortImport { files, dry_run: false }
}

/// Reads everything back; a half import or a broken trail ends the test.
fn state(engine: &Engine) -> State {
    let port = view!(Port, engine, Request::PortShow { port: "Counter0".to_owned(), revision: None });
    let count = port.properties.iter().find(|property| property.path.ends_with("RetryCount")).unwrap();
    let counter: u64 = count.value.as_deref().unwrap().parse().unwrap();
    // Each value was one revision.
    assert_eq!(port.revision.0, counter - 2);
    let mut batches = BTreeSet::new();
    for document in view!(Documents, engine, Request::DocumentList).documents {
        let Some(number) = document.name.strip_prefix("Batch").and_then(|name| name.strip_suffix(".xml"))
        else {
            continue;
        };
        let filter = PortFilter { application: Some(format!("Batch {number}")), ..PortFilter::default() };
        let ports = view!(Ports, engine, Request::PortList { filter, offset: 0, limit: None });
        assert_eq!(ports.ports.len(), BATCH, "batch {number} is there by half");
        batches.insert(number.parse().unwrap());
    }
    let trail = view!(Audit, engine, Request::AuditList { before: None, limit: Some(1_000_000) });
    assert_eq!(trail.broken_at, None);
    let done = |act: &str| trail.entries.iter().filter(|entry| entry.act == act).count() as u64;
    assert_eq!((done("port.edit"), done("port.import")), (counter - 3, batches.len() as u64 + 1));
    State { counter, batches }
}

/// The child: opens, says what it finds, and writes until it is killed.
#[test]
fn child() {
    let Some(data_dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let mut out = std::io::stdout();
    let mut say = |text: String| {
        out.write_all(format!("\nack {text}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    };
    let engine = open(&data_dir);
    let mut state = state(&engine);
    let found: Vec<String> = state.batches.iter().map(u64::to_string).collect();
    say(format!("open {} {}", state.counter, found.join(" ")));
    loop {
        for _ in 0..4 {
            let changes = vec![Assignment {
                path: "RetryCount".to_owned(),
                value: secret(&(state.counter + 1).to_string()),
            }];
            let port = "Counter0".to_owned();
            let set = Request::PortSet {
                port,
                changes,
                if_revision: None,
                if_imprint: None,
                note: None,
                dry_run: false,
            };
            view!(Saved, &engine, set);
            state.counter += 1;
            say(format!("set {}", state.counter));
        }
        let number = state.batches.last().map_or(1, |last| last + 1);
        view!(Imported, &engine, import(&format!("Batch{number}"), BATCH, &format!("Batch {number}")));
        state.batches.insert(number);
        say(format!("batch {number}"));
    }
}

fn start(data_dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIR, data_dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Sabotage: acknowledge before the commit: the answer of `set` given and the transaction left to the next one, and the
/// counter falls back.
#[test]
fn what_was_acknowledged_survives_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let engine = open(&data_dir);
    let custody = CustodyChoice::Passphrase { passphrase: secret(CUSTODY) };
    let name = "Crash".to_owned();
    view!(Status, &engine, Request::Init { name, custody, backup: FirstBackup::Later });
    view!(Imported, &engine, import("Counter", 1, "Counter"));
    let mut known = state(&engine);
    drop(engine);
    let mut random = ChaCha20Rng::from_seed([42; 32]);
    let (mut acknowledged, mut in_flight) = (0, 0);
    for kill in 0..KILLS {
        let mut child = start(&data_dir);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Some die while they open what the one before left; the others a while after their first word.
        let early = kill % 6 == 5;
        let mut said = Vec::new();
        if !early {
            let first = lines.find(|line| line.starts_with("ack ")).expect("the child opened the system");
            said.push(first);
        }
        let wait = u64::from(random.next_u32()) % if early { 600_000 } else { 120_000 };
        std::thread::sleep(Duration::from_micros(wait));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(status.code().is_none(), "the child ended by itself: {status}");
        said.extend(lines.filter(|line| line.starts_with("ack ")));
        for line in said {
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            match words[0] {
                "open" => {
                    let batches = (2..words.len()).map(number).collect();
                    let found = State { counter: number(1), batches };
                    // One write may have been on its way, and that one alone.
                    assert!(found.batches.is_superset(&known.batches), "{found:?} after {known:?}");
                    let more = found.counter.checked_sub(known.counter).expect("no value is lost")
                        + (found.batches.len() - known.batches.len()) as u64;
                    assert!(more <= 1, "{found:?} after {known:?}");
                    in_flight += more;
                    known = found;
                }
                "set" => known.counter = number(1),
                _ => assert!(known.batches.insert(number(1))),
            }
            acknowledged += u64::from(words[0] != "open");
        }
        // SQLite's own opinion, on a copy: the next child must meet what the killed one left.
        let copy = folder.path().join(format!("copy{kill}"));
        fs::create_dir(&copy).unwrap();
        for name in ["sealport.db", "sealport.db-wal"] {
            let _ = fs::copy(data_dir.join(name), copy.join(name));
        }
        let database = rusqlite::Connection::open(copy.join("sealport.db")).unwrap();
        let answer: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(answer, "ok", "after kill {kill}");
        fs::remove_dir_all(&copy).unwrap();
    }
    let engine = open(&data_dir);
    let last = state(&engine);
    assert!(last.counter >= known.counter && last.batches.is_superset(&known.batches));
    let history = view!(History, &engine, Request::PortHistory { port: "Counter0".to_owned() });
    assert_eq!(history.revisions.len() as u64, last.counter - 2);
    assert!(acknowledged > 30, "the kills came too early to prove anything: {acknowledged}");
    println!(
        "{KILLS} kills, {acknowledged} acknowledged writes all there, {in_flight} more that were on their way"
    );
}
