//! What is looked at after every event, and what must be true when faults have stopped for long enough.

use std::collections::BTreeSet;

use sealport_core::machine::{CustodyFact, Facts, Standing, State, derive_state, may_seal};

use crate::{
    machines::{Power, Reach},
    sabotage::Sabotage,
    script::Act,
    strand::writes_of,
    truth::{Check, i8_no_seal_after_a_loss, liveness},
    world::{Input, World},
};

impl World<'_> {
    pub fn check_nodes(&self) -> Check {
        for node in 0..self.machines.len() {
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

    /// Once faults have stopped, somebody sees that there is no master, and makes the best standby one.
    pub fn heal(&mut self) -> Check {
        if let Some(crown) = self.crown() {
            self.look_after_rotation(crown)?;
            if self.script.seed.is_multiple_of(3) {
                self.arrive(crown, None, Input::Act(Act::Accept))?;
            }
            if self.accepts() && self.somebody_doubts(crown) {
                self.count("databases accepted by name");
                self.arrive(crown, None, Input::Act(Act::Force { node: crown }))?;
            }
            return Ok(());
        }
        let Some(node) = self.best_standby() else { return Ok(()) };
        self.count("masters missed");
        self.arrive(node, None, Input::Act(Act::Force { node }))
    }

    /// Whether a database that was put back is accepted in the end; in the other cases nodes that saw more go on refusing.
    pub fn accepts(&self) -> bool {
        self.truth.set_back && self.script.seed.is_multiple_of(2) && self.script.promotes()
    }

    fn somebody_doubts(&self, crown: usize) -> bool {
        let follows = |node: &usize| *node != crown && self.follows(*node) == crown;
        let doubts = |node: usize| self.facts(node).is_some_and(|facts| facts.contradiction.is_some());
        (0..self.machines.len()).filter(follows).any(doubts)
    }

    /// A node that could be the master, with the most of the history.
    pub fn best_standby(&self) -> Option<usize> {
        let fit = |node: &usize| {
            let up = self.followers[*node].is_some() && self.machines[*node].power == Power::Up;
            let facts = self.become_facts(*node, false);
            // Who was revoked may not know yet; those who do would not agree.
            let member = self.disks[*node].durable.standing == Standing::Member
                && !self.truth.revoked.contains_key(node);
            up && self.dbs[*node].is_none() && facts.standby && facts.holds_all && !facts.damaged && member
        };
        (0..self.machines.len()).filter(fit).max_by_key(|node| {
            let disk = &self.disks[*node].durable;
            (disk.seen, disk.at)
        })
    }

    /// Faults have stopped long enough for the longest back-off: there is one master, and who is not damaged is synced with
    /// it. Then everyone looks at all it has, and the master writes once more, so that damage is found.
    pub fn settle(&mut self) -> Check {
        let Some(crown) = self.crown() else {
            self.count("cases without a standby that could be the master");
            return liveness(0, self.best_standby().is_none(), || "there is no master".into());
        };
        for node in self.others(crown) {
            liveness(node, self.dbs[node].is_none(), || "it takes itself for the master".into())?;
            let well = matches!(self.state(node), Some(State::Synced)) && self.follows(node) == crown;
            let excused = self.excused(crown, node);
            if excused {
                self.doubtful.insert(node);
            }
            liveness(node, well || excused, || {
                format!(
                    "{:?} with {} when all was to be synced with {crown}",
                    self.state(node),
                    self.follows(node)
                )
            })?;
        }
        for node in self.others(crown) {
            self.arrive(node, None, Input::Act(Act::Open { node }))?;
        }
        self.arrive(crown, None, Input::Act(Act::Write { node: crown, record: 0 }))
    }

    fn others(&self, crown: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.machines.len()).filter(move |node| *node != crown)
    }

    pub fn end(&mut self) -> Check {
        let Some(crown) = self.crown() else { return Ok(()) };
        let db = self.db(crown);
        let mut there: BTreeSet<u64> = writes_of(db.records.all(), &db.common).collect();
        if self.truth.emergencies > 0 || self.truth.set_back {
            // A master that was lost may have had more than its successor: then it is stranded, or with who does not follow.
            there = self.kept();
        }
        self.rotation_is_over(crown)?;
        self.truth.nothing_acknowledged_is_lost(&there)?;
        for node in self.others(crown) {
            let disk = &self.disks[node].durable;
            let state = self.state(node);
            let agrees = self.truth.agrees(db, disk);
            liveness(node, agrees || state != Some(State::Synced), || {
                "synced with a master that lacks its writes".into()
            })?;
            if let Some(by) = self.truth.revoked.get(&node) {
                // A database that was set back, or of another history, may have forgotten the revocation.
                let known = db.trail.contains(by);
                liveness(node, state == Some(State::Fenced) || !known, || format!("revoked, and {state:?}"))?;
            } else if self.doubtful.contains(&node) && state != Some(State::Synced) {
                // Who had the secret in memory only does not get it again from a master that it doubts.
                let doubts =
                    state == Some(State::Stale) || (self.memory_only(node) && state == Some(State::NoSecret));
                liveness(node, doubts, || {
                    format!("it knows of writes that the master lacks, and is {state:?}")
                })?;
            } else {
                let equal = disk.at == db.at
                    && disk.audit() == db.audit()
                    && disk.version == Some(db.active)
                    && disk.records.counts() == db.records.counts()
                    && disk.common.same(&db.common)
                    && disk.own.spool.is_empty()
                    && !disk.damaged;
                let opens = disk.records.all().all(|row| row.opens(&disk.own.custody));
                liveness(node, state == Some(State::Synced) && equal && opens, || {
                    format!(
                        "{state:?} at {:?} where the master is at {:?}, equal {equal}, opens {opens}",
                        disk.at, db.at
                    )
                })?;
            }
        }
        Ok(())
    }

    fn excused(&self, crown: usize, node: usize) -> bool {
        if self.truth.revoked.contains_key(&node) {
            return true;
        }
        let (disk, db) = (&self.disks[node].durable, self.db(crown));
        // It may remember more than it could write down: a generation, or a version of the secret, that is gone since the
        // master was set back.
        let seen = self.followers[node].as_ref().map(|follower| follower.core.held().seen);
        let wanted = self.facts(node).and_then(|facts| facts.secret.wanted);
        let doubts = !self.truth.agrees(db, disk) || seen > Some(db.at) || wanted > Some(db.active);
        self.truth.set_back && !self.accepts() && doubts
    }

    /// A rotation that was begun has come to its end, and nothing is under an older version; unless only a machine that did not
    /// follow holds what it needs.
    fn rotation_is_over(&self, crown: usize) -> Check {
        let db = self.db(crown);
        let Some(rotation) = db.rotation() else { return Ok(()) };
        let stuck = !db.own.custody.holds(rotation.to) && !rotation.cancellable();
        let phase = rotation.phase;
        liveness(crown, !rotation.under_way() || stuck, || format!("the rotation is still {phase:?}"))?;
        let done = phase == sealport_core::api::RotationPhase::Done;
        let older = db.older(rotation.to);
        liveness(crown, older == 0 || !done, || format!("{older} parts are under older versions"))
    }

    pub fn state(&self, node: usize) -> Option<State> {
        self.facts(node).map(|facts| derive_state(&facts))
    }
}
