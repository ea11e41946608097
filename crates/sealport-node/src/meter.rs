//! What a service counts and measures. Every metric stands in [`METRICS`]; none has the name of a port, an application or a
//! person in it, and none a value.

use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up while the process runs.
    Counter,
    /// What is now.
    Gauge,
    /// Durations in seconds; Prometheus sees `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// Every metric that there is: name, kind, and what it says.
pub const METRICS: &[(&str, Kind, &str)] = &[
    ("sealport_info", Kind::Gauge, "1, with the version as label."),
    ("sealport_state", Kind::Gauge, "1 for the state that this node is in, 0 for the others."),
    ("sealport_sealing_possible", Kind::Gauge, "Whether new values can be sealed."),
    ("sealport_ready", Kind::Gauge, "What /readyz says: 1 for ready."),
    ("sealport_epoch", Kind::Gauge, "Epoch of the master that this node follows."),
    (
        "sealport_generation",
        Kind::Gauge,
        "Generation of the database; the same on all nodes when all is well.",
    ),
    ("sealport_sync_age_seconds", Kind::Gauge, "Seconds since the master was heard; 0 on the master."),
    ("sealport_sync_interval_seconds", Kind::Gauge, "Longest time between two syncs."),
    ("sealport_clock_offset_seconds", Kind::Gauge, "The master's clock minus this machine's."),
    (
        "sealport_backup_proven_age_seconds",
        Kind::Gauge,
        "Seconds since a backup was proven; absent without one.",
    ),
    ("sealport_canary_ok", Kind::Gauge, "Whether the last canary was sealed and opened."),
    ("sealport_canary_age_seconds", Kind::Gauge, "Seconds since the last canary."),
    ("sealport_canaries_total", Kind::Counter, "Canaries, by result."),
    ("sealport_alert_raised", Kind::Gauge, "1 for each alert that is raised, 0 for the others."),
    ("sealport_alerts_told_total", Kind::Counter, "Alerts given to a sink, by result."),
    ("sealport_polls_total", Kind::Counter, "Polls that this node made, by result."),
    ("sealport_writes_total", Kind::Counter, "Writes of this node, by result."),
    (
        "sealport_requests_total",
        Kind::Counter,
        "Requests of other nodes to this master, by endpoint and status.",
    ),
    ("sealport_connections", Kind::Gauge, "Connections of other nodes that are open."),
    ("sealport_replicas", Kind::Gauge, "Nodes that follow this master, by state; on the master only."),
    ("sealport_seal_seconds", Kind::Histogram, "Time to seal one port."),
    ("sealport_open_seconds", Kind::Histogram, "Time to open one port."),
    ("sealport_open_failures_total", Kind::Counter, "Records that did not open."),
];

const BUCKETS: &[f64] = &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 1.0];
const METADATA: Metadata<'static> = Metadata::new("sealport", Level::INFO, None);

/// The counters of one service.
pub struct Meters {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Meters {
    /// All at their beginning.
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // Refused only where there are no buckets at all.
        let recorder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        for (name, kind, about) in METRICS {
            let name = KeyName::from_const_str(name);
            match kind {
                Kind::Counter => recorder.describe_counter(name, None, (*about).into()),
                Kind::Gauge => recorder.describe_gauge(name, None, (*about).into()),
                Kind::Histogram => recorder.describe_histogram(name, None, (*about).into()),
            }
        }
        let handle = recorder.handle();
        Self { recorder, handle }
    }

    /// One more.
    pub fn count(&self, name: &'static str, labels: &[(&'static str, &str)]) {
        self.recorder.register_counter(&key(name, labels, Kind::Counter), &METADATA).increment(1);
    }

    /// What is now.
    pub fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.recorder.register_gauge(&key(name, labels, Kind::Gauge), &METADATA).set(value);
    }

    /// How long something took.
    pub fn took(&self, name: &'static str, time: Duration) {
        self.recorder
            .register_histogram(&key(name, &[], Kind::Histogram), &METADATA)
            .record(time.as_secs_f64());
    }

    /// Folds what was measured into its buckets, so that memory stays bounded where nobody reads.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// All of it as Prometheus reads it.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)], kind: Kind) -> Key {
    debug_assert!(
        METRICS.iter().any(|known| (known.0, known.1) == (name, kind)),
        "{name} is not in the table"
    );
    let labels: Vec<_> = labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}
