//! The state of this installation, and the audit trail.

use sealport_core::{
    Code, Error,
    api::{
        AlertView, AuditListView, AuditView, BackupRecordView, BackupStatusView, CountsView, NodeState,
        NodeView, PortKind, SealingView, SecretStatusView, Severity, StatusView, SystemView,
    },
};

use super::{Engine, now, system::System};

/// A backup is old when no drill of it was passed for this many days (Enterprise SSO advises monthly).
const OLD_BACKUP_DAYS: u64 = 35;
/// Audit entries in one answer where no limit was asked for.
const AUDIT_PAGE: u32 = 200;

impl Engine {
    pub(super) fn status(&self) -> Result<StatusView, Error> {
        let base = StatusView {
            system: None,
            node: None,
            state: NodeState::NoSystem,
            generation: None,
            custody: None,
            secret: None,
            sealing: SealingView {
                possible: false,
                code: Some(Code::NoSystem),
                reason: Some("There is no system here yet.".to_owned()),
                hint: Some("Make one, or restore a backup.".to_owned()),
                since: None,
            },
            backup: BackupStatusView { proven_age_seconds: None, history: Vec::new() },
            counts: no_counts(),
            alerts: Vec::new(),
            data_dir: self.config.data_dir.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store: format!("SQLite {}", rusqlite::version()),
        };
        match self.system() {
            Ok(system) => fill(base, &system),
            Err(_) => Ok(base),
        }
    }

    pub(super) fn audit(&self, before: Option<u64>, limit: Option<u32>) -> Result<AuditListView, Error> {
        let system = self.system()?;
        let limit = limit.unwrap_or(AUDIT_PAGE);
        let ((lines, total), broken_at) =
            system.read(|store| Ok((store.audit(before, limit)?, store.audit_broken_at()?)))?;
        let view = |line: sealport_core::backup::AuditLine| AuditView {
            seq: line.seq,
            at: line.at,
            who: line.who,
            origin: line.origin,
            act: line.act,
            object: line.object,
            detail: line.detail,
        };
        Ok(AuditListView { entries: lines.into_iter().map(view).collect(), broken_at, total })
    }
}

fn fill(base: StatusView, system: &System) -> Result<StatusView, Error> {
    let (row, backups) = system.read(|store| Ok((store.system()?, store.backups()?)))?;
    let unlocked = system.unlocked();
    let mut alerts = Vec::new();
    let sealing = match &unlocked {
        Ok(_) => SealingView { possible: true, code: None, reason: None, hint: None, since: None },
        Err(error) => {
            alerts.push(alert("secret_missing", Severity::Critical, &error.message, &error.hint));
            SealingView {
                possible: false,
                code: Some(error.code),
                reason: Some(error.message.clone()),
                hint: Some(error.hint.clone()),
                since: system.locked_since(),
            }
        }
    };
    let newest = backups.iter().find(|backup| backup.active_version == row.active_version);
    let age = newest.map(|backup| now().seconds_since(backup.proven));
    match age {
        None => alerts.push(alert(
            "no_proven_backup",
            Severity::Critical,
            "There is no proven backup of the master secret.",
            "Back up now: if this machine is lost, everything sealed here is lost with it.",
        )),
        Some(age) if age > OLD_BACKUP_DAYS * 86_400 => alerts.push(alert(
            "backup_old",
            Severity::Warning,
            &format!("The last proof of a backup is {} days old.", age / 86_400),
            "Back up again, or drill the backup that you have.",
        )),
        Some(_) => {}
    }
    let counts = if unlocked.is_ok() { counts(system)? } else { no_counts() };
    if counts.missing_secrets > 0 {
        alerts.push(alert(
            "secrets_missing",
            Severity::Info,
            &format!("{} secrets that BizTalk removed are still missing.", counts.missing_secrets),
            "Fill them in before the ports are used.",
        ));
    }
    let secret = unlocked.ok().map(|unlocked| SecretStatusView {
        active_version: unlocked.keys.active(),
        versions: unlocked.versions.clone(),
        custody: system.custody().kind(),
        custody_name: system.custody().name(),
    });
    let history = backups.into_iter().map(|backup| BackupRecordView {
        file: backup.file,
        created: backup.created,
        proven: backup.proven,
        secret_only: backup.secret_only,
        ports: backup.ports,
        records: backup.records,
        reminder: backup.reminder,
        generation: backup.generation,
    });
    Ok(StatusView {
        system: Some(SystemView { id: row.id, name: row.name, created: row.created }),
        node: Some(NodeView {
            name: row.node_name,
            role: "master".to_owned(),
            epoch: u32::try_from(row.epoch.0).unwrap_or(u32::MAX),
        }),
        state: if sealing.possible { NodeState::Synced } else { NodeState::NoSecret },
        generation: Some(row.generation),
        custody: Some(system.custody().kind()),
        secret,
        sealing,
        backup: BackupStatusView { proven_age_seconds: age, history: history.collect() },
        counts,
        alerts,
        ..base
    })
}

fn counts(system: &System) -> Result<CountsView, Error> {
    system.index(|index| {
        let mut counts = no_counts();
        let mut applications = std::collections::BTreeSet::new();
        for view in index.ports() {
            if view.deleted {
                counts.deleted += 1;
                continue;
            }
            match view.kind {
                PortKind::ReceivePort => counts.receive_ports += 1,
                PortKind::SendPort => counts.send_ports += 1,
                PortKind::SendPortGroup => counts.send_port_groups += 1,
            }
            counts.missing_secrets += view.missing_secrets;
            applications.insert(&view.application);
        }
        counts.applications = applications.len() as u64;
        counts.documents = index.documents().len() as u64;
        counts
    })
}

fn no_counts() -> CountsView {
    CountsView {
        receive_ports: 0,
        send_ports: 0,
        send_port_groups: 0,
        deleted: 0,
        documents: 0,
        missing_secrets: 0,
        applications: 0,
    }
}

fn alert(id: &str, severity: Severity, message: &str, hint: &str) -> AlertView {
    AlertView { id: id.to_owned(), severity, message: message.to_owned(), hint: hint.to_owned() }
}
