//! The master as the product runs it: one transaction at a time, polls that are held, and writes that wait for a standby.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use sealport_core::{
    id::Revision,
    machine::{
        Admitted, Answer, Ask, Body, Certificate, Failure, Head, Kept, Master, MasterFacts, Member, Moment,
        PollId, Right, Standing, State, WriteFacts, WriteHead, WriteRefusal, admit, admit_write, answer,
        master::{MasterEffects, MasterEvent, WriteId},
    },
};

use crate::{
    chance::Chance,
    data::{Db, Op, Records, Row, V1, V2, keys_up_to, system},
    machines::Power,
    script::Act,
    truth::{Check, Sabotage, kept_word},
    world::{Input, World, machine_of, node_id},
};

/// What waits for the one writer.
enum Job {
    Write {
        from: usize,
        head: WriteHead,
        row: Row,
    },
    Revoke {
        node: usize,
    },
    Activate,
    Reveal,
    /// Sabotage: a write that was checked before its transaction.
    Checked {
        from: usize,
        row: Row,
    },
}

/// What is being made durable.
enum Writing {
    Row { from: usize, row: Row },
    Revoke { node: usize },
    Activate,
    Reveal,
}

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
    core: Master,
    queue: VecDeque<Job>,
    writing: Option<Writing>,
    held: Vec<HeldPoll>,
    unanswered: BTreeMap<WriteId, Unanswered>,
    next: u64,
}

impl Host {
    pub fn wakes_at(&self) -> Option<Moment> {
        let held = self.held.iter().map(|held| held.until).min();
        self.core.wakes_at().into_iter().chain(held).min()
    }
}

impl World<'_> {
    pub fn master_start(&mut self) -> Check {
        self.host = Some(Host {
            core: Master::new(self.db.at.epoch),
            queue: VecDeque::new(),
            writing: None,
            held: Vec::new(),
            unanswered: BTreeMap::new(),
            next: 0,
        });
        self.truth.nothing_acknowledged_is_lost(&self.db)
    }

    pub fn master_crash(&mut self, refuses: bool) -> Check {
        let Some(host) = self.host.take() else { return Ok(()) };
        // The one transaction that was on its way is there, or is not.
        if let Some(writing) = host.writing.filter(|_| self.rng.one_in(2)) {
            self.commit(&writing)?;
        }
        if refuses {
            for held in host.held {
                self.send(0, held.from, Input::Failed { poll: held.poll, failure: Failure::Unreachable });
            }
        }
        Ok(())
    }

    /// The database is replaced by an old copy, and the service is started on it.
    pub fn set_back(&mut self, commits: u64) -> Check {
        if self.machines[0].power != Power::Up {
            return Ok(());
        }
        self.master_crash(true)?;
        for _ in 0..commits {
            if let Some(db) = self.former.pop() {
                self.db = db;
            }
        }
        self.truth.set_back = true;
        self.machines[0].life += 1;
        self.master_start()
    }

    pub fn master_input(&mut self, input: Input) -> Check {
        match input {
            Input::Tick => {
                self.master_step(MasterEvent::Tick)?;
                self.answer_held()
            }
            Input::Poll { from, poll, ask, state } => {
                self.polled(HeldPoll { from, poll, ask, state, until: Moment(0) })
            }
            Input::Write { from, head, row } => match admit(Some(&self.member(from)), Right::Write) {
                Ok(()) if self.sabotaged(Sabotage::ChecksBefore) => match self.admit_row(from, head, &row)? {
                    Some(Admitted::Write) => self.enqueue_job(Job::Checked { from, row }),
                    _ => Ok(()),
                },
                Ok(()) => self.enqueue_job(Job::Write { from, head, row }),
                Err(_) => Ok(()),
            },
            Input::Synced => self.master_synced(),
            Input::Act(Act::Write { record, .. }) => {
                self.writes += 1;
                let revision = self.db.records.rows.get(&record).map_or(1, |row| row.revision + 1);
                let head = WriteHead {
                    epoch: self.db.at.epoch,
                    key_version: self.db.active,
                    revision: Revision(revision),
                };
                let row = Row::make(record, revision, self.writes, self.db.active, &mut self.rng);
                self.enqueue_job(Job::Write { from: 0, head, row })
            }
            Input::Act(Act::Revoke { node }) => self.enqueue_job(Job::Revoke { node }),
            Input::Act(Act::Activate) => self.enqueue_job(Job::Activate),
            Input::Act(Act::Reveal) => self.enqueue_job(Job::Reveal),
            _ => Ok(()),
        }
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().expect("a master that is up")
    }

    fn member(&self, machine: usize) -> Member {
        let (role, standing) = self.db.members[machine];
        Member { standing, role, administrator: false, certificate: Certificate::Valid }
    }

    fn polled(&mut self, poll: HeldPoll) -> Check {
        // A node has one connection: a newer poll ends the former one.
        self.host().held.retain(|held| held.from != poll.from);
        self.answer_poll(poll, true)
    }

    /// Answers a poll, or holds it.
    fn answer_poll(&mut self, poll: HeldPoll, first: bool) -> Check {
        let again = first || !self.sabotaged(Sabotage::AdmitsOnce);
        if again && admit(Some(&self.member(poll.from)), Right::Sync).is_err() {
            self.send(0, poll.from, Input::Failed { poll: poll.poll, failure: Failure::Revoked });
            return Ok(());
        }
        let unsynced = self.sabotaged(Sabotage::AnswersBeforeSync).then(|| self.db_with_unsynced()).flatten();
        let db = unsynced.as_ref().unwrap_or(&self.db);
        let known = db.hash(poll.ask.audit.line);
        let mut facts = MasterFacts {
            at: db.at,
            version: db.active,
            keys: keys_up_to(db.active),
            audit: db.trail.len() as u64,
            known,
        };
        if self.sabotaged(Sabotage::AnyHistory) {
            facts.known = Some(poll.ask.audit.hash.clone());
        }
        let now = self.local(0);
        let held_long_enough = !first && now >= poll.until;
        let ask = Ask { hold: if held_long_enough { 0 } else { poll.ask.hold }, ..poll.ask.clone() };
        let decided = answer(&ask, &facts);
        let body = match decided {
            Answer::Hold(_) if !first => {
                self.host().held.push(poll);
                return Ok(());
            }
            Answer::Hold(hold) => {
                self.seen(&poll)?;
                self.host().held.push(HeldPoll { until: now.after(hold), ..poll });
                return Ok(());
            }
            Answer::Now(body) => {
                if first {
                    self.seen(&poll)?;
                }
                body
            }
            Answer::Differs => {
                self.count("polls of another history");
                Body::Nothing
            }
            Answer::Superseded => return Err(crate::world::panicked("an epoch out of nowhere".into())),
        };
        self.truth.i10_revoked_gets_nothing(&self.db, poll.from)?;
        let db = unsynced.as_ref().unwrap_or(&self.db);
        let head = Head {
            system: system(),
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
        let db = unsynced.as_ref().unwrap_or(&self.db);
        let pieces = make_body(db, &poll.ask, body, chunk, loses, self.sabotaged(Sabotage::MovesEarly));
        self.send(0, poll.from, Input::Answer { poll: poll.poll, head, body: Rc::new(pieces) });
        Ok(())
    }

    fn seen(&mut self, poll: &HeldPoll) -> Check {
        let (role, _) = self.db.members[poll.from];
        let node = node_id(poll.from);
        self.master_step(MasterEvent::Polled { node, role, ask: poll.ask.clone(), state: poll.state })
    }

    /// What changed may be news to the polls that are held; and some have been held for long enough.
    fn answer_held(&mut self) -> Check {
        for poll in std::mem::take(&mut self.host().held) {
            self.answer_poll(poll, false)?;
        }
        Ok(())
    }

    fn master_step(&mut self, event: MasterEvent) -> Check {
        let now = self.local(0);
        let MasterEffects { send, .. } = self.host().core.step(now, event);
        self.count("steps");
        for (write, kept) in send {
            let Some(Unanswered { from, row }) = self.host().unanswered.remove(&write) else { continue };
            self.acknowledge(from, &row, kept)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, from: usize, row: &Row, kept: Kept) -> Check {
        self.count("acknowledged");
        self.count(kept_word(kept));
        let standby = match kept {
            Kept::ByStandby(node) => Some(machine_of(node)),
            _ => None,
        };
        // A replica that was damaged on purpose since it took the write is no fault of the protocol.
        let standby = standby.filter(|node| !self.truth.hurt.contains(node));
        let standby = standby.map(|node| (node, &self.disks[node].durable));
        self.truth.acknowledge(&self.db, row, standby)?;
        if from > 0 {
            self.send(0, from, Input::Written { write: row.write, outcome: Ok(kept) });
        }
        Ok(())
    }

    fn enqueue_job(&mut self, job: Job) -> Check {
        self.host().queue.push_back(job);
        self.next_job()
    }

    /// The next transaction begins: it decides, and writes what it decided.
    fn next_job(&mut self) -> Check {
        while self.host().writing.is_none() {
            let Some(job) = self.host().queue.pop_front() else { break };
            let writing = match job {
                Job::Write { from, head, row } => match self.admit_row(from, head, &row)? {
                    Some(Admitted::Write) => Writing::Row { from, row },
                    _ => continue,
                },
                Job::Revoke { node } => Writing::Revoke { node },
                Job::Activate if self.db.active == V1 => Writing::Activate,
                Job::Activate => continue,
                Job::Reveal => Writing::Reveal,
                Job::Checked { from, row } => Writing::Row { from, row },
            };
            if self.sabotaged(Sabotage::AcknowledgesBeforeSync)
                && let Writing::Row { from, row } = &writing
            {
                let (from, row) = (*from, row.clone());
                self.acknowledge_early(from, &row)?;
            }
            self.host().writing = Some(writing);
            self.write_to_disk(0);
            if self.sabotaged(Sabotage::AnswersBeforeSync) {
                self.answer_held()?;
            }
        }
        Ok(())
    }

    fn admit_row(
        &mut self,
        from: usize,
        head: WriteHead,
        row: &Row,
    ) -> Result<Option<Admitted>, crate::truth::Broken> {
        let there = self.db.records.get(row.record, row.revision).cloned();
        let same = there.as_ref().is_some_and(|there| there.envelope == row.envelope);
        let facts = WriteFacts {
            epoch: self.db.at.epoch,
            active_version: self.db.active,
            present: self.db.records.rows.get(&row.record).map(|row| Revision(row.revision)),
            same: same && !self.sabotaged(Sabotage::WritesRepeats),
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
                self.wait_for_standby(from, there)?;
                Ok(Some(Admitted::Already))
            }
            Err(refusal) => {
                if !self.sabotaged(Sabotage::WritesRepeats) {
                    self.truth.a_repeat_is_no_conflict(&self.db, row)?;
                }
                self.count(match refusal {
                    WriteRefusal::KeyVersion { .. } => "writes under an old version refused",
                    WriteRefusal::Revision { .. } => "writes in conflict refused",
                    WriteRefusal::Epoch { .. } | WriteRefusal::Superseded => {
                        "writes of another epoch refused"
                    }
                });
                if from > 0 {
                    self.send(0, from, Input::Written { write: row.write, outcome: Err(refusal) });
                }
                Ok(None)
            }
        }
    }

    fn wait_for_standby(&mut self, from: usize, row: Row) -> Check {
        let host = self.host();
        host.next += 1;
        let write = WriteId(host.next);
        let generation = sealport_core::id::Generation(row.generation);
        host.unanswered.insert(write, Unanswered { from, row });
        self.master_step(MasterEvent::Committed { write, generation })
    }

    fn master_synced(&mut self) -> Check {
        let Some(writing) = self.host().writing.take() else { return Ok(()) };
        self.commit(&writing)?;
        match writing {
            Writing::Row { from, row } => {
                let row = self.db.records.get(row.record, row.revision).expect("it was just written").clone();
                self.wait_for_standby(from, row)?;
            }
            Writing::Revoke { node } => self.master_step(MasterEvent::Revoked { node: node_id(node) })?,
            Writing::Activate | Writing::Reveal => {}
        }
        self.answer_held()?;
        self.next_job()
    }

    /// A transaction is durable.
    fn commit(&mut self, writing: &Writing) -> Check {
        if self.script.acts.iter().any(|(_, act)| matches!(act, Act::SetBack { .. })) {
            self.former.push(self.db.clone());
        }
        let counts = !matches!(writing, Writing::Reveal);
        let mut at = self.db.at;
        if counts {
            at.generation = at.generation.next();
        }
        let row = match writing {
            Writing::Row { row, .. } => Some(Row { generation: at.generation.0, ..row.clone() }),
            _ => None,
        };
        let mut row = row;
        if self.sabotaged(Sabotage::WritesWrongly)
            && let Some(row) = &mut row
        {
            let mut bytes = row.envelope.to_vec();
            bytes[80] ^= 1;
            row.envelope = bytes.into();
        }
        let truth = self.truth.add(&self.db, at.generation, row.clone())?;
        apply(&mut self.db, writing, row, at, truth);
        if let Writing::Revoke { node } = writing {
            self.truth.revoked.insert(*node, truth);
        }
        self.count("commits");
        Ok(())
    }

    /// Sabotage: the database as it will be once it is synced.
    fn db_with_unsynced(&self) -> Option<Db> {
        let writing = self.host.as_ref()?.writing.as_ref()?;
        let mut db = self.db.clone();
        let mut at = db.at;
        if !matches!(writing, Writing::Reveal) {
            at.generation = at.generation.next();
        }
        let row = match writing {
            Writing::Row { row, .. } => Some(Row { generation: at.generation.0, ..row.clone() }),
            _ => None,
        };
        let next = self.truth.len();
        apply(&mut db, writing, row, at, next);
        Some(db)
    }

    /// Sabotage: the answer goes out while the disk still writes.
    fn acknowledge_early(&mut self, from: usize, row: &Row) -> Check {
        self.truth.promise(row);
        if from > 0 {
            self.send(0, from, Input::Written { write: row.write, outcome: Ok(Kept::NoStandbyOnline) });
        }
        Ok(())
    }
}

fn apply(db: &mut Db, writing: &Writing, row: Option<Row>, at: sealport_core::machine::Marks, truth: usize) {
    match writing {
        Writing::Row { .. } => row.into_iter().for_each(|row| db.records.take(row)),
        Writing::Revoke { node } => db.members[*node].1 = Standing::Revoked,
        Writing::Activate => db.active = V2,
        Writing::Reveal => {}
    }
    db.at = at;
    db.trail.push(truth);
}

/// The body of an answer, as the transactions that take it over.
fn make_body(db: &Db, ask: &Ask, body: Body, chunk: usize, loses: bool, split: bool) -> Vec<Op> {
    let mut ops = Vec::new();
    if body == Body::Nothing {
        return ops;
    }
    if ask.version != Some(db.active) {
        ops.push(Op::Secret(db.active));
    }
    let end = (db.at, db.audit());
    if body == Body::Full {
        let many = db.records.all().count().div_ceil(chunk).max(1);
        ops.extend((0..many).map(|_| Op::Aside { seen: None }));
        let records = Records::clone(&db.records);
        ops.push(Op::Swap { records: Box::new(records), end });
        return ops;
    }
    let mut rows: Vec<Row> =
        db.records.all().filter(|row| row.generation > ask.at.generation.0).cloned().collect();
    rows.sort_by_key(|row| row.generation);
    if loses {
        rows.pop();
    }
    // A delta is one transaction: half of one from a history that ended would stay behind unseen.
    let pieces: Vec<Vec<Row>> = match split {
        true => rows.chunks(chunk).map(<[Row]>::to_vec).collect(),
        false => vec![rows],
    };
    let last = pieces.len().saturating_sub(1);
    for (place, rows) in pieces.into_iter().enumerate() {
        let moves = if split { place == 0 } else { place == last };
        ops.push(Op::Piece { seen: None, rows, end: moves.then(|| end.clone()) });
    }
    ops
}
