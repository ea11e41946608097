//! Backup files: whole or refused, never half; and readable by `age` where Sealport no longer exists.
//!
//! Damage is tried byte by byte on a small backup that costs next to nothing to open.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sealport_core::{
    Code, Error,
    api::{BackupHeaderView, CustodyChoice, PortKind, Request},
    backup::{AuditLine, Line, NodeLine, Start},
    bundle::{Bundle, Holder},
    id::{Generation, KeyVersion, NodeId, RecordId, Revision, SystemId},
    port::{Document, Limits, Marks, Port},
    record::{PortHead, PortSummary, RecordKind, Written, make_sealed},
    seal::{Context, Keys},
    secret::{SecretText, Wiped},
    time::Timestamp,
};
use sealport_node::{
    backup::{Cost, Plan, Reader, write},
    config::Config,
    engine::Engine,
    store::{Former, Item, Row},
};
use sealport_tests::{
    system::{SendPort, ask, binding, local, names_in, secret, temporary},
    view,
};

#[path = "backup/by_hand.rs"]
mod by_hand;

const PASSPHRASE: &str = "correct horse battery staple";
const PASSWORD: &str = "vectors-keep-this-password";
const VECTOR: &str = "vectors/backup-v1.sealport";

/// A system that is always the same: one send port in two revisions and an audit entry.
struct Small {
    bundle: Bundle,
    header: BackupHeaderView,
    items: Vec<Item>,
}

impl Small {
    fn new(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let now = Timestamp::from_millis(1_700_000_000_000);
        let bundle = Bundle::make_new(SystemId::make_new(&mut rng), now, &mut rng);
        let keys = Keys::derive(&bundle);
        let id = RecordId::make_new(&mut rng);
        let kind = RecordKind::Port(PortKind::SendPort);
        let mut seal = |revision: Revision, password| {
            let port = SendPort { name: "P", address: "ftp://h/", user: "u", password };
            let file = binding("A", &[port]);
            let document = Document::read(Wiped::new(file.into_bytes()), &Limits::default()).unwrap();
            let element = document.text(&document.ports()[0]).to_owned();
            let port = Port::read(SecretText::new(element), Marks::default()).unwrap();
            let head = PortHead {
                bases: Default::default(),
                document: id,
                name: "P".to_owned(),
                marked: Default::default(),
                filled: Default::default(),
                deleted: false,
                written: Written {
                    at: now,
                    by: "b".to_owned(),
                    what: "w".to_owned(),
                    note: None,
                    changed: vec![],
                },
            };
            let summary = PortSummary {
                name: "P".to_owned(),
                adapter: String::new(),
                address: String::new(),
                user: String::new(),
                missing_secrets: 0,
                enabled: None,
                deleted: false,
                at: now,
                by: String::new(),
            };
            let context = |kind| Context { record: id, application: "A", kind, revision };
            (
                make_sealed(&keys, context(kind.body()), &head, port.element().as_bytes(), &mut rng),
                make_sealed(&keys, context(kind.summary()), &summary, b"", &mut rng),
            )
        };
        let (first, _) = seal(Revision(1), None);
        let (second, summary) = seal(Revision(2), Some(PASSWORD));
        let mut audit = AuditLine {
            seq: 1,
            at: now,
            who: "w".to_owned(),
            origin: "o".to_owned(),
            act: "a".to_owned(),
            object: "x".to_owned(),
            detail: String::new(),
            hash: String::new(),
        };
        audit.hash = audit.derive_hash("");
        let version = KeyVersion::FIRST;
        let items = vec![
            Item::Record(Row {
                id,
                kind,
                application: "A".to_owned(),
                name: "P".to_owned(),
                revision: Revision(2),
                key_version: version,
                generation: Generation(2),
                summary,
                envelope: second,
            }),
            Item::Former(Former {
                id,
                revision: Revision(1),
                key_version: version,
                generation: Generation(1),
                envelope: first,
            }),
            Item::Audit(audit),
        ];
        let header = BackupHeaderView {
            format: 1,
            system: bundle.system(),
            system_name: "Small".to_owned(),
            created: now,
            product: "Sealport 0.1.0".to_owned(),
            generation: Generation(2),
            active_version: version,
            versions: bundle.views(),
            reminder: Some("the usual words".to_owned()),
            secret_only: false,
            ports: 1,
            records: 1,
        };
        Self { bundle, header, items }
    }

    fn write(self, file: &Path, cost: Cost) -> Result<(), Error> {
        self.write_failing(file, cost, usize::MAX)
    }

    /// Fails where item number `fail_at` would be passed on.
    fn write_failing(self, file: &Path, cost: Cost, fail_at: usize) -> Result<(), Error> {
        let start = Start {
            format: 1,
            header: String::new(),
            bundle: SecretText::from(self.bundle.to_text(Holder::Heir)),
            node: NodeLine { id: NodeId::from_bytes([7; 16]), name: "node".to_owned() },
            system_created: self.header.created,
            epoch: None,
            ca: None,
            nodes: Vec::new(),
        };
        let passphrase = secret(PASSPHRASE);
        let plan = Plan { header: &self.header, start, passphrase: &passphrase, cost };
        let items = self.items;
        let feed = |put: &mut sealport_node::backup::Sink<'_>| {
            items.into_iter().enumerate().try_for_each(|(at, item)| {
                if at == fail_at {
                    return Err(Error::new(Code::Cancelled, "ended by the test"));
                }
                put(item)
            })
        };
        write(file, plan, feed, &mut |_| Ok(())).map(drop)
    }
}

/// A small backup in a folder of its own.
fn small(seed: u8) -> (tempfile::TempDir, PathBuf) {
    let folder = temporary();
    let file = folder.path().join("b.sealport");
    Small::new(seed).write(&file, Cost::FOR_TESTS).unwrap();
    (folder, file)
}

/// Reads all of it, as drill and restore do.
fn read(file: &Path, passphrase: &str) -> Result<u64, Error> {
    let mut items = 0;
    let contents = Reader::open(file)?.read_all(&secret(passphrase), &mut |_| {
        items += 1;
        Ok(())
    })?;
    assert_eq!((items, contents.proof.opened), (3, 3), "a record, a former revision, an audit entry");
    Ok(items)
}

/// Exit code 6. Where it is the salt of the passphrase that was changed, nobody can tell that from a wrong passphrase.
fn expect_damaged(what: &str, result: Result<u64, Error>) {
    match result {
        Err(error) if matches!(error.code, Code::Integrity | Code::WrongPassphrase) => {}
        other => panic!("{what}: {other:?}"),
    }
}

/// A data directory without a system; what is in it must be the same after each refusal.
struct Empty {
    folder: tempfile::TempDir,
    engine: Engine,
    before: Vec<String>,
}

impl Empty {
    fn new() -> Self {
        let folder = temporary();
        let data_dir = folder.path().join("data");
        let config = Config { data_dir: data_dir.clone(), custody_passphrase: None, interactive: false };
        let engine = Engine::open(config).unwrap();
        let before = names_in(&data_dir);
        Self { folder, engine, before }
    }

    /// The custody is a file in the data directory, so the one list shows both.
    fn refuses(&self, file: &Path, passphrase: &str) -> Error {
        let custody = CustodyChoice::Passphrase { passphrase: secret("custody words") };
        let request = Request::BackupRestore { file: local(file), passphrase: secret(passphrase), custody };
        let error = ask(&self.engine, request).unwrap_err();
        assert_eq!(
            names_in(&self.folder.path().join("data")),
            self.before,
            "a refused restore left something"
        );
        error
    }
}

/// Sabotage: the comparison of the header's hash left out, and a changed name passes.
#[test]
fn every_byte_changed_is_refused() {
    let (_folder, file) = small(1);
    let good = fs::read(&file).unwrap();
    assert_eq!(read(&file, PASSPHRASE).unwrap(), 3);
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let tried: u64 = std::thread::scope(|scope| {
        let flip = |worker| {
            let good = &good;
            scope.spawn(move || flip_bytes(good, (worker..good.len()).step_by(workers)))
        };
        let threads: Vec<_> = (0..workers).map(flip).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{} bytes, {tried} changes refused", good.len());
}

/// Changes these bytes one at a time, in every way or in many; gives how many changes were refused.
fn flip_bytes(good: &[u8], places: impl Iterator<Item = usize>) -> u64 {
    let folder = temporary();
    let file = folder.path().join("b.sealport");
    fs::write(&file, good).unwrap();
    let text = std::str::from_utf8(good).unwrap();
    let armour = text.find("-----BEGIN").unwrap();
    let body = armour + text[armour..].find('\n').unwrap() + 1;
    let end = text.find("-----END").unwrap();
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    let empty = Empty::new();
    let mut tried = 0_u64;
    for at in places {
        let byte = good[at];
        // The ends of the armour and a sample elsewhere in all 255 ways. Each try costs age a measurement of the machine
        // (milliseconds), so other bytes are changed in two ways, and each fourth in ten.
        let every = (armour..body).contains(&at) || at >= end || at % 1024 == 0;
        let flips: Vec<u8> = match at % 4 {
            _ if every => (1..=255).collect(),
            0 => vec![1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, byte ^ b'=', byte ^ b'\n'],
            _ => vec![1, 0x20],
        };
        for flip in flips.into_iter().filter(|flip| *flip != 0) {
            open.write_all_at(&[byte ^ flip], at as u64).unwrap();
            expect_damaged(&format!("byte {at} {byte:#x} as {:#x}", byte ^ flip), read(&file, PASSPHRASE));
            tried += 1;
            if tried.is_multiple_of(997) {
                expect_damaged("restored", Err(empty.refuses(&file, PASSPHRASE)));
            }
        }
        open.write_all_at(&[byte], at as u64).unwrap();
    }
    assert_eq!(read(&file, PASSPHRASE).unwrap(), 3);
    tried
}

/// Sabotage: `Strict` left out of the reader, and the last line end may be missing; what it finds behind the end of the
/// armour dropped, not refused.
#[test]
fn every_truncation_and_whatever_is_appended_is_refused() {
    let (_folder, file) = small(2);
    let good = fs::read(&file).unwrap();
    let empty = Empty::new();
    for length in 0..good.len() {
        fs::write(&file, &good[..length]).unwrap();
        expect_damaged(&format!("{length} of {} bytes", good.len()), read(&file, PASSPHRASE));
        if length.is_multiple_of(97) {
            expect_damaged("restored", Err(empty.refuses(&file, PASSPHRASE)));
        }
    }
    for count in 1..=64 {
        for filler in [b'\n', b' ', 0, b'A', b'-', 0xFF] {
            let longer = [&good[..], &vec![filler; count]].concat();
            fs::write(&file, longer).unwrap();
            expect_damaged(&format!("{count} times {filler:#x} appended"), read(&file, PASSPHRASE));
        }
    }
    fs::write(&file, [&good[..], &good[..]].concat()).unwrap();
    expect_damaged("the file twice", read(&file, PASSPHRASE));
    fs::write(&file, &good).unwrap();
    read(&file, PASSPHRASE).unwrap();
    println!("{} truncations refused", good.len());
}

/// Two backups of two systems under one passphrase, and two of one system, cut at every line and joined.
///
/// Sabotage: all three comparisons of the header with what is inside left out: its hash, the system, the check values.
#[test]
fn two_backups_spliced_are_refused() {
    let (_one, one) = small(3);
    let (_other, other) = small(4);
    let (_again, again) = small(3);
    let (one_text, joined) = (fs::read_to_string(&one).unwrap(), one.with_extension("joined"));
    let mut tried = 0;
    for second in [&other, &again] {
        let second = fs::read_to_string(second).unwrap();
        let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
        let (a, b) = (lines(&one_text), lines(&second));
        for cut in 1..a.len().min(b.len()) {
            let text = a[..cut].concat() + &b[cut..].concat();
            // The headers of two backups of one moment of one system are the same text.
            if text == one_text || text == second {
                continue;
            }
            fs::write(&joined, text).unwrap();
            expect_damaged(&format!("joined at line {cut}"), read(&joined, PASSPHRASE));
            tried += 1;
        }
    }
    println!("{tried} splices refused");
}

/// Sabotage: the passphrase trimmed, or in lower case, on its way to age.
#[test]
fn a_passphrase_that_is_nearly_right_is_wrong() {
    let (_folder, file) = small(5);
    let empty = Empty::new();
    let near = [
        "",
        " ",
        "correct horse battery stapl",
        "correct horse battery staple ",
        " correct horse battery staple",
        "correct horse battery staple\n",
        "Correct horse battery staple",
        "CORRECT HORSE BATTERY STAPLE",
        "correct  horse battery staple",
        "correct horse battery stapIe",
        "corre\u{441}t horse battery staple",
        "correct\u{a0}horse battery staple",
    ];
    for passphrase in near {
        assert_eq!(read(&file, passphrase).unwrap_err().code, Code::WrongPassphrase, "{passphrase:?}");
        let error = empty.refuses(&file, passphrase);
        assert_eq!(error.code, Code::WrongPassphrase, "{passphrase:?}");
        assert!(passphrase.trim().is_empty() || !error.message.contains(passphrase));
    }
    read(&file, PASSPHRASE).unwrap();
}

#[test]
fn a_file_that_is_there_is_never_written_over() {
    let folder = temporary();
    let file = folder.path().join("b.sealport");
    fs::write(&file, "precious").unwrap();
    let error = Small::new(6).write(&file, Cost::FOR_TESTS).unwrap_err();
    assert_eq!(error.code, Code::AlreadyExists);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    // A link that leads nowhere is something by that name too.
    // Sabotage: `persist` in the place of `persist_noclobber`, and the link is gone.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert_eq!(Small::new(6).write(&link, Cost::FOR_TESTS).unwrap_err().code, Code::AlreadyExists);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names_in(folder.path()), ["b.sealport", "link"]);
}

/// Sabotage: the temporary file kept where writing fails.
#[test]
fn a_backup_that_fails_on_the_way_leaves_nothing() {
    let folder = temporary();
    let file = folder.path().join("b.sealport");
    for fail_at in 0..3 {
        let error = Small::new(7).write_failing(&file, Cost::FOR_TESTS, fail_at).unwrap_err();
        assert_eq!(error.code, Code::Cancelled);
        assert!(names_in(folder.path()).is_empty());
    }
    // What was written must open: a record sealed for another system does not.
    let mut mixed = Small::new(8);
    mixed.items = Small::new(9).items;
    // Sabotage: the drill left out of `write`, and the useless backup stays.
    assert_eq!(mixed.write(&file, Cost::FOR_TESTS).unwrap_err().code, Code::Integrity);
    assert!(names_in(folder.path()).is_empty());
    for place in ["/proc/b.sealport", "/no/such/folder/b.sealport"] {
        let error = Small::new(8).write(Path::new(place), Cost::FOR_TESTS).unwrap_err();
        assert!(matches!(error.code, Code::Unavailable | Code::NotFound), "{place}: {error}");
    }
}

/// Sabotage: the bundle written into a line of the header; the mode of the file widened.
#[test]
fn the_header_can_be_read_by_everybody_and_the_secret_by_nobody() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, file) = small(10);
    let header = Reader::open(&file).unwrap().header().clone();
    assert_eq!((header.system_name.as_str(), header.ports, header.records), ("Small", 1, 1));
    assert_eq!(header.reminder.as_deref(), Some("the usual words"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let small = Small::new(10);
    let bundle = small.bundle.to_text(Holder::Heir);
    let kept = serde_json::from_str::<serde_json::Value>(&bundle).unwrap();
    let master = kept["versions"][0]["secret"].as_str().unwrap();
    assert!(master.len() == 44 && !text.contains(master) && !text.contains(PASSWORD));
}

/// Makes the vector where there is none, if `SEALPORT_NEW_VECTORS` is set; it is made once and kept for ever.
#[test]
fn make_the_vector() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(VECTOR);
    if std::env::var_os("SEALPORT_NEW_VECTORS").is_some() && !file.exists() {
        Small::new(200).write(&file, Cost::BACKUP).unwrap();
    }
}

/// Sabotage: a field left out of `AuditLine::derive_hash`.
#[test]
fn the_frozen_backup_opens_for_ever() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(VECTOR);
    let reader = Reader::open(&file).unwrap();
    assert_eq!(reader.header().system_name, "Small");
    assert_eq!(reader.header().product, "Sealport 0.1.0");
    let mut items = Vec::new();
    let contents = reader
        .read_all(&secret(PASSPHRASE), &mut |item| {
            items.push(item);
            Ok(())
        })
        .unwrap();
    let keys = Keys::derive(&contents.bundle);
    let [Item::Record(row), Item::Former(former), Item::Audit(audit)] = &items[..] else {
        panic!("a record, its former revision, an audit entry")
    };
    let context = Context {
        record: row.id,
        application: &row.application,
        kind: row.kind.body(),
        revision: row.revision,
    };
    let plain = keys.open(context, &row.envelope).unwrap();
    assert!(String::from_utf8_lossy(&plain).contains(PASSWORD));
    assert_eq!((row.name.as_str(), row.revision, former.revision), ("P", Revision(2), Revision(1)));
    assert_eq!(audit.hash, audit.derive_hash(""));
    assert_eq!(contents.node.name, "node");
}

/// Drills and restores through the engine: a drill changes nothing, a foreign backup does not count as one's own.
#[test]
fn a_drill_changes_nothing_and_a_foreign_backup_proves_nothing() {
    let engine = Engine::explore().unwrap();
    let folder = temporary();
    let own = folder.path().join("own.sealport");
    let (_foreign, foreign) = small(12);
    let create = |file: &Path, secret_only| Request::BackupCreate {
        file: local(file),
        passphrase: secret(PASSPHRASE),
        reminder: None,
        secret_only,
    };
    let made = view!(Backup, &engine, create(&own, false));
    let ports = |engine: &Engine| {
        let all = Request::PortList { filter: Default::default(), offset: 0, limit: None };
        serde_json::to_value(view!(Ports, engine, all)).unwrap()
    };
    let (before, bytes) = (ports(&engine), fs::read(&own).unwrap());
    let generation = view!(Status, &engine, Request::Status).generation;
    let drill = |file: &Path| Request::BackupDrill { file: local(file), passphrase: secret(PASSPHRASE) };
    let drilled = view!(Backup, &engine, drill(&own));
    assert_eq!(drilled.proven.unwrap().records_opened, made.proven.unwrap().records_opened);
    view!(Backup, &engine, drill(&foreign));
    let status = view!(Status, &engine, Request::Status);
    assert_eq!((ports(&engine), fs::read(&own).unwrap()), (before, bytes));
    assert_eq!(status.generation, generation);
    // Sabotage: count every drill as one's own, and the foreign file stands in the history.
    assert_eq!(status.backup.history.len(), 1);
    assert_eq!(status.backup.history[0].file, own.display().to_string());
    let custody = || CustodyChoice::Passphrase { passphrase: secret("custody words") };
    let restore =
        Request::BackupRestore { file: local(&foreign), passphrase: secret(PASSPHRASE), custody: custody() };
    assert_eq!(ask(&engine, restore).unwrap_err().code, Code::SystemExists);

    // Only the secret: no records, and it restores to a system without ports that has the same key.
    let only = folder.path().join("only.sealport");
    let made = view!(Backup, &engine, create(&only, true));
    assert!(made.header.secret_only && made.header.records == 0 && made.header.ports == 0);
    assert_eq!(made.proven.unwrap().records_opened, 0);
    let empty = Empty::new();
    let restore =
        Request::BackupRestore { file: local(&only), passphrase: secret(PASSPHRASE), custody: custody() };
    view!(Restored, &empty.engine, restore);
    let restored = view!(Status, &empty.engine, Request::Status);
    let kcv = |view: sealport_core::api::StatusView| view.secret.unwrap().versions[0].kcv.clone();
    assert_eq!(restored.counts.send_ports, 0);
    assert_eq!(kcv(restored), kcv(view!(Status, &engine, Request::Status)));
}
