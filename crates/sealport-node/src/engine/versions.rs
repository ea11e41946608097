//! The versions of the master secret and the rotation, as people see them.

use sealport_core::{
    Error,
    api::{RotationPhase, RotationStatusView, RotationView, VersionListView, VersionState, VersionView},
    id::{Generation, KeyVersion},
    time::Timestamp,
};

use super::{Engine, held, now, rotation::per_second, system::System};
use crate::store::{BackupRow, RotationRow};

/// So many parts under one version are reason enough for a new one.
const USE_LIMIT: u64 = 1 << 30;

impl Engine {
    /// Every version there is or was, newest first.
    pub(super) fn versions(&self) -> Result<VersionListView, Error> {
        let system = self.system()?;
        let unlocked = system.unlocked()?;
        let (parts, rotations, destroyed, backups) = system.read(|store| {
            Ok((
                store.parts()?,
                store.rotations(Generation(0))?,
                store.destroyed(Generation(0))?,
                store.backups()?,
            ))
        })?;
        let active = system.position().borrow().active_version;
        let gone = |version: KeyVersion| {
            let cancelled = |row: &&RotationRow| row.to == version && row.phase == RotationPhase::Cancelled;
            destroyed.iter().any(|row| row.version == version) || rotations.iter().any(|row| cancelled(&row))
        };
        let held_here = unlocked.versions.iter().filter(|held| !gone(held.version)).map(|held| {
            let records = under(&parts, held.version);
            VersionView {
                version: held.version,
                state: state(held.version, active, records, rotations.last()),
                kcv: held.kcv.clone(),
                created: held.created,
                records,
                backups: needed_by(held.version, &backups, &rotations),
            }
        });
        let destroyed_ones = destroyed.iter().map(|row| VersionView {
            version: row.version,
            state: VersionState::Destroyed,
            kcv: row.kcv.clone(),
            created: row.created,
            records: under(&parts, row.version),
            backups: needed_by(row.version, &backups, &rotations),
        });
        let mut versions: Vec<_> = held_here.chain(destroyed_ones).collect();
        versions.sort_by_key(|view| std::cmp::Reverse(view.version));
        let due_after_days = self.settings()?.rotation_days();
        Ok(VersionListView {
            versions,
            due_after_days: due_after_days as u32,
            due: self.rotation_due(&system)?,
        })
    }

    /// Why a rotation is due, if it is: by the age of the active version, or by how much is sealed under it.
    pub(super) fn rotation_due(&self, system: &System) -> Result<Option<String>, Error> {
        let Ok(unlocked) = system.known() else { return Ok(None) };
        let active = system.position().borrow().active_version;
        let Some(own) = unlocked.versions.iter().find(|own| own.version == active) else { return Ok(None) };
        let counts = system.position().borrow().counts;
        let (sealed, days) = (counts.records + counts.formers, self.settings()?.rotation_days());
        Ok(due(active, own.created, now(), days, sealed))
    }

    /// The rotation that is under way, or the last one.
    pub(super) fn rotation(&self) -> Result<RotationStatusView, Error> {
        let system = self.system()?;
        let row = system.read(|store| store.rotation())?;
        let rotation = row.map(|row| self.rotation_view(&system, row)).transpose()?;
        Ok(RotationStatusView { rotation, active_version: system.position().borrow().active_version })
    }

    /// The one that is under way, for the status.
    pub(super) fn rotation_under_way(&self, system: &System) -> Result<Option<RotationView>, Error> {
        let row = system.read(|store| store.rotation())?;
        let row = row.filter(|row| row.rotation().under_way());
        row.map(|row| self.rotation_view(system, row)).transpose()
    }

    fn rotation_view(&self, system: &System, row: RotationRow) -> Result<RotationView, Error> {
        let under_way = row.rotation().under_way();
        let (mut holding, mut missing, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
        if row.rotation().gives() && system.is_master() {
            let nodes = system.gate(|store| store.nodes())?;
            for member in self.members(system)? {
                let name = nodes.iter().find(|node| node.id == member.node).map(|node| node.name.clone());
                let name = name.unwrap_or_else(|| member.node.to_string());
                if member.holds {
                    holding.push(name);
                } else {
                    if member.online != Some(false) {
                        awaited.push(name.clone());
                    }
                    missing.push(name);
                }
            }
        }
        let (done, total) = match row.phase {
            RotationPhase::Resealing | RotationPhase::Verifying => {
                let older = system.read(|store| store.older(row.to))?;
                // An edit makes a part more: a former revision.
                let total = row.total.max(older);
                (total - older, total)
            }
            RotationPhase::Done => (row.total, row.total),
            _ => (0, 0),
        };
        let pace = *held(&self.rotating.pace);
        let rate = pace.and_then(|(since, parts)| per_second(since, parts)).filter(|_| under_way);
        let note = if row.paused {
            Some("It is paused; `sealport secret rotate --resume` goes on.".to_owned())
        } else {
            held(&self.rotating.note).clone().filter(|_| under_way).or(match row.phase {
                RotationPhase::Prepared => Some(
                    "It waits for a backup of the new version: `sealport secret rotate --backup FILE`, or --cancel."
                        .to_owned(),
                ),
                RotationPhase::Distributing if !awaited.is_empty() => {
                    Some(format!("It waits for {} to fetch version {}.", awaited.join(", "), row.to))
                }
                _ => row.note.clone(),
            })
        };
        Ok(RotationView {
            from: row.from,
            to: row.to,
            phase: row.phase,
            paused: row.paused,
            started: row.started,
            by: row.by.clone(),
            holding,
            missing,
            done,
            total,
            per_second: rate,
            seconds_left: rate.filter(|rate| *rate > 0).map(|rate| (total - done).div_ceil(rate)),
            cancellable: row.rotation().cancellable(),
            note,
            finished: row.finished,
        })
    }
}

fn under(parts: &[(KeyVersion, u64)], version: KeyVersion) -> u64 {
    parts.iter().find(|(under, _)| *under == version).map_or(0, |(_, parts)| *parts)
}

fn state(version: KeyVersion, active: KeyVersion, parts: u64, last: Option<&RotationRow>) -> VersionState {
    let prepared = last.is_some_and(|row| row.to == version && row.rotation().cancellable());
    match parts {
        _ if version == active => VersionState::Active,
        _ if prepared => VersionState::Prepared,
        0 => VersionState::Retired,
        _ => VersionState::Opens,
    }
}

/// Files of backups in which something is sealed under a version: written after it was active, and before nothing was
/// left under it.
fn needed_by(version: KeyVersion, backups: &[BackupRow], rotations: &[RotationRow]) -> Vec<String> {
    let cleared = rotations.iter().filter(|row| row.to > version).filter_map(|row| row.cleared).min();
    let needs = |backup: &&BackupRow| {
        !backup.secret_only
            && backup.records > 0
            && backup.holds(version)
            && backup.active_version >= version
            && cleared.is_none_or(|cleared| backup.generation < cleared)
    };
    backups.iter().filter(needs).map(|backup| backup.file.clone()).collect()
}

fn due(version: KeyVersion, made: Timestamp, now: Timestamp, days: u64, sealed: u64) -> Option<String> {
    let age = now.seconds_since(made) / 86_400;
    if age >= days {
        return Some(format!(
            "Version {version} of the master secret is {age} days old; a new one is due after {days}."
        ));
    }
    (sealed >= USE_LIMIT)
        .then(|| format!("{sealed} parts are sealed under version {version} of the master secret."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: compare with `>` in `due`.
    #[test]
    fn a_rotation_is_due_by_age_and_by_use() {
        let made = Timestamp::from_millis(0);
        let at = |days: i64| Timestamp::from_millis(days * 86_400_000);
        let version = KeyVersion(3);
        assert_eq!(due(version, made, at(364), 365, 10), None);
        assert!(due(version, made, at(365), 365, 10).is_some_and(|why| why.contains("365 days old")));
        assert!(due(version, made, at(1), 365, USE_LIMIT).is_some_and(|why| why.contains("version 3")));
        assert_eq!(due(version, made, at(1), 365, USE_LIMIT - 1), None);
    }

    fn backup(file: &str, active: u32, versions: &[u32], generation: u64) -> BackupRow {
        BackupRow {
            file: file.to_owned(),
            created: Timestamp::from_millis(0),
            proven: Timestamp::from_millis(0),
            active_version: KeyVersion(active),
            versions: versions.iter().copied().map(KeyVersion).collect(),
            generation: Generation(generation),
            secret_only: false,
            ports: 1,
            records: 1,
            reminder: None,
        }
    }

    /// Sabotage: leave the generation out of `needed_by`.
    #[test]
    fn a_version_is_needed_by_the_backups_of_the_time_in_which_it_sealed_something() {
        let rotation = RotationRow {
            from: KeyVersion(1),
            to: KeyVersion(2),
            phase: RotationPhase::Done,
            paused: false,
            epoch: sealport_core::id::Epoch(1),
            started: Timestamp::from_millis(0),
            by: String::new(),
            backup: None,
            total: 5,
            finished: None,
            cleared: Some(Generation(50)),
            note: None,
            generation: Generation(50),
        };
        let backups = [
            backup("old", 1, &[], 10),
            backup("proof", 1, &[1, 2], 20),
            backup("middle", 2, &[1, 2], 49),
            backup("after", 2, &[1, 2], 50),
            BackupRow { secret_only: true, ..backup("bare", 1, &[1], 10) },
        ];
        let rotations = [rotation];
        assert_eq!(needed_by(KeyVersion(1), &backups, &rotations), ["old", "proof", "middle"]);
        assert_eq!(needed_by(KeyVersion(2), &backups, &rotations), ["middle", "after"]);
    }
}
