//! `cargo xtask bench`: what Sealport's work costs beside the bare libraries under it, measured in one run.
//!
//! `docs/performance.md` says how it measures, where the goals come from, and what is missed and why.

#![allow(missing_docs, reason = "a program")]

use std::process::ExitCode;

use sealport_core::api::CustodyChoice;

#[path = "ratios/backup.rs"]
mod backup;
#[path = "ratios/list.rs"]
mod list;
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
    let folder = tempfile::tempdir().expect("room for temporary files");
    let mut table = table::Table::new();
    seal::measure(&mut table);

    let place = folder.path().join("system");
    let engine = system::open(&place);
    system::init(&engine, CustodyChoice::Passphrase { passphrase: system::passphrase() });
    store::measure_import(&mut table, &engine, &place, &system::binding_file(10_000, "A"));
    store::measure_saves(&mut table, &engine, &place);
    list::measure(&mut table, &engine, 10_000);
    backup::measure(&mut table, &engine, folder.path());
    for number in 1..10 {
        let (name, application) = (format!("{number}.xml"), format!("B{number}"));
        system::import(&engine, &name, &system::binding_file(10_000, &application), false);
    }
    list::measure(&mut table, &engine, 100_000);
    store::measure_custody(&mut table, &place);
    drop(engine);
    rotation::measure(&mut table, folder.path());
    start::measure(&mut table, folder.path());
    table.end();
    ExitCode::SUCCESS
}
