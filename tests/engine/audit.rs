//! The trail: one table over every request of the contract says what each leaves in it.

use std::{
    thread,
    time::{Duration, Instant},
};

use sealport_core::{
    api::{AuditView, ImportFile, NodeRole, RotationAct},
    backup::AuditLine,
    time::Timestamp,
};
use sealport_node::store::{Act, Change, InviteRow, NodeChange, Store};

use super::*;

/// What a request leaves in the trail when it succeeds. A new request does not compile until it has a row here.
fn leaves(request: &Request) -> &'static [&'static str] {
    match request {
        Request::Status
        | Request::Unlock { .. }
        | Request::DocumentList
        | Request::PortList { .. }
        | Request::PortShow { .. }
        | Request::PortMissing
        | Request::PortHistory { .. }
        | Request::PortDiff { .. }
        | Request::BackupInspect { .. }
        | Request::AuditList { .. }
        | Request::NodeList
        | Request::PromotePreflight { .. }
        | Request::StrandedList
        | Request::StrandedShow { .. }
        | Request::SecretList
        | Request::SecretRotation
        | Request::AlertList
        | Request::AlertTest
        | Request::ConfigGet { .. } => &[],
        Request::PortImport { dry_run: true, .. }
        | Request::PortSet { dry_run: true, .. }
        | Request::PortFill { dry_run: true, .. } => &[],
        Request::Init { backup: FirstBackup::Later, .. } => &["system.init", "backup.later"],
        Request::Init { backup: FirstBackup::Now { .. }, .. } => &["system.init", "backup.create"],
        Request::PortImport { .. } => &["port.import"],
        Request::PortSet { .. } => &["port.edit"],
        Request::PortMark { .. } => &["port.mark"],
        Request::PortReveal { .. } => &["port.reveal"],
        Request::PortFill { .. } => &["port.fill"],
        Request::PortExport { .. } => &["port.export"],
        Request::PortRevert { .. } => &["port.revert"],
        Request::PortDelete { .. } => &["port.delete"],
        Request::PortUndelete { .. } => &["port.undelete"],
        Request::BackupCreate { .. } => &["backup.create"],
        Request::BackupDrill { .. } => &["backup.drill"],
        Request::BackupRestore { .. } => &["backup.restore"],
        Request::NodeInvite { .. } => &["node.invite"],
        Request::NodeRevoke { .. } => &["node.revoke"],
        Request::NodeRename { .. } => &["node.rename"],
        Request::NodeSeparate { .. } => &["node.separate"],
        Request::ConfigSet { .. } => &["config.set"],
        // Changes of master need several processes: `promotion.rs` looks for these.
        Request::Promote { .. } => &["master.promote"],
        Request::StrandedAccept { .. } => &["stranded.accept"],
        Request::StrandedDiscard { .. } => &["stranded.discard"],
        // What a rotation does after it was begun leaves entries of its own; `rotation.rs` looks for these.
        Request::SecretRotate { .. } => &["secret.prepare", "backup.create"],
        Request::SecretSteer { steer: RotationAct::Pause } => &["rotation.pause"],
        Request::SecretSteer { steer: RotationAct::Resume } => &["rotation.resume"],
        Request::SecretSteer { steer: RotationAct::Cancel } => &["rotation.cancel"],
        Request::SecretDestroy { .. } => &["secret.destroy"],
        // On the master that lets the node in; shown with real processes in `fleet.rs`.
        Request::Join { .. } => &["node.join", "secret.issue"],
    }
}

const VALUES: [&str; 4] = ["v4lue-set", "v4lue-filled", "v4lue-imported", PASSPHRASE];

fn trail(engine: &Engine) -> Vec<AuditView> {
    let mut view = match ask(engine, Request::AuditList { before: None, limit: Some(100_000) }) {
        Ok(Response::Audit(view)) => view,
        _ => return Vec::new(),
    };
    assert_eq!(view.broken_at, None);
    view.entries.reverse();
    view.entries
}

fn file() -> ImportFile {
    let port = |name, password| SendPort { name, address: "ftp://h/", user: "u", password };
    let text = binding("Trail", &[port("P", Some("v4lue-imported")), port("Q", None)]);
    import_file("trail.xml", text.as_bytes())
}

fn document(engine: &Engine) -> Option<RecordId> {
    let documents = view!(Documents, engine, Request::DocumentList).documents;
    documents.iter().find(|document| document.name == "trail.xml").map(|document| document.id)
}

fn create(file: &Path) -> Request {
    let passphrase = secret(PASSPHRASE);
    Request::BackupCreate { file: local(file), passphrase, reminder: None, secret_only: false }
}

/// What changes, reveals or lets something out, in an order in which each succeeds.
fn acts(home: &Home, document: Option<RecordId>) -> Vec<Request> {
    let port = || "P".to_owned();
    vec![
        set("P", "Password", "v4lue-set", None),
        Request::PortMark {
            port: port(),
            path: "Address".to_owned(),
            secret: true,
            if_revision: None,
            if_imprint: None,
        },
        reveal("P", "Password"),
        fill(&[("Q", "", "v4lue-filled")]),
        export(&home.path("out"), ExportSecrets::Include, document),
        Request::PortRevert { port: port(), to: Revision(1), if_revision: None, if_imprint: None },
        Request::PortDelete { port: port(), if_revision: None, if_imprint: None },
        Request::PortUndelete { port: port(), if_revision: None, if_imprint: None },
    ]
}

/// What is done about nodes and settings, in an order in which each succeeds. A second node is put into the registry.
fn node_acts(home: &Home) -> Vec<Request> {
    let database = rusqlite::Connection::open(home.data_dir().join("sealport.db")).unwrap();
    database
        .execute_batch(
            "INSERT INTO node VALUES (randomblob(16), 'SECOND', 'standby', 0, 0, randomblob(32), NULL, '0', 1, 1, 0, 1)",
        )
        .unwrap();
    let second = || "SECOND".to_owned();
    vec![
        Request::NodeInvite { name: "THIRD".to_owned(), role: NodeRole::Processing, administrator: false },
        Request::NodeRename { node: second(), name: "second".to_owned() },
        Request::NodeRevoke { node: second() },
        Request::NodeList,
        Request::AlertList,
        Request::ConfigSet { key: "sync_interval".to_owned(), value: "5s".to_owned() },
        Request::ConfigGet { key: None },
    ]
}

#[test]
fn each_act_leaves_one_entry_without_a_value() {
    let home = Home::new();
    let engine = home.open();
    let backup = home.path("b.sealport");
    let run = |engine: &Engine, request: Request| {
        let expected = leaves(&request);
        let words = format!("{request:?}");
        let before = trail(engine).len();
        let answer = ask(engine, request).unwrap_or_else(|error| panic!("{words}: {error}"));
        let entries = trail(engine);
        // A restored trail brings its entries along; only what came after them counts.
        let new = if matches!(answer, Response::Restored(_)) { entries.len() - 1 } else { before };
        let acts: Vec<_> = entries[new..].iter().map(|entry| entry.act.as_str()).collect();
        assert_eq!(acts, expected, "{words}");
        for entry in &entries[new..] {
            assert!(!entry.object.is_empty() && entry.origin == "command line" && entry.who == "tester");
            let text = serde_json::to_string(entry).unwrap();
            // Sabotage: the value put into the detail of `port.reveal`.
            assert!(VALUES.iter().all(|value| !text.contains(value)), "{text}");
        }
    };
    run(&engine, init());
    run(&engine, Request::PortImport { files: vec![file()], dry_run: true });
    run(&engine, Request::PortImport { files: vec![file()], dry_run: false });
    for request in acts(&home, document(&engine)) {
        run(&engine, request);
    }
    let (port, path) = ("P".to_owned(), "RetryCount".to_owned());
    let changes = vec![Assignment { path, value: secret("7") }];
    let dry_run = true;
    run(
        &engine,
        Request::PortSet { port, changes, if_revision: None, if_imprint: None, note: None, dry_run },
    );
    run(&engine, Request::PortFill { rows: vec![], dry_run });
    run(&engine, create(&backup));
    run(&engine, Request::BackupInspect { file: local(&backup) });
    run(&engine, Request::BackupDrill { file: local(&backup), passphrase: secret(PASSPHRASE) });
    for request in [
        Request::Status,
        Request::Unlock { passphrase: secret(CUSTODY) },
        Request::DocumentList,
        list(PortFilter::default()),
        show("P"),
        Request::PortMissing,
        history("P"),
        Request::PortDiff { port: "P".to_owned(), from: Revision(1), to: Revision(2) },
        Request::AuditList { before: None, limit: None },
    ] {
        run(&engine, request);
    }
    for request in node_acts(&home) {
        run(&engine, request);
    }
    let other = Home::new();
    let passphrase = secret(PASSPHRASE);
    run(&other.open(), Request::BackupRestore { file: local(&backup), passphrase, custody: custody() });
}

/// A trigger refuses every entry: then nothing may happen, since entry and act are one transaction.
#[test]
fn without_its_entry_nothing_is_done_and_nothing_gets_out() {
    let engine = Engine::explore().unwrap();
    let home = Home::new();
    view!(Imported, &engine, Request::PortImport { files: vec![file()], dry_run: false });
    let id = document(&engine);
    let before = everything(&engine);
    let status = view!(Status, &engine, Request::Status);
    let database = rusqlite::Connection::open(Path::new(&status.data_dir).join("sealport.db")).unwrap();
    database
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    let mut requests = acts(&home, id);
    // On a port that is not deleted there is nothing to bring back.
    requests.retain(|request| !matches!(request, Request::PortUndelete { .. } | Request::PortRevert { .. }));
    let port = SendPort { name: "R", address: "ftp://h/", user: "u", password: None };
    requests.push(import(&[("r.xml", binding("Trail", &[port]).as_bytes())]));
    requests.push(create(&home.path("b.sealport")));
    for request in requests {
        let words = format!("{request:?}");
        // Sabotage: the entry of `reveal` written after the value is given, its failure ignored.
        assert!(ask(&engine, request).is_err(), "{words}");
        assert_eq!(everything(&engine), before, "{words}");
        assert!(names_in(&home.path("out")).is_empty(), "{words}");
        assert!(!home.path("b.sealport").exists(), "{words}");
    }
    database.execute_batch("DROP TRIGGER no").unwrap();
    view!(Revealed, &engine, reveal("P", "Password"));
}

/// What a master tells of itself when it begins to listen is an act too. Sabotage: write the address without its entry
/// (`begin_listening_as`), or take that in `Store::write`.
#[test]
fn where_a_master_listens_stands_in_the_trail_with_the_change() {
    let home = Home::new();
    drop(home.init());
    let told = |home: &Home| -> (Option<String>, u64) {
        let database = rusqlite::Connection::open(home.data_dir().join("sealport.db")).unwrap();
        let read = "SELECT address, (SELECT generation FROM system) FROM node";
        database.query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let listen = |at: &str| {
        let begun = Instant::now();
        // The engine before may still hold the directory, and the port.
        let engine = loop {
            let custody_passphrase = Some(secret(CUSTODY));
            let config = Config { data_dir: home.data_dir(), custody_passphrase, interactive: false };
            match Engine::shared(config) {
                Err(error) if error.code == Code::Busy && begun.elapsed().as_secs() < 20 => {
                    thread::sleep(Duration::from_millis(20));
                }
                opened => break opened.unwrap(),
            }
        };
        let listening = loop {
            match engine.listen(Some(at.to_owned())) {
                Err(error) if error.message.starts_with("Can't listen") && begun.elapsed().as_secs() < 20 => {
                    thread::sleep(Duration::from_millis(20));
                }
                listening => break listening,
            }
        };
        let entries = trail(&engine).into_iter().filter(|entry| entry.act == "node.listen");
        let entries: Vec<_> = entries.map(|entry| (entry.origin, entry.detail)).collect();
        (listening, entries)
    };
    let database = rusqlite::Connection::open(home.data_dir().join("sealport.db")).unwrap();
    let (_, before) = told(&home);
    database
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    assert!(listen("127.0.0.1:0").0.is_err());
    assert_eq!(told(&home), (None, before), "without its entry");
    database.execute_batch("DROP TRIGGER no").unwrap();

    let (listening, entries) = listen("127.0.0.1:0");
    listening.unwrap();
    let (Some(address), after) = told(&home) else { panic!("nothing is told") };
    let version = env!("CARGO_PKG_VERSION");
    let first = ("service".to_owned(), format!("at {address}, with Sealport {version}"));
    assert_eq!((entries, after), (vec![first.clone()], before + 1));
    // The same place again is nothing new.
    let (listening, entries) = listen(&address);
    listening.unwrap();
    assert_eq!((entries, told(&home).1), (vec![first], after));
}

/// Sabotage: ask for entries only where the generation is raised (`Change::changes`).
#[test]
fn a_change_without_an_entry_is_not_written() {
    let home = Home::new();
    drop(home.init());
    let mut store = Store::open(&home.data_dir().join("sealport.db")).unwrap();
    let node = store.nodes().unwrap().remove(0);
    let generation = store.position().unwrap().at.generation;
    let rename = || vec![NodeChange::Rename(node.id, "ANOTHER".to_owned())];
    let invite = InviteRow {
        token_hash: [1; 32],
        name: "SECOND".to_owned(),
        standby: true,
        administrator: false,
        expires: Timestamp::from_millis(2),
    };
    let at = Timestamp::from_millis(1);
    let bare = [
        Change { nodes: rename(), ..Change::default() },
        Change { nodes: vec![NodeChange::Spooled(node.id, 7)], ..Change::default() },
        Change { invite: Some((invite, at)), ..Change::default() },
        Change { ended: vec![(1, "accepted")], ..Change::default() },
    ];
    for change in bare {
        let refused = store.write(&change).unwrap_err();
        assert_eq!(refused.code, Code::Internal, "{change:?}: {refused}");
    }
    assert_eq!(store.position().unwrap().at.generation, generation);
    let words = || "x".to_owned();
    let entry = Act {
        at,
        who: words(),
        origin: words(),
        act: "node.rename".into(),
        object: words(),
        detail: words(),
    };
    store.write(&Change { nodes: rename(), acts: vec![entry], ..Change::default() }).unwrap();
    assert_eq!(store.nodes().unwrap()[0].name, "ANOTHER");
}

#[test]
fn an_entry_that_was_changed_or_taken_away_is_found() {
    let engine = Engine::explore().unwrap();
    view!(Imported, &engine, Request::PortImport { files: vec![file()], dry_run: false });
    for _ in 0..3 {
        view!(Revealed, &engine, reveal("P", "Password"));
    }
    let count = trail(&engine).len() as u64;
    let status = view!(Status, &engine, Request::Status);
    let database = rusqlite::Connection::open(Path::new(&status.data_dir).join("sealport.db")).unwrap();
    let broken = || view!(Audit, &engine, Request::AuditList { before: None, limit: None }).broken_at;
    database.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM audit WHERE seq = 4").unwrap();
    // Sabotage: `at`, `who` or any other text of the entry left out of `derive_hash`, and its change is not found.
    for field in
        ["at = 7", "who = 'x'", "origin = 'x'", "act = 'x'", "object = 'x'", "detail = 'x'", "hash = ''"]
    {
        database.execute(&format!("UPDATE audit SET {field} WHERE seq = 4"), []).unwrap();
        assert_eq!(broken(), Some(4), "{field}");
        let back = "DELETE FROM audit WHERE seq = 4; INSERT INTO audit SELECT * FROM kept";
        database.execute_batch(back).unwrap();
        assert_eq!(broken(), None, "{field}");
    }
    // Whoever knows how hashes are made gives the changed entry a right one: then the next one betrays it.
    // Sabotage: the former hash left out of `derive_hash`.
    let mut forged = trail_line(&database, 4);
    forged.who = "x".to_owned();
    let hash = forged.derive_hash(&trail_line(&database, 3).hash);
    database.execute("UPDATE audit SET who = 'x', hash = ? WHERE seq = 4", [hash]).unwrap();
    assert_eq!(broken(), Some(5));
    database.execute_batch("DELETE FROM audit WHERE seq = 4; INSERT INTO audit SELECT * FROM kept").unwrap();
    assert_eq!(broken(), None);
    database.execute("UPDATE audit SET seq = 10000 WHERE seq = 3", []).unwrap();
    assert_eq!(broken(), Some(3));
    database.execute("UPDATE audit SET seq = 3 WHERE seq = 10000", []).unwrap();
    database.execute("DELETE FROM audit WHERE seq = ?", [count - 1]).unwrap();
    assert_eq!(broken(), Some(count - 1));
}

fn trail_line(database: &rusqlite::Connection, seq: u64) -> AuditLine {
    let line = |row: &rusqlite::Row<'_>| {
        Ok(AuditLine {
            seq: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            who: row.get(2)?,
            origin: row.get(3)?,
            act: row.get(4)?,
            object: row.get(5)?,
            detail: row.get(6)?,
            hash: row.get(7)?,
        })
    };
    database.query_row("SELECT * FROM audit WHERE seq = ?", [seq], line).unwrap()
}
