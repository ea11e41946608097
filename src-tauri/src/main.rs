//! The shell: a window onto the engine. It decides nothing; it opens dialogs, keeps paths from the page, and hands on
//! requests and answers.
//!
//! Promises: the window paints before the engine opens; where no window can open, a sentence says why; a data directory
//! has one window, which is not closed over what was typed and not saved without a word.

#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, mpsc},
    time::Duration,
};

use sealport_core::{Code, Error};
use tauri::{Manager, RunEvent};

mod alerts;
mod chosen;
mod clipboard;
mod closing;
mod commands;
mod dialogs;
mod door;
mod engine;
mod events;
mod single;
mod tray;

#[cfg(all(test, target_os = "linux"))]
#[path = "../../tests/harness/panel.rs"]
#[allow(dead_code, reason = "a test looks at what it needs")]
mod panel;
#[cfg(all(test, target_os = "linux"))]
mod told;

const USAGE: &str = "\
usage: sealport-desktop [--data-dir DIR]

  --data-dir DIR   the data directory; else SEALPORT_DATA_DIR, else the user's own
  --version        the version, and ends
  --help           this text, and ends";

/// After this long without a page, a word on the terminal says what is being waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Ask {
    Window(Option<PathBuf>),
    Version,
    Help,
}

fn main() -> ExitCode {
    let outcome = match parse(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Ask::Version) => {
            println!("sealport-desktop {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Ask::Help) => {
            println!("{USAGE}");
            Ok(())
        }
        Ok(Ask::Window(data_dir)) => open_window(data_dir),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealport-desktop: {error}\n{}", error.hint);
            ExitCode::from(error.code.exit())
        }
    }
}

/// Opens the window and returns when it is closed.
fn open_window(data_dir: Option<PathBuf>) -> Result<(), Error> {
    engine::protect_memory();
    spare_nvidia();
    if !has_display() {
        return Err(Error::new(Code::Unavailable, "there is no display to open a window on")
            .hint("Set DISPLAY or WAYLAND_DISPLAY, or use the command `sealport`, which needs no window."));
    }
    let data_dir = engine::locate(data_dir)?;
    let later_starts = match single::start(&data_dir)? {
        single::Start::First(listener) => listener,
        single::Start::Later => {
            println!("Sealport has this data directory open already: its window is in front now");
            return Ok(());
        }
    };
    // The page is told once there is one; what happens before, it asks for when it starts.
    let page: tray::App = Arc::default();
    let to_page = page.clone();
    let alerts = alerts::Alerts::start();
    let changed: engine::Hear = Arc::new(move |notice| {
        alerts.heard(&notice);
        if let Some(app) = to_page.get() {
            events::notice(app, notice);
        }
    });
    let door = Arc::new(door::Door::new(data_dir, changed));
    let (painted, waiting) = mpsc::channel();
    std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!(
                "sealport-desktop: still opening the window; the desktop's own services are slow to answer"
            );
        }
    });
    let early = door.clone();
    let app = tauri::Builder::default()
        .plugin(tauri::plugin::Builder::<tauri::Wry>::new("stay").on_navigation(|_, url| is_own(url)).build())
        .manage(door)
        .manage(chosen::Table::default())
        .manage(clipboard::Clipboard::default())
        .manage(closing::Unsaved::default())
        .manage(tray::Tray::start(page.clone()))
        .invoke_handler(tauri::generate_handler![
            commands::about,
            commands::call,
            commands::cancel,
            commands::choose,
            commands::close,
            commands::copy_secret,
            commands::explore,
            commands::fill_csv,
            commands::import_files,
            commands::leave_sample,
            commands::open_folder,
            commands::unsaved,
        ])
        .on_page_load(move |_, _| {
            // The engine opens once the page is on its way; an error comes again with the page's first request.
            let _ = painted.send(());
            let early = early.clone();
            std::thread::spawn(move || early.engine().map(drop));
        })
        .on_window_event(events::window)
        .build(tauri::generate_context!())
        .map_err(|e| Error::new(Code::Internal, format!("the window can't be made: {e}")).because(e))?;
    let _ = page.set(app.handle().clone());
    if let Some(listener) = later_starts {
        single::serve(listener, app.handle().clone());
    }
    app.run(|app, event| {
        if let RunEvent::Exit = event {
            app.state::<clipboard::Clipboard>().clear();
            app.state::<Arc<door::Door>>().close();
        }
    });
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Ask, Error> {
    let mut data_dir = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--version" | "-V" => return Ok(Ask::Version),
            "--help" | "-h" => return Ok(Ask::Help),
            "--data-dir" => data_dir = args.next().filter(|dir| !dir.is_empty()).map(PathBuf::from),
            _ if arg.starts_with("--data-dir=") => data_dir = Some(arg["--data-dir=".len()..].into()),
            _ => return Err(Error::new(Code::Usage, format!("{arg} is not known here")).hint(USAGE)),
        }
        if data_dir.is_none() {
            return Err(Error::new(Code::Usage, "--data-dir needs a folder").hint(USAGE));
        }
    }
    Ok(Ask::Window(data_dir))
}

/// Whether an address is a page of this binary; the window shows no other.
fn is_own(url: &tauri::Url) -> bool {
    url.scheme() == "tauri" || (cfg!(windows) && url.host_str() == Some("tauri.localhost"))
}

/// GTK ends the process where it finds no display, so it is looked for first.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// With NVIDIA's driver, WebKitGTK's newer way of handing over frames leaves the window blank (tauri issue 9304).
/// Elsewhere that way is the faster one, so it is left alone, and so is a choice of the user's own.
fn spare_nvidia() {
    let renderer = "WEBKIT_DISABLE_DMABUF_RENDERER";
    let nvidia = cfg!(target_os = "linux") && PathBuf::from("/proc/driver/nvidia/version").exists();
    if nvidia && std::env::var_os(renderer).is_none() {
        // SAFETY: no other thread runs yet, so none reads the environment meanwhile.
        unsafe { std::env::set_var(renderer, "1") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Ask, Error> {
        parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    /// Sabotage: let `is_own` answer true, and a page could be led to a server.
    #[test]
    fn the_window_shows_no_page_of_a_server() {
        let own = |text: &str| is_own(&text.parse().unwrap());
        assert!(own("tauri://localhost/index.html"));
        assert!(!own("https://example.com") && !own("http://127.0.0.1:1/") && !own("file:///etc/passwd"));
        assert!(!own("data:text/html,x") && !own("https://tauri.localhost.example.com"));
    }

    #[test]
    fn the_command_line_is_read_strictly() {
        assert_eq!(parsed(&[]).unwrap(), Ask::Window(None));
        assert_eq!(parsed(&["--data-dir", "a b"]).unwrap(), Ask::Window(Some("a b".into())));
        assert_eq!(parsed(&["--data-dir=x"]).unwrap(), Ask::Window(Some("x".into())));
        assert_eq!(parsed(&["--version"]).unwrap(), Ask::Version);
        assert_eq!(parsed(&["--data-dir"]).unwrap_err().code, Code::Usage);
        assert_eq!(parsed(&["--datadir", "x"]).unwrap_err().code, Code::Usage);
    }
}
