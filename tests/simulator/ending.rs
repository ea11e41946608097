//! What is looked at after every event, and what must be true when faults have stopped for long enough.

use sealport_core::machine::{CustodyFact, Facts, State, derive_state, may_seal};

use crate::{
    machines::{Power, Reach},
    script::Act,
    truth::{Check, Sabotage, i8_no_seal_after_a_loss, liveness},
    world::{Input, World},
};

impl World<'_> {
    pub fn check_nodes(&self) -> Check {
        for node in 1..self.machines.len() {
            let Some(facts) = self.facts(node) else { continue };
            let Reach { there, back, master, runs } = self.reach[node];
            let lost = self.machines[node].clock.ran(self.now) - there.min(back).min(master);
            let seals = may_seal(&facts).is_ok() || self.sabotaged(Sabotage::SealsAlways);
            i8_no_seal_after_a_loss(node, seals, lost)?;
            let silent = lost.min(self.machines[node].clock.ran(self.now) - runs);
            self.truth.an_outage_is_told(node, derive_state(&facts), silent)?;
        }
        Ok(())
    }

    /// The facts of a node that runs.
    pub fn facts(&self, node: usize) -> Option<Facts> {
        let follower = self.followers[node].as_ref().filter(|_| self.machines[node].power == Power::Up)?;
        let version = self.disks[node].durable.version;
        Some(follower.core.facts(self.local(node), CustodyFact::Open, version))
    }

    /// Faults have stopped long enough for the longest back-off: who is not damaged is synced. Then everyone looks at all it
    /// has, and the master writes once more, so that damage is found.
    pub fn settle(&mut self) -> Check {
        for node in 1..self.machines.len() {
            let well = matches!(self.state(node), Some(State::Synced));
            let excused = self.excused(node);
            if excused {
                self.doubtful.insert(node);
            }
            liveness(node, well || excused, || format!("{:?} when all was to be synced", self.state(node)))?;
        }
        for node in 1..self.machines.len() {
            self.arrive(node, Input::Act(Act::Open { node }))?;
        }
        self.arrive(0, Input::Act(Act::Write { node: 0, record: 0 }))
    }

    pub fn end(&mut self) -> Check {
        self.truth.nothing_acknowledged_is_lost(&self.db)?;
        for node in 1..self.machines.len() {
            let disk = &self.disks[node].durable;
            let state = self.state(node);
            let agrees = self.truth.agrees(&self.db, disk);
            liveness(node, agrees || state != Some(State::Synced), || {
                "synced with a master that lacks its writes".into()
            })?;
            if self.truth.revoked.contains_key(&node) {
                // A database that was set back may have forgotten the revocation.
                liveness(node, state == Some(State::Fenced) || self.truth.set_back, || {
                    format!("revoked, and {state:?}")
                })?;
            } else if self.doubtful.contains(&node) && state != Some(State::Synced) {
                // Who had the secret in memory only does not get it again from a master that it doubts.
                let doubts =
                    state == Some(State::Stale) || (self.memory_only(node) && state == Some(State::NoSecret));
                liveness(node, doubts, || {
                    format!("it knows of writes that the master lacks, and is {state:?}")
                })?;
            } else {
                let equal = disk.at == self.db.at
                    && disk.audit == self.db.audit()
                    && disk.version == Some(self.db.active)
                    && disk.records.counts() == self.db.records.counts()
                    && !disk.damaged;
                let opens =
                    disk.records.all().all(|row| disk.version.is_some_and(|version| row.opens(version)));
                liveness(node, state == Some(State::Synced) && equal && opens, || {
                    format!(
                        "{state:?} at {:?} where the master is at {:?}, equal {equal}, opens {opens}",
                        disk.at, self.db.at
                    )
                })?;
            }
        }
        Ok(())
    }

    pub fn excused(&self, node: usize) -> bool {
        let disk = &self.disks[node].durable;
        // It may remember more than it could write down: a generation, or a version of the secret, that is gone since the
        // master was set back.
        let seen = self.followers[node].as_ref().map(|follower| follower.core.held().seen);
        let wanted = self.facts(node).and_then(|facts| facts.secret.wanted);
        self.truth.revoked.contains_key(&node)
            || !self.truth.agrees(&self.db, disk)
            || seen > Some(self.db.at)
            || wanted > Some(self.db.active)
    }

    pub fn state(&self, node: usize) -> Option<State> {
        self.facts(node).map(|facts| derive_state(&facts))
    }
}
