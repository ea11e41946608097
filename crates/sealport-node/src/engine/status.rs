//! The state of this installation, and the audit trail.

use std::time::Duration;

use sealport_core::{
    Code, Error,
    api::{
        ApplicationFacetView, AuditListView, AuditView, BackupRecordView, BackupStatusView, CountsView,
        MasterView, NodeRole, NodeState, NodeView, SealingView, SecretStatusView, StatusView, SyncView,
        SystemView,
    },
    seal::OpenError,
};

use super::{Engine, alerts, fleet::sync_age, held, now, system::System};

/// How long the status of a node that has just started waits for its first contact: a command tells what is, not that it
/// does not know yet.
const FIRST_CONTACT: Duration = Duration::from_millis(1_500);
/// Audit entries in one answer where no limit was asked for.
const AUDIT_PAGE: u32 = 200;

impl Engine {
    /// What this installation is and how it is, after another look at custody.
    pub(super) fn status(&self) -> Result<StatusView, Error> {
        if let Ok(system) = self.system() {
            let _ = system.unlocked();
            self.resume();
        }
        self.present_status()
    }

    /// The same by what is known, for whoever looks every few seconds.
    pub(super) fn present_status(&self) -> Result<StatusView, Error> {
        let base = StatusView {
            system: None,
            node: None,
            state: NodeState::NoSystem,
            master: None,
            epoch: None,
            sync: None,
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
            stranded: 0,
            rotation: None,
            alerts: Vec::new(),
            data_dir: self.config.data_dir.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store: format!("SQLite {}", rusqlite::version()),
        };
        let system = self.system();
        if let Ok(system) = &system {
            system.wait_for_contact(FIRST_CONTACT);
        }
        match system {
            Ok(system) => {
                let canary = held(&self.alarm.canary).clone().and_then(|canary| canary.failed);
                fill(base, self, &system, canary, held(&self.stuck).clone())
            }
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

fn fill(
    base: StatusView,
    engine: &Engine,
    system: &System,
    canary: Option<String>,
    stuck: Option<(String, String)>,
) -> Result<StatusView, Error> {
    let settings = engine.settings()?;
    let (row, backups, nodes) =
        system.read(|store| Ok((store.system()?, store.backups()?, store.nodes()?)))?;
    let (stranded, grant) = system.read(|store| Ok((store.stranded_count()?, store.grant()?)))?;
    let changed = grant.map(|signed| signed.grant);
    let unlocked = system.known();
    let state = system.state();
    let own = nodes.iter().find(|node| node.id == row.node);
    let sealing = sealing(system);
    let newest = backups.iter().find(|backup| backup.holds(row.active_version));
    let age = newest.map(|backup| now().seconds_since(backup.proven));
    let counted = match unlocked.is_ok() && system.may_open().is_ok() {
        true => counts(system),
        false => Ok(no_counts()),
    };
    let (counts, unreadable) = match counted {
        // A record that does not open is told, and keeps nobody from knowing how the node is. A database that is torn
        // does: a service that does not start is started again, and makes it anew.
        Err(error) if is_of_a_record(&error) => (no_counts(), Some(error)),
        counted => (counted?, None),
    };
    let alerts = alerts::of(&alerts::Facts {
        state,
        cloned: system.cloned.is_some(),
        sealing: &sealing,
        locked: unlocked.as_ref().err(),
        backup_age: age,
        backup_days: settings.backup_days(),
        missing_secrets: counts.missing_secrets,
        unreadable: unreadable.as_ref(),
        rotation_due: engine.rotation_due(system)?,
        last_error: system.follower().and_then(|follower| follower.last_error()),
        certificate_left: certificate_left(system),
        canary,
        clock_offset: system.heard.clock_offset(),
        mismatch: system.heard.mismatch(),
        stranded,
        changed: changed.map(|grant| {
            let name = |id| nodes.iter().find(|node| node.id == id).map(|node| node.name.clone());
            let seconds = now().seconds_since(grant.at);
            (name(grant.node).unwrap_or_else(|| grant.node.to_string()), grant.epoch, grant.kind, seconds)
        }),
        copies: system
            .seat
            .as_ref()
            .map(|seat| seat.copies())
            .unwrap_or_default()
            .into_iter()
            .map(|(id, copy)| {
                let name = nodes.iter().find(|node| node.id == id).map(|node| node.name.clone());
                (name.unwrap_or_else(|| id.to_string()), copy.at, now().seconds_since(copy.at), copy.from)
            })
            .collect(),
        stuck,
        data_dir: &system.data_dir,
    });
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
    let master = nodes.iter().find(|node| node.id == row.master);
    Ok(StatusView {
        system: Some(SystemView { id: row.id, name: row.name, created: row.created }),
        node: Some(NodeView {
            id: row.node,
            name: own.map_or(row.node_name, |own| own.name.clone()),
            role: match own {
                Some(own) => own.role(row.master),
                None if row.node == row.master => NodeRole::Master,
                None => NodeRole::Processing,
            },
            administrator: own.is_none_or(|own| own.administrator),
        }),
        state,
        master: Some(MasterView {
            id: row.master,
            name: master.map_or_else(|| row.master.to_string(), |master| master.name.clone()),
            address: match system.follower() {
                Some(follower) => Some(follower.url().trim_start_matches("https://").to_owned()),
                None => master.and_then(|master| master.address.clone()),
            },
        }),
        epoch: Some(row.epoch),
        sync: Some(SyncView {
            age_seconds: if system.is_master() { Some(0) } else { sync_age(system) },
            interval_seconds: settings.sync_interval().as_secs(),
            error: system.follower().and_then(|follower| follower.last_error()),
        }),
        generation: Some(row.generation),
        custody: Some(system.custody().kind()),
        secret,
        sealing,
        backup: BackupStatusView { proven_age_seconds: age, history: history.collect() },
        counts,
        stranded,
        rotation: engine.rotation_under_way(system)?,
        alerts,
        ..base
    })
}

fn sealing(system: &System) -> SealingView {
    match system.sealing_refused() {
        None => SealingView { possible: true, code: None, reason: None, hint: None, since: None },
        Some((error, since)) => SealingView {
            possible: false,
            code: Some(error.code),
            reason: Some(error.message),
            hint: Some(error.hint),
            since: since.or(system.locked_since()),
        },
    }
}

/// Milliseconds that the certificate of a node that follows still counts.
fn certificate_left(system: &System) -> Option<i64> {
    let expires = system.follower()?.certificate_expires()?;
    Some(expires.as_millis() - now().as_millis())
}

/// Whether a single record did not open.
fn is_of_a_record(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<OpenError>())
}

fn counts(system: &System) -> Result<CountsView, Error> {
    system.index(|index| {
        let applications = &index.facets().applications;
        let sum = |of: fn(&ApplicationFacetView) -> u64| -> u64 { applications.iter().map(of).sum() };
        CountsView {
            receive_ports: sum(|facet| facet.receive_ports),
            send_ports: sum(|facet| facet.send_ports),
            send_port_groups: sum(|facet| facet.send_port_groups),
            deleted: index.deleted(),
            documents: index.documents().len() as u64,
            missing_secrets: index.missing_secrets(),
            applications: applications.len() as u64,
        }
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
