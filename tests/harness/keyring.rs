//! A real Secret Service of one's own: a D-Bus session bus and a gnome-keyring daemon with a home of their own.
//!
//! Nothing is activated on that bus, so there is no prompter and no service that the test didn't start. Everything
//! ends and is deleted when the value is dropped.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The password of every keyring made here.
pub const PASSWORD: &str = "keyring password";

const DEADLINE: Duration = Duration::from_secs(20);
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=DIR</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>"#;

/// A keyring of its own for each machine of a fleet. A change of master then costs no password hashing, which is nine tenths
/// of it otherwise.
pub struct Keyrings(Vec<Keyring>);

impl Keyrings {
    /// For so many machines.
    pub fn start(machines: usize) -> Self {
        Self((0..machines).map(|_| Keyring::start(Start::Unlocked)).collect())
    }

    /// Gives each command that of its machine, by the name of the data directory: `m`, `n1`, `n2`, …
    pub fn furnish(self) -> impl Fn(&str, &mut Command) + Send + Sync {
        move |data, command| {
            let number = data.strip_prefix('n').map_or(0, |number| number.parse().expect("a number"));
            self.0[number].give(command);
        }
    }
}

/// How a keyring daemon starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the password: makes the default collection where there is none, and opens it.
    Unlocked,
    /// Without: no collection in a new home, a locked one in a home that had one.
    Locked,
}

/// A session bus, and a keyring daemon on it where one was started.
#[derive(Debug)]
pub struct Keyring {
    home: TempDir,
    bus: Child,
    address: String,
    daemon: Option<Child>,
}

impl Keyring {
    /// A bus with a keyring on it.
    pub fn start(start: Start) -> Self {
        let mut keyring = Self::bus_only();
        keyring.start_daemon(start);
        keyring
    }

    /// A bus without any service.
    pub fn bus_only() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        for folder in ["run", "data"] {
            std::fs::create_dir(home.path().join(folder)).expect("a folder in a temporary folder");
        }
        let config = home.path().join("bus.conf");
        let text = BUS.replace("DIR", &home.path().join("run").display().to_string());
        std::fs::write(&config, text).expect("the configuration of the bus");
        let mut bus = must_start(
            Command::new("dbus-daemon")
                .arg(format!("--config-file={}", config.display()))
                .args(["--nofork", "--print-address=1"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
            "dbus",
        );
        let mut address = String::new();
        let output = bus.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut address).expect("the address of the bus");
        assert!(!address.trim().is_empty(), "dbus-daemon gave no address");
        Self { home, bus, address: address.trim().to_owned(), daemon: None }
    }

    /// Starts the daemon and waits until it owns its name.
    pub fn start_daemon(&mut self, start: Start) {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if start == Start::Unlocked {
            command.arg("--unlock");
        }
        self.give(&mut command);
        let mut daemon = must_start(&mut command, "gnome-keyring");
        let mut input = daemon.stdin.take().expect("its input is piped");
        if start == Start::Unlocked {
            input.write_all(PASSWORD.as_bytes()).expect("the daemon reads its password");
        }
        drop(input);
        self.daemon = Some(daemon);
        let end = Instant::now() + DEADLINE;
        while !self.has_owner() {
            assert!(
                Instant::now() < end,
                "gnome-keyring-daemon did not take its name on the bus in {DEADLINE:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the daemon; the bus and the home with its collections stay.
    pub fn stop_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Holds the daemon in its tracks: it keeps its name and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a held daemon go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Locks the default collection, as its owner can at any time.
    pub fn lock(&self) {
        let mut lock = Command::new("dbus-send");
        lock.args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
        ]);
        lock.args([
            "org.freedesktop.Secret.Service.Lock",
            "array:objpath:/org/freedesktop/secrets/aliases/default",
        ]);
        self.give(&mut lock);
        let answer = lock.output().expect("dbus-send runs");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    }

    /// What Sealport keeps in it for a system, if it does.
    pub fn item(&self, system: &str) -> Option<String> {
        let mut look = Command::new("secret-tool");
        look.args(["lookup", "service", "sealport", "username", system]);
        self.give(&mut look);
        let found = look.output().expect("secret-tool runs: apt-get install libsecret-tools");
        found.status.success().then(|| String::from_utf8(found.stdout).expect("an item of text"))
    }

    /// Deletes what Sealport keeps in it.
    pub fn forget(&self) {
        self.forget_what(&[]);
    }

    /// Deletes what Sealport keeps in it for a system.
    pub fn forget_item(&self, system: &str) {
        self.forget_what(&["username", system]);
    }

    fn forget_what(&self, more: &[&str]) {
        let mut forget = Command::new("secret-tool");
        forget.args(["clear", "service", "sealport"]).args(more);
        self.give(&mut forget);
        let done = forget.status().expect("secret-tool runs: apt-get install libsecret-tools");
        assert!(done.success(), "the keyring keeps its item");
    }

    /// Copies what is kept into a folder, as a backup of the home would.
    pub fn copy_out(&self, folder: &Path) {
        copy(&self.home.path().join("data/keyrings"), folder);
    }

    /// Puts back what was copied out. The daemon must not run.
    pub fn copy_in(&self, folder: &Path) {
        assert!(self.daemon.is_none(), "a daemon that runs would not see the files");
        copy(folder, &self.home.path().join("data/keyrings"));
    }

    /// Gives a command this bus and home, and no screen.
    pub fn give(&self, command: &mut Command) {
        self.give_beside_screen(command);
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    }

    /// Gives a command this bus and home, and leaves it its screen.
    pub fn give_beside_screen(&self, command: &mut Command) {
        let home = self.home.path();
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env_remove("GNOME_KEYRING_CONTROL");
    }

    /// The home that goes with it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("a daemon that was started");
        kill_process(Pid::from_child(daemon), signal).expect("a daemon that lives");
    }

    fn has_owner(&self) -> bool {
        let mut ask = Command::new("dbus-send");
        ask.args(["--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/"]);
        ask.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
        self.give(&mut ask);
        let answer = ask.output().expect("dbus-send runs");
        String::from_utf8_lossy(&answer.stdout).contains("true")
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.stop_daemon();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder in a temporary folder");
    for entry in std::fs::read_dir(from).expect("the keyrings") {
        let entry = entry.expect("a keyring");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a keyring can be copied");
    }
}

fn must_start(command: &mut Command, package: &str) -> Child {
    // A group of its own: Ctrl+C in the terminal ends the test, which then ends its children in order.
    command.process_group(0).spawn().unwrap_or_else(|error| {
        panic!("{:?}: {error}. These tests need a real one: apt-get install {package}", command.get_program())
    })
}
