//! From a process that starts to the first port that opened, with the secret in a real keyring of its own.
//!
//! The benchmark starts itself again in a role that an environment variable names.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use rusqlite::Connection;
use sealport_core::api::{CustodyChoice, Request, Response};
use sealport_node::engine::Engine;

use super::{
    system::{self, ask},
    table::{Clock, Goal, Table, against},
};

pub const ROLE: &str = "SEALPORT_BENCH_ROLE";
pub const FOLDER: &str = "SEALPORT_BENCH_FOLDER";
const PORT: &str = "Start.0.Sales.ToLedger";
const ROUNDS: usize = 25;

/// Plays the role that this process was started for, if it was.
pub fn play() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    if role == "command" {
        return Some(sealport_node::cli::main(|config| Ok(Engine::shared(config)?)));
    }
    let folder = env::var_os(FOLDER).expect("a role has a folder");
    let folder = Path::new(&folder);
    match role.as_str() {
        "make" => {
            let engine = system::open(folder);
            system::init(&engine, CustodyChoice::Keyring);
            system::import(&engine, "start.xml", &system::binding_file(100, "Start"), false);
        }
        "engine" => {
            let engine = system::open(folder);
            let show = Request::PortShow { port: PORT.to_owned(), revision: None };
            assert!(matches!(ask(&engine, show), Response::Port(_)));
        }
        "sqlite" => {
            let connection = Connection::open(folder.join("sealport.db")).expect("a database");
            let bytes: Vec<u8> = connection
                .query_row("SELECT envelope FROM record WHERE name = ?", [PORT], |row| row.get(0))
                .expect("a port");
            assert!(!bytes.is_empty());
        }
        "bare" => super::net::bare::play(folder),
        other => panic!("no role is called {other}"),
    }
    Some(ExitCode::SUCCESS)
}

#[cfg(target_os = "linux")]
pub fn measure(table: &mut Table, folder: &Path) {
    use sealport_tests::keyring::{Keyring, Start};
    let have = |program| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if !["dbus-daemon", "gnome-keyring-daemon", "dbus-send"].into_iter().all(have) {
        return table.note("restart to first open: not measured, there is no Secret Service here");
    }
    let keyring = Keyring::start(Start::Unlocked);
    let folder = folder.join("start");
    let run = |role: &str, words: &[&str]| {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        keyring.give(&mut command);
        command.env(ROLE, role).env(FOLDER, &folder).args(words).stdout(Stdio::null());
        let done = command.status().expect("this program starts again");
        assert!(done.success(), "the role {role} failed");
    };
    run("make", &[]);
    let shown = folder.display().to_string();
    let (engine, bare) = against(Clock::Wall, ROUNDS, 1, || run("engine", &[]), || run("sqlite", &[]));
    let peer = Some(("start and SQLite alone", bare.at(0.95)));
    table.row(
        "restart to first open, p50",
        engine.median(),
        Some(("start and SQLite alone", bare.median())),
        Goal::None,
    );
    table.row("restart to first open, p95", engine.at(0.95), peer, Goal::Seconds(0.025));
    let words = ["--data-dir", &shown, "--json", "port", "show", PORT];
    let (command, bare) = against(Clock::Wall, ROUNDS, 1, || run("command", &words), || run("sqlite", &[]));
    let peer = Some(("start and SQLite alone", bare.at(0.95)));
    table.row("`sealport port show`, p95", command.at(0.95), peer, Goal::Seconds(0.025));
}

#[cfg(not(target_os = "linux"))]
pub fn measure(table: &mut Table, _: &Path) {
    table
        .note("restart to first open: measured on Linux, where a Secret Service of one's own can be started");
}
