//! A fleet at its real pace: it polls for a while, loses its master, and gets it back.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{system::binding_file, table::Table},
    crowd::Crowd,
    hub::{self, Hub},
    process,
};

/// How large and how long.
pub struct Size {
    pub nodes: usize,
    /// Of quiet polling.
    pub seconds: u64,
    /// Of the outage.
    pub outage: u64,
}

/// Answers come at most this late.
const LATE: f64 = 0.25;
/// The same while all come back.
const LATE_BACK: f64 = 2.0;
/// Memory of a master with 10,000 nodes.
const MEMORY: u64 = 512 << 20;
/// The share of the machine's two processors.
const PROCESSOR: f64 = 0.35;
/// All are synced again within this time.
const BACK: Duration = Duration::from_secs(60);
/// Connections in a second while they come back.
const CONNECTS: u32 = 500;

pub fn measure(table: &mut Table, folder: &Path, size: &Size) {
    let Size { nodes, seconds, outage } = *size;
    let may_open = process::open_many();
    if may_open < nodes as u64 + 200 {
        return table.note(&format!("{nodes} nodes: not measured, a process may open {may_open} files only"));
    }
    let mut hub = Hub::make(folder, &[("fleet.xml".to_owned(), binding_file(100, "Fleet"))]);
    let identities = hub.register(nodes);
    hub.serve();
    // What its custody takes to open (scrypt, 128 MiB) is over.
    process::forget_peak(hub.process());
    // All at once is what comes after the outage; at first they come as machines are switched on.
    let ramp = Duration::from_millis(nodes as u64 * 4);
    let crowd = Crowd::start(&hub, identities, ramp);
    let begun = Instant::now();
    until(&crowd, nodes, ramp + Duration::from_secs(600));
    let all = format!("{nodes} nodes");
    eprintln!("{all} are synced after {:.1} s", begun.elapsed().as_secs_f64());

    crowd.take();
    let before = process::processor(hub.process());
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(seconds));
    let took = begun.elapsed().as_secs_f64();
    let used = (process::processor(hub.process()) - before).as_secs_f64() / took / 2.0;
    let mut seen = crowd.take();
    let peak = process::peak(hub.process());
    line(
        table,
        &format!("{all}, {seconds} s: polls in a second"),
        &format!("{:.0}", seen.answers as f64 / took),
        "",
        None,
    );
    line(table, &format!("{all}: polls that failed"), &seen.errors.to_string(), "0", Some(seen.errors == 0));
    late(table, &format!("{all}: an answer later than asked, p99"), &mut seen.late, LATE);
    memory(table, &format!("{all}: most memory of the master"), peak);
    let share = format!("{:.1} %", used * 100.0);
    line(
        table,
        &format!("{all}: the master's share of two processors"),
        &share,
        "≤ 35 %",
        Some(used <= PROCESSOR),
    );

    let wanted = hub.held().at.generation.0 + 1;
    crowd.want(wanted);
    process::forget_peak(hub.process());
    let begun = Instant::now();
    let changed = ["port", "set", "Fleet.0.Sales.ToLedger", "PrimaryTransport/RetryCount=9"];
    hub::run(&hub.folder, &changed);
    while crowd.arrived() < nodes {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} have the change", crowd.arrived());
        thread::sleep(Duration::from_millis(2));
    }
    let took = begun.elapsed();
    line(
        table,
        &format!("{all}: a save is on all"),
        &format!("{:.0} ms", took.as_secs_f64() * 1e3),
        "",
        None,
    );
    memory(table, &format!("{all}: most memory of the master then"), process::peak(hub.process()));

    hub.kill();
    let ended = Instant::now();
    thread::sleep(Duration::from_secs(outage));
    let tries = crowd.take().errors as f64 / ended.elapsed().as_secs_f64();
    line(
        table,
        &format!("{all}, {outage} s without a master: tries in a second"),
        &format!("{tries:.0}"),
        "",
        None,
    );
    crowd.take();
    hub.serve();
    // Tries while it was not ready yet are part of the outage; connections are not.
    let early = crowd.take();
    let begun = Instant::now();
    let back = until(&crowd, nodes, Duration::from_secs(600));
    // Whether it stays so.
    thread::sleep(Duration::from_secs(10));
    let still = crowd.synced();
    let mut seen = crowd.take();
    let most = early.connects.iter().chain(&seen.connects).copied().max().unwrap_or(0);
    let what = format!("{all} after {outage} s without a master: all are synced");
    line(table, &what, &format!("{:.1} s", back.as_secs_f64()), "≤ 60 s", Some(back <= BACK));
    line(
        table,
        &format!("{all}: most connections in a second then"),
        &most.to_string(),
        "≤ 500",
        Some(most <= CONNECTS),
    );
    late(table, &format!("{all}: an answer later than asked then, p99"), &mut seen.late, LATE_BACK);
    memory(table, &format!("{all}: most memory of the master then"), process::peak(hub.process()));
    let well = seen.errors == 0 && still == nodes;
    let words = format!("{}; {still} synced", seen.errors);
    line(
        table,
        &format!("{all}: polls that failed then; nodes that stay synced"),
        &words,
        "0; all",
        Some(well),
    );
    eprintln!("in {:.1} s", begun.elapsed().as_secs_f64());
}

fn until(crowd: &Crowd, nodes: usize, patience: Duration) -> Duration {
    let begun = Instant::now();
    while crowd.synced() < nodes {
        assert!(begun.elapsed() < patience, "only {} of {nodes} are synced", crowd.synced());
        thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

fn line(table: &mut Table, what: &str, measured: &str, goal: &str, met: Option<bool>) {
    table.line(what, measured, "", None, goal, met);
}

fn late(table: &mut Table, what: &str, late: &mut [u32], most: f64) {
    late.sort_unstable();
    let Some(last) = late.len().checked_sub(1) else { return table.note(&format!("{what}: no answer")) };
    let at = |share: f64| f64::from(late[(last as f64 * share).round() as usize]) * 1e-6;
    let goal = format!("≤ {:.0} ms", most * 1e3);
    line(table, what, &format!("{:.1} ms", at(0.99) * 1e3), &goal, Some(at(0.99) <= most));
}

fn memory(table: &mut Table, what: &str, peak: u64) {
    line(table, what, &format!("{} MiB", peak >> 20), "≤ 512 MiB", Some(peak <= MEMORY));
}
