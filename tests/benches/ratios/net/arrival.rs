//! How long a change is on its way to many nodes, how long a full copy to a new one, and what a quiet poll weighs. The nodes
//! are real processes on data directories of their own, which joined with a token.

use std::{
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use sealport_core::api::{Assignment, Request};
use sealport_node::{
    call::{Call, Handle, Origin},
    local::Client,
};
use sealport_tests::proxy::Proxy;

use super::{
    super::{
        system::{self, binding_file},
        table::{Clock, Goal, Sample, Table, seconds},
    },
    hub::{self, Hub},
    process,
};

/// Saves whose way is measured.
const SAVES: usize = 40;
/// A change arrives within a second.
const ARRIVES: f64 = 1.0;
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(600);

/// A node that joined, and its process while it runs.
struct Joined {
    database: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Joined {
    /// Lets a node join over `at`. It does not follow yet.
    fn new(hub: &Hub, folder: &Path, name: &str, at: &str) -> Self {
        let invited = hub::run(&hub.folder, &["node", "invite", "--name", name, "--role", "processing"]);
        let data = folder.join(name);
        let token = folder.join(format!("{name}.token"));
        system::private(&token, invited["token"].as_str().expect("a token"));
        let secret = folder.join("words");
        system::private(&secret, system::PASSPHRASE);
        let (url, token, secret) = (format!("https://{at}"), token.display(), secret.display());
        let (token, secret) = (token.to_string(), secret.to_string());
        let custody = ["--custody", "passphrase", "--custody-passphrase-file", &secret];
        let words: Vec<&str> = ["join", &url, "--token-file", &token].into_iter().chain(custody).collect();
        hub::run(&data, &words);
        Self { database: data.join(sealport_node::store::FILE), folder: data, child: None }
    }

    fn serve(&mut self) {
        self.child = Some(hub::serve(&self.folder, &[]).0);
    }

    fn database(&self) -> Connection {
        let database = Connection::open(&self.database).expect("the node's database");
        database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        database
    }
}

fn generation(database: &Connection) -> u64 {
    let mut query = database.prepare_cached("SELECT generation FROM system").expect("the table is there");
    query.query_row([], |row| row.get(0)).expect("a row")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

/// A full copy of `files` times 10,000 ports to a node that has nothing.
pub fn measure_copy(table: &mut Table, folder: &Path, files: usize) {
    let named = |number| (format!("{number}.xml"), binding_file(10_000, &format!("B{number}")));
    let files: Vec<_> = (0..files).map(named).collect();
    let ports = files.len() * 10_000;
    let mut hub = Hub::make(folder, &files);
    drop(files);
    let bare = seconds(Clock::Wall, || {
        let database = Connection::open(hub.folder.join(sealport_node::store::FILE)).expect("a database");
        let copy = folder.join("copy.db").display().to_string();
        database.execute("VACUUM INTO ?", [copy]).expect("room for a copy");
    });
    hub.serve();
    let mut node = Joined::new(&hub, folder, "new", &hub.at.to_string());
    let wanted = hub.held().at.generation.0;
    process::forget_peak(hub.process());
    let begun = Instant::now();
    node.serve();
    process::forget_peak(node.child.as_ref().expect("it serves").id());
    let database = node.database();
    until("a full copy", || generation(&database) >= wanted);
    let took = begun.elapsed().as_secs_f64();
    let copied = format!("full copy of {ports} ports to a new node");
    table.row(&copied, took, Some(("SQLite copies the file", bare)), Goal::None);
    let child = node.child.as_ref().expect("it serves");
    let (master, node) = (process::peak(hub.process()) >> 20, process::peak(child.id()) >> 20);
    let words = format!("master {master} MiB, node {node} MiB");
    table.line(&format!("{copied}: most memory"), &words, "", None, "", None);
}

/// Saves on the master, and their arrival in the databases of `count` nodes.
pub fn measure_saves(table: &mut Table, folder: &Path, count: usize) {
    let mut hub = Hub::make(folder, &[("saves.xml".to_owned(), binding_file(100, "Saves"))]);
    hub.serve();
    let proxy = Proxy::start(hub.at);
    let mut nodes = Vec::new();
    // One after the other: each custody costs its scrypt several times.
    for number in 0..count {
        let at = if number == 0 { proxy.at } else { hub.at };
        let mut node = Joined::new(&hub, folder, &format!("n{number}"), &at.to_string());
        node.serve();
        if number == 0 {
            hub::run(&node.folder, &["config", "set", "sync_interval", "5s"]);
        }
        nodes.push(node);
    }
    let databases: Vec<Connection> = nodes.iter().map(Joined::database).collect();
    let master = Connection::open(hub.folder.join(sealport_node::store::FILE)).expect("a database");
    let arrived = |from: Instant, sample: &mut Sample| {
        let wanted = generation(&master);
        let mut left: Vec<&Connection> = databases.iter().collect();
        until("a save arrives", || {
            left.retain(|database| {
                let there = generation(database) >= wanted;
                if there {
                    sample.add(from.elapsed().as_secs_f64());
                }
                !there
            });
            left.is_empty()
        });
    };
    arrived(Instant::now(), &mut Sample::default());

    // Quiet: the second poll ends after the setting has come into force.
    let (_, turns) = proxy.passed();
    until("polls are quiet", || proxy.passed().1 >= turns + 2);
    let (bytes, turns) = proxy.passed();
    until("quiet polls", || proxy.passed().1 >= turns + 3);
    let (more, polls) = proxy.passed();
    let each = (more - bytes) / (polls - turns);
    let words = format!("{each} bytes");
    table.line(
        "a poll with nothing new, on the wire",
        &words,
        "",
        None,
        "≤ 1,024 bytes",
        Some(each <= 1_024),
    );

    let service = Client::connect(&hub.folder).expect("the local socket").expect("the master serves");
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let (mut saved, mut sample) = (Sample::default(), Sample::default());
    for round in 0..SAVES {
        let call =
            Call { actor: "bench".to_owned(), origin: Origin::CommandLine, notify: &|_| {}, cancel: &cancel };
        let value = sealport_core::secret::SecretText::new((1 + round).to_string());
        let change = Assignment { path: "PrimaryTransport/RetryCount".to_owned(), value };
        let begun = Instant::now();
        let request = Request::PortSet {
            port: "Saves.0.Sales.ToLedger".to_owned(),
            changes: vec![change],
            if_revision: None,
            if_imprint: None,
            note: None,
            dry_run: false,
        };
        service.handle(request, &call).unwrap_or_else(|error| panic!("{error}"));
        saved.add(begun.elapsed().as_secs_f64());
        arrived(begun, &mut sample);
    }
    let way = format!("from a save until {count} nodes have it");
    table.row(
        &format!("{way}: p50 of each node"),
        sample.median(),
        Some(("the save alone", saved.median())),
        Goal::None,
    );
    let peer = Some(("the save alone", saved.at(0.99)));
    table.row(&format!("{way}: p99 of each node"), sample.at(0.99), peer, Goal::Seconds(ARRIVES));
    let node = nodes.last().and_then(|node| node.child.as_ref()).expect("there are nodes").id();
    table.line(
        "memory of a node that follows",
        &format!("{} MiB", process::memory(node) >> 20),
        "",
        None,
        "",
        None,
    );
}
