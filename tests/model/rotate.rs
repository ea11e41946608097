//! The steps of a rotation, each one transaction of the master.

use sealport_core::machine::rotation::{self, Step as Rotate};

use crate::{
    guard::fact_of,
    moves::Protocol,
    world::{Batch, Key, Phase, Rotation, Row, Site, World},
};

impl Protocol {
    pub fn prepare(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        if !site.reigns(node) {
            return None;
        }
        let reign = site.db.reign();
        let forced = world.issued.iter().any(|issued| issued.reign == reign && !issued.regular());
        let unheard = world.sites.iter().position(|site| site.grant != reign);
        if world.made == self.versions {
            return None;
        }
        let site = &mut world.sites[usize::from(node)];
        let number = self.rules.may_prepare(site, forced, unheard.map(|other| other as u8))?;
        let to = Key { number, by: site.db.reign() };
        world.made += 1;
        site.keys = site.keys.with(to);
        site.db.rotation = Some(Rotation { from: site.db.active, to, phase: Phase::Prepared });
        site.db.generation += 1;
        Some(())
    }

    pub fn rotate(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        if !site.reigns(node) {
            return None;
        }
        let rotation = site.db.rotation?;
        let phase = match self.rules.next_step(site, rotation, &[]) {
            Rotate::AwaitBackup => {
                world.backups = world.backups.and(site.keys);
                Phase::Proven
            }
            Rotate::Distribute => Phase::Distributing,
            Rotate::Verify => Phase::Verifying,
            Rotate::Cancel => Phase::Cancelled,
            Rotate::Reseal if site.batch.is_none() => {
                let mut rows = site.db.rows.iter().zip(1..);
                let (row, revision) = rows.find(|(row, _)| row.key.number < rotation.to.number)?;
                let epoch = site.db.reign().epoch;
                site.batch = Some(Batch { epoch, revision, row: *row, to: rotation.to });
                return if self.late { Some(()) } else { self.reseal(world, node) };
            }
            // Made together with its preparation; the others are steps of their own.
            Rotate::Make
            | Rotate::Nothing
            | Rotate::AwaitMembers
            | Rotate::Activate
            | Rotate::Reseal
            | Rotate::Retire => return None,
        };
        site.db.rotation = Some(Rotation { phase, ..rotation });
        site.db.generation += 1;
        Some(())
    }

    pub fn activate(&self, world: &mut World, node: u8, away: u8) -> Option<()> {
        let given = world.sites[usize::from(node)].gives();
        let members: Vec<_> = world
            .sites
            .iter()
            .zip(0u8..)
            .filter(|(_, other)| *other != node)
            .map(|(site, other)| fact_of(other, site, away & (1 << other) == 0, given))
            .collect();
        let backups = world.backups;
        let site = &mut world.sites[usize::from(node)];
        if !site.reigns(node) || away & (1 << node) != 0 {
            return None;
        }
        let rotation = site.db.rotation?;
        if !self.rules.may_activate(site, rotation, backups, &members) {
            return None;
        }
        site.db.active = rotation.to;
        site.db.rotation = Some(Rotation { phase: Phase::Resealing, ..rotation });
        site.db.generation += 1;
        Some(())
    }

    pub fn reseal(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        let batch = site.batch.take()?;
        if !site.reigns(node) || !self.rules.admits_reseal(site, &batch) {
            return Some(());
        }
        // Without a comparison it takes the place of whatever is present.
        let row = site.db.rows.last_mut()?;
        let there = *row;
        let sealed = Row { key: batch.to, ..batch.row };
        if there.write == batch.row.write {
            *row = sealed;
        } else {
            let at = usize::from(batch.revision) - 1;
            if self.rules.resealing_compares() {
                site.db.rows[at] = sealed;
            } else {
                *row = sealed;
            }
        }
        site.db.generation += 1;
        Some(())
    }

    pub fn retire(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        let rotation = site.db.rotation?;
        if !site.reigns(node) || !self.rules.may_retire(site, rotation) {
            return None;
        }
        site.db.rotation = Some(Rotation { phase: Phase::Done, ..rotation });
        site.db.generation += 1;
        Some(())
    }

    pub fn destroy(&self, world: &mut World, node: u8, key: Key) -> Option<()> {
        let there = world.sites[usize::from(node)].clone();
        // The administrator looks at the list of what needs it: a database that is not up to date may.
        let known = |site: &Site| site.db == there.db && site.stranded.is_empty();
        let all_known = world.sites.iter().zip(0u8..).all(|(site, other)| other == node || known(site));
        let site = &mut world.sites[usize::from(node)];
        if !site.reigns(node) || !all_known || !self.rules.may_destroy(site, key) {
            return None;
        }
        site.keys = site.keys.without(key);
        site.db.destroyed = site.db.destroyed.with(key);
        site.db.generation += 1;
        Some(())
    }
}

pub fn cancel(world: &mut World, node: u8) -> Option<()> {
    let site = &mut world.sites[usize::from(node)];
    let rotation = site.db.rotation.filter(|rotation| rotation.of_core().cancellable())?;
    if !site.reigns(node) {
        return None;
    }
    // What was stranded under it by another reign is still to be opened.
    if !rotation::keeps(false, false, u64::from(site.needed().has(rotation.to))) {
        site.keys = site.keys.without(rotation.to);
    }
    site.db.rotation = Some(Rotation { phase: Phase::Cancelled, ..rotation });
    site.db.generation += 1;
    Some(())
}
