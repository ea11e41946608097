//! The command `sealport` at work: a folder with its files, and the binary as a shell would start it.
//!
//! Tests of the package that makes the binary take this file by its path.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A binding file, and the name of a port in it that misses its password.
pub const BINDING: &str = include_str!("../../samples/NorthwindRail.Freight.BindingInfo.xml");
/// Such a port.
pub const PORT: &str = "Freight.Manifest.ToCustoms";
/// What the binding file is called on a desk.
pub const FILE: &str = "Freight.BindingInfo.xml";
/// The passphrase of the custody.
pub const CUSTODY: &str = "custody words";
/// The passphrase of backups.
pub const BACKUP: &str = "correct horse battery staple";
/// Makes a system with the files of a desk.
pub const INIT: &str = "init --name Hub --custody passphrase --custody-passphrase-file custody --backup first.sealport \
     --passphrase-file backup --reminder envelope";

/// A folder with what commands need: passphrases and a binding file; data directories go beside them.
pub struct Desk {
    folder: TempDir,
    /// Gives each command what a test wants it to have, such as a keyring of its own.
    pub furnish: Box<dyn Fn(&mut Command)>,
}

impl Desk {
    /// A folder with the files `custody`, `backup`, `wrong` and the binding file.
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), furnish: Box::new(|_| {}) };
        desk.file("custody", &format!("{CUSTODY}\n"));
        desk.file("backup", &format!("{BACKUP}\n"));
        desk.file("wrong", "correct horse battery stable\n");
        desk.file(FILE, BINDING);
        desk
    }

    /// A place on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A private file; its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        private_file(&self.path(name), content)
    }

    /// A command in this folder; words with blanks stand in `extra`.
    pub fn command(&self, data_dir: &str, line: &str, extra: &[&str]) -> Command {
        let mut command = sealport(self.folder.path(), &self.path(data_dir));
        command.args(line.split_whitespace()).args(extra);
        command.env("SEALPORT_CUSTODY_PASSPHRASE_FILE", self.path("custody"));
        (self.furnish)(&mut command);
        command
    }

    /// Runs one to its end.
    pub fn run(&self, data_dir: &str, line: &str, extra: &[&str]) -> Output {
        self.run_with(data_dir, line, extra, "")
    }

    /// As `run`, with something on standard input.
    pub fn run_with(&self, data_dir: &str, line: &str, extra: &[&str], stdin: &str) -> Output {
        finish(&mut self.command(data_dir, line, extra), stdin)
    }

    /// A command that must succeed; its answer.
    pub fn json(&self, data_dir: &str, line: &str, extra: &[&str]) -> Value {
        self.json_with(data_dir, line, extra, "")
    }

    /// As `json`, with something on standard input.
    pub fn json_with(&self, data_dir: &str, line: &str, extra: &[&str], stdin: &str) -> Value {
        let output = self.run_with(data_dir, &format!("--json {line}"), extra, stdin);
        assert_eq!(output.status.code(), Some(0), "{line} {extra:?}: {}{}", out(&output), err(&output));
        json(&output)
    }

    /// A command that must fail with this exit code and error code; its message. Nothing goes to standard error.
    pub fn fails(&self, data_dir: &str, line: &str, extra: &[&str], exit: i32, code: &str) -> String {
        let output = self.run(data_dir, &format!("--json {line}"), extra);
        assert_eq!(output.status.code(), Some(exit), "{line} {extra:?}: {}{}", out(&output), err(&output));
        let error = json(&output);
        assert_eq!(error["error"]["code"], code, "{line}: {error}");
        assert!(error["error"]["hint"].is_string());
        error["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// The binary in a folder, on a data directory, with nothing of the tester's own settings.
pub fn sealport(folder: &Path, data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealport"));
    for name in ["SEALPORT_CUSTODY_PASSPHRASE_FILE", "COLUMNS", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("SEALPORT_DATA_DIR", data_dir).current_dir(folder);
    command
}

/// Runs a command to its end, without a terminal.
pub fn finish(command: &mut Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// The names in a folder, in order.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Writes a file that only its owner reads; its path.
pub fn private_file(path: &Path, content: &str) -> String {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// Standard output.
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error.
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as JSON.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", out(output)))
}
