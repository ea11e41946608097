//! A network of its own: one namespace for each machine, joined by wires to a bridge in another. Nothing of it touches the
//! network of this machine, and all of it is gone when its owner is dropped.
//!
//! A way is cut silently in one direction by giving the sender a hardware address for the receiver that nobody has: packets
//! leave, and nobody takes them. That needs nothing but `ip`: no packet filter, no module of the kernel.

use std::{
    process::{Command, Output},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// A hardware address that no machine has; locally administered.
const NOBODY: &str = "02:5e:a1:00:00:01";

/// Namespaces, wires, and the bridge. Machine 0 is the master.
pub struct Wires {
    /// Begins the names of the namespaces; another one for each network.
    name: String,
    machines: usize,
}

impl Wires {
    /// A network for this many machines, or why there can be none here.
    pub fn lay(machines: usize) -> Result<Self, String> {
        sweep();
        static LAID: AtomicU32 = AtomicU32::new(0);
        let laid = LAID.fetch_add(1, Ordering::Relaxed);
        let wires = Self { name: format!("sealport-{}-{laid}", std::process::id()), machines };
        let bridge = wires.bridge();
        // Whatever was made before a failure goes with `wires`.
        run(&["netns", "add", &bridge])?;
        run(&["-n", &bridge, "link", "add", "bridge", "type", "bridge"])?;
        run(&["-n", &bridge, "link", "set", "bridge", "up"])?;
        for machine in 0..machines {
            let (place, port) = (wires.namespace(machine), port(machine));
            run(&["netns", "add", &place])?;
            run(&["-n", &place, "link", "set", "lo", "up"])?;
            run(&[
                "link", "add", "wire", "netns", &place, "type", "veth", "peer", "name", &port, "netns",
                &bridge,
            ])?;
            run(&["-n", &bridge, "link", "set", &port, "master", "bridge", "up"])?;
            let address = format!("{}/24", wires.address(machine));
            run(&["-n", &place, "addr", "add", &address, "dev", "wire"])?;
            run(&["-n", &place, "link", "set", "wire", "up"])?;
        }
        Ok(wires)
    }

    /// The namespace of a machine.
    pub fn namespace(&self, machine: usize) -> String {
        format!("{}-{machine}", self.name)
    }

    /// The address of a machine.
    pub fn address(&self, machine: usize) -> String {
        format!("10.0.0.{}", 10 + machine)
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.name)
    }

    /// From now on nothing that `from` sends arrives at `to`, and nobody is told.
    pub fn cut(&self, from: usize, to: usize) {
        let (place, address) = (self.namespace(from), self.address(to));
        must(&[
            "-n",
            &place,
            "neigh",
            "replace",
            &address,
            "lladdr",
            NOBODY,
            "dev",
            "wire",
            "nud",
            "permanent",
        ]);
    }

    /// From now on it arrives again.
    pub fn mend(&self, from: usize, to: usize) {
        let (place, address) = (self.namespace(from), self.address(to));
        // Gone already where the wire was down meanwhile.
        let _ = run(&["-n", &place, "neigh", "del", &address, "dev", "wire"]);
    }

    /// Pulls the plug of a machine at the bridge, or puts it in.
    pub fn plug(&self, machine: usize, isin: bool) {
        let word = if isin { "up" } else { "down" };
        must(&["-n", &self.bridge(), "link", "set", &port(machine), word]);
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        for machine in 0..self.machines {
            let _ = run(&["netns", "del", &self.namespace(machine)]);
        }
        let _ = run(&["netns", "del", &self.bridge()]);
    }
}

fn port(machine: usize) -> String {
    format!("port{machine}")
}

/// Takes away what a run left that was ended by force: its process is gone.
fn sweep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok(listed) = run(&["netns", "list"]) else { return };
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        for name in names.lines().filter_map(|line| line.split_whitespace().next()) {
            let process = name.strip_prefix("sealport-").and_then(|rest| rest.split('-').next());
            let Some(process) = process.and_then(|text| text.parse::<u32>().ok()) else { continue };
            if !std::path::Path::new(&format!("/proc/{process}")).exists() {
                let _ = run(&["netns", "del", name]);
            }
        }
    });
}

fn must(words: &[&str]) {
    run(words).unwrap_or_else(|why| panic!("{why}"));
}

fn run(words: &[&str]) -> Result<Output, String> {
    let output =
        Command::new("ip").args(words).output().map_err(|cause| format!("`ip` can't be started: {cause}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`ip {}` failed: {}", words.join(" "), said.trim()))
}
