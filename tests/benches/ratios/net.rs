//! The network: what a poll costs beside a bare server of the same stack, what a connected node costs, a fleet at its real pace
//! that loses its master and gets it back, and how long a change and a full copy are on their way.

use std::path::Path;

use super::table::Table;

#[path = "net/arrival.rs"]
mod arrival;
#[path = "net/bare.rs"]
pub mod bare;
#[path = "net/caller.rs"]
mod caller;
#[path = "net/crowd.rs"]
mod crowd;
#[path = "net/fleet.rs"]
pub mod fleet;
#[path = "net/hub.rs"]
mod hub;
#[path = "net/polls.rs"]
mod polls;
#[path = "net/process.rs"]
mod process;

/// Nodes of the fleet in a run of the benchmark.
const NODES: usize = 1_000;
/// Nodes that are real processes.
const PROCESSES: usize = 50;

/// All rows but the campaign's.
pub fn measure(table: &mut Table, folder: &Path) {
    let place = |name: &str| {
        let place = folder.join(name);
        std::fs::create_dir(&place).expect("a folder");
        place
    };
    process::open_many();
    table.note(&format!("the network; load of the machine at its start: {}", process::load()));
    polls::measure(table, &place("polls"));
    let short = fleet::Size { nodes: NODES, seconds: 60, outage: 30 };
    fleet::measure(table, &place("fleet"), &short);
    arrival::measure_copy(table, &place("copy"), 10);
    arrival::measure_saves(table, &place("saves"), PROCESSES);
    table.note(&format!("load of the machine at the end of the network: {}", process::load()));
}
