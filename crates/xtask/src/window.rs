//! `cargo xtask run`: builds Sealport and opens its window; with no display, shows it in a screenshot.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    session::{self, Session},
    setup::{self, Part},
    tool::{self, Done, Stop},
};

/// How long the window may take to paint; it takes about a second.
const FIRST_PAINT: Duration = Duration::from_secs(60);
/// How long it may go on changing before the screenshot is taken all the same.
const SETTLED: Duration = Duration::from_secs(5);
/// A window with no more colours than this holds nothing but its background.
const BLANK: u32 = 8;

/// Builds and opens the window; `args` are for the application.
pub fn run(release: bool, args: &[String]) -> Done {
    let display = session::has_display();
    let parts: &[Part] = if display { &[Part::Build] } else { &[Part::Build, Part::Headless] };
    setup::system(parts)?;
    setup::page()?;
    let profile = if release { &["--release"][..] } else { &[] };
    tool::run(tool::cargo(&["build", "--locked", "--workspace", "--bins"]).args(profile))?;
    let name = if cfg!(windows) { "sealport-desktop.exe" } else { "sealport-desktop" };
    let program = tool::target().join(if release { "release" } else { "debug" }).join(name);
    if display { tool::run(Command::new(program).args(args)) } else { show(&program, args) }
}

/// Opens the window in a session of its own and writes what it shows into `artifacts/`.
fn show(program: &Path, args: &[String]) -> Done {
    println!(
        "no display: opening the window under Xvfb, with a throw-away keyring and an empty data directory"
    );
    let mut session = Session::start(1360, 900)?;
    let mut command = session.command(&program.to_string_lossy());
    command.args(args).stdin(Stdio::null());
    if !args.iter().any(|arg| arg.starts_with("--data-dir")) {
        command.arg("--data-dir").arg(session.home().join("data"));
    }
    // Frames drawn by software arrive sooner without it.
    if std::env::var_os("WEBKIT_DISABLE_DMABUF_RENDERER").is_none() {
        command.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    }
    let mut app = command.spawn().map_err(|e| tool::not_started(&command, &e))?;
    let file = tool::artifacts()?.join("window.png");
    let seen = photograph(&session, &mut app, &file);
    // By the session: ended before the display, so that it does not complain of the loss.
    session.keep(app);
    drop(session);
    seen?;
    println!("the window, as it opened:\n{}", file.display());
    Ok(())
}

/// Waits until the window is painted and at rest, then writes it into the file.
fn photograph(session: &Session, app: &mut Child, file: &Path) -> Done {
    let mut window = None;
    let mut ended = None;
    session::wait_until(FIRST_PAINT, "the window does not appear", || {
        ended = app.try_wait().ok().flatten();
        let search = ["search", "--onlyvisible", "--name", "^Sealport"];
        window = tool::output(session.command("xdotool").args(search)).and_then(|ids| first_line(&ids));
        window.is_some() || ended.is_some()
    })?;
    if let Some(status) = ended {
        return Err(Stop::new(
            format!("the application ended at once ({status})"),
            "its message stands above",
        ));
    }
    let window = window.ok_or_else(|| Stop::new("the window is gone", "run the command again"))?;
    let take = || tool::output(session.command("import").args(["-window", &window]).arg(file)).is_some();
    let mut look = String::new();
    session::wait_until(FIRST_PAINT, "the window stays blank", || {
        take() && colours(file).is_some_and(|count| count > BLANK)
    })?;
    // A page that goes on moving is no failure: the picture is taken all the same.
    let _ = session::wait_until(SETTLED, "the window goes on changing", || {
        let before = std::mem::take(&mut look);
        take()
            && identify(file, "%#").is_some_and(|now| {
                look = now;
                look == before
            })
    });
    Ok(())
}

fn colours(file: &Path) -> Option<u32> {
    identify(file, "%k")?.parse().ok()
}

fn identify(file: &Path, what: &str) -> Option<String> {
    tool::output(Command::new("identify").args(["-format", what]).arg(file))
}

fn first_line(text: &str) -> Option<String> {
    text.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_windows_the_first_is_taken() {
        assert_eq!(first_line("4194307\n4194310").as_deref(), Some("4194307"));
        assert_eq!(first_line(""), None);
    }
}
