//! Alerts on their way to people: what is raised is told once to every sink, and so is its end.
//!
//! What needs a person is derived from facts (`engine::alerts`); here is what was told of it, and how that went. Nothing of it
//! is stored: a service that starts anew tells again what is still so.

pub mod canary;
pub mod log;
mod raised;
pub mod watch;
pub mod webhook;

use std::{
    collections::BTreeMap,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sealport_core::{
    Error,
    api::{AlertView, Severity},
    time::Timestamp,
};
use serde::Serialize;

pub use raised::Raised;

/// Every id that an alert may have, with how bad it is at worst. `docs/alerts.md` has a row for each.
pub const ALERTS: &[(&str, Severity)] = &[
    ("master_unreachable", Severity::Critical),
    ("master_restored", Severity::Info),
    ("node_stale", Severity::Critical),
    ("node_revoked", Severity::Critical),
    ("node_cloned", Severity::Critical),
    ("copy_seen", Severity::Warning),
    ("no_proven_backup", Severity::Critical),
    ("backup_old", Severity::Warning),
    ("rotation_due", Severity::Warning),
    ("secret_missing", Severity::Critical),
    ("key_check_mismatch", Severity::Critical),
    ("records_unreadable", Severity::Critical),
    ("clock_differs", Severity::Warning),
    ("certificate_expires", Severity::Critical),
    ("disk_nearly_full", Severity::Critical),
    ("canary_failed", Severity::Critical),
    ("secrets_missing", Severity::Info),
    ("stranded_changes", Severity::Warning),
    ("master_changed", Severity::Info),
    ("master_change_stuck", Severity::Critical),
];

/// Sinks, in the order in which they are told and shown.
pub const SINKS: &[&str] = &["log", "webhook", "desktop", "metrics"];

/// One alert, as sinks get it.
#[derive(Clone, Debug, Serialize)]
pub struct Telling {
    /// The same in each try to deliver it.
    pub id: String,
    /// What happened.
    pub event: Happened,
    /// When it was noticed.
    pub at: Timestamp,
    /// Name of the system; empty where there is none.
    pub system: String,
    /// Name of the node.
    pub node: String,
    /// The alert itself.
    pub alert: AlertView,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It was not there before, or is worse than it was.
    Raised,
    /// Its cause is gone.
    Ended,
    /// Somebody wants to see whether alerts arrive.
    Test,
}

/// How the last delivery to a sink went.
#[derive(Clone, Debug)]
pub struct Last {
    at: Timestamp,
    failure: Option<String>,
}

impl Last {
    /// Whether it arrived.
    pub fn delivered(&self) -> bool {
        self.failure.is_none()
    }

    /// In words, to who looks at the moment `now`.
    pub fn words(&self, now: Timestamp) -> String {
        let at = self.at.at_a_glance(now);
        match &self.failure {
            None => format!("The last alert was delivered at {at}."),
            Some(why) => format!("The last alert was not delivered at {at}: {why}"),
        }
    }
}

/// What a service remembers of its alerts.
#[derive(Default)]
pub struct Alarm {
    /// What was told.
    pub(crate) raised: Mutex<Raised>,
    /// The last canary.
    pub(crate) canary: Mutex<Option<canary::Canary>>,
    /// Takes what the webhook is to get; `None` until the watch runs.
    pub(crate) post: Mutex<Option<tokio::sync::mpsc::Sender<Telling>>>,
    /// Whether metrics are served.
    pub(crate) metrics: AtomicBool,
    last: Mutex<BTreeMap<&'static str, Last>>,
    bell: Mutex<Bell>,
    rung: Condvar,
}

#[derive(Default)]
struct Bell {
    rung: bool,
    stopped: bool,
}

impl Alarm {
    /// Something changed: the watch looks at once.
    pub fn ring(&self) {
        held(&self.bell).rung = true;
        self.rung.notify_all();
    }

    /// The watch ends.
    pub fn stop(&self) {
        held(&self.bell).stopped = true;
        self.rung.notify_all();
    }

    /// Waits for a ring, at most `patience`. Whether to go on.
    pub fn wait(&self, patience: Duration) -> bool {
        let quiet = |bell: &mut Bell| !bell.rung && !bell.stopped;
        let bell = held(&self.bell);
        let (mut bell, _) =
            self.rung.wait_timeout_while(bell, patience, quiet).unwrap_or_else(PoisonError::into_inner);
        bell.rung = false;
        !bell.stopped
    }

    /// Takes note of how a delivery went.
    pub fn went(&self, sink: &'static str, result: &Result<(), Error>) {
        let failure = result.as_ref().err().map(|error| error.message.clone());
        held(&self.last).insert(sink, Last { at: crate::clock::wall(), failure });
    }

    /// How the last delivery to a sink went; `None` where there was none.
    pub fn last(&self, sink: &str) -> Option<Last> {
        held(&self.last).get(sink).cloned()
    }

    /// Whether metrics are served.
    pub fn metrics_on(&self) -> bool {
        self.metrics.load(Ordering::Relaxed)
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
