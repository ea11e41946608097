//! Progress on standard error, only on a terminal, and the way to cancel.

use std::{
    io::{self, IsTerminal},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealport_core::api::Notice;

static CANCEL: AtomicBool = AtomicBool::new(false);
static HEARD: OnceLock<()> = OnceLock::new();

/// The flag that Ctrl+C (or SIGTERM) turns true; the second one ends the process at once with 130.
pub fn cancel_flag() -> &'static AtomicBool {
    HEARD.get_or_init(|| {
        // Without a handler Ctrl+C ends the process, as it would anyway.
        let _ = ctrlc::set_handler(|| {
            if CANCEL.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            if io::stderr().is_terminal() {
                eprintln!("cancelling; Ctrl+C again ends at once");
            }
        });
    });
    &CANCEL
}

/// Draws the progress of one request.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Draws nothing where `quiet` or where standard error is no terminal.
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self(ProgressBar::with_draw_target(None, target))
    }

    /// Takes a notice of the engine.
    pub fn show(&self, notice: &Notice) {
        match notice {
            Notice::Progress { doing, done, total, seconds_left } => {
                let style = if *total == 0 {
                    "{spinner} {msg} {human_pos}"
                } else {
                    "{msg} [{bar:30}] {human_pos}/{human_len}"
                };
                if let Ok(style) = ProgressStyle::with_template(style) {
                    self.0.set_style(style);
                }
                if *total > 0 {
                    self.0.set_length(*total);
                }
                self.0.set_position(*done);
                let left = seconds_left.map(|seconds| {
                    format!(", about {} left", super::show::duration(Duration::from_secs(seconds).as_secs()))
                });
                self.0.set_message(format!("{doing}{}", left.unwrap_or_default()));
            }
            Notice::Changed { .. } | Notice::State { .. } => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
