//! A secret on the clipboard: kept out of its history, and cleared again.
//!
//! Promises: cleared after 30 seconds and when the application ends, unless something else was copied meanwhile.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sealport_core::{Code, Error, secret::SecretText};

/// How long a secret stays.
pub const STAYS: Duration = Duration::from_secs(30);

/// The clipboard while a secret of ours may be on it.
#[derive(Clone)]
pub struct Clipboard(Arc<Inner>);

struct Inner {
    held: Mutex<Option<Held>>,
    stays: Duration,
    open: Box<dyn Fn() -> Result<Box<dyn Board>, Error> + Send + Sync>,
}

/// Where the system has no clipboard of its own (X11), the text lives as long as `board` does.
struct Held {
    board: Box<dyn Board>,
    secret: SecretText,
    turn: u64,
}

/// What the system offers.
trait Board: Send {
    fn set(&mut self, secret: &SecretText) -> Result<(), Error>;
    /// What is there now, if that is text.
    fn text(&mut self) -> Option<SecretText>;
    fn clear(&mut self);
}

impl Default for Clipboard {
    /// The clipboard of the system.
    fn default() -> Self {
        let open =
            || arboard::Clipboard::new().map(|board| Box::new(board) as Box<dyn Board>).map_err(failed);
        Self::new(STAYS, open)
    }
}

impl Clipboard {
    fn new(
        stays: Duration,
        open: impl Fn() -> Result<Box<dyn Board>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner { held: Mutex::default(), stays, open: Box::new(open) }))
    }

    /// Puts the secret there, and clears it when its time is over.
    pub fn put(&self, secret: SecretText) -> Result<(), Error> {
        let mut place = self.place();
        let turn = match place.as_mut() {
            Some(held) => {
                // Where this fails the former one is there still, and has its time.
                held.board.set(&secret)?;
                held.secret = secret;
                held.turn += 1;
                held.turn
            }
            None => {
                let mut board = (self.0.open)()?;
                board.set(&secret)?;
                *place = Some(Held { board, secret, turn: 0 });
                0
            }
        };
        drop(place);
        let later = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(later.0.stays);
            // A secret that was copied since has a time of its own.
            later.clear_if(|held| held.turn == turn);
        });
        Ok(())
    }

    /// Clears what we put there, if it is there still.
    pub fn clear(&self) {
        self.clear_if(|_| true);
    }

    fn clear_if(&self, due: impl FnOnce(&Held) -> bool) {
        let mut place = self.place();
        if place.as_ref().is_some_and(due)
            && let Some(mut held) = place.take()
            && held.board.text().is_some_and(|text| text == held.secret)
        {
            // A clipboard that can't be cleared is gone with its session.
            held.board.clear();
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board for arboard::Clipboard {
    fn set(&mut self, secret: &SecretText) -> Result<(), Error> {
        unremembered(self.set()).text(secret.expose()).map_err(failed)
    }

    fn text(&mut self) -> Option<SecretText> {
        self.get_text().ok().map(SecretText::new)
    }

    fn clear(&mut self) {
        let _ = self.clear();
    }
}

fn failed(e: arboard::Error) -> Error {
    Error::new(Code::Unavailable, format!("the clipboard can't be used: {e}"))
        .hint("Reveal the value and type it instead.")
        .because(e)
}

#[cfg(target_os = "linux")]
fn unremembered(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtLinux::exclude_from_history(set)
}

#[cfg(target_os = "macos")]
fn unremembered(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtApple::exclude_from_history(set)
}

#[cfg(windows)]
fn unremembered(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtWindows;
    set.exclude_from_cloud().exclude_from_history().exclude_from_monitoring()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A board that others see and write too.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Option<String>>>);

    impl Shared {
        fn now(&self) -> Option<String> {
            self.0.lock().unwrap().clone()
        }

        fn clipboard(&self, stays: Duration) -> Clipboard {
            let board = self.clone();
            Clipboard::new(stays, move || Ok(Box::new(board.clone())))
        }
    }

    impl Board for Shared {
        fn set(&mut self, secret: &SecretText) -> Result<(), Error> {
            *self.0.lock().unwrap() = Some(secret.expose().to_owned());
            Ok(())
        }

        fn text(&mut self) -> Option<SecretText> {
            self.now().map(SecretText::new)
        }

        fn clear(&mut self) {
            *self.0.lock().unwrap() = None;
        }
    }

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < end, "{what} did not come true in {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sabotage: let the thread return without `clear_if`, and it stays; or let it not sleep, and it goes too soon.
    #[test]
    fn a_secret_is_cleared_when_its_time_is_over() {
        assert_eq!(STAYS, Duration::from_secs(30));
        let board = Shared::default();
        let clipboard = board.clipboard(SOON);
        let start = Instant::now();
        clipboard.put(secret("one")).unwrap();
        assert_eq!(board.now().as_deref(), Some("one"));
        wait_until("it is cleared", || board.now().is_none());
        assert!(start.elapsed() >= SOON);
        assert!(clipboard.place().is_none());
    }

    /// Sabotage: leave the comparison of turns away, and the first one's timer takes the second.
    #[test]
    fn a_secret_that_was_copied_since_has_a_time_of_its_own() {
        let board = Shared::default();
        let clipboard = board.clipboard(SOON);
        clipboard.put(secret("one")).unwrap();
        // Late in the first one's time.
        std::thread::sleep(SOON * 2 / 3);
        let start = Instant::now();
        clipboard.put(secret("two")).unwrap();
        assert_eq!(board.now().as_deref(), Some("two"));
        wait_until("the second is cleared", || board.now().is_none());
        assert!(start.elapsed() >= SOON);
    }

    /// Sabotage: clear without a look at what is there, and the other's text is gone.
    #[test]
    fn what_somebody_else_copied_stays() {
        let board = Shared::default();
        let clipboard = board.clipboard(SOON);
        clipboard.put(secret("one")).unwrap();
        *board.0.lock().unwrap() = Some("a shopping list".to_owned());
        wait_until("its time is over", || clipboard.place().is_none());
        assert_eq!(board.now().as_deref(), Some("a shopping list"));
        // The end of the application looks as well.
        let clipboard = board.clipboard(DEADLINE);
        clipboard.put(secret("two")).unwrap();
        clipboard.clear();
        assert_eq!(board.now(), None);
        clipboard.put(secret("three")).unwrap();
        *board.0.lock().unwrap() = Some("a shopping list".to_owned());
        clipboard.clear();
        assert_eq!(board.now().as_deref(), Some("a shopping list"));
    }
}

/// The clipboard of a real X server, in a process of its own that has it as its display.
#[cfg(all(test, target_os = "linux"))]
mod real {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        time::Instant,
    };

    use super::*;

    const CHILD: &str = "SEALPORT_TEST_CLIPBOARD";
    // Long enough to be read before it is over, also on a busy machine.
    const SOON: Duration = Duration::from_secs(3);

    /// Sabotage: leave `held.board.clear()` out, and the secret is still there; clear whatever is there, and what somebody else copied
    /// is gone.
    #[test]
    fn a_real_clipboard_is_cleared() {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs an X server: apt-get install xvfb");
        let mut display = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut display).unwrap();
        // Each in a process of its own: the library hears late that its own text was cleared, and drops one that was set since.
        let outputs = ["cleared", "kept"].map(|what| {
            Command::new(std::env::current_exe().unwrap())
                .args(["clipboard::real::child", "--exact", "--nocapture"])
                .env(CHILD, what)
                .env("DISPLAY", format!(":{}", display.trim()))
                .env_remove("WAYLAND_DISPLAY")
                .output()
        });
        let _ = server.kill();
        let _ = server.wait();
        for output in outputs.map(Result::unwrap) {
            let [said, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
            assert!(output.status.success() && said.contains("1 passed"), "{said}{told}");
        }
    }

    #[test]
    fn child() {
        let Some(what) = std::env::var_os(CHILD) else { return };
        let open =
            || arboard::Clipboard::new().map(|board| Box::new(board) as Box<dyn Board>).map_err(failed);
        let clipboard = Clipboard::new(SOON, open);
        // Keeps the selection alive when ours is dropped, so that what is seen below is what was cleared.
        let mut other = arboard::Clipboard::new().unwrap();
        clipboard.put(SecretText::new("pa=ss @wörd".to_owned())).unwrap();
        assert_eq!(other.get_text().unwrap(), "pa=ss @wörd");
        if what == "kept" {
            other.set_text("a shopping list").unwrap();
        }
        let end = Instant::now() + Duration::from_secs(20);
        while clipboard.place().is_some() {
            assert!(Instant::now() < end, "the time is never over");
            std::thread::sleep(Duration::from_millis(5));
        }
        match other.get_text() {
            Ok(text) if what == "kept" => assert_eq!(text, "a shopping list"),
            Ok(_) => panic!("the secret is still there"),
            Err(_) => assert_eq!(what, "cleared", "what somebody else copied is gone"),
        }
    }
}
