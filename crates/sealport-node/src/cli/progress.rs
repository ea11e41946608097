//! Progress on standard error, only on a terminal.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealport_core::{api::Notice, time::in_words};

/// The bar that is on the screen: what is said meanwhile stands above it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Draws the progress of one request.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Draws only where it is `wanted` and standard error is a terminal.
    pub fn new(wanted: bool) -> Self {
        let shown = wanted && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self(bar)
    }

    /// Takes a notice of the engine.
    pub fn show(&self, notice: &Notice) {
        let Notice::Progress { doing, done, total, seconds_left } = notice else { return };
        let template = match (done, total) {
            (0, 0) => "{spinner} {msg}",
            (_, 0) => "{spinner} {msg} {human_pos}",
            _ => "{msg} [{wide_bar}] {human_pos}/{human_len}{prefix}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let left = seconds_left.map(|seconds| format!(", about {} left", in_words(seconds)));
        // All of it, and only then a look: each `set_` draws.
        let bar = self.0.clone().with_style(style.progress_chars("=> ")).with_message(doing.clone());
        let bar = bar.with_prefix(left.unwrap_or_default()).with_position(*done);
        bar.set_length(*total);
    }
}

impl Drop for Progress {
    /// Takes the bar away.
    fn drop(&mut self) {
        self.0.finish_and_clear();
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One line for the person at the terminal, above the bar if there is one; scripts don't get it.
pub fn say(line: &str) {
    if !io::stderr().is_terminal() {
        return;
    }
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match shown {
        Some(bar) => bar.suspend(|| eprintln!("{line}")),
        None => eprintln!("{line}"),
    }
}
