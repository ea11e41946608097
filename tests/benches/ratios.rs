//! `cargo xtask bench`: what Sealport's work costs beside the bare libraries under it, measured in one run.
//!
//! `-- local` measures one node, `-- net` the network, `-- net PART` a part of that, `-- fleet NODES SECONDS OUTAGE` a fleet of
//! that size at its real pace; without a word all but the last. `docs/performance.md` says how it measures, where the goals come from, and what is missed
//! and why.

#![allow(missing_docs, reason = "a program")]

use std::{path::Path, process::ExitCode};

use sealport_core::api::CustodyChoice;

#[path = "ratios/backup.rs"]
mod backup;
#[path = "ratios/list.rs"]
mod list;
#[path = "ratios/net.rs"]
mod net;
#[path = "ratios/rotation.rs"]
mod rotation;
#[path = "ratios/seal.rs"]
mod seal;
#[path = "ratios/start.rs"]
mod start;
#[path = "ratios/store.rs"]
mod store;
#[path = "ratios/system.rs"]
mod system;
#[path = "ratios/table.rs"]
mod table;

fn main() -> ExitCode {
    if let Some(done) = start::play() {
        return done;
    }
    // Cargo adds words of its own, which begin with dashes.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().expect("room for temporary files");
    let mut table = table::Table::new();
    match words.as_slice() {
        [] => {
            local(&mut table, folder.path());
            net::measure(&mut table, folder.path(), None);
        }
        ["local"] => local(&mut table, folder.path()),
        ["net"] => net::measure(&mut table, folder.path(), None),
        ["net", part] if net::PARTS.contains(part) => net::measure(&mut table, folder.path(), Some(part)),
        ["fleet", nodes, seconds, outage] => {
            let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word} is not a number"));
            let size = net::fleet::Size {
                nodes: number(nodes) as usize,
                seconds: number(seconds),
                outage: number(outage),
            };
            net::fleet::measure(&mut table, folder.path(), &size);
        }
        _ => {
            eprintln!(
                "nothing is called {}: local, net [{}], or fleet NODES SECONDS OUTAGE",
                words.join(" "),
                net::PARTS.join("|")
            );
            return ExitCode::from(2);
        }
    }
    table.end();
    ExitCode::SUCCESS
}

/// What one node does on its own.
fn local(table: &mut table::Table, folder: &Path) {
    seal::measure(table);
    let place = folder.join("system");
    let engine = system::open(&place);
    system::init(&engine, CustodyChoice::Passphrase { passphrase: system::passphrase() });
    store::measure_import(table, &engine, &place, &system::binding_file(10_000, "A"));
    store::measure_saves(table, &engine, &place);
    list::measure(table, &engine, 10_000);
    backup::measure(table, &engine, folder);
    for number in 1..10 {
        let (name, application) = (format!("{number}.xml"), format!("B{number}"));
        system::import(&engine, &name, &system::binding_file(10_000, &application), false);
    }
    list::measure(table, &engine, 100_000);
    store::measure_custody(table, &place);
    drop(engine);
    rotation::measure(table, folder);
    start::measure(table, folder);
}
