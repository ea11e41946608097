//! The master as the product runs it: one transaction at a time, polls that are held, and writes that wait for a standby.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use sealport_core::{
    id::Revision,
    machine::{
        Admitted, Answer, Ask, Body, Caller, Failure, Head, Kept, KeySetMark, Master, Member, Moment, PollId,
        ProvenGrant, Rank, Right, State, WriteFacts, WriteHead, WriteRefusal, admit, admit_write, answer,
        master::{MasterEffects, MasterEvent, WriteId},
    },
};

use crate::{
    chance::Chance,
    commits::{Job, Writing},
    data::{Db, make_body},
    grants, rotate,
    rows::Row,
    sabotage::Sabotage,
    script::Act,
    strand::holds_the_same,
    truth::{Check, kept_word},
    world::{Input, World, machine_of, node_id},
};

/// How long a master that starts waits for others to tell it that it is none any more.
const SURE: u64 = 5_000;

struct HeldPoll {
    from: usize,
    poll: PollId,
    ask: Ask,
    state: State,
    until: Moment,
}

/// A write that is durable and not answered.
struct Unanswered {
    from: usize,
    row: Row,
}

/// The process of the master.
pub struct Host {
    pub core: Master,
    pub queue: VecDeque<Job>,
    pub writing: Option<Writing>,
    held: Vec<HeldPoll>,
    unanswered: BTreeMap<WriteId, Unanswered>,
    next: u64,
    /// When it asks around next; never where no master changes.
    pub look: Option<Moment>,
    /// Until when it lets no write in, as it may be none any more; 0 once it is sure.
    pub sure: Moment,
    /// How many have answered since it started.
    pub heard: usize,
    /// Until when it lets no write in, as it hands over; 0 where it does not.
    pub drain: Moment,
    /// A grant that ends it when the transaction that is under way has ended.
    pub ended: Option<ProvenGrant>,
    /// When it started.
    pub started: Moment,
    /// When it looks what a rotation needs next, and whether a step is being taken.
    pub turn: Option<Moment>,
    pub turning: bool,
    /// An administrator is there who gives a rotation its backup.
    pub backing: bool,
}

impl Host {
    pub fn wakes_at(&self) -> Option<Moment> {
        let held = self.held.iter().map(|held| held.until).min();
        let waits = [self.sure, self.drain].into_iter().filter(|until| until.0 > 0);
        let turn = self.turn.filter(|_| !self.turning);
        self.core.wakes_at().into_iter().chain(held).chain(waits).chain(self.look).chain(turn).min()
    }

    /// Whether a higher epoch was met.
    pub fn superseded(&self) -> bool {
        self.core.superseded()
    }

    /// Whether a transaction may begin.
    pub fn lets_in(&self) -> bool {
        self.writing.is_none() && self.sure.0 == 0 && self.drain.0 == 0 && !self.superseded()
    }
}

impl World<'_> {
    pub fn master_start(&mut self, m: usize) -> Check {
        let now = self.local(m);
        let Db { at, superseded, .. } = *self.db(m);
        let mut core = Master::new(at.epoch);
        if superseded {
            core.step(now, MasterEvent::Met { epoch: at.epoch.next() });
        }
        self.hosts[m] = Some(Host {
            core,
            queue: VecDeque::new(),
            writing: None,
            held: Vec::new(),
            unanswered: BTreeMap::new(),
            next: 0,
            look: None,
            sure: if self.script.promotes() { now.after(SURE) } else { Moment(0) },
            heard: 0,
            drain: Moment(0),
            ended: None,
            started: now,
            turn: Some(now),
            turning: false,
            backing: false,
        });
        self.acknowledged_is_kept()?;
        if self.script.promotes() {
            self.look(m);
        }
        self.take_own_spool(m)
    }

    /// What a master leaves to others when it is none any more: who waits is told.
    pub fn master_ends(&mut self, m: usize) {
        let Some(host) = self.hosts[m].take() else { return };
        for HeldPoll { from, poll, .. } in host.held {
            self.refuse_poll(m, from, poll);
        }
    }

    /// A grant was proven. One that goes before its own ends this master, when the transaction that is under way has ended.
    pub fn master_granted(&mut self, m: usize, grant: ProvenGrant) -> Check {
        let own = Rank { epoch: self.db(m).at.epoch, node: node_id(m) };
        let host = self.host(m);
        if !host.superseded() && !grant.outranks(own.epoch, Some(own)) {
            return Ok(());
        }
        if host.writing.is_some() {
            host.ended = Some(grant);
            return Ok(());
        }
        self.master_step(m, MasterEvent::Granted { grant: grant.clone(), own })?;
        self.count("masters that stood down");
        self.stand_down(m, Some(grant))
    }

    pub fn master_crash(&mut self, m: usize, refuses: bool) -> Check {
        let Some(host) = self.hosts[m].take() else { return Ok(()) };
        // The one transaction that was on its way is there, or is not.
        if let Some(writing) = host.writing.filter(|_| self.rng.one_in(2)) {
            self.commit(m, &writing)?;
        }
        if refuses {
            for held in host.held {
                self.send(m, held.from, Input::Failed { poll: held.poll, failure: Failure::Unreachable });
            }
        }
        Ok(())
    }

    pub fn master_input(&mut self, m: usize, input: Input) -> Check {
        match input {
            Input::Tick => {
                let now = self.local(m);
                let host = self.host(m);
                for until in [&mut host.sure, &mut host.drain] {
                    if now >= *until {
                        *until = Moment(0);
                    }
                }
                let turns = host.turn.is_some_and(|turn| now >= turn);
                if host.look.is_some_and(|look| now >= look) {
                    self.look(m);
                }
                if turns {
                    self.rotation_step(m)?;
                }
                self.master_step(m, MasterEvent::Tick)?;
                self.answer_held(m)?;
                self.next_job(m)
            }
            Input::Poll { from, poll, ask, state } => {
                self.polled(m, HeldPoll { from, poll, ask, state, until: Moment(0) })
            }
            Input::Write { from, row, .. } if self.host(m).superseded() => {
                let outcome = Err(WriteRefusal::Superseded);
                self.send(m, from, Input::Written { write: row.write, outcome });
                Ok(())
            }
            Input::Write { from, head, row } => {
                match admit(Caller::Known(&self.member(m, from)), Right::Write) {
                    Ok(()) if self.sabotaged(Sabotage::ChecksBefore) => {
                        match self.admit_row(m, from, head, &row)? {
                            Some(Admitted::Write) => self.enqueue_job(m, Job::Checked { from, row }),
                            _ => Ok(()),
                        }
                    }
                    Ok(()) => self.enqueue_job(m, Job::Write { from, head, row }),
                    Err(_) => Ok(()),
                }
            }
            Input::Synced => self.master_synced(m),
            Input::Act(Act::Write { record, .. }) => {
                self.writes += 1;
                let revision = self.db(m).records.rows.get(&record).map_or(1, |row| row.revision + 1);
                let head = WriteHead {
                    epoch: self.db(m).at.epoch,
                    key_version: self.db(m).active,
                    revision: Revision(revision),
                };
                let db = self.db(m);
                let Some(key) = db.own.custody.key(db.active) else { return Ok(()) };
                let row = Row::make(record, revision, self.writes, key, &mut self.rng);
                self.enqueue_job(m, Job::Write { from: m, head, row })
            }
            Input::Act(Act::Revoke { node }) => self.enqueue_job(m, Job::Revoke { node }),
            Input::Act(Act::Reveal) => self.enqueue_job(m, Job::Reveal),
            Input::Act(Act::Rotate) => self.rotate(m),
            Input::Act(Act::Steer { what }) => self.steer(m, what),
            Input::Act(Act::BackUp) => {
                self.back_up(m);
                Ok(())
            }
            Input::Act(Act::Accept) => self.enqueue_job(m, Job::Resolve { accept: true }),
            Input::Act(Act::Discard) => self.enqueue_job(m, Job::Resolve { accept: false }),
            // Its database was put back, and an administrator says by name that it is the one.
            Input::Act(Act::Force { .. }) => self.campaign(m, true, None),
            Input::Proven => self.proven(m),
            Input::SealedAnew { parts } => self.sealed_anew(m, parts),
            Input::Spool { from, epoch, audit, entries } => self.spool_came(m, from, (epoch, audit), entries),
            Input::Campaign => self.campaign_goes_on(m),
            Input::AboutIs { .. } | Input::Ballot { .. } => self.campaign_hears(m, input),
            Input::Handover { from, ask } => self.handover_asked(m, from, ask),
            other => self.asked_around(m, other),
        }
    }

    pub fn host(&mut self, m: usize) -> &mut Host {
        self.hosts[m].as_mut().expect("a master that is up")
    }

    pub fn member(&self, m: usize, machine: usize) -> Member {
        let (role, standing) = self.db(m).common.member(machine);
        grants::member(role, standing)
    }

    fn polled(&mut self, m: usize, poll: HeldPoll) -> Check {
        // A node has one connection: a newer poll ends the former one.
        self.host(m).held.retain(|held| held.from != poll.from);
        self.answer_poll(m, poll, true)
    }

    /// Answers a poll, or holds it.
    fn answer_poll(&mut self, m: usize, poll: HeldPoll, first: bool) -> Check {
        if self.host(m).superseded() {
            self.refuse_poll(m, poll.from, poll.poll);
            return Ok(());
        }
        let again = first || !self.sabotaged(Sabotage::AdmitsOnce);
        if again && admit(Caller::Known(&self.member(m, poll.from)), Right::Sync).is_err() {
            self.send(m, poll.from, Input::Failed { poll: poll.poll, failure: Failure::Revoked });
            return Ok(());
        }
        let unsynced =
            self.sabotaged(Sabotage::AnswersBeforeSync).then(|| self.db_with_unsynced(m)).flatten();
        let db = unsynced.as_ref().unwrap_or(self.db(m));
        let mut facts = rotate::facts(db, db.hash(poll.ask.audit.line), poll.ask.at.epoch);
        if self.sabotaged(Sabotage::AnyHistory) {
            facts.known = Some(poll.ask.audit.hash.clone());
        }
        let now = self.local(m);
        let held_long_enough = !first && now >= poll.until;
        let ask = Ask { hold: if held_long_enough { 0 } else { poll.ask.hold }, ..poll.ask.clone() };
        let decided = answer(&ask, &facts);
        let body = match decided {
            Answer::Hold(_) if !first => {
                self.host(m).held.push(poll);
                return Ok(());
            }
            Answer::Hold(hold) => {
                self.seen(m, &poll, facts.keys)?;
                self.host(m).held.push(HeldPoll { until: now.after(hold), ..poll });
                return Ok(());
            }
            Answer::Now(body) => {
                if first {
                    self.seen(m, &poll, facts.keys)?;
                }
                body
            }
            Answer::Differs => {
                self.count("polls of another history");
                Body::Nothing
            }
            Answer::Grant => {
                self.refuse_poll(m, poll.from, poll.poll);
                return Ok(());
            }
            Answer::Superseded => {
                self.master_step(m, MasterEvent::Met { epoch: poll.ask.seen.epoch })?;
                self.refuse_poll(m, poll.from, poll.poll);
                return Ok(());
            }
        };
        self.truth.i10_revoked_gets_nothing(self.dbs[m].as_ref().expect("a master"), poll.from)?;
        let db = unsynced.as_ref().unwrap_or(self.db(m));
        let head = Head {
            system: grants::system(),
            at: db.at,
            version: db.active,
            keys: facts.keys,
            audit: db.audit(),
            known: facts.known,
            counts: db.records.counts(),
            body,
        };
        let chunk = 1 + self.rng.below(6) as usize;
        let loses = self.sabotage == Some(Sabotage::LosesRows) && self.rng.one_in(10);
        let db = unsynced.as_ref().unwrap_or(self.db(m));
        let pieces = make_body(m, db, &poll.ask, body, chunk, loses, self.sabotaged(Sabotage::MovesEarly));
        let tip = db.tip;
        let body = Rc::new(pieces);
        self.send(m, poll.from, Input::Answer { from: m, poll: poll.poll, head, body, tip });
        Ok(())
    }

    fn seen(&mut self, m: usize, poll: &HeldPoll, given: KeySetMark) -> Check {
        let (role, _) = self.db(m).common.member(poll.from);
        let (node, ask, state) = (node_id(poll.from), poll.ask.clone(), poll.state);
        self.master_step(m, MasterEvent::Polled { node, role, ask, state, given })
    }

    /// What changed may be news to the polls that are held; and some have been held for long enough.
    pub fn answer_held(&mut self, m: usize) -> Check {
        for poll in std::mem::take(&mut self.host(m).held) {
            self.answer_poll(m, poll, false)?;
        }
        Ok(())
    }

    pub fn master_step(&mut self, m: usize, event: MasterEvent) -> Check {
        let now = self.local(m);
        let MasterEffects { persist, send, .. } = self.host(m).core.step(now, event);
        if !persist.is_empty() {
            self.dbs[m].as_mut().expect("a master").superseded = true;
        }
        self.count("steps");
        for (write, kept) in send {
            let Some(Unanswered { from, row }) = self.host(m).unanswered.remove(&write) else { continue };
            self.acknowledge(m, from, &row, kept)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, m: usize, from: usize, row: &Row, kept: Kept) -> Check {
        self.count(kept_word(kept));
        if kept == Kept::Stranded {
            if from != m {
                self.send(m, from, Input::Written { write: row.write, outcome: Ok(kept) });
            }
            return Ok(());
        }
        self.count("acknowledged");
        let standby = match kept {
            Kept::ByStandby(node) => Some(machine_of(node)),
            _ => None,
        };
        // A replica that was damaged or put back on purpose since it took the write is no fault of the protocol.
        let meddled = |node: &usize| self.truth.hurt.contains(node) || self.truth.put_back.contains(node);
        let standby = standby.filter(|node| !meddled(node));
        let held = standby.map(|node| (node, self.holds(node, row)));
        let db = self.dbs[m].as_ref().expect("a master");
        self.truth.acknowledge(db, row, held)?;
        if from != m {
            self.send(m, from, Input::Written { write: row.write, outcome: Ok(kept) });
        }
        Ok(())
    }

    pub fn admit_row(
        &mut self,
        m: usize,
        from: usize,
        head: WriteHead,
        row: &Row,
    ) -> Result<Option<Admitted>, crate::truth::Broken> {
        let there = self.db(m).records.get(row.record, row.revision).cloned();
        // One that was sealed anew meanwhile says the same under another version.
        let same = there.is_some() && holds_the_same(self.db(m), row);
        let facts = WriteFacts {
            epoch: self.db(m).at.epoch,
            active_version: self.db(m).active,
            present: self.db(m).records.rows.get(&row.record).map(|row| Revision(row.revision)),
            same: same && !self.sabotaged(Sabotage::WritesRepeats),
            unread: false,
        };
        let head = if self.sabotaged(Sabotage::WritesRepeats) && same {
            WriteHead { revision: facts.present.map_or(Revision::FIRST, Revision::next), ..head }
        } else {
            head
        };
        match admit_write(&facts, &head) {
            Ok(Admitted::Write) => Ok(Some(Admitted::Write)),
            Ok(Admitted::Already) => {
                self.count("writes repeated");
                let there = there.expect("the same envelope is there");
                self.wait_for_standby(m, from, there)?;
                Ok(Some(Admitted::Already))
            }
            Err(refusal) => {
                if refusal == WriteRefusal::Superseded {
                    self.master_step(m, MasterEvent::Met { epoch: head.epoch })?;
                }
                if !self.sabotaged(Sabotage::WritesRepeats) {
                    self.truth.a_repeat_is_no_conflict(self.db(m), row)?;
                }
                self.count(match refusal {
                    WriteRefusal::KeyVersion { .. } => "writes under an old version refused",
                    WriteRefusal::Revision { .. } => "writes in conflict refused",
                    // Its writers say what they follow, and not what they read.
                    WriteRefusal::Unread { .. } => "writes on what was not read refused",
                    WriteRefusal::Epoch { .. } | WriteRefusal::Superseded => {
                        "writes of another epoch refused"
                    }
                });
                if from != m {
                    self.send(m, from, Input::Written { write: row.write, outcome: Err(refusal) });
                }
                Ok(None)
            }
        }
    }

    pub fn wait_for_standby(&mut self, m: usize, from: usize, row: Row) -> Check {
        let host = self.host(m);
        host.next += 1;
        let write = WriteId(host.next);
        let generation = sealport_core::id::Generation(row.generation);
        host.unanswered.insert(write, Unanswered { from, row });
        self.master_step(m, MasterEvent::Committed { write, generation })
    }
}
