//! Ctrl+C, SIGTERM, and a terminal that is closed.
//!
//! While a request is under way the first of them asks it to stop, and the second ends the process. At any other time,
//! and in a prompt, the process ends at once with 130 and gives the terminal back as it was.

use std::{
    io, process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::progress;

const EXIT: i32 = 130;

static UNDER_WAY: AtomicBool = AtomicBool::new(false);
static CANCEL: AtomicBool = AtomicBool::new(false);
/// The thread of a service that waits to be told to end.
static SERVICE: Mutex<Option<thread::Thread>> = Mutex::new(None);
static PROMPT: Mutex<Option<Echo>> = Mutex::new(None);

/// Listens from now on.
pub fn listen() {
    // Without a handler Ctrl+C ends the process, as it would anyway.
    let _ = ctrlc::set_handler(|| {
        let asking = PROMPT.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if asking || !UNDER_WAY.load(Ordering::SeqCst) || CANCEL.swap(true, Ordering::SeqCst) {
            end();
        }
        if let Some(service) = SERVICE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return service.unpark();
        }
        progress::say("Cancelling. Ctrl+C again ends at once.");
    });
}

/// The flag that turns true when the request that begins now should stop.
pub fn cancel_flag() -> &'static AtomicBool {
    UNDER_WAY.store(true, Ordering::SeqCst);
    &CANCEL
}

/// Waits until the process is told to end. The second time it ends at once.
pub fn wait() {
    *SERVICE.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
    let told = cancel_flag();
    while !told.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Ends the process as a person asked.
pub fn end() -> ! {
    if let Some(echo) = PROMPT.lock().unwrap_or_else(PoisonError::into_inner).take() {
        echo.restore();
        eprintln!();
    }
    process::exit(EXIT)
}

/// A prompt that waits for an answer; dropping it gives the terminal back.
#[derive(Debug)]
pub struct Prompt(());

impl Prompt {
    /// A prompt whose answer is seen.
    pub fn seen() -> Self {
        Self::new(Echo::default())
    }

    /// A prompt whose answer isn't seen, from before its first letter is shown until the value is dropped.
    pub fn unseen() -> io::Result<Self> {
        Echo::off().map(Self::new)
    }

    fn new(echo: Echo) -> Self {
        *PROMPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(echo);
        Self(())
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        if let Some(echo) = PROMPT.lock().unwrap_or_else(PoisonError::into_inner).take() {
            echo.restore();
        }
    }
}

/// How the terminal was before a prompt changed it; nothing where it was not changed.
#[cfg(unix)]
#[derive(Debug, Default)]
struct Echo(Option<(std::fs::File, rustix::termios::Termios)>);

#[cfg(unix)]
impl Echo {
    /// The terminal still takes whole lines and hears Ctrl+C; of what is typed it shows the line's end alone.
    fn off() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = std::fs::File::open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ECHO);
        now.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Now, &now)?;
        Ok(Self(Some((terminal, before))))
    }

    fn restore(self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some((terminal, before)) = self.0 {
            // A terminal that is gone has nothing to give back.
            let _ = tcsetattr(terminal, OptionalActions::Now, &before);
        }
    }
}

/// Elsewhere whoever reads the passphrase keeps the terminal's state.
#[cfg(not(unix))]
#[derive(Debug, Default)]
struct Echo;

#[cfg(not(unix))]
impl Echo {
    fn off() -> io::Result<Self> {
        Ok(Self)
    }

    fn restore(self) {}
}
