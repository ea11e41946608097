//! A following node as the product runs it: the loop around the core's machine, its disk, its custody, and its clients.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use sealport_core::{
    id::Revision,
    machine::{
        Ask, Body, Contact, Counts, CustodyFact, Event, Facts, Failure, Kept, Marks, Moment, Node, Notify,
        Persist, PollId, Role, Send, Settings, WriteHead, WriteRefusal, derive_state, may_open, may_seal,
    },
};

use crate::{
    chance::Chance,
    data::{Op, Taken},
    machines::Power,
    restore::Stored,
    rows::Row,
    sabotage::Sabotage,
    script::Act,
    truth::{
        Check, i7_opening_never_stops, i7_secret_comes_first, one_poll_in_flight, one_secret_per_number,
    },
    world::{Input, World, node_id},
};

/// A body that came with its head.
struct Came {
    from: usize,
    poll: PollId,
    ops: Rc<Vec<Op>>,
    counts: Counts,
}

/// A body that is being taken over.
struct Apply {
    poll: PollId,
    from: usize,
    pieces: VecDeque<Op>,
    full: bool,
    counts: Counts,
}

/// Whose transaction is on its way to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Apply,
    Step,
}

/// A write that is not answered yet.
struct Outgoing {
    to: usize,
    head: WriteHead,
    row: Row,
    tries: u32,
}

/// The process of a node.
pub struct Follower {
    pub core: Node,
    /// The last body that came, and what its head counts.
    body: Option<Came>,
    apply: Option<Apply>,
    owners: VecDeque<Owner>,
    /// Effects that wait until what is to be durable first is durable.
    after: Option<(Vec<Send>, Vec<Notify>)>,
    pub waiting: VecDeque<Input>,
    outgoing: BTreeMap<u64, Outgoing>,
    /// What it kept of a history that ended is on its way to the master.
    pub spooling: bool,
    /// Up to which number the master has it, and where it was then.
    pub taken: Option<(u64, Marks)>,
}

impl Follower {
    /// When it wants a tick: not while it waits for its disk, where one would only stand in line.
    pub fn wakes_at(&self) -> Option<Moment> {
        if self.after.is_some() { None } else { self.core.wakes_at() }
    }
}

impl World<'_> {
    pub fn follower_start(&mut self, node: usize) -> Check {
        if self.sabotaged(Sabotage::NoCache) && self.now > 0 {
            self.disks[node].durable.version = None;
        }
        // What is kept for itself is known to the process alone: the next bundle tells it again.
        self.disks[node].durable.own.extra.clear();
        let held = self.disks[node].durable.held(node_id(node));
        self.followers[node] = Some(Follower {
            core: Node::new(held, Settings::default(), self.local(node)),
            body: None,
            apply: None,
            owners: VecDeque::new(),
            after: None,
            waiting: VecDeque::new(),
            outgoing: BTreeMap::new(),
            spooling: false,
            taken: None,
        });
        self.truth.starts(node, &self.disks[node].durable);
        self.check_disk(node)?;
        self.check_opening(node)?;
        self.step(node, Event::Started)?;
        // A seat that was granted is taken whenever its node starts.
        if self.followers[node].as_ref().is_some_and(|follower| follower.core.leads()) {
            return self.take_seat(node);
        }
        Ok(())
    }

    pub fn follower_crash(&mut self, node: usize) -> Check {
        self.followers[node] = None;
        if self.disks[node].crash(&mut self.rng) {
            self.truth.hurt.remove(&node);
        }
        if self.memory_only(node) {
            let disk = &mut self.disks[node].durable;
            disk.version = None;
            (disk.own.custody, disk.own.extra) = Default::default();
            self.truth.forgot.insert(node);
        }
        self.check_disk(node)
    }

    pub fn follower_input(&mut self, node: usize, input: Input) -> Check {
        let follower = self.followers[node].as_mut().expect("a node that is up");
        if matches!(input, Input::Synced) {
            self.synced(node)?;
        } else if follower.after.is_some() {
            follower.waiting.push_back(input);
            return Ok(());
        } else {
            self.take(node, input)?;
        }
        while let Some(follower) = self.followers[node].as_mut()
            && follower.after.is_none()
            && let Some(input) = follower.waiting.pop_front()
        {
            self.take(node, input)?;
        }
        self.forget_spool(node);
        self.send_spool(node);
        Ok(())
    }

    fn take(&mut self, node: usize, input: Input) -> Check {
        match input {
            Input::Tick => self.step(node, Event::Tick),
            Input::Woke => self.step(node, Event::Woke),
            Input::Act(Act::Nudge { .. }) => self.step(node, Event::Nudged),
            Input::Act(Act::Returned { .. }) => self.step(node, Event::NetworkReturned),
            Input::Act(Act::Interval { time, .. }) => match Settings::new(time) {
                Some(settings) => self.step(node, Event::Settings(settings)),
                None => Ok(()),
            },
            Input::Act(Act::Open { .. }) => self.open_all(node),
            Input::Act(Act::Write { record, .. }) => self.write(node, record),
            Input::Again { write } => {
                self.write_again(node, write);
                Ok(())
            }
            Input::Written { write, outcome } => self.written(node, write, outcome),
            Input::Answer { from, poll, mut head, body, tip } => {
                let follower = self.followers[node].as_mut().expect("a node that is up");
                if self.sabotage == Some(Sabotage::NoCounts) && head.body == Body::Nothing {
                    head.counts = follower.core.held().counts;
                }
                follower.body = Some(Came { from, poll, ops: body, counts: head.counts });
                self.say(|| format!("node {node} hears {head:?}"));
                let disk = &self.disks[node].durable;
                let same = head.at.epoch == disk.at.epoch && head.at.epoch == disk.seen.epoch;
                // A request has one answer: what comes while its body is taken over is the copy of a message.
                let awaited = |f: &Follower| f.core.in_flight() == Some(poll) && f.apply.is_none();
                let judged = same && self.followers[node].as_ref().is_some_and(awaited);
                self.step(node, Event::Head { poll, head })?;
                let minds = !self.sabotaged(Sabotage::SealsInDoubt);
                let seals = |mut facts: Facts| {
                    facts.contradiction = facts.contradiction.filter(|_| minds);
                    may_seal(&facts).is_ok()
                };
                let seals = self.facts(node).is_some_and(seals);
                match judged {
                    true => self.truth.no_seal_in_doubt(node, tip, &self.disks[node].durable, seals),
                    false => Ok(()),
                }
            }
            Input::Failed { poll, failure } => {
                let follower = self.followers[node].as_mut().expect("a node that is up");
                if follower.apply.as_ref().is_some_and(|apply| apply.poll == poll) {
                    // A request has one answer; only that a node is revoked may still come, with a piece of the body.
                    if failure != Failure::Revoked {
                        return Ok(());
                    }
                    follower.apply = None;
                }
                self.step(node, Event::Failed { poll, failure })
            }
            Input::Refused { poll, grant } => {
                self.granted(node, grant)?;
                // Where it was followed, what comes next waits until it is durable.
                let failed = Input::Failed { poll, failure: Failure::Superseded };
                match self.followers[node].as_mut() {
                    Some(follower) if follower.after.is_some() => {
                        follower.waiting.push_front(failed);
                        Ok(())
                    }
                    Some(_) => self.take(node, failed),
                    None => Ok(()),
                }
            }
            Input::Act(Act::Promote { .. }) => self.campaign(node, false, None),
            Input::Act(Act::Force { .. }) => self.campaign(node, true, None),
            Input::Act(Act::ForceFrom { backup, .. }) => self.campaign(node, true, Some(backup)),
            Input::SpoolTaken { upto, at } => {
                self.followers[node].as_mut().expect("a node that is up").taken = Some((upto, at));
                Ok(())
            }
            Input::SpoolAgain => {
                self.followers[node].as_mut().expect("a node that is up").spooling = false;
                Ok(())
            }
            Input::Campaign => self.campaign_goes_on(node),
            Input::AboutIs { .. } | Input::Ballot { .. } | Input::HandedOver { .. } => {
                self.campaign_hears(node, input)
            }
            Input::Broke { poll } => self.apply_failed(node, poll),
            Input::Poll { from, poll, .. } => {
                self.refuse_poll(node, from, poll);
                Ok(())
            }
            other => self.asked_around(node, other),
        }
    }

    pub fn step(&mut self, node: usize, event: Event) -> Check {
        self.count("steps");
        let now = self.local(node);
        let follower = self.followers[node].as_mut().expect("a node that is up");
        let effects = follower.core.step(now, event, &mut self.rng);
        let mut wait = 0;
        for persist in effects.persist {
            let op = match persist {
                Persist::Apply { poll, seen } => {
                    self.begin(node, poll, seen)?;
                    continue;
                }
                Persist::Damaged => Op::Damaged,
                Persist::Standing(standing) => Op::Standing(standing),
                Persist::Grant(grant) => {
                    // Whatever of a body was not written yet is not written any more.
                    let follower = self.followers[node].as_mut().expect("a node that is up");
                    follower.apply = None;
                    self.count("grants followed");
                    Op::Grant(grant)
                }
            };
            self.enqueue(node, op, Owner::Step);
            wait += 1;
        }
        if wait > 0 {
            let follower = self.followers[node].as_mut().expect("a node that is up");
            follower.after = Some((effects.send, effects.notify));
            return Ok(());
        }
        self.send_and_notify(node, effects.send, effects.notify)
    }

    fn send_and_notify(&mut self, node: usize, send: Vec<Send>, notify: Vec<Notify>) -> Check {
        let polls = send.iter().filter(|send| matches!(send, Send::Poll { .. })).count();
        one_poll_in_flight(node, polls > 1)?;
        for send in send {
            let Send::Poll { poll, mut ask, .. } = send else {
                self.ask_around(node);
                continue;
            };
            let follower = self.followers[node].as_ref().expect("a node that is up");
            one_poll_in_flight(node, follower.apply.is_some() || follower.core.in_flight() != Some(poll))?;
            if self.sabotage == Some(Sabotage::AsksBeforeSync) && !ask.full {
                // As a node that acknowledges what it has only read.
                ask.at.generation.0 += 1;
                ask.seen = ask.seen.max(ask.at);
            }
            if self.sabotage == Some(Sabotage::GivesUp) && ask.hold == 0 && self.now > 60_000 {
                continue;
            }
            let facts = follower.core.facts(self.local(node), CustodyFact::Open, ask.version);
            let state = derive_state(&facts);
            self.count("polls");
            self.say(|| format!("node {node} {state} asks {ask:?}"));
            let to = self.follows(node);
            self.send(node, to, Input::Poll { from: node, poll, ask, state });
        }
        for told in notify {
            self.count("notices");
            self.say(|| format!("node {node} tells {told:?}"));
            self.truth.i14_no_false_alarm(self.script, node, &told)?;
            if !self.sabotaged(Sabotage::SaysNothing) {
                self.truth.told_once(node, &told)?;
            }
            if self.sabotaged(Sabotage::RepeatsItself) {
                self.truth.told_once(node, &told)?;
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, node: usize, op: Op, owner: Owner) {
        self.disks[node].unsynced.push_back(op);
        self.followers[node].as_mut().expect("a node that is up").owners.push_back(owner);
        self.write_to_disk(node);
    }

    fn synced(&mut self, node: usize) -> Check {
        if let Some(Op::Secret(given)) = self.disks[node].unsynced.front() {
            one_secret_per_number(node, &self.disks[node].durable.own.custody, given)?;
        }
        let mut op = self.disks[node].unsynced.front_mut();
        if let (Some(Op::Swap { strands, .. }), true) = (&mut op, self.sabotage == Some(Sabotage::LetsGo)) {
            *strands = false;
        }
        let taken = self.disks[node].sync();
        if taken == Taken::Anew {
            self.truth.hurt.remove(&node);
            self.acknowledged_is_kept()?;
        }
        self.check_disk(node)?;
        let follower = self.followers[node].as_mut().expect("a node that is up");
        match follower.owners.pop_front() {
            Some(Owner::Apply) if taken == Taken::Refused => {
                let poll = follower.apply.as_ref().map(|apply| apply.poll);
                self.count("bodies refused");
                match poll {
                    Some(poll) => self.apply_failed(node, poll),
                    None => Ok(()),
                }
            }
            Some(Owner::Apply) => self.next_piece(node),
            Some(Owner::Step) if !follower.owners.contains(&Owner::Step) => {
                let (send, notify) = follower.after.take().unwrap_or_default();
                self.send_and_notify(node, send, notify)?;
                if self.followers[node].as_ref().is_some_and(|follower| follower.core.leads()) {
                    return self.take_seat(node);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The body is taken over, piece by piece.
    fn begin(&mut self, node: usize, poll: PollId, seen: Marks) -> Check {
        let follower = self.followers[node].as_mut().expect("a node that is up");
        one_poll_in_flight(node, follower.apply.is_some())?;
        let came = follower.body.take().filter(|came| came.poll == poll).expect("the body follows its head");
        let Came { from, ops, counts, .. } = came;
        let mut pieces: VecDeque<Op> = ops.iter().cloned().collect();
        let full = matches!(pieces.back(), Some(Op::Swap { .. }));
        if self.sabotage == Some(Sabotage::SecretLast) && matches!(pieces.front(), Some(Op::Secret(_))) {
            pieces.rotate_left(1);
        }
        if self.sabotage != Some(Sabotage::ForgetsSeen) {
            for op in &mut pieces {
                if let Op::Piece { seen: first, .. } | Op::Aside { seen: first } = op {
                    *first = Some(seen);
                    break;
                }
            }
        }
        follower.apply = Some(Apply { poll, from, pieces, full, counts });
        self.next_piece(node)
    }

    fn next_piece(&mut self, node: usize) -> Check {
        let weather = if self.quiet { Default::default() } else { self.script.weather };
        let odd = self.machines[node].odd.is_some_and(|(until, _)| self.now < until);
        let now = self.local(node);
        let follower = self.followers[node].as_mut().expect("a node that is up");
        let Some(apply) = follower.apply.as_mut() else { return Ok(()) };
        let (poll, from, full, counts) = (apply.poll, apply.from, apply.full, apply.counts);
        let next = apply.pieces.pop_front();
        let unreachable = odd || self.cut(from, node) || self.hosts[from].is_none();
        let follower = self.followers[node].as_mut().expect("a node that is up");
        let Some(op) = next else {
            follower.apply = None;
            self.count("bodies taken over");
            let durable = &self.disks[node].durable;
            if self.script.puts_back() {
                let had = Stored::Replica(Box::new(durable.clone()));
                self.remember(node, || had);
            }
            let mut held = self.disks[node].durable.held(node_id(node));
            if self.sabotaged(Sabotage::NoCounts) {
                held.counts = counts;
            }
            return self.step(node, Event::Applied { poll, held });
        };
        if unreachable || (weather.broken && self.rng.one_in(16)) {
            self.count("bodies broken off");
            self.later(node, 10_000, Input::Broke { poll });
            return Ok(());
        }
        if weather.full_disk && self.rng.one_in(24) {
            self.count("transactions failed");
            return self.apply_failed(node, poll);
        }
        self.enqueue(node, op, Owner::Apply);
        if self.sabotaged(Sabotage::PollsTwice) && self.rng.one_in(10) {
            let again = Send::Poll { poll: PollId(7), ask: self.bare_ask(node), deadline: 0 };
            return self.send_and_notify(node, vec![again], vec![]);
        }
        // A full copy comes by requests of its own, each of which proves contact when it went the whole way.
        if full && !self.cut(node, from) && self.machines[from].power == Power::Up {
            return self.step(node, Event::Piece { poll, asked: now });
        }
        Ok(())
    }

    fn bare_ask(&self, node: usize) -> Ask {
        let held = self.disks[node].durable.held(node_id(node));
        Ask {
            seen: held.seen,
            at: held.at,
            audit: held.audit,
            version: held.version,
            keys: held.keys,
            full: false,
            hold: 0,
        }
    }

    fn apply_failed(&mut self, node: usize, poll: PollId) -> Check {
        let follower = self.followers[node].as_mut().expect("a node that is up");
        if follower.apply.as_ref().is_none_or(|apply| apply.poll != poll) {
            return Ok(());
        }
        follower.apply = None;
        let held = self.disks[node].durable.held(node_id(node));
        self.step(node, Event::ApplyFailed { poll, held })
    }

    /// Whether a node keeps the secret in memory. A standby never does: it must be able to become the master.
    pub fn memory_only(&self, node: usize) -> bool {
        self.script.weather.memory && self.roles[node] == Role::Processing
    }

    /// What is durable is looked at whenever it may have changed.
    fn check_disk(&mut self, node: usize) -> Check {
        let memory = self.memory_only(node);
        let disk = &self.disks[node].durable;
        if !disk.damaged && disk.records.all().next().is_none() && disk.at.generation.0 == 0 {
            return Ok(());
        }
        self.truth.i4_never_down(node, disk, memory)?;
        self.truth.i13_never_silently(node, disk)?;
        self.truth.replica_is_whole(node, disk)?;
        if disk.version.is_some() && disk.at.epoch == disk.seen.epoch {
            self.truth.forgot.remove(&node);
        }
        i7_secret_comes_first(node, disk, self.truth.forgot.contains(&node))
    }

    /// A node with the secret opens all that it has.
    fn check_opening(&self, node: usize) -> Check {
        let Some(facts) = self.facts(node) else { return Ok(()) };
        let contact = matches!(facts.contact, Contact::Age { .. });
        let may = may_open(&facts).is_ok() && (contact || !self.sabotaged(Sabotage::OpensInContact));
        let disk = &self.disks[node].durable;
        // Who has the secret in memory only may have lost what opens a history that ended.
        let lasting = !self.memory_only(node);
        let stranded = disk.own.spool.values().filter(|row| lasting && self.truth.wrote(row));
        let rows = disk.records.all().chain(stranded);
        // What was damaged on purpose need not open.
        let many = if self.truth.hurt.contains(&node) { 0 } else { usize::MAX };
        i7_opening_never_stops(node, &facts, may, &disk.own.custody, rows.take(many))
    }

    /// Someone opens all that a node has, and what does not open is damage.
    fn open_all(&mut self, node: usize) -> Check {
        self.count("openings");
        let disk = &self.disks[node].durable;
        if disk.version.is_none() {
            return Ok(());
        }
        let well = disk.records.all().all(|row| row.opens(&disk.own.custody));
        self.check_opening(node)?;
        if well { Ok(()) } else { self.step(node, Event::Damaged) }
    }

    /// Someone at a node changes a record.
    fn write(&mut self, node: usize, record: u32) -> Check {
        let Some(facts) = self.facts(node) else { return Ok(()) };
        let disk = &self.disks[node].durable;
        let (Ok(()), Some(version)) = (may_seal(&facts), disk.version) else {
            self.count("seals refused");
            return Ok(());
        };
        let revision = disk.records.rows.get(&record).map_or(1, |row| row.revision + 1);
        self.writes += 1;
        let write = self.writes;
        let head = WriteHead { epoch: disk.at.epoch, key_version: version, revision: Revision(revision) };
        let Some(key) = disk.own.custody.key(version) else { return Ok(()) };
        let row = Row::make(record, revision, write, key, &mut self.rng);
        let to = self.follows(node);
        self.count("seals");
        let follower = self.followers[node].as_mut().expect("a node that is up");
        follower.outgoing.insert(write, Outgoing { to, head, row, tries: 0 });
        self.write_again(node, write);
        Ok(())
    }

    /// Sends a write, up to three times, 10 s apart.
    fn write_again(&mut self, node: usize, write: u64) {
        let follower = self.followers[node].as_mut().expect("a node that is up");
        let Some(outgoing) = follower.outgoing.get_mut(&write) else { return };
        outgoing.tries += 1;
        if outgoing.tries > 3 {
            follower.outgoing.remove(&write);
            return self.count("writes without an answer");
        }
        let input = Input::Write { from: node, head: outgoing.head, row: outgoing.row.clone() };
        let to = outgoing.to;
        self.send(node, to, input);
        self.later(node, 10_000, Input::Again { write });
    }

    fn written(&mut self, node: usize, write: u64, outcome: Result<Kept, WriteRefusal>) -> Check {
        let follower = self.followers[node].as_mut().expect("a node that is up");
        if follower.outgoing.remove(&write).is_none() {
            return Ok(());
        }
        match outcome {
            Ok(_) => Ok(()),
            Err(WriteRefusal::KeyVersion { now }) => self.step(node, Event::Evidence(now)),
            Err(_) => Ok(()),
        }
    }
}
