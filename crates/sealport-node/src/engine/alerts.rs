//! What needs a person, from facts: each alert with a stable id, a severity, and the cure (`docs/alerts.md`).

use std::{net::IpAddr, path::Path};

use sealport_core::{
    Error,
    api::{AlertView, NodeState, SealingView, Severity},
    id::{Epoch, KeyVersion},
    machine::GrantKind,
    time::Timestamp,
};

/// Less than this left of a certificate (milliseconds) means that renewing it fails.
const CERTIFICATE_SHORT: i64 = 3 * 86_400_000;

/// Everything that alerts are made from.
pub(super) struct Facts<'a> {
    pub state: NodeState,
    /// Whether the node is fenced because it is a copy.
    pub cloned: bool,
    pub sealing: &'a SealingView,
    /// Why custody does not give the secret, if it does not.
    pub locked: Option<&'a Error>,
    /// Seconds since a backup was proven.
    pub backup_age: Option<u64>,
    /// Days after which that is old.
    pub backup_days: u64,
    pub missing_secrets: u64,
    /// The first record that does not open, if one does not.
    pub unreadable: Option<&'a Error>,
    /// Why a rotation is due, if it is.
    pub rotation_due: Option<String>,
    pub last_error: Option<String>,
    /// Milliseconds until the certificate of this node ends, where it needs one.
    pub certificate_left: Option<i64>,
    /// What failed at the last canary, if something did.
    pub canary: Option<String>,
    /// The master's clock minus this one, in milliseconds.
    pub clock_offset: Option<i64>,
    /// The version of the master secret that is another one at the master.
    pub mismatch: Option<KeyVersion>,
    /// Writes that wait for an administrator.
    pub stranded: u64,
    /// The last change of master: to whom, in which epoch, how, and seconds ago.
    pub changed: Option<(String, Epoch, GrantKind, u64)>,
    /// Copies of nodes that came here: of which, when, seconds ago, and from where.
    pub copies: Vec<(String, Timestamp, u64, Option<IpAddr>)>,
    /// Why a change of master does not come to its end here, and the cure.
    pub stuck: Option<(String, String)>,
    pub data_dir: &'a Path,
}

/// The alerts that the facts raise, worst first.
pub(super) fn of(facts: &Facts<'_>) -> Vec<AlertView> {
    let mut alerts = Vec::new();
    let mut raise = |id: &str, severity, message: &str, hint: &str, since: Option<Timestamp>| {
        alerts.push(AlertView {
            id: id.to_owned(),
            severity,
            message: message.to_owned(),
            hint: hint.to_owned(),
            since,
        });
    };
    let reason = facts.sealing.reason.as_deref().unwrap_or_default();
    let cure = facts.sealing.hint.as_deref().unwrap_or_default();
    if let Some(error) = facts.locked {
        raise("secret_missing", Severity::Critical, &error.message, &error.hint, facts.sealing.since);
    } else {
        match facts.state {
            NodeState::Degraded => {
                raise("master_unreachable", Severity::Critical, reason, cure, facts.sealing.since);
            }
            NodeState::Stale => raise("node_stale", Severity::Critical, reason, cure, facts.sealing.since),
            NodeState::Fenced if facts.cloned => {
                raise("node_cloned", Severity::Critical, reason, cure, facts.sealing.since);
            }
            NodeState::Fenced => raise("node_revoked", Severity::Critical, reason, cure, facts.sealing.since),
            _ => {}
        }
    }
    match facts.backup_age {
        None => raise(
            "no_proven_backup",
            Severity::Critical,
            "There is no proven backup of the master secret.",
            "Back up now: if this machine is lost, everything sealed here is lost with it.",
            None,
        ),
        Some(age) if age > facts.backup_days * 86_400 => raise(
            "backup_old",
            Severity::Warning,
            &format!("The last proof of a backup is {} days old.", age / 86_400),
            "Back up again, or drill the backup that you have.",
            None,
        ),
        Some(_) => {}
    }
    if let Some(why) = &facts.rotation_due {
        raise(
            "rotation_due",
            Severity::Warning,
            why,
            "Rotate on a quiet day: `sealport secret rotate --backup FILE`. Everything goes on meanwhile.",
            None,
        );
    }
    if let Some(left) = facts.certificate_left.filter(|left| *left < CERTIFICATE_SHORT) {
        let (severity, words) = if left < 0 {
            (Severity::Critical, "The certificate of this node is over.".to_owned())
        } else {
            (Severity::Warning, format!("The certificate of this node ends in {} hours.", left / 3_600_000))
        };
        let hint = "It is renewed daily by itself while the master answers. Compare the clocks of both machines if it is not.";
        raise("certificate_expires", severity, &words, hint, None);
    }
    let offset = facts.clock_offset.filter(|offset| offset.unsigned_abs() > CLOCK_APART);
    let suspected = facts.last_error.as_deref().is_some_and(|error| error.contains("clock"));
    if offset.is_some() || suspected {
        let words = match offset {
            Some(offset) => {
                let side = if offset > 0 { "behind" } else { "ahead of" };
                format!(
                    "The clock of this machine is {} s {side} the master's.",
                    offset.unsigned_abs() / 1_000
                )
            }
            None => "The clock of this machine and the master's seem to differ.".to_owned(),
        };
        let hint = "Set both by a time server. Nothing safe depends on it, but times in the audit trail do, and certificates.";
        raise("clock_differs", Severity::Warning, &words, hint, None);
    }
    if let Some(version) = facts.mismatch {
        raise(
            "key_check_mismatch",
            Severity::Critical,
            &format!("Version {version} of the master secret is another one at the master than here."),
            "Don't write on either side. Find out which machine has the right one, by the check values of a proven backup; \
             join the other again in a new data directory.",
            None,
        );
    }
    if let Some(error) = facts.unreadable {
        let words = format!("{} Ports can't be listed here until it does.", error.message);
        raise("records_unreadable", Severity::Critical, &words, &error.hint, None);
    }
    if let Some((what, cure)) = &facts.stuck {
        raise("master_change_stuck", Severity::Critical, what, cure, None);
    }
    if facts.stranded > 0 {
        raise(
            "stranded_changes",
            Severity::Warning,
            &format!("{} changes that only a former master had wait for a decision.", facts.stranded),
            "Look at them with `sealport stranded list`, and accept or discard them.",
            None,
        );
    }
    if let Some((name, epoch, kind, _)) = facts.changed.as_ref().filter(|(.., ago)| *ago < CHANGE_TOLD) {
        let how = match kind {
            GrantKind::Planned => "was handed over to it".to_owned(),
            GrantKind::Emergency { votes, of } if votes * 2 > *of => {
                "was promoted in an emergency".to_owned()
            }
            GrantKind::Emergency { votes, of } => {
                format!("was promoted in an emergency, and only {votes} of {of} standbys agreed")
            }
        };
        let words = format!("{name} is the master since epoch {epoch}; it {how}.")
            .replace("it was handed over to it", "the former one handed over");
        raise("master_changed", Severity::Info, &words, "Nothing has to be done, if this was meant.", None);
    }
    for (name, at, _, from) in facts.copies.iter().filter(|(_, _, ago, _)| *ago < CHANGE_TOLD) {
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        let words = format!("A copy of {name} came{from} beside its original, and was fenced.");
        let hint = "Two machines hold the identity of that node. End the one that is not meant to be, or make it a system of its own there.";
        raise("copy_seen", Severity::Warning, &words, hint, Some(*at));
    }
    if let Some(what) = &facts.canary {
        raise("canary_failed", Severity::Critical, what, super::alarm::CANARY_CURE, None);
    }
    if let Some(free) = free_bytes(facts.data_dir).filter(|free| *free < DISK_LOW) {
        raise(
            "disk_nearly_full",
            if free < DISK_LOW / 8 { Severity::Critical } else { Severity::Warning },
            &format!("Only {} MiB are free on the disk of the data directory.", free >> 20),
            "Make room: with a full disk nothing can be written, not even an audit entry.",
            None,
        );
    }
    if facts.missing_secrets > 0 {
        raise(
            "secrets_missing",
            Severity::Info,
            &format!("{} secrets that BizTalk removed are still missing.", facts.missing_secrets),
            "Fill them in before the ports are used.",
            None,
        );
    }
    alerts
}

/// Less than this is free: nearly full.
const DISK_LOW: u64 = 512 << 20;
/// Seconds for which a change of master is told, and a copy.
const CHANGE_TOLD: u64 = 86_400;
/// Clocks that are further apart than this (milliseconds) are worth a word.
const CLOCK_APART: u64 = 2_000;

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: raise one of them under another id, or for a clock that is 2 s off.
    #[test]
    fn each_fact_raises_its_alert_and_good_ones_none() {
        let sealing = SealingView { possible: true, code: None, reason: None, hint: None, since: None };
        let folder = std::env::temp_dir();
        let good = || Facts {
            state: NodeState::Synced,
            cloned: false,
            sealing: &sealing,
            locked: None,
            backup_age: Some(10),
            backup_days: 35,
            missing_secrets: 0,
            unreadable: None,
            rotation_due: None,
            last_error: None,
            certificate_left: Some(6 * 86_400_000),
            canary: None,
            clock_offset: Some(-2_000),
            mismatch: None,
            stranded: 0,
            changed: None,
            copies: Vec::new(),
            stuck: None,
            data_dir: &folder,
        };
        // The disk of the machine that tests is what it is.
        let ids = |facts: &Facts<'_>| -> Vec<String> {
            of(facts).into_iter().map(|alert| alert.id).filter(|id| id != "disk_nearly_full").collect()
        };
        assert!(ids(&good()).is_empty());
        let locked = Error::new(sealport_core::Code::CustodyLocked, "locked");
        let cases = [
            ("master_unreachable", Facts { state: NodeState::Degraded, ..good() }),
            ("node_stale", Facts { state: NodeState::Stale, ..good() }),
            ("node_revoked", Facts { state: NodeState::Fenced, ..good() }),
            ("node_cloned", Facts { state: NodeState::Fenced, cloned: true, ..good() }),
            ("secret_missing", Facts { locked: Some(&locked), ..good() }),
            ("no_proven_backup", Facts { backup_age: None, ..good() }),
            ("backup_old", Facts { backup_age: Some(36 * 86_400), ..good() }),
            ("rotation_due", Facts { rotation_due: Some("It is old.".to_owned()), ..good() }),
            ("key_check_mismatch", Facts { mismatch: Some(KeyVersion(1)), ..good() }),
            ("records_unreadable", Facts { unreadable: Some(&locked), ..good() }),
            ("canary_failed", Facts { canary: Some("It died.".to_owned()), ..good() }),
            ("clock_differs", Facts { clock_offset: Some(-2_001), ..good() }),
            ("clock_differs", Facts { clock_offset: Some(60_000), ..good() }),
            ("certificate_expires", Facts { certificate_left: Some(-1), ..good() }),
            ("secrets_missing", Facts { missing_secrets: 1, ..good() }),
            (
                "copy_seen",
                Facts { copies: vec![("B".to_owned(), Timestamp::from_millis(0), 5, None)], ..good() },
            ),
            ("stranded_changes", Facts { stranded: 1, ..good() }),
            (
                "master_changed",
                Facts { changed: Some(("B".to_owned(), Epoch(2), GrantKind::Planned, 5)), ..good() },
            ),
            ("master_change_stuck", Facts { stuck: Some((String::new(), String::new())), ..good() }),
        ];
        for (id, facts) in &cases {
            assert_eq!(ids(facts), [*id]);
            assert!(crate::alert::ALERTS.iter().any(|(known, _)| known == id), "{id}");
        }
    }
}
