//! Copies that come back: the database of a machine is put back to an older one, and a backup makes a node the master, the right
//! one or a wrong one.

use std::collections::BTreeSet;

use sealport_core::{
    api::{CheckOutcome, PromotionMode},
    id::Epoch,
    machine::{
        Standing,
        preflight::{CustodyCheck, MasterCheck, PreflightFacts, RotationCheck, preflight},
    },
};

use crate::{
    data::{Db, Disk, Own, Replica},
    grants,
    keys::Custody,
    machines::Power,
    sabotage::Sabotage,
    truth::Check,
    world::{World, node_id},
};

/// What a machine has in its data directory.
#[derive(Clone)]
pub enum Stored {
    Db(Box<Db>),
    Replica(Box<Replica>),
}

impl Stored {
    fn own(&mut self) -> &mut Own {
        match self {
            Stored::Db(db) => &mut db.own,
            Stored::Replica(replica) => &mut replica.own,
        }
    }

    /// Whether a custody opens all of it.
    fn opens(&self, custody: &Custody) -> bool {
        match self {
            Stored::Db(db) => db.records.all().chain(db.own.spool.values()).all(|row| row.opens(custody)),
            Stored::Replica(replica) => {
                replica.records.all().chain(replica.own.spool.values()).all(|row| row.opens(custody))
            }
        }
    }
}

/// A backup file: of which system, and what its bundle holds.
pub struct Backup {
    pub ours: bool,
    pub custody: Custody,
}

impl World<'_> {
    /// A copy of what a machine had, in case that it is put back.
    pub fn remember(&mut self, machine: usize, had: impl FnOnce() -> Stored) {
        if self.script.puts_back() {
            self.former[machine].push(had());
        }
    }

    /// The database of the master is replaced by an old copy that lacks some commits, and the service is started on it.
    pub fn set_back(&mut self, m: usize, commits: u64) -> Check {
        if self.machines[m].power != Power::Up {
            return Ok(());
        }
        let masters = self.former[m].iter().rev().take_while(|had| matches!(had, Stored::Db(_))).count();
        let commits = masters.min(commits as usize);
        if commits == 0 { Ok(()) } else { self.put_back(m, commits) }
    }

    /// What a machine has is replaced by an older copy, whatever it was then and is now.
    pub fn restore(&mut self, machine: usize, back: u64) -> Check {
        let many = self.former[machine].len().min(back as usize);
        if self.machines[machine].power != Power::Up || many == 0 {
            return Ok(());
        }
        self.put_back(machine, many)
    }

    fn put_back(&mut self, machine: usize, back: usize) -> Check {
        let at = self.former[machine].len() - back;
        let mut had = self.former[machine][at].clone();
        // Custody is not in the data directory.
        let custody = self.own(machine).custody.clone();
        if !had.opens(&custody) || self.disks[machine].durable.standing != Standing::Member {
            self.count("copies that are of no use");
            return Ok(());
        }
        self.count("databases put back");
        self.former[machine].truncate(at);
        let known = self.knows(machine);
        let was_master = self.dbs[machine].is_some();
        if was_master {
            self.master_crash(machine, true)?;
        } else {
            self.follower_crash(machine)?;
        }
        let before = self.kept();
        let custody = self.own(machine).custody.clone();
        (had.own().custody, had.own().extra) = (custody, BTreeSet::new());
        // One that is put back to before it took its seat takes it again.
        let seated = had.own().grants.iter().any(|grant| grant.rank().node == node_id(machine));
        self.truth.set_back |= was_master || seated || matches!(had, Stored::Db(_));
        // It may begin once more the epoch that was handed to it, with less: that others notice.
        self.truth.handed.retain(|rank, _| rank.node != node_id(machine));
        match had {
            Stored::Db(db) => self.dbs[machine] = Some(*db),
            Stored::Replica(replica) => {
                self.dbs[machine] = None;
                self.disks[machine] = Disk { durable: *replica, unsynced: Default::default() };
                let custody = &self.disks[machine].durable.own.custody;
                let version = self.disks[machine].durable.version.filter(|version| custody.holds(*version));
                self.disks[machine].durable.version = version.or(custody.highest_held());
            }
        }
        let after = self.kept();
        self.truth.gone_with_a_disk(&before, &after);
        self.truth.forgotten.extend(self.knows(machine).0 + 1..=known.0);
        self.truth.begins_anew(machine, self.dbs[machine].is_none());
        self.say(|| format!("machine {machine} is put back, knows epoch {:?}", self.knows(machine)));
        self.reborn(machine);
        self.reach[machine].runs = self.machines[machine].clock.ran(self.now);
        self.machines[machine].disk_free = self.now;
        if self.dbs[machine].is_some() {
            self.master_start(machine)?;
        } else {
            self.follower_start(machine)?;
        }
        self.set_tick(machine);
        Ok(())
    }

    /// The highest epoch that a machine knows of: seen, granted, or promised.
    fn knows(&self, machine: usize) -> Epoch {
        let own = self.own(machine);
        let granted = own.highest().map(|rank| rank.epoch);
        let promised = own.promised.map(|promise| promise.epoch);
        self.seen_epoch(machine).max(granted.unwrap_or(Epoch(0))).max(promised.unwrap_or(Epoch(0)))
    }

    /// The backup that an administrator names: one that was made, or one of another system, or one of this system that holds
    /// another secret under the same number.
    fn backup(&self, nth: u64) -> Backup {
        let nth = nth as usize % (self.backups.len() + 2);
        match self.backups.get(nth) {
            Some(Backup { ours, custody }) => Backup { ours: *ours, custody: custody.clone() },
            None => Backup { ours: nth != self.backups.len(), custody: Custody::alien() },
        }
    }

    /// Checks before an emergency, with a backup that is to make this node a master or without. What the backup brings; `None`
    /// where it is not possible.
    pub fn emergency_is_possible(&mut self, node: usize, backup: Option<u64>) -> Option<Option<Custody>> {
        let backup = backup.map(|nth| self.backup(nth));
        let any = self.sabotaged(Sabotage::TakesAnyBackup);
        if backup.as_ref().is_some_and(|backup| !backup.ours && !any) {
            self.count("backups of another system refused");
            return None;
        }
        let own = self.own(node).custody.clone();
        let (role, standing) = self.registered(node);
        let custody = match &backup {
            Some(_) if any => CustodyCheck::FromBackup,
            Some(backup) if own.differing(&backup.custody).is_some() => {
                CustodyCheck::Lacks("another secret under the same version".to_owned())
            }
            _ if self.memory_only(node) => CustodyCheck::MemoryOnly,
            Some(_) => CustodyCheck::FromBackup,
            None if role == sealport_core::machine::Role::Standby => CustodyCheck::HoldsAll,
            None => CustodyCheck::Lacks("no keys of the authority".to_owned()),
        };
        let facts = self.preflight_facts(node, custody, grants::member(role, standing));
        let failed = preflight(&facts).into_iter().find(|check| check.outcome == CheckOutcome::Failed);
        if let Some(failed) = failed {
            self.count(if backup.is_some() { "backups that make no master" } else { "promotions not begun" });
            self.say(|| format!("node {node}: {}", failed.message));
            return None;
        }
        Some(backup.map(|backup| backup.custody))
    }

    fn preflight_facts(
        &self,
        node: usize,
        custody: CustodyCheck,
        member: sealport_core::machine::Member,
    ) -> PreflightFacts {
        let disk = &self.disks[node].durable;
        let (at, seen, damaged, version, common) = match &self.dbs[node] {
            Some(db) => (db.at, db.at, false, Some(db.active), &db.common),
            None => (disk.at, disk.seen.max(disk.at), disk.damaged, disk.version, &disk.common),
        };
        let rotation = common.rotations.last_key_value().map(|(_, (rotation, _))| *rotation);
        // Whether the master is silent is told by the votes: it may fall silent, or come back, between the two.
        let master = match self.dbs[node] {
            Some(_) => MasterCheck::IsCandidate,
            None => MasterCheck::Silent { name: String::new(), heard_seconds: None },
        };
        PreflightFacts {
            mode: PromotionMode::Emergency,
            candidate: node.to_string(),
            member: Some(member),
            address: Some(String::new()),
            custody,
            version,
            lacks_active: None,
            at,
            seen,
            // A candidate opens every record, and counts them.
            damaged: damaged || self.truth.hurt.contains(&node),
            master,
            expected: Some(seen.epoch),
            ahead: None,
            records: 0,
            opened: Some(0),
            missing: Vec::new(),
            opens_more: None,
            leave_unreadable: false,
            backup_age: None,
            voters: common.standbys().count() as u32,
            reachable: 1,
            rotation: match rotation {
                Some(rotation) if rotation.under_way() && !rotation.gives() && self.dbs[node].is_none() => {
                    RotationCheck::Bound
                }
                Some(rotation) if rotation.under_way() => RotationCheck::Transferable,
                _ => RotationCheck::None,
            },
        }
    }
}
