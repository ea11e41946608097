//! What the service sees of itself: the canary, whether it is ready, what it tells to whom, and its figures.

use std::{sync::Arc, time::Instant};

use sealport_core::{
    Code, Error,
    api::{AlertListView, AlertView, NodeState, Notice, Severity, SinkView, StatusView},
};
use serde::Serialize;

use super::{Engine, held, now, system::System};
use crate::{
    alert::{ALERTS, Alarm, Happened, Last, SINKS, Telling, canary, log, webhook},
    meter::Meters,
};

/// Whether a node can do all that it is there for, and if not, why.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Readiness {
    /// It seals and opens, its canary lives, and it agrees with its master.
    pub ready: bool,
    pub state: NodeState,
    /// Why not, and what to do.
    pub reason: Option<String>,
    pub hint: Option<String>,
    /// Whether the last canary was sealed and opened; `None` without keys.
    pub canary: Option<bool>,
    pub canary_age_seconds: Option<u64>,
    /// Ids of what is raised.
    pub alerts: Vec<String>,
}

impl Engine {
    /// What is remembered of alerts.
    pub fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// Seals and opens a canary if the last one is old, and tells what is new to every sink.
    pub fn look(&self) {
        self.sing();
        self.resume();
        let Ok(status) = self.present_status() else { return };
        if let Ok(system) = self.system() {
            system.meters.tidy();
            system.tidy_lent();
        }
        // Held while it is told: two looks at once would tell twice.
        let mut raised = held(&self.alarm.raised);
        for (event, alert) in raised.compare(&status.alerts, status.state) {
            self.tell_sinks(&telling(&status, event, alert));
        }
    }

    /// Whether this node can do all that it is there for.
    pub fn readiness(&self) -> Result<Readiness, Error> {
        self.sing();
        Ok(self.ready(&self.present_status()?))
    }

    /// The figures, as Prometheus reads them.
    pub fn figures(&self) -> Result<String, Error> {
        self.sing();
        let status = self.present_status()?;
        let system = self.system().ok();
        let empty;
        let meters = match &system {
            Some(system) => &system.meters,
            None => {
                empty = Meters::new();
                &empty
            }
        };
        self.set_gauges(meters, &status);
        if let Some(system) = &system {
            set_fleet(meters, system, held(&self.listening).connections());
        }
        Ok(meters.render())
    }

    /// Takes note of how a delivery went.
    pub fn delivered(&self, sink: &'static str, result: &Result<(), Error>) {
        self.alarm.went(sink, result);
        if let Ok(system) = self.system() {
            let result = if result.is_ok() { "delivered" } else { "failed" };
            system.meters.count("sealport_alerts_told_total", &[("sink", sink), ("result", result)]);
        }
    }

    pub(super) fn alerts(&self) -> Result<AlertListView, Error> {
        Ok(AlertListView { alerts: self.status()?.alerts, sinks: self.sinks() })
    }

    /// Sends a test alert to every sink that is on, once, and says how each went.
    pub(super) fn test_alert(&self) -> Result<AlertListView, Error> {
        let status = self.status()?;
        let alert = AlertView {
            id: "test".to_owned(),
            severity: Severity::Info,
            message: "This is a test of how alerts arrive.".to_owned(),
            hint: "Nothing has to be done.".to_owned(),
            since: None,
        };
        let telling = telling(&status, Happened::Test, alert);
        self.tell_here(&telling);
        if self.sink_on("webhook") {
            let settings = self.settings()?;
            let result = self.runtime()?.block_on(webhook::post(&settings, &telling));
            self.delivered("webhook", &result);
        }
        Ok(AlertListView { alerts: status.alerts, sinks: self.sinks() })
    }

    /// Seals and opens a canary, unless the last one is fresh or there are no keys.
    fn sing(&self) {
        let Ok(system) = self.system() else { return };
        let Ok(unlocked) = system.known() else {
            // That custody refuses is another matter, with an alert of its own.
            *held(&self.alarm.canary) = None;
            return;
        };
        let mut last = held(&self.alarm.canary);
        if last.as_ref().is_some_and(|last| last.at.elapsed() < canary::EVERY) {
            return;
        }
        let failed = canary::prove(&unlocked.keys, &unlocked.keys).err().map(|error| error.message);
        let result = if failed.is_none() { "ok" } else { "failed" };
        system.meters.count("sealport_canaries_total", &[("result", result)]);
        *last = Some(canary::Canary { at: Instant::now(), failed });
    }

    fn ready(&self, status: &StatusView) -> Readiness {
        let canary = held(&self.alarm.canary).clone();
        let broken = canary.as_ref().and_then(|canary| canary.failed.as_ref());
        // In the order in which one thing is the cause of the next.
        let apart = status.alerts.iter().find(|alert| alert.id == "key_check_mismatch");
        let (reason, hint) = if !status.sealing.possible {
            (status.sealing.reason.clone(), status.sealing.hint.clone())
        } else if let Some(message) = broken {
            (Some(message.clone()), Some(CANARY_CURE.to_owned()))
        } else if let Some(alert) = apart {
            (Some(alert.message.clone()), Some(alert.hint.clone()))
        } else {
            (None, None)
        };
        let ready = status.state == NodeState::Synced && canary.is_some() && reason.is_none();
        Readiness {
            ready,
            state: status.state,
            reason,
            hint,
            canary: canary.as_ref().map(|canary| canary.failed.is_none()),
            canary_age_seconds: canary.map(|canary| canary.at.elapsed().as_secs()),
            alerts: status.alerts.iter().map(|alert| alert.id.clone()).collect(),
        }
    }

    fn set_gauges(&self, meters: &Meters, status: &StatusView) {
        let truth = |is: bool| if is { 1.0 } else { 0.0 };
        meters.set("sealport_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        for state in STATES {
            meters.set("sealport_state", &[("state", state.name())], truth(status.state == *state));
        }
        for (id, _) in ALERTS.iter().filter(|(id, _)| *id != "master_restored") {
            let raised = status.alerts.iter().any(|alert| alert.id == *id);
            meters.set("sealport_alert_raised", &[("alert", id)], truth(raised));
        }
        let ready = self.ready(status);
        meters.set("sealport_ready", &[], truth(ready.ready));
        meters.set("sealport_sealing_possible", &[], truth(status.sealing.possible));
        meters.set("sealport_canary_ok", &[], truth(ready.canary == Some(true)));
        let known = |name, value: Option<u64>| {
            if let Some(value) = value {
                meters.set(name, &[], value as f64);
            }
        };
        known("sealport_canary_age_seconds", ready.canary_age_seconds);
        known("sealport_epoch", status.epoch.map(|epoch| epoch.0));
        known("sealport_generation", status.generation.map(|generation| generation.0));
        known("sealport_sync_age_seconds", status.sync.as_ref().and_then(|sync| sync.age_seconds));
        known("sealport_sync_interval_seconds", status.sync.as_ref().map(|sync| sync.interval_seconds));
        known("sealport_backup_proven_age_seconds", status.backup.proven_age_seconds);
    }

    fn tell_sinks(&self, telling: &Telling) {
        self.tell_here(telling);
        if !self.sink_on("webhook") {
            return;
        }
        let full =
            held(&self.alarm.post).as_ref().is_some_and(|post| post.try_send(telling.clone()).is_err());
        if full {
            let error = Error::new(Code::Busy, "too many alerts wait for the webhook already.");
            self.delivered("webhook", &Err(error));
        }
    }

    /// The sinks that take an alert at once.
    fn tell_here(&self, telling: &Telling) {
        self.delivered("log", &log::tell(telling));
        let (raised, notify) = (telling.event != Happened::Ended, self.sink_on("desktop"));
        // A window shows it in itself also where it may not on the desktop.
        self.tell(|| Notice::Alert { raised, alert: telling.alert.clone(), notify });
        if notify {
            self.delivered("desktop", &Ok(()));
        }
        if self.sink_on("metrics") {
            self.delivered("metrics", &Ok(()));
        }
    }

    fn sinks(&self) -> Vec<SinkView> {
        let view = |name: &&str| {
            let last = self.alarm.last(name);
            SinkView {
                name: (*name).to_owned(),
                on: self.sink_on(name),
                delivered: last.as_ref().map(Last::delivered),
                last: last.map(|last| last.words(now())).unwrap_or_default(),
            }
        };
        SINKS.iter().map(view).collect()
    }

    fn sink_on(&self, name: &str) -> bool {
        match name {
            "webhook" => self.settings().is_ok_and(|settings| settings.webhook.is_some()),
            // Only a window listens to an engine.
            "desktop" => self.is_heard() && self.settings().is_ok_and(|settings| settings.notifications()),
            "metrics" => self.alarm.metrics_on(),
            _ => true,
        }
    }
}

/// What to do about a canary that failed.
pub(super) const CANARY_CURE: &str = "Restart the service. If it fails again, don't write here: check the memory of this machine, and its copy of Sealport.";

const STATES: &[NodeState] = &[
    NodeState::NoSystem,
    NodeState::Starting,
    NodeState::NoSecret,
    NodeState::Synced,
    NodeState::Degraded,
    NodeState::Stale,
    NodeState::Fenced,
];

fn set_fleet(meters: &Meters, system: &System, connections: usize) {
    meters.set("sealport_connections", &[], connections as f64);
    if let Some(offset) = system.heard.clock_offset() {
        meters.set("sealport_clock_offset_seconds", &[], offset as f64 / 1_000.0);
    }
    let Some(seat) = &system.seat else { return };
    let seen = seat.seen();
    for state in STATES {
        let count = seen.values().filter(|(seen, _)| NodeState::from(seen.state) == *state).count();
        meters.set("sealport_replicas", &[("state", state.name())], count as f64);
    }
}

fn telling(status: &StatusView, event: Happened, alert: AlertView) -> Telling {
    let mut id = [0; 16];
    rand_core::Rng::fill_bytes(&mut super::system_rng(), &mut id);
    Telling {
        id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        event,
        at: now(),
        system: status.system.as_ref().map(|system| system.name.clone()).unwrap_or_default(),
        node: status.node.as_ref().map(|node| node.name.clone()).unwrap_or_default(),
        alert,
    }
}
