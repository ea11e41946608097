//! Starting other programs: where the repository is, what is installed, and how a failure reads.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Why the command ends here: what failed, what to do next, and the exit code.
#[derive(Debug)]
pub struct Stop {
    what: String,
    hint: String,
    /// 1 for a failure, 2 for a wrong command line.
    pub exit: u8,
}

/// Done, or why not.
pub type Done = Result<(), Stop>;

impl Stop {
    /// A failure, with what to do next.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), exit: 1 }
    }

    /// A command line that makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: String::new(), exit: 2 }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.hint) }
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("xtask stands two folders below the root")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder for screenshots and reports, made if it is not there; an absolute path.
pub fn artifacts() -> Result<PathBuf, Stop> {
    let folder = root().join("artifacts");
    std::fs::create_dir_all(&folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|e| Stop::new(format!("cannot make {}: {e}", folder.display()), "make the folder writable"))
}

/// `cargo` with arguments, at the root.
pub fn cargo(args: &[&str]) -> Command {
    // Cargo tells its child which cargo it is, so a chosen toolchain stays chosen.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// `npm` with arguments, in `ui/`.
pub fn npm(args: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(args).current_dir(root().join("ui"));
    command
}

/// Runs it to its end with our own output; a status other than 0 is a failure.
pub fn run(command: &mut Command) -> Done {
    let line = line(command);
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::new(format!("`{line}` failed ({status})"), "its own message stands above")),
        Err(e) => Err(not_started(command, &e)),
    }
}

/// What it prints on standard output, trimmed; `None` if it can't run or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let done = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Whether a program of that name is on the path.
pub fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// The command as a person would type it.
pub fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

/// A program that could not be started at all.
pub fn not_started(command: &Command, e: &std::io::Error) -> Stop {
    let program = command.get_program().to_string_lossy().into_owned();
    Stop::new(format!("cannot start {program}: {e}"), format!("install {program} and put it on the path"))
}
