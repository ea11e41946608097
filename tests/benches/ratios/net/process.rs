//! What a process of the benchmark used, as the kernel has it, and how many files it may open.

use std::{fs, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Ticks of a second in `/proc`, the same on every Linux that there is.
const TICKS: u64 = 100;

/// Processor time so far, of all its threads.
pub fn processor(id: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    // Its name, which may hold anything, ends with the last bracket.
    let rest = text.rsplit_once(')').expect("a line of proc").1;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap_or(0)).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Memory in bytes that is in use now.
pub fn memory(id: u32) -> u64 {
    field(id, "VmRSS:")
}

/// The most that was in use since the start, or since `forget_peak`.
pub fn peak(id: u32) -> u64 {
    field(id, "VmHWM:")
}

/// Lets `peak` begin anew.
pub fn forget_peak(id: u32) {
    let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
}

fn field(id: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a field of proc");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Lets this process open as many files as it may; how many that is.
pub fn open_many() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The load of the machine, as `uptime` says it.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
