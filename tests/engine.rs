//! The engine on real databases: nothing lost, nothing half done, nothing in the clear, everything in the trail.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use sealport_core::{
    Code,
    api::{
        Assignment, CustodyChoice, ExportSecrets, FillRow, FirstBackup, PortFilter, PortView, Request,
        Response, SecretState,
    },
    id::{RecordId, Revision},
};
use sealport_node::{config::Config, engine::Engine};
use sealport_tests::{
    system::{SendPort, ask, binding, corpus, import_file, local, names_in, secret, temporary, xml_files},
    view,
};

#[path = "engine/audit.rs"]
mod audit;
#[path = "engine/documents.rs"]
mod documents;
#[path = "engine/sealed.rs"]
mod sealed;

const CUSTODY: &str = "custody words";
const PASSPHRASE: &str = "correct horse battery staple";

/// A system in a data directory of its own, under a passphrase.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: temporary() }
    }

    /// Makes the system.
    fn init(&self) -> Engine {
        let engine = self.open();
        view!(Status, &engine, init());
        engine
    }

    fn open(&self) -> Engine {
        let custody_passphrase = Some(secret(CUSTODY));
        Engine::open(Config { data_dir: self.data_dir(), custody_passphrase, interactive: false }).unwrap()
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn custody() -> CustodyChoice {
    CustodyChoice::Passphrase { passphrase: secret(CUSTODY) }
}

fn init() -> Request {
    Request::Init { name: "Test".to_owned(), custody: custody(), backup: FirstBackup::Later }
}

fn import(files: &[(&str, &[u8])]) -> Request {
    let files = files.iter().map(|(name, content)| import_file(name, content)).collect();
    Request::PortImport { files, dry_run: false }
}

fn list(filter: PortFilter) -> Request {
    Request::PortList { filter, offset: 0, limit: None }
}

fn show(port: &str) -> Request {
    Request::PortShow { port: port.to_owned(), revision: None }
}

fn set(port: &str, path: &str, value: &str, if_revision: Option<u64>) -> Request {
    let changes = vec![Assignment { path: path.to_owned(), value: secret(value) }];
    let (port, if_revision) = (port.to_owned(), if_revision.map(Revision));
    Request::PortSet { port, changes, if_revision, if_imprint: None, note: None, dry_run: false }
}

fn revert_to(port: &str, to: u64, if_revision: Option<u64>) -> Request {
    let (port, to, if_revision) = (port.to_owned(), Revision(to), if_revision.map(Revision));
    Request::PortRevert { port, to, if_revision, if_imprint: None }
}

fn reveal(port: &str, path: &str) -> Request {
    Request::PortReveal { port: port.to_owned(), path: path.to_owned() }
}

fn fill(rows: &[(&str, &str, &str)]) -> Request {
    let row = |(port, property, value): &(&str, &str, &str)| FillRow {
        application: String::new(),
        port: (*port).to_owned(),
        property: (*property).to_owned(),
        user: String::new(),
        value: secret(value),
    };
    Request::PortFill { rows: rows.iter().map(row).collect(), dry_run: false }
}

fn export(out: &Path, secrets: ExportSecrets, document: Option<RecordId>) -> Request {
    Request::PortExport { out: local(out), secrets, document }
}

fn history(port: &str) -> Request {
    Request::PortHistory { port: port.to_owned() }
}

fn code(engine: &Engine, request: Request) -> Code {
    ask(engine, request).unwrap_err().code
}

/// Everything that can be seen of a system without leaving a trace, to compare before and after.
fn everything(engine: &Engine) -> serde_json::Value {
    let mut seen = Vec::new();
    for deleted in [false, true] {
        let ports = view!(Ports, engine, list(PortFilter { deleted, ..PortFilter::default() }));
        for port in &ports.ports {
            let id = port.id.to_string();
            let revisions = view!(History, engine, history(&id));
            for revision in &revisions.revisions {
                let revision = Some(revision.revision);
                let request = Request::PortShow { port: id.clone(), revision };
                seen.push(serde_json::to_value(view!(Port, engine, request)).unwrap());
            }
            seen.push(serde_json::to_value(revisions).unwrap());
        }
        seen.push(serde_json::to_value(ports).unwrap());
    }
    seen.push(serde_json::to_value(view!(Documents, engine, Request::DocumentList)).unwrap());
    seen.push(serde_json::to_value(view!(Missing, engine, Request::PortMissing)).unwrap());
    serde_json::Value::Array(seen)
}

/// Every secret that has a value: port, path, value.
fn revealed(engine: &Engine) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for deleted in [false, true] {
        let ports = view!(Ports, engine, list(PortFilter { deleted, ..PortFilter::default() })).ports;
        for port in ports {
            let id = port.id.to_string();
            for property in view!(Port, engine, show(&id)).properties {
                if property.secret == Some(SecretState::Set) {
                    let value = view!(Revealed, engine, reveal(&id, &property.path)).value;
                    found.insert((id.clone(), property.path), value.expose().to_owned());
                }
            }
        }
    }
    found
}

fn property<'a>(view: &'a PortView, end: &str) -> &'a sealport_core::api::PropertyView {
    let fits = |path: &str| path == end || path.ends_with(&format!("/{end}"));
    view.properties.iter().find(|property| fits(&property.path)).unwrap_or_else(|| panic!("no {end}"))
}

/// Two ports: `First` misses its password, `Second` has one.
fn two_ports() -> String {
    binding(
        "Orders",
        &[
            SendPort { name: "First", address: "ftp://first/", user: "one", password: None },
            SendPort {
                name: "Second",
                address: "ftp://second/",
                user: "two",
                password: Some("p4ss-of-second"),
            },
        ],
    )
}

#[test]
fn a_system_is_made_once_and_stays_red_until_it_is_backed_up() {
    let home = Home::new();
    let engine = home.open();
    assert_eq!(code(&engine, list(PortFilter::default())), Code::NoSystem);
    // A backup that can't be made: no system either, and nothing left of it.
    let before = names_in(&home.data_dir());
    for (file, passphrase, expected) in [
        (home.path("b.sealport"), "too short", Code::Usage),
        (PathBuf::from("/proc/b.sealport"), PASSPHRASE, Code::Unavailable),
    ] {
        let backup = FirstBackup::Now { file: local(&file), passphrase: secret(passphrase), reminder: None };
        let request = Request::Init { name: "Test".to_owned(), custody: custody(), backup };
        let error = ask(&engine, request).unwrap_err();
        assert!(error.code == expected || error.code == Code::NotFound, "{error}");
        assert_eq!(names_in(&home.data_dir()), before);
        assert!(!file.exists());
    }
    let status = view!(Status, &engine, init());
    let red = |status: &sealport_core::api::StatusView| {
        status.alerts.iter().any(|alert| alert.id == "no_proven_backup")
    };
    assert!(red(&status) && status.sealing.possible && status.backup.proven_age_seconds.is_none());
    let id = status.system.unwrap().id;
    // Sabotage: `expect_empty` left out of `make_with`, and the second system takes the place of the first.
    assert_eq!(code(&engine, init()), Code::SystemExists);
    let file = home.path("first.sealport");
    let backup = Request::BackupCreate {
        file: local(&file),
        passphrase: secret(PASSPHRASE),
        reminder: None,
        secret_only: false,
    };
    view!(Backup, &engine, backup);
    let status = view!(Status, &engine, Request::Status);
    assert!(!red(&status) && status.system.unwrap().id == id && status.backup.proven_age_seconds.is_some());
    drop(engine);
    let engine = home.open();
    assert_eq!(code(&engine, init()), Code::SystemExists);
    drop(engine);
    // The secret is gone from its custody: nothing is made anew, nothing is revealed, and the status says why.
    fs::remove_file(home.data_dir().join("custody.age")).unwrap();
    let engine = home.open();
    let status = view!(Status, &engine, Request::Status);
    assert!(!status.sealing.possible && status.sealing.code == Some(Code::NotFound));
    assert!(status.system.unwrap().id == id);
    for request in
        [import(&[("a.xml", two_ports().as_bytes())]), list(PortFilter::default()), reveal("P", "x")]
    {
        assert_eq!(code(&engine, request), Code::NotFound);
    }
    assert!(!home.data_dir().join("custody.age").exists());
}

#[test]
fn a_write_on_an_old_revision_is_refused_and_nothing_is_lost() {
    let engine = Engine::explore().unwrap();
    view!(Imported, &engine, import(&[("a.xml", two_ports().as_bytes())]));
    let first = view!(Saved, &engine, set("First", "RetryCount", "4", Some(1)));
    assert_eq!(first.revision, Revision(2));
    let before = everything(&engine);
    // Sabotage: `expect_revision` left out of `set`, and the second writer wins.
    assert_eq!(code(&engine, set("First", "RetryCount", "5", Some(1))), Code::RevisionConflict);
    assert_eq!(Code::RevisionConflict.exit(), 7);
    let revert = |to, seen| revert_to("First", to, Some(seen));
    assert_eq!(code(&engine, revert(1, 1)), Code::RevisionConflict);
    assert_eq!(everything(&engine), before);
    // Sixteen writers that all saw revision 2: one wins, fifteen are told.
    let codes: Vec<_> = std::thread::scope(|scope| {
        let write = |value: u64| {
            let engine = &engine;
            scope.spawn(move || ask(engine, set("First", "RetryCount", &value.to_string(), Some(2))))
        };
        let writers: Vec<_> = (10..26).map(write).collect();
        writers.into_iter().map(|writer| writer.join().unwrap().map_err(|error| error.code)).collect()
    });
    assert_eq!(codes.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(codes.iter().all(|result| matches!(result, Ok(_) | Err(Code::RevisionConflict))), "{codes:?}");
    assert_eq!(view!(Port, &engine, show("First")).revision, Revision(3));
}

/// Sabotage: the former revisions deleted by the next write; the values of secrets in `views::change`.
#[test]
fn every_revision_is_kept_and_a_diff_names_secrets_without_their_values() {
    let engine = Engine::explore().unwrap();
    view!(Imported, &engine, import(&[("a.xml", two_ports().as_bytes())]));
    view!(Saved, &engine, set("Second", "Address", "ftp://elsewhere/", None));
    view!(Saved, &engine, set("Second", "Password", "s3cret-number-three", None));
    let revisions = view!(History, &engine, history("Second")).revisions;
    let numbers: Vec<_> = revisions.iter().map(|revision| revision.revision.0).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(revisions[2].what, "imported");
    let diff =
        |from, to| Request::PortDiff { port: "Second".to_owned(), from: Revision(from), to: Revision(to) };
    let changes = view!(Diff, &engine, diff(1, 3)).changes;
    assert_eq!(changes.len(), 2, "{changes:?}");
    let address = changes.iter().find(|change| change.path.ends_with("Address")).unwrap();
    assert_eq!(address.before.as_deref(), Some("ftp://second/"));
    assert_eq!(address.after.as_deref(), Some("ftp://elsewhere/"));
    let password = changes.iter().find(|change| change.path.contains("Password")).unwrap();
    assert!(password.secret && password.before.is_none() && password.after.is_none());
    for answer in [ask(&engine, diff(1, 3)), ask(&engine, history("Second")), ask(&engine, show("Second"))] {
        let text = serde_json::to_string(&answer.unwrap()).unwrap();
        assert!(!text.contains("s3cret-number-three") && !text.contains("p4ss-of-second"), "{text}");
    }
    assert_eq!(code(&engine, diff(1, 9)), Code::NotFound);

    let revert = revert_to("Second", 1, None);
    assert_eq!(view!(Saved, &engine, revert).revision, Revision(4));
    assert_eq!(view!(Revealed, &engine, reveal("Second", "Password")).value.expose(), "p4ss-of-second");
    assert!(view!(Diff, &engine, diff(1, 4)).changes.is_empty());
    let delete = || Request::PortDelete { port: "Second".to_owned(), if_revision: None, if_imprint: None };
    let undelete =
        || Request::PortUndelete { port: "Second".to_owned(), if_revision: None, if_imprint: None };
    view!(Saved, &engine, delete());
    let names = |deleted| {
        let ports = view!(Ports, &engine, list(PortFilter { deleted, ..PortFilter::default() })).ports;
        ports.into_iter().map(|port| port.name).collect::<Vec<_>>()
    };
    assert!(names(true) == ["Second"] && !names(false).contains(&"Second".to_owned()));
    assert_eq!(code(&engine, set("Second", "RetryCount", "9", None)), Code::Refused);
    assert_eq!(view!(Saved, &engine, delete()).revision, Revision(5), "deleting twice is once");
    view!(Saved, &engine, undelete());
    assert!(names(true).is_empty());
    assert_eq!(view!(History, &engine, history("Second")).revisions.len(), 6);
    assert_eq!(view!(Revealed, &engine, reveal("Second", "Password")).value.expose(), "p4ss-of-second");
}

#[test]
fn importing_again_changes_nothing_and_keeps_what_was_filled_in() {
    let engine = Engine::explore().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let files: Vec<_> = xml_files(&samples)
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .chain([("a.xml".to_owned(), two_ports().into_bytes())])
        .collect();
    let all = || import(&files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect::<Vec<_>>());
    view!(Imported, &engine, all());
    let fill_all = || {
        let missing = view!(Missing, &engine, Request::PortMissing).missing;
        let rows: Vec<_> =
            missing.iter().map(|m| (m.port.as_str(), m.property.as_str(), "fi11ed-in-here")).collect();
        view!(Filled, &engine, fill(&rows))
    };
    for round in 0..2 {
        let (before, secrets) = (everything(&engine), revealed(&engine));
        let trail = view!(Audit, &engine, Request::AuditList { before: None, limit: None }).total;
        let generation = view!(Status, &engine, Request::Status).generation;
        let again = view!(Imported, &engine, all());
        assert_eq!((again.created, again.changed), (0, 0), "round {round}: {:?}", again.plan);
        assert!(again.unchanged > 20);
        assert_eq!(view!(Status, &engine, Request::Status).generation, generation);
        let now = view!(Audit, &engine, Request::AuditList { before: None, limit: None }).total;
        assert_eq!((everything(&engine), now), (before, trail), "round {round}");
        assert_eq!(revealed(&engine), secrets);
        if round == 0 {
            let filled = fill_all();
            assert!(
                filled.filled > 5 && filled.problems.is_empty() && filled.still_missing == 0,
                "{filled:?}"
            );
        }
    }
    // The file comes again with another address: the address changes, the password that was filled in stays.
    // Sabotage: `Port::adopt` left out of the import, and the password is gone.
    let moved = two_ports().replace("ftp://first/", "ftp://moved/");
    let again = view!(Imported, &engine, import(&[("a.xml", moved.as_bytes())]));
    assert_eq!((again.created, again.changed, again.unchanged), (0, 1, 1));
    assert_eq!(again.documents[0].missing_secrets, 0);
    let first = view!(Port, &engine, show("First"));
    assert_eq!(property(&first, "Address").value.as_deref(), Some("ftp://moved/"));
    assert_eq!(view!(Revealed, &engine, reveal("First", "Password")).value.expose(), "fi11ed-in-here");
    assert_eq!(view!(History, &engine, history("First")).revisions.len(), 3);
}

/// Sabotage: the files before the broken one written.
#[test]
fn an_import_is_all_or_nothing_and_names_the_place_of_the_fault() {
    let engine = Engine::explore().unwrap();
    let good = two_ports();
    let broken = good.replacen("</Address>", "</Adress>", 1);
    let before = everything(&engine);
    let trail = || view!(Audit, &engine, Request::AuditList { before: None, limit: None }).total;
    let entries = trail();
    let request =
        import(&[("good.xml", good.as_bytes()), ("bad.xml", broken.as_bytes()), ("c.xml", good.as_bytes())]);
    let error = ask(&engine, request).unwrap_err();
    assert_eq!(error.code, Code::MalformedDocument);
    let place = error.place.unwrap();
    let line = broken.lines().position(|line| line.contains("</Adress>")).unwrap() + 1;
    assert!(error.message.starts_with("bad.xml: "), "{error}");
    assert!(error.message.contains(&format!("line {line}")) && error.message.contains("column"), "{error}");
    assert!(place.line as usize == line && place.column > 1, "{place:?}");
    assert_eq!((everything(&engine), trail()), (before, entries));
    // One file that holds the same port twice, and two files that hold the same port.
    let twice = import(&[("a.xml", good.as_bytes()), ("b.xml", good.as_bytes())]);
    let imported = view!(Imported, &engine, twice);
    assert_eq!((imported.created, imported.changed, imported.unchanged), (2, 0, 2));
}

#[test]
fn a_cancelled_import_leaves_nothing() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let engine = Engine::explore().unwrap();
    let names: Vec<String> = (0..400).map(|number| format!("Port{number}")).collect();
    let port = |name| SendPort { name, address: "ftp://h/", user: "u", password: Some("p") };
    let ports: Vec<_> = names.iter().map(|name| port(name.as_str())).collect();
    let file = binding("Big", &ports);
    let before = everything(&engine);
    let cancel = AtomicBool::new(false);
    let notices = std::sync::atomic::AtomicU64::new(0);
    let notify = |_| {
        notices.fetch_add(1, Ordering::SeqCst);
        cancel.store(true, Ordering::SeqCst);
    };
    let call = sealport_node::call::Call {
        actor: "tester".to_owned(),
        origin: sealport_node::call::Origin::CommandLine,
        notify: &notify,
        cancel: &cancel,
    };
    use sealport_node::call::Handle as _;
    let error = engine.handle(import(&[("big.xml", file.as_bytes())]), &call).unwrap_err();
    // Sabotage: `check_cancel` left out of `Progress::at`, and 400 ports are there.
    assert_eq!((error.code, notices.load(Ordering::SeqCst)), (Code::Cancelled, 1));
    assert_eq!(everything(&engine), before);
    let out = temporary();
    let folder = out.path().join("out");
    let error = engine.handle(export(&folder, ExportSecrets::Mask, None), &call).unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
    let backup = Request::BackupCreate {
        file: local(&out.path().join("b")),
        passphrase: secret(PASSPHRASE),
        reminder: None,
        secret_only: false,
    };
    assert_eq!(engine.handle(backup, &call).unwrap_err().code, Code::Cancelled);
    assert!(names_in(out.path()).is_empty(), "{:?}", names_in(out.path()));
}

/// Sabotage: the rows that fit written beside problems.
#[test]
fn a_fill_list_is_filled_whole_or_not_at_all() {
    let engine = Engine::explore().unwrap();
    view!(Imported, &engine, import(&[("a.xml", two_ports().as_bytes())]));
    let before = everything(&engine);
    for wrong in
        [("Nobody", "", "v4lue"), ("First", "NoSuchProperty", "v4lue"), ("Second", "Password", "v4lue")]
    {
        let view = view!(Filled, &engine, fill(&[("First", "", "right-one"), wrong]));
        assert_eq!((view.problems.len(), view.problems[0].row), (1, 2), "{view:?}");
        assert!(!view.problems[0].reason.contains("v4lue"));
        assert_eq!(everything(&engine), before, "{wrong:?}");
    }
    let view = view!(Filled, &engine, fill(&[("First", "", "right-one")]));
    assert!(view.filled == 1 && view.ports == 1 && view.problems.is_empty());
    assert_eq!(view!(Revealed, &engine, reveal("First", "Password")).value.expose(), "right-one");
    // The same list again is no fault and changes nothing.
    let before = everything(&engine);
    let view = view!(Filled, &engine, fill(&[("First", "Password", "right-one")]));
    assert!(view.filled == 0 && view.problems.is_empty(), "{view:?}");
    assert_eq!(everything(&engine), before);
}

/// Every file of the corpus into one system; each comes out again byte for byte. Sabotage: `newest` without its look
/// at the bases, and a later file with the same ports stands in the earlier one.
#[test]
fn the_whole_corpus_in_one_system_comes_out_byte_for_byte() {
    let mut paths = xml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples"));
    paths.extend(corpus().iter().flat_map(|folder| xml_files(folder)));
    let engine = Engine::explore().unwrap();
    let begun = std::time::Instant::now();
    let mut inputs = Vec::new();
    for path in &paths {
        inputs.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()));
    }
    let all = || import(&inputs.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect::<Vec<_>>());
    let first = view!(Imported, &engine, all());
    assert_eq!(first.documents.len(), inputs.len());
    let took = begun.elapsed();
    let out = temporary();
    let mut wrong = Vec::new();
    for (number, (document, (name, bytes))) in first.documents.iter().zip(&inputs).enumerate() {
        let folder = out.path().join(number.to_string());
        let written = view!(Exported, &engine, export(&folder, ExportSecrets::Include, Some(document.id)));
        assert_eq!(&written.files[0].name, name);
        if fs::read(folder.join(name)).unwrap() != *bytes {
            wrong.push(paths[number].display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ: {wrong:#?}", wrong.len(), inputs.len());
    // All at once: equal names are kept apart, and each file is one of the inputs.
    let folder = out.path().join("all");
    let written = view!(Exported, &engine, export(&folder, ExportSecrets::Include, None));
    let names: BTreeSet<_> = written.files.iter().map(|file| file.name.to_lowercase()).collect();
    assert_eq!((names.len(), names_in(&folder).len()), (written.files.len(), written.files.len()));
    let contents: BTreeSet<&[u8]> = inputs.iter().map(|(_, bytes)| &bytes[..]).collect();
    for name in names_in(&folder) {
        assert!(contents.contains(&fs::read(folder.join(&name)).unwrap()[..]), "{name}");
    }
    assert_eq!(code(&engine, export(&folder, ExportSecrets::Include, None)), Code::AlreadyExists);
    println!(
        "{} files, {} ports new, {} changed by a later file, imported in {took:?}; all back byte for byte",
        inputs.len(),
        first.created,
        first.changed
    );
}

/// Sabotage: former revisions left out of `Store::fill`.
#[test]
fn restored_from_the_file_and_its_passphrase_alone_everything_is_there() {
    let engine = Engine::explore().unwrap();
    view!(Imported, &engine, import(&[("a.xml", two_ports().as_bytes())]));
    view!(Filled, &engine, fill(&[("First", "", "right-one")]));
    view!(Saved, &engine, set("Second", "Address", "ftp://elsewhere/", None));
    let mark = Request::PortMark {
        port: "Second".to_owned(),
        path: "Address".to_owned(),
        secret: true,
        if_revision: None,
        if_imprint: None,
    };
    view!(Saved, &engine, mark);
    view!(Saved, &engine, revert_to("First", 1, None));
    view!(
        Saved,
        &engine,
        Request::PortDelete { port: "First".to_owned(), if_revision: None, if_imprint: None }
    );
    let (before, secrets) = (everything(&engine), revealed(&engine));
    let trail = || Request::AuditList { before: None, limit: Some(10_000) };
    let entries = |engine: &Engine| {
        let mut view = view!(Audit, engine, trail());
        assert_eq!(view.broken_at, None);
        view.entries.reverse();
        serde_json::to_value(view.entries).unwrap().as_array().unwrap().clone()
    };
    let former = entries(&engine);
    let home = Home::new();
    let file = home.path("b.sealport");
    let backup = Request::BackupCreate {
        file: local(&file),
        passphrase: secret(PASSPHRASE),
        reminder: None,
        secret_only: false,
    };
    let made = view!(Backup, &engine, backup);
    let system = view!(Status, &engine, Request::Status).system.unwrap();
    drop(engine);
    let restore =
        || Request::BackupRestore { file: local(&file), passphrase: secret(PASSPHRASE), custody: custody() };
    let view = view!(Restored, &home.open(), restore());
    assert_eq!((view.ports, view.records), (made.header.ports, made.header.records));
    // In a new process, with what is on disk alone.
    let engine = home.open();
    assert_eq!(everything(&engine), before);
    let now = entries(&engine);
    assert_eq!(now[..former.len()], former[..]);
    assert_eq!(now.len(), former.len() + 1);
    assert_eq!(now[former.len()]["act"], "backup.restore");
    assert_eq!(revealed(&engine), secrets);
    assert!(secrets.values().any(|value| value == "ftp://elsewhere/"), "the marked one is there too");
    let status = view!(Status, &engine, Request::Status);
    let restored = status.system.unwrap();
    assert_eq!((restored.id, restored.name, restored.created), (system.id, system.name, system.created));
    assert!(status.alerts.iter().all(|alert| alert.id != "no_proven_backup"));
    // It goes on from there: a new revision, and a second restore is refused.
    view!(Saved, &engine, set("Second", "RetryCount", "8", None));
    assert_eq!(code(&engine, restore()), Code::SystemExists);
    println!("{} ports and {} secrets are as they were", view.ports, secrets.len());
}

/// A backup that is written while others write is of one moment, and proves itself.
#[test]
fn a_backup_is_of_one_moment_while_others_write() {
    let engine = Engine::explore().unwrap();
    let out = temporary();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                number += 1;
                let name = format!("Meanwhile{number}");
                let port = SendPort { name: &name, address: "ftp://h/", user: "u", password: Some("p") };
                let file = binding("Meanwhile", &[port]);
                view!(Imported, &engine, import(&[(&format!("{name}.xml"), file.as_bytes())]));
            }
            number
        });
        for number in 0..4 {
            let file = out.path().join(format!("{number}.sealport"));
            let backup = Request::BackupCreate {
                file: local(&file),
                passphrase: secret(PASSPHRASE),
                reminder: None,
                secret_only: false,
            };
            // Sabotage: `one_moment` left out, and counts and records are of two moments.
            let result = ask(&engine, backup);
            if result.is_err() {
                done.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            assert!(matches!(result, Ok(Response::Backup(_))), "{result:?}");
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(writer.join().unwrap() > 4);
    });
}
