//! Alerts in the log: standard error, which the journal reads by its priority marks; else syslog; on Windows the Event Log.

use std::io::{self, Write};

use sealport_core::{Code, Error, api::Severity};

use super::{Happened, Telling};

/// The line of an alert, without a mark. One line, whatever the alert says.
pub fn line(telling: &Telling) -> String {
    let happened = match telling.event {
        Happened::Raised => "alert",
        Happened::Ended => "alert ended",
        Happened::Test => "test alert",
    };
    let severity = match telling.alert.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    let alert = &telling.alert;
    let text = match telling.event {
        Happened::Ended => format!("{happened}: {} ({severity})", alert.id),
        _ => format!("{happened}: {} ({severity}): {} {}", alert.id, alert.message, alert.hint),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Priority as syslog counts: 3 error, 4 warning, 6 information.
pub fn priority(telling: &Telling) -> u8 {
    match (telling.event, telling.alert.severity) {
        (Happened::Raised, Severity::Critical) => 3,
        (Happened::Raised, Severity::Warning) => 4,
        _ => 6,
    }
}

/// Writes an alert to standard error and, where that is not the journal, to the log of the system if there is one.
pub fn tell(telling: &Telling) -> Result<(), Error> {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mark = if journal { format!("<{}>", priority(telling)) } else { String::new() };
    let line = line(telling);
    let written = writeln!(io::stderr().lock(), "{mark}{line}");
    let kept = if journal { Ok(()) } else { system_log(telling, &line) };
    // One of the two is enough: a service without a standard error still has its syslog.
    match (written, kept) {
        (Ok(()), _) | (_, Ok(())) => Ok(()),
        (Err(cause), Err(_)) => {
            Err(Error::new(Code::Unavailable, "The log can't be written.").because(cause))
        }
    }
}

#[cfg(unix)]
fn system_log(telling: &Telling, line: &str) -> io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    const DAEMON: u8 = 3 << 3;
    let place = if cfg!(target_os = "macos") { "/var/run/syslog" } else { "/dev/log" };
    let socket = UnixDatagram::unbound()?;
    // A log that does not read must not hold up the watch.
    socket.set_nonblocking(true)?;
    let text = format!("<{}>sealport[{}]: {line}", DAEMON | priority(telling), std::process::id());
    socket.send_to(text.as_bytes(), place).map(drop)
}

#[cfg(windows)]
fn system_log(telling: &Telling, line: &str) -> io::Result<()> {
    // The tool that Windows has for this; the install script registers the source.
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    let kind = match priority(telling) {
        3 => "ERROR",
        4 => "WARNING",
        _ => "INFORMATION",
    };
    let tool = std::path::Path::new(&root).join(r"System32\eventcreate.exe");
    let done = std::process::Command::new(tool)
        .args(["/L", "APPLICATION", "/SO", "Sealport", "/ID", "100", "/T", kind, "/D", line])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other("eventcreate refused")) }
}

#[cfg(not(any(unix, windows)))]
fn system_log(_: &Telling, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
