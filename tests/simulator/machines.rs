//! Machines: their clocks and their power. They crash, stand still, sleep, and their disks are damaged.

use std::collections::VecDeque;

use sealport_core::machine::{Failure, Moment};

use crate::{
    script::Millis,
    truth::Check,
    world::{Ev, Input, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Up,
    Still,
    Down,
}

/// A clock that runs at its own rate, and stands still when its machine is paused.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub base: u64,
    pub permille: u64,
    pub stood: Millis,
    pub stands_since: Option<Millis>,
}

impl Clock {
    pub fn ran(&self, now: Millis) -> Millis {
        self.stands_since.unwrap_or(now) - self.stood
    }

    pub fn local(&self, now: Millis) -> Moment {
        Moment(self.base + self.ran(now) * self.permille / 1000)
    }

    /// The first moment of the world at which the clock shows this.
    pub fn world(&self, local: Moment, now: Millis) -> Millis {
        let ran = (local.0.saturating_sub(self.base) * 1000).div_ceil(self.permille);
        (ran + self.stood).max(now)
    }
}

pub struct Machine {
    pub power: Power,
    pub life: u32,
    pub token: u32,
    pub clock: Clock,
    pub inbox: VecDeque<Input>,
    pub tick: Option<(Millis, u64)>,
    pub cut_there: Millis,
    pub cut_back: Millis,
    pub slow: Millis,
    /// It loses power in its next transaction, for so long.
    pub torn: Option<Millis>,
    /// Its polls are answered with this, until then: by someone else, or for another reason.
    pub odd: Option<(Millis, Failure)>,
    pub disk_free: Millis,
    /// When it died by being killed, others are told at once.
    pub refuses: bool,
}

/// When a node last could have reached the master and heard from it, in its own running time.
#[derive(Clone, Copy, Default)]
pub struct Reach {
    pub there: Millis,
    pub back: Millis,
    pub master: Millis,
    /// Since when it runs without a break.
    pub runs: Millis,
}

impl World<'_> {
    pub fn crash(&mut self, machine: usize, down: Millis, refuses: bool) -> Check {
        if self.machines[machine].power == Power::Down {
            return Ok(());
        }
        let now = self.now;
        let it = &mut self.machines[machine];
        it.power = Power::Down;
        it.life += 1;
        self.campaigns[machine] = None;
        let it = &mut self.machines[machine];
        it.inbox.clear();
        it.refuses = refuses;
        if let Some(since) = it.clock.stands_since.take() {
            it.clock.stood += now - since;
        }
        let life = it.life;
        if let Some(key) = it.tick.take() {
            self.queue.remove(&key);
        }
        if self.dbs[machine].is_some() {
            self.master_crash(machine, refuses)?
        } else {
            self.follower_crash(machine)?
        }
        self.push(now + down.max(1), Ev::Up { machine, life });
        Ok(())
    }

    pub fn start(&mut self, machine: usize) -> Check {
        if self.machines[machine].power != Power::Down {
            return Ok(());
        }
        self.say(|| format!("machine {machine} starts"));
        self.machines[machine].power = Power::Up;
        self.reach[machine].runs = self.machines[machine].clock.ran(self.now);
        self.machines[machine].disk_free = self.now;
        if self.dbs[machine].is_some() {
            self.master_start(machine)?
        } else {
            self.follower_start(machine)?
        }
        self.set_tick(machine);
        Ok(())
    }

    pub fn freeze(&mut self, machine: usize, time: Millis, woke: bool, stands: bool) -> Check {
        let now = self.now;
        let it = &mut self.machines[machine];
        if it.power != Power::Up {
            return Ok(());
        }
        it.power = Power::Still;
        it.token += 1;
        it.clock.stands_since = stands.then_some(now);
        let token = it.token;
        self.push(now + time, Ev::Thaw { machine, token, woke });
        Ok(())
    }

    pub fn thaw(&mut self, machine: usize, token: u32, woke: bool) -> Check {
        let now = self.now;
        let it = &mut self.machines[machine];
        if it.power != Power::Still || it.token != token {
            return Ok(());
        }
        it.power = Power::Up;
        if let Some(since) = it.clock.stands_since.take() {
            it.clock.stood += now - since;
        }
        self.reach[machine].runs = self.machines[machine].clock.ran(now);
        let it = &mut self.machines[machine];
        // A paused clock has left its tick at the wrong moment.
        if let Some(key) = it.tick.take() {
            self.queue.remove(&key);
        }
        if woke {
            self.deliver(machine, Input::Woke)?;
        }
        while let Some(input) = self.machines[machine].inbox.pop_front() {
            self.deliver(machine, input)?;
        }
        self.set_tick(machine);
        Ok(())
    }

    /// Before anything happens: whatever is whole now was so until now.
    pub fn note_reach(&mut self) {
        for node in 0..self.machines.len() {
            let ran = self.machines[node].clock.ran(self.now);
            let odd = self.machines[node].odd.is_some_and(|(until, _)| self.now < until);
            let to = self.follows(node);
            let master = self.machines[to].power == Power::Up && self.hosts[to].is_some();
            let (there, back) = (!odd && !self.cut(node, to), !self.cut(to, node));
            let reach = &mut self.reach[node];
            if there {
                reach.there = ran;
            }
            if back {
                reach.back = ran;
            }
            if master {
                reach.master = ran;
            }
        }
    }

    /// A replica is damaged behind its node's back.
    pub fn damage(&mut self, node: usize, nth: u32, vanish: bool) {
        let before = self.kept();
        let records = &mut self.disks[node].durable.records;
        let Some(row) = records.nth_mut(nth) else { return };
        let (record, revision) = (row.record, row.revision);
        if vanish {
            records.formers.remove(&(record, revision));
            if records.rows.get(&record).is_some_and(|row| row.revision == revision) {
                records.rows.remove(&record);
            }
        } else {
            let mut bytes = row.envelope.to_vec();
            let at = nth as usize % bytes.len();
            bytes[at] ^= 1 << (nth % 8);
            row.envelope = bytes.into();
        }
        self.truth.hurt.insert(node);
        self.truth.once_hurt.insert(node);
        let after = self.kept();
        self.truth.gone_with_a_disk(&before, &after);
    }
}
