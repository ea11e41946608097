//! A rotation of the master secret over many records, beside a bare loop of open, seal and batched write on a copy of the same
//! database; and what opening a port costs meanwhile.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use sealport_core::{
    api::{CustodyChoice, LocalPath, PortFilter, Request, Response},
    bundle::Bundle,
    id::{KeyVersion, RecordId, Revision},
    record::RecordKind,
    seal::{Context, Keys, SealedKind},
};
use sealport_node::{config::Config, custody::Custody, engine::Engine};

use super::{
    system::{ask, binding_file, import, init, passphrase},
    table::{Clock, Goal, Sample, Table, seconds},
};

const FILES: usize = 4;
const PORTS: usize = 10_000;
/// Parts in one transaction of the bare loop.
const BATCH: usize = 1_000;

pub fn measure(table: &mut Table, folder: &Path) {
    let place = folder.join("rotation");
    let config =
        Config { data_dir: place.clone(), custody_passphrase: Some(passphrase()), interactive: false };
    let engine = Engine::shared(config).expect("a data directory that opens");
    init(&engine, CustodyChoice::Passphrase { passphrase: passphrase() });
    for number in 0..FILES {
        let text = binding_file(PORTS, &format!("R{number}"));
        assert_eq!(import(&engine, &format!("{number}.xml"), &text, false).created, PORTS as u64);
    }
    let copy = folder.join("copy.db");
    connect(&place.join("sealport.db")).execute("VACUUM INTO ?", [copy.to_str()]).expect("room");
    let Response::Ports(list) = ask(
        engine.as_ref(),
        Request::PortList { filter: PortFilter::default(), offset: 0, limit: Some(500) },
    ) else {
        panic!("a list answers with ports")
    };
    let ids: Vec<String> = list.ports.iter().map(|port| port.id.to_string()).collect();

    let idle = opens(&engine, &ids, |begun| begun.elapsed() < Duration::from_secs(3));
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (engine, ids, over) = (engine.clone(), ids.clone(), over.clone());
        let database = place.join("sealport.db");
        thread::spawn(move || {
            let database = connect(&database);
            while phase(&database) != "resealing" {
                thread::sleep(Duration::from_millis(1));
            }
            opens(&engine, &ids, |_| !over.load(Ordering::Relaxed))
        })
    };
    let file = LocalPath(folder.join("rotation.sealport").display().to_string());
    ask(engine.as_ref(), Request::SecretRotate { file, passphrase: passphrase(), reminder: None });
    let database = connect(&place.join("sealport.db"));
    let until = |wanted: &[&str]| {
        while !wanted.contains(&phase(&database).as_str()) {
            thread::sleep(Duration::from_millis(1));
        }
        Instant::now()
    };
    let begun = until(&["resealing"]);
    // The last step before is custody's own, with its scrypt; what is measured is the sealing.
    let parts: u64 = database
        .query_row("SELECT total FROM rotation ORDER BY version DESC LIMIT 1", [], |row| row.get(0))
        .expect("a rotation");
    // Counting what is left would take the processor from those who are measured.
    while phase(&database) == "resealing" {
        thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let busy = reader.join().expect("it reads");
    until(&["done"]);

    let bare = bare_loop(&copy, &place);
    let each = took / parts as f64;
    let rate = parts as f64 / took;
    let name = format!("rotation: one of {parts} parts ({rate:.0} a second)");
    let peer = ("a bare loop of open, seal, batched write", bare / parts as f64);
    // Both goals of docs/performance.md.
    table.row(&name, each, Some(peer), Goal::Ratio(1.5));
    table.row("rotation: the same, by its time alone", each, None, Goal::Seconds(1.0 / 20_000.0));
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let peer = Some(("the same when idle", idle.at(share)));
        table.row(&format!("open a port during a rotation, {name}"), busy.at(share), peer, Goal::Ratio(2.0));
    }
}

/// Opens one port after the other, a moment apart, as long as `on` says.
fn opens(engine: &Engine, ids: &[String], on: impl Fn(Instant) -> bool) -> Sample {
    let begun = Instant::now();
    let mut sample = Sample::default();
    for port in ids.iter().cycle() {
        if !on(begun) {
            break;
        }
        let show = Request::PortShow { port: port.clone(), revision: None };
        sample.add(seconds(Clock::Wall, || drop(ask(engine, show))));
        thread::sleep(Duration::from_millis(1));
    }
    sample
}

fn connect(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a database");
    connection.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        .expect("the settings of ours");
    connection
}

fn phase(database: &Connection) -> String {
    database
        .query_row("SELECT phase FROM rotation ORDER BY version DESC LIMIT 1", [], |row| row.get(0))
        .unwrap_or_default()
}

/// The least that must be done: every envelope opened and sealed, and written a batch at a time, on one thread.
fn bare_loop(file: &Path, place: &Path) -> f64 {
    let custody = Custody::Passphrase { file: place.join("custody.age"), passphrase: passphrase() };
    let text = custody.load().expect("it was stored");
    let mut bundle = Bundle::from_text(std::str::from_utf8(&text).expect("text")).expect("a bundle");
    assert!(bundle.activate(KeyVersion(2)));
    let keys = Keys::derive(&bundle);
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut database = connect(file);
    let begun = Instant::now();
    let mut after = 0_i64;
    loop {
        type Line = (i64, [u8; 16], String, String, u64, Vec<u8>, Vec<u8>);
        let lines: Vec<Line> = database
            .prepare_cached(
                "SELECT rowid, id, kind, application, revision, summary, envelope FROM record WHERE rowid > ? ORDER BY rowid LIMIT ?",
            )
            .expect("the table")
            .query_map(params![after, BATCH as u64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
            })
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("rows");
        let Some(last) = lines.last() else { break };
        after = last.0;
        let transaction = database.transaction().expect("no other writer");
        for (rowid, id, kind, application, revision, summary, envelope) in &lines {
            let kind = RecordKind::named(kind).expect("a kind of ours");
            let mut anew = |kind: SealedKind, envelope: &[u8]| {
                let context = Context {
                    record: RecordId::from_bytes(*id),
                    application,
                    kind,
                    revision: Revision(*revision),
                };
                let plain = keys.open(context, envelope).expect("it opens");
                keys.make_sealed(context, &plain, &mut rng)
            };
            let (summary, envelope) = (anew(kind.summary(), summary), anew(kind.body(), envelope));
            transaction
                .prepare_cached(
                    "UPDATE record SET key_version = 2, summary = ?, envelope = ? WHERE rowid = ?",
                )
                .and_then(|mut update| update.execute(params![summary, envelope, rowid]))
                .expect("room");
        }
        transaction.commit().expect("a disk");
    }
    let took = begun.elapsed().as_secs_f64();
    drop(database);
    fs::remove_file(file).expect("it is there");
    took
}
