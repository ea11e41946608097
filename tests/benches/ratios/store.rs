//! What goes to the disk: imports, saves one by one and in a batch, beside SQLite alone.

use std::{fs::File, hint::black_box, io::Write, path::Path};

use quick_xml::{Reader, events::Event};
use rusqlite::{Connection, params, types::Value};
use sealport_core::{
    api::{Assignment, CustodyChoice, FillRow, Request, Response},
    port::{Document, Limits},
    secret::{SecretText, Wiped},
};
use sealport_node::engine::Engine;

use super::{
    system::{self, ask, file, import_file},
    table::{Clock, Goal, Sample, Table, against, seconds, spent},
};

const IMPORTS: usize = 3;
const SAVES: usize = 300;
const BATCH: usize = 256;

/// Reading and importing a file of many ports into the empty system of `folder`.
pub fn measure_import(table: &mut Table, engine: &Engine, folder: &Path, text: &str) {
    let quick_xml = || {
        let mut reader = Reader::from_str(text);
        while !matches!(black_box(reader.read_event()).expect("well-formed"), Event::Eof) {}
    };
    // A file is Sealport's own when it is read.
    let mut files: Vec<_> = (0..7).map(|_| Wiped::new(text.as_bytes().to_vec())).collect();
    let read = || {
        let file = files.pop().expect("one for each round");
        drop(black_box(Document::read(file, &Limits::default()).expect("a binding file")));
    };
    let (ours, peer) = against(Clock::Thread, 7, 1, read, quick_xml);
    let peer = ("quick-xml alone", peer.median());
    table.row("read a file of 10,000 ports", ours.median(), Some(peer), Goal::Ratio(2.0));

    let request = file("a.xml", text);
    let planned = seconds(Clock::Process, || drop(import_file(engine, request, true)));
    table.row("plan and seal 10,000 ports (dry run)", planned, Some(peer), Goal::None);

    // The same import into a new system each time, and the rows that it wrote into a bare database after it.
    let [mut work, mut wait, mut bare_work, mut bare_wait] = [(); 4].map(|()| Sample::default());
    for round in 0..IMPORTS {
        let place = folder.join(format!("import-{round}"));
        let other = (round > 0).then(|| {
            let engine = system::open(&place);
            system::init(&engine, CustodyChoice::Passphrase { passphrase: system::passphrase() });
            engine
        });
        let (engine, folder) = other.as_ref().map_or((engine, folder), |other| (other, place.as_path()));
        let request = file("a.xml", text);
        let ours = spent(|| assert_eq!(import_file(engine, request, false).created, 10_000));
        let rows = rows(folder);
        let bare = spent(|| insert_all(&folder.join("raw.db"), &rows));
        work.add(ours.process);
        wait.add(ours.wall);
        bare_work.add(bare.process);
        bare_wait.add(bare.wall);
    }
    let name = "the same rows into SQLite";
    let peer = Some((name, bare_wait.median()));
    table.row("import 10,000 ports to disk", wait.median(), peer, Goal::Ratio(2.0));
    let peer = Some((name, bare_work.median()));
    table.row("import 10,000 ports to disk: processor time", work.median(), peer, Goal::None);
}

/// Saves of one port, and fills of many, in the system that `measure_import` filled.
pub fn measure_saves(table: &mut Table, engine: &Engine, folder: &Path) {
    let Response::Ports(ports) =
        ask(engine, Request::PortList { filter: Default::default(), offset: 0, limit: Some(1) })
    else {
        panic!("a list answers with ports")
    };
    let id = ports.ports[0].id.to_string();
    let bare = bare(&folder.join("saves.db"));
    let alike = alike(&folder.join("alike.db"));
    let mut log = File::create(folder.join("log")).expect("a file");
    let row = vec![0x55; 4096];
    let [mut saves, mut inserts, mut rows, mut syncs] = [(); 4].map(|()| Sample::default());
    for number in 0..SAVES {
        let changes = vec![Assignment {
            path: "Description".to_owned(),
            value: SecretText::new(format!("Save {number}")),
        }];
        let save = Request::PortSet {
            port: id.clone(),
            changes,
            if_revision: None,
            if_imprint: None,
            note: None,
            dry_run: false,
        };
        saves.add(seconds(Clock::Wall, || drop(ask(engine, save))));
        inserts.add(seconds(Clock::Wall, || insert(&bare, number, &row)));
        rows.add(seconds(Clock::Wall, || save_alike(&alike, number, &row)));
        syncs.add(seconds(Clock::Wall, || {
            log.write_all(&row[..1024]).expect("room");
            log.sync_data().expect("a disk");
        }));
    }
    table.row("bare fdatasync of 1 KiB, p50", syncs.median(), None, Goal::None);
    for (name, share, most) in [("p50", 0.5, 1.5), ("p99", 0.99, 3.0)] {
        let peer = Some(("one insert", inserts.at(share)));
        table.row(&format!("durable save, {name}"), saves.at(share), peer, Goal::Ratio(most));
        let peer = Some(("the same rows bare", rows.at(share)));
        table.row(&format!("durable save, {name}"), saves.at(share), peer, Goal::Ratio(most));
    }
    measure_batch(table, engine, &bare, &row);
}

fn measure_batch(table: &mut Table, engine: &Engine, bare: &Connection, row: &[u8]) {
    let Response::Missing(missing) = ask(engine, Request::PortMissing) else {
        panic!("the answer lists what is missing")
    };
    let (mut fills, mut inserts) = (Sample::default(), Sample::default());
    for (round, batch) in missing.missing.chunks_exact(BATCH).take(7).enumerate() {
        let rows = batch.iter().map(|missing| FillRow {
            application: missing.application.clone(),
            port: missing.port.clone(),
            property: missing.property.clone(),
            user: String::new(),
            value: SecretText::new("a secret".to_owned()),
        });
        let fill = Request::PortFill { rows: rows.collect(), dry_run: false };
        fills.add(seconds(Clock::Wall, || drop(ask(engine, fill))) / BATCH as f64);
        let commit = || {
            bare.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
            (0..BATCH).for_each(|n| insert(bare, (round + 1) * 10_000 + n, row));
            bare.execute_batch("COMMIT").expect("a disk");
        };
        inserts.add(seconds(Clock::Wall, commit) / BATCH as f64);
    }
    let peer = Some(("256 inserts in one commit", inserts.median()));
    table.row("fill one of 256 secrets in a batch", fills.median(), peer, Goal::None);
}

/// The rows of the records that an import wrote, as SQLite gives them.
fn rows(folder: &Path) -> Vec<Vec<Value>> {
    let connection = Connection::open(folder.join("sealport.db")).expect("the database of the system");
    let mut query = connection.prepare("SELECT * FROM record").expect("its table");
    let rows = query.query_map([], |row| (0..9).map(|column| row.get(column)).collect());
    rows.expect("rows").collect::<Result<_, _>>().expect("rows")
}

fn insert_all(file: &Path, rows: &[Vec<Value>]) {
    let connection = bare(file);
    connection.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let mut insert = connection.prepare("INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?)").expect("its table");
    for row in rows {
        insert.execute(rusqlite::params_from_iter(row)).expect("room");
    }
    connection.execute_batch("COMMIT").expect("a disk");
}

fn insert(connection: &Connection, number: usize, envelope: &[u8]) {
    let id = (number as u128).to_be_bytes();
    connection
        .prepare_cached("INSERT INTO record VALUES (?, 'send_port', 'A', ?, 1, 1, 1, x'00', ?)")
        .and_then(|mut insert| insert.execute(params![id, format!("port {number}"), envelope]))
        .expect("room");
}

/// A database with the settings and the main table of ours, and nothing else.
fn bare(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a new file");
    connection
        .execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE record (id BLOB NOT NULL UNIQUE, kind TEXT, application TEXT, name TEXT, revision INTEGER,
               key_version INTEGER, generation INTEGER, summary BLOB, envelope BLOB) STRICT;
             CREATE UNIQUE INDEX record_identity ON record (application, name, kind) WHERE kind <> 'document';",
        )
        .expect("a new database");
    connection
}

/// A database with the tables that a save writes, and one record in it.
fn alike(file: &Path) -> Connection {
    let connection = bare(file);
    connection
        .execute_batch(
            "CREATE INDEX record_generation ON record (generation);
             CREATE TABLE former (id BLOB, revision INTEGER, key_version INTEGER, generation INTEGER, envelope BLOB,
               PRIMARY KEY (id, revision)) STRICT;
             CREATE INDEX former_generation ON former (generation);
             CREATE TABLE audit (seq INTEGER PRIMARY KEY, at INTEGER, who TEXT, origin TEXT, act TEXT, object TEXT,
               detail TEXT, hash TEXT) STRICT;
             CREATE TABLE system (one INTEGER PRIMARY KEY, generation INTEGER) STRICT;
             INSERT INTO system VALUES (1, 1);",
        )
        .expect("a new database");
    insert(&connection, 0, &[0x55; 4096]);
    connection
}

/// What a save must write, in one transaction: the former revision, the new one, the audit entry, the generation.
fn save_alike(connection: &Connection, number: usize, envelope: &[u8]) {
    let id = 0_u128.to_be_bytes();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).expect("room");
    };
    connection.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    run(
        "INSERT INTO former SELECT id, revision, key_version, generation, envelope FROM record WHERE id = ?",
        &[&id],
    );
    run(
        "UPDATE record SET revision = ?, generation = ?, summary = ?, envelope = ? WHERE id = ?",
        &[&(number + 2), &(number + 2), &&envelope[..400], &envelope, &id],
    );
    run(
        "INSERT INTO audit VALUES (?, 1700000000000, 'bench', 'command line', 'port.edit', ?, 'Description', ?)",
        &[&(number + 1), &"send port Ticketing.Sales.ToLedger (A)", &"5f".repeat(32)],
    );
    run("UPDATE system SET generation = ?", &[&(number + 2)]);
    connection.execute_batch("COMMIT").expect("a disk");
}

/// What opening a passphrase custody costs by itself: it is in no other figure.
pub fn measure_custody(table: &mut Table, folder: &Path) {
    let file = folder.join("custody.age");
    let custody = sealport_node::custody::Custody::Passphrase { file, passphrase: system::passphrase() };
    let mut sample = Sample::default();
    for _ in 0..3 {
        sample.add(seconds(Clock::Process, || drop(custody.load().expect("it was stored"))));
    }
    table.row("open a passphrase custody (scrypt 2^17)", sample.median(), None, Goal::None);
}
