//! A terminal of a test's own: a program runs in it, the test types, and sees what a person would see.
//!
//! Every wait has a deadline. A program that is left behind is ended.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use pty_process::{Size, blocking as pty};
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, tcgetattr},
};

const LINES: NonZeroU16 = NonZeroU16::new(24).expect("more than none");
const DEADLINE: Duration = Duration::from_secs(60);
/// Ctrl+C, as a key.
pub const CTRL_C: &str = "\u{3}";
/// Ctrl+D, as a key.
pub const CTRL_D: &str = "\u{4}";

/// A program in a terminal.
pub struct Terminal {
    pty: Arc<pty::Pty>,
    child: Child,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    /// Where in the text the next `expect` begins to look.
    seen: usize,
    columns: NonZeroU16,
}

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    ended: bool,
}

/// What is left when a program has ended.
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Every byte that came, escapes included.
    pub said: String,
    /// What is on the screen now, without blanks at the ends of lines.
    pub screen: String,
    /// How it left the terminal, as `Terminal::modes` says it.
    pub modes: [bool; 3],
}

impl Terminal {
    /// Starts a program in a terminal of 24 lines and `columns`. What the command sends elsewhere goes there.
    pub fn start(command: Command, columns: u16) -> Self {
        Self::start_with(command.into(), columns)
    }

    /// As `start`, for a command with some of its output led elsewhere.
    pub fn start_with(command: pty::Command, columns: u16) -> Self {
        let (pty, inner) = pty::open().expect("a terminal");
        let columns = NonZeroU16::new(columns).expect("a terminal has a width");
        pty.resize(Size::new(LINES.get(), columns.get())).expect("a terminal that has a size");
        let child = command.spawn(inner).expect("the program starts");
        let pty = Arc::new(pty);
        let shown = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        thread::spawn({
            let (pty, shown) = (Arc::clone(&pty), Arc::clone(&shown));
            move || {
                let mut bytes = [0; 4096];
                loop {
                    // Linux says EIO when the last one that had the terminal open is gone.
                    let count = (&*pty).read(&mut bytes).unwrap_or(0);
                    let mut now = shown.0.lock().expect("no reader panics");
                    now.bytes.extend_from_slice(&bytes[..count]);
                    now.ended = count == 0;
                    shown.1.notify_all();
                    if now.ended {
                        return;
                    }
                }
            }
        });
        Self { pty, child, shown, seen: 0, columns }
    }

    /// Waits until this is shown, behind what was waited for before.
    pub fn expect(&mut self, text: &str) {
        let end = Instant::now() + DEADLINE;
        let mut now = self.shown.0.lock().expect("no reader panics");
        loop {
            let found = now.bytes[self.seen..].windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(place) = found {
                self.seen += place + text.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            let all = String::from_utf8_lossy(&now.bytes).into_owned();
            assert!(!now.ended && !left.is_zero(), "{text:?} was not shown: {all}");
            now = self.shown.1.wait_timeout(now, left).expect("no reader panics").0;
        }
    }

    /// Types keys.
    pub fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line.
    pub fn answer(&self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Whether the terminal shows what is typed, takes it by lines, and makes a signal of Ctrl+C.
    pub fn modes(&self) -> [bool; 3] {
        let modes = tcgetattr(&*self.pty).expect("a terminal has modes").local_modes;
        [LocalModes::ECHO, LocalModes::ICANON, LocalModes::ISIG].map(|mode| modes.contains(mode))
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program lives");
    }

    /// Waits for the end of the program.
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its own child") {
                break status;
            }
            let now = self.shown.0.lock().expect("no reader panics");
            let all = String::from_utf8_lossy(&now.bytes).into_owned();
            assert!(Instant::now() < end, "the program does not end: {all}");
            // Wakes when more is shown, or looks again.
            drop(self.shown.1.wait_timeout(now, Duration::from_millis(20)));
        };
        let mut now = self.shown.0.lock().expect("no reader panics");
        while !now.ended {
            assert!(Instant::now() < end, "the terminal stays open");
            now = self.shown.1.wait_timeout(now, DEADLINE).expect("no reader panics").0;
        }
        let mut screen = vt100::Parser::new(LINES, self.columns, 0);
        screen.process(&now.bytes);
        let said = String::from_utf8_lossy(&now.bytes).into_owned();
        drop(now);
        Ended { code: status.code(), said, screen: screen.screen().contents(), modes: self.modes() }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
