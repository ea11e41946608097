//! The network: what a poll costs beside a bare server of the same stack, what a connected node costs, a fleet at its real pace
//! that loses its master and gets it back, how long a change and a full copy are on their way, and a change of master.

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
#[path = "net/joined.rs"]
mod joined;
#[path = "net/polls.rs"]
mod polls;
#[path = "net/process.rs"]
mod process;
#[path = "net/promotion.rs"]
mod promotion;

/// Nodes of the fleet in a run of the benchmark.
const NODES: usize = 1_000;
/// Nodes that are real processes.
const PROCESSES: usize = 50;

/// What can be measured alone.
pub const PARTS: [&str; 4] = ["polls", "fleet", "copy", "nodes"];

/// All rows but the campaign's, or those of one part.
pub fn measure(table: &mut Table, folder: &Path, part: Option<&str>) {
    let place = |name: &str| {
        let place = folder.join(name);
        std::fs::create_dir(&place).expect("a folder");
        place
    };
    process::open_many();
    table.note(&format!("the network; load of the machine at its start: {}", process::load()));
    for part in PARTS.into_iter().filter(|name| part.is_none_or(|part| part == *name)) {
        let place = place(part);
        match part {
            "polls" => polls::measure(table, &place),
            "fleet" => {
                let short = fleet::Size { nodes: NODES, seconds: 60, outage: 30 };
                fleet::measure(table, &place, &short);
            }
            "copy" => arrival::measure_copy(table, &place, 10),
            _ => {
                let (hub, nodes) = arrival::measure_saves(table, &place, PROCESSES);
                promotion::measure(table, &place, hub, nodes);
            }
        }
    }
    table.note(&format!("load of the machine at the end of the network: {}", process::load()));
}
