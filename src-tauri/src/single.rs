//! One window for a data directory: a second start brings the first window to the front, and ends.
//!
//! Promises: what comes in here can show the window and nothing else. Where the first window does not answer in time, the
//! second one opens all the same.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use interprocess::local_socket::{
    ConnectOptions, GenericFilePath, Listener, ListenerOptions, Name, ToFsName as _, traits::Listener as _,
    traits::Stream as _,
};
use sealport_core::Error;
use tauri::{AppHandle, Manager};

use crate::engine;

/// How long the first window has to say that it shows itself.
const PATIENCE: Duration = Duration::from_secs(3);
const SHOWN: &[u8] = b"shown";

/// What this start is.
pub enum Start {
    /// The first one. Later ones are heard where a socket could be made; where not, each has a window of its own.
    First(Option<Listener>),
    /// A later one: the first window is in front now.
    Later,
}

/// Asks the window that has this data directory to show itself, or gets ready to be asked.
pub fn start(data_dir: &Path) -> Result<Start, Error> {
    let path = engine::window_socket(data_dir)?;
    Ok(if shows(&path) { Start::Later } else { Start::First(listen(&path).ok()) })
}

/// Shows the window whenever a later start asks for it, as long as the process lives.
pub fn serve(listener: Listener, app: AppHandle) {
    std::thread::spawn(move || {
        while let Ok(mut stream) = listener.accept() {
            let window = app.clone();
            let shown = app.run_on_main_thread(move || show(&window));
            if shown.is_ok() {
                // Whoever asked may be gone.
                let _ = stream.write_all(SHOWN);
            }
        }
    });
}

/// Brings the window to the front.
pub fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window("main") {
        // Some desktops don't let a window come forward by itself; they mark it in their bar instead.
        let _ = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    }
}

fn shows(path: &Path) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = ConnectOptions::new().name(name(path)?).connect_sync()?;
        stream.set_recv_timeout(Some(PATIENCE))?;
        let mut answer = [0; SHOWN.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer == SHOWN)
    };
    ask().unwrap_or(false)
}

/// Nothing answered on this path, so what lies there is left from a window that ended.
fn listen(path: &Path) -> io::Result<Listener> {
    ListenerOptions::new().name(name(path)?).try_overwrite(true).create_sync()
}

fn name(path: &Path) -> io::Result<Name<'static>> {
    PathBuf::from(path).into_os_string().to_fs_name::<GenericFilePath>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: take a socket that nobody answers on for a window.
    #[test]
    fn a_socket_left_behind_is_no_window() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(start(folder.path()), Ok(Start::First(Some(_)))), "the first start");
        // Dropped above, as by a window that was killed, but for the file that stays.
        std::fs::write(engine::window_socket(folder.path()).unwrap(), "").unwrap();
        assert!(matches!(start(folder.path()), Ok(Start::First(Some(_)))), "after a kill");
    }

    /// Sabotage: let `start` listen without asking first.
    #[test]
    fn a_second_start_finds_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(Start::First(Some(listener))) = start(folder.path()) else { panic!("the first start") };
        let answering = std::thread::spawn(move || listener.accept().unwrap().write_all(SHOWN).unwrap());
        assert!(matches!(start(folder.path()), Ok(Start::Later)));
        answering.join().unwrap();
    }
}
