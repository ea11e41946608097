//! How long a change is on its way to many nodes, how long a full copy to a new one, and what a quiet poll weighs.

use std::{path::Path, time::Instant};

use rusqlite::Connection;
use sealport_tests::proxy::Proxy;

use super::{
    super::{
        system::binding_file,
        table::{Clock, Goal, Sample, Table, seconds},
    },
    hub::{self, Hub},
    joined::{Joined, PROCESSING, place, save, service, until},
    process,
};

/// Saves whose way is measured.
const SAVES: usize = 40;
/// A change arrives within a second.
const ARRIVES: f64 = 1.0;
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
    let mut node = Joined::new(&hub, folder, "new", PROCESSING, hub.at);
    let wanted = hub.held().at.generation.0;
    process::forget_peak(hub.process());
    let begun = Instant::now();
    node.serve();
    process::forget_peak(node.process());
    let database = node.database();
    until("a full copy", || place(&database).1 >= wanted);
    let took = begun.elapsed().as_secs_f64();
    let copied = format!("full copy of {ports} ports to a new node");
    table.row(&copied, took, Some(("SQLite copies the file", bare)), Goal::None);
    let (master, node) = (process::peak(hub.process()) >> 20, process::peak(node.process()) >> 20);
    let words = format!("master {master} MiB, node {node} MiB");
    table.line(&format!("{copied}: most memory"), &words, "", None, "", None);
}

/// Saves on the master, and their arrival in the databases of `count` nodes; these, and their master.
pub fn measure_saves(table: &mut Table, folder: &Path, count: usize) -> (Hub, Vec<Joined>) {
    let mut hub = Hub::make(folder, &[("saves.xml".to_owned(), binding_file(100, "Saves"))]);
    hub.serve();
    let proxy = Proxy::start(hub.at);
    let mut nodes = Vec::new();
    // One after the other: each custody costs its scrypt several times.
    for number in 0..count {
        let at = if number == 0 { proxy.at } else { hub.at };
        let mut node = Joined::new(&hub, folder, &format!("n{number}"), PROCESSING, at);
        node.serve();
        if number == 0 {
            hub::run(node.folder(), &["config", "set", "sync_interval", "5s"]);
        }
        nodes.push(node);
    }
    let databases: Vec<Connection> = nodes.iter().map(Joined::database).collect();
    let master = Connection::open(hub.folder.join(sealport_node::store::FILE)).expect("a database");
    let arrived = |from: Instant, sample: &mut Sample| {
        let wanted = place(&master).1;
        let mut left: Vec<&Connection> = databases.iter().collect();
        until("a save arrives", || {
            left.retain(|database| {
                let there = place(database).1 >= wanted;
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

    let service = service(&hub.folder);
    let (mut saved, mut sample) = (Sample::default(), Sample::default());
    for round in 0..SAVES {
        let begun = Instant::now();
        save(&service, round).unwrap_or_else(|error| panic!("{error}"));
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
    let node = nodes.last().expect("there are nodes").process();
    table.line(
        "memory of a node that follows",
        &format!("{} MiB", process::memory(node) >> 20),
        "",
        None,
        "",
        None,
    );
    // The one behind the proxy goes with it.
    nodes.remove(0);
    (hub, nodes)
}
