//! Closing the window while something that was typed in it is saved nowhere: the page asks first.
//!
//! Promises: what was typed never goes without a word, by whatever way the window is closed; a page that does not answer keeps no
//! window open.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A page that has not said that it asks after this long is not alive.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the page says of itself.
#[derive(Default)]
pub struct Unsaved {
    any: AtomicBool,
    /// When it was told to ask, until it says that it does.
    asked: Mutex<Option<Instant>>,
}

impl Unsaved {
    /// The page says whether anything would be lost with it. It says so again when it asks, and so shows that it is alive.
    pub fn told(&self, any: bool) {
        self.any.store(any, Ordering::Release);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the window stays open for now, since the page is to ask.
    pub fn keeps(&self, now: Instant) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(*asked.get_or_insert(now)) < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: let `keeps` answer true whenever anything is unsaved: a page that hangs keeps the window for ever. Or let it
    /// forget that the page answered: whoever asks twice loses all.
    #[test]
    fn a_page_that_lives_is_asked_each_time_and_one_that_does_not_keeps_no_window() {
        let unsaved = Unsaved::default();
        let now = Instant::now();
        assert!(!unsaved.keeps(now), "nothing is lost");
        unsaved.told(true);
        for seconds in [0, 10, 20] {
            assert!(unsaved.keeps(now + Duration::from_secs(seconds)));
            // It asks.
            unsaved.told(true);
        }
        let later = now + Duration::from_secs(30);
        assert!(unsaved.keeps(later) && unsaved.keeps(later + PATIENCE / 2));
        assert!(!unsaved.keeps(later + PATIENCE), "it does not answer");
        unsaved.told(false);
        assert!(!unsaved.keeps(later));
    }
}
