//! What must be true in every state, and what must be possible.

use stateright::Property;

use crate::{
    moves::Protocol,
    world::{Keys, Phase, Reign, Site, World},
};

/// The names of what a step may do wrong.
macro_rules! never_wrong {
    ($($name:literal),* $(,)?) => {
        [$(Property::always($name, |_: &Protocol, world: &World| world.wrong != Some($name))),*]
    };
}

/// The invariants, and what has to be reached so that they mean something.
pub fn properties() -> Vec<Property<Protocol>> {
    let mut all = Vec::from(never_wrong![
        "a_reign_has_one_writer",
        "no_edit_is_lost",
        "only_the_active_version_seals",
        "a_delta_continues_what_is_there",
        "a_hand_over_loses_nothing",
        "a_granted_master_is_followed",
        "one_master_in_an_epoch",
        "nothing_goes_down",
    ]);
    all.extend([
        Property::always("epochs_increase", |_, world: &World| {
            world
                .sites
                .iter()
                .all(|site| site.db.reigns.windows(2).all(|pair| pair[0].reign.epoch < pair[1].reign.epoch))
        }),
        Property::always("grants_by_the_grant_key_alone", |_, world: &World| {
            let signed = |grant| world.issued.iter().any(|issued| issued.reign == grant);
            world.sites.iter().all(|site| site.grant == Reign::FIRST || signed(site.grant))
        }),
        Property::always("acknowledged_is_there_or_stranded", |_, world: &World| {
            let there = world.sites.iter().fold(world.discarded, |there, site| {
                let rows = site.db.rows.iter().map(|row| row.write);
                let stranded = site.stranded.iter().map(|stranded| stranded.row.write);
                rows.chain(stranded).fold(there, |there, write| there | 1 << write)
            });
            world.acknowledged & !there == 0
        }),
        Property::always("a_master_opens_all", |_, world: &World| {
            world.reigning().all(|site| holds(site.keys, site.needed().with(site.db.active)))
        }),
        Property::always("a_node_opens_all", |_, world: &World| {
            // One whose custody was put back on purpose has yet to fetch what it lacks.
            world.misfortunes > 0 || world.sites.iter().all(|site| holds(site.keys, site.needed()))
        }),
        Property::always("sealed_under_what_a_backup_holds", |_, world: &World| {
            world.sites.iter().all(|site| holds(world.backups, site.needed()))
        }),
        Property::always("retired_is_not_needed", |_, world: &World| {
            world.reigning().all(|site| site.needed().all().all(|key| !site.db.destroyed.has(key)))
                && world.sites.iter().all(|site| {
                    let done = site.db.rotation.filter(|rotation| rotation.phase == Phase::Done);
                    done.is_none_or(|last| site.db.rows.iter().all(|row| row.key.number >= last.to.number))
                })
        }),
        Property::always("one_secret_per_number", |_, world: &World| {
            world.sites.iter().all(|site| {
                let keys: Vec<_> = site.keys.and(site.needed()).all().collect();
                keys.windows(2).all(|pair| pair[0].number != pair[1].number)
            })
        }),
        Property::sometimes("a master is elected", |_, world: &World| {
            world.issued.iter().any(|issued| issued.votes.is_some() && issued.regular())
        }),
        Property::sometimes("a master is forced", |_, world: &World| {
            world.issued.iter().any(|issued| !issued.regular())
        }),
        Property::sometimes("a master hands over", |_, world: &World| {
            world.issued.iter().any(|issued| issued.votes.is_none())
        }),
        Property::sometimes("a third epoch", |model: &Protocol, world: &World| {
            world.reigning().any(|site| site.db.reign().epoch == model.epochs)
        }),
        Property::sometimes("the last version is rotated to the end", |model: &Protocol, world: &World| {
            let done = |site: &Site| site.db.rotation.is_some_and(|last| last.phase == Phase::Done);
            world.made == model.versions && world.reigning().any(done)
        }),
        Property::sometimes("a stranded change reaches the new master", |_, world: &World| {
            world.reigning().any(|site| !site.stranded.is_empty())
        }),
        Property::sometimes("a version is destroyed", |_, world: &World| {
            world.sites.iter().any(|site| site.db.destroyed != Keys::default())
        }),
    ]);
    all
}

fn holds(held: Keys, needed: Keys) -> bool {
    needed.all().all(|key| held.has(key))
}

impl World {
    /// The nodes that take themselves for the master. There can be two: one does not know yet.
    pub fn reigning(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().zip(0u8..).filter(|(site, node)| site.reigns(*node)).map(|(site, _)| site)
    }
}
