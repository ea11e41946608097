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
#[derive(Clone, Default)]
pub struct Clipboard(Arc<Mutex<Option<Held>>>);

/// Where the system has no clipboard of its own (X11), the text lives as long as `board` does.
struct Held {
    board: arboard::Clipboard,
    secret: SecretText,
    turn: u64,
}

impl Clipboard {
    /// Puts the secret there, and clears it when its time is over.
    pub fn put(&self, secret: SecretText) -> Result<(), Error> {
        let failed = |e: arboard::Error| {
            Error::new(Code::Unavailable, format!("the clipboard can't be used: {e}"))
                .hint("Reveal the value and type it instead.")
                .because(e)
        };
        let turn = {
            let mut place = self.place();
            let turn = place.as_ref().map_or(0, |held| held.turn + 1);
            let mut board = match place.take() {
                Some(held) => held.board,
                None => arboard::Clipboard::new().map_err(failed)?,
            };
            unremembered(board.set()).text(secret.expose()).map_err(failed)?;
            *place = Some(Held { board, secret, turn });
            turn
        };
        let later = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(STAYS);
            // A secret that was copied since has a time of its own.
            if later.place().as_ref().is_some_and(|held| held.turn == turn) {
                later.clear();
            }
        });
        Ok(())
    }

    /// Clears what we put there, if it is there still.
    pub fn clear(&self) {
        if let Some(mut held) = self.place().take()
            && held.board.get_text().is_ok_and(|text| SecretText::new(text) == held.secret)
        {
            // A clipboard that can't be cleared is gone with its session.
            let _ = held.board.clear();
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
