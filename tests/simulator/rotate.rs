//! A rotation as the master carries it out: what the core says is next, as one transaction each, with sealing anew between the
//! edits; and the administrator who begins, pauses and cancels it, and gives its backup.

use std::collections::BTreeSet;

use sealport_core::{
    api::RotationPhase,
    id::{Epoch, KeyVersion, Revision},
    machine::{
        MasterFacts, Moment, ONLINE_FOR, Rank, Standing,
        rotation::{
            ActivateFacts, MemberFact, PrepareFacts, ResealFacts, ResealHead, RetireFacts, Rotation,
            RotationFacts, Step, admit_reseal, may_activate, may_prepare, may_retire, next,
        },
    },
};

use crate::{
    chance::Chance,
    commits::Job,
    data::Db,
    keys::Key,
    machines::Power,
    restore::Backup,
    rows::Row,
    sabotage::Sabotage,
    truth::{Change, Check, all_on_line_hold},
    world::{Input, World, machine_of, node_id},
};

/// How soon the next step is looked for, where it waits for nodes; and where a step failed.
const LOOK: u64 = 300;
const AGAIN: u64 = 2_000;
const UNOPENED: u64 = 30_000;
/// Versions that a custody has room for.
const ROOM: usize = 60;

/// A part that was sealed anew, and whether it is a former revision.
#[derive(Clone, Debug)]
pub struct Anew {
    head: ResealHead,
    row: Row,
    former: bool,
}

/// A move of a rotation: one transaction.
#[derive(Clone, Debug)]
pub enum Move {
    Prepare,
    /// Its number is given.
    Prepared(KeyVersion),
    Prove(Key),
    Distribute,
    Activate {
        decided_in: Epoch,
        up: u64,
        members: Vec<MemberFact>,
    },
    Reseal(Vec<Anew>),
    Verify,
    Retire,
    Pause(bool),
    Cancel,
}

/// What a move writes.
pub fn apply(db: &mut Db, step: &Move, generation: u64, change: &mut Change) {
    let (at, active) = (db.at.epoch, db.active);
    if let Move::Prepared(to) = step {
        let phase = RotationPhase::Prepared;
        let rotation = Rotation { from: active, to: *to, phase, paused: false, epoch: at };
        db.common.rotations.insert(*to, (rotation, generation));
        return;
    }
    let Some(mut last) = db.common.rotations.last_entry() else { return };
    let (rotation, since) = last.get_mut();
    match step {
        Move::Reseal(parts) => {
            for part in parts {
                let row = Row { generation, ..part.row.clone() };
                db.records.put(row.clone(), part.former);
                change.anew.push(row);
            }
            return;
        }
        Move::Prove(key) => {
            rotation.phase = RotationPhase::Proven;
            db.common.backups.insert(*key);
        }
        Move::Distribute => rotation.phase = RotationPhase::Distributing,
        Move::Activate { .. } => {
            rotation.phase = RotationPhase::Resealing;
            db.active = rotation.to;
        }
        Move::Verify => rotation.phase = RotationPhase::Verifying,
        Move::Retire => rotation.phase = RotationPhase::Done,
        Move::Pause(paused) => rotation.paused = *paused,
        Move::Cancel => (rotation.phase, rotation.paused) = (RotationPhase::Cancelled, false),
        Move::Prepare | Move::Prepared(_) => {}
    }
    *since = generation;
}

impl World<'_> {
    /// An administrator begins a rotation, or gives the one that waits for it a backup.
    pub fn rotate(&mut self, m: usize) -> Check {
        self.host(m).backing = true;
        if self.db(m).rotation().is_some_and(|rotation| rotation.under_way()) {
            return self.look_at_rotation(m, 0);
        }
        self.begin_move(m, Move::Prepare)
    }

    pub fn steer(&mut self, m: usize, what: u8) -> Check {
        if !self.db(m).rotation().is_some_and(|rotation| rotation.under_way()) {
            return Ok(());
        }
        self.enqueue_job(m, Job::Rotate(if what == 2 { Move::Cancel } else { Move::Pause(what == 0) }))
    }

    /// Looks after a time what is to be done next.
    pub fn look_at_rotation(&mut self, m: usize, after: u64) -> Check {
        let now = self.local(m);
        let host = self.host(m);
        host.turn = Some(host.turn.map_or(now.after(after), |turn| turn.min(now.after(after))));
        Ok(())
    }

    fn begin_move(&mut self, m: usize, step: Move) -> Check {
        if self.host(m).turning {
            return Ok(());
        }
        self.host(m).turning = true;
        self.enqueue_job(m, Job::Rotate(step))
    }

    /// A move is durable, or was refused.
    pub fn turned(&mut self, m: usize, after: u64) -> Check {
        self.host(m).turning = false;
        self.look_at_rotation(m, after)
    }

    /// Takes the next step.
    pub fn rotation_step(&mut self, m: usize) -> Check {
        let now = self.local(m);
        let host = self.host(m);
        host.turn = None;
        if host.superseded() || host.turning {
            return Ok(());
        }
        let up = now.since(host.started);
        self.dbs[m].as_mut().expect("a master").tidy();
        let Some(rotation) = self.db(m).rotation().filter(Rotation::under_way) else { return Ok(()) };
        let members = self.member_facts(m);
        let (db, to) = (self.db(m), rotation.to);
        let uncounted = self.sabotaged(Sabotage::RetiresUncounted);
        let facts = RotationFacts {
            rotation,
            epoch: db.at.epoch,
            holds_to: db.own.custody.holds(to),
            highest: db.own.custody.highest(),
            members: &members,
            up,
            older: if uncounted { 0 } else { db.older(to) },
        };
        let epoch = db.at.epoch;
        match next(&facts) {
            Step::Nothing => Ok(()),
            Step::Cancel if !self.sabotaged(Sabotage::MakesAnother) => self.begin_move(m, Move::Cancel),
            step @ (Step::Make | Step::Cancel) => {
                let key = self.truth.make(to);
                self.dbs[m].as_mut().expect("a master").own.custody.put(key);
                if step == Step::Cancel {
                    self.back_up(m);
                }
                self.look_at_rotation(m, 0)
            }
            Step::AwaitBackup => {
                if self.host(m).backing {
                    self.host(m).turning = true;
                    let takes = 300 + self.rng.below(3_000);
                    self.later(m, takes, Input::Proven);
                }
                Ok(())
            }
            Step::Distribute => self.begin_move(m, Move::Distribute),
            Step::AwaitMembers => self.look_at_rotation(m, LOOK),
            Step::Activate => self.begin_move(m, Move::Activate { decided_in: epoch, up, members }),
            Step::Reseal => self.seal_anew(m, to),
            Step::Verify => self.begin_move(m, Move::Verify),
            Step::Retire => self.begin_move(m, Move::Retire),
        }
    }

    /// A backup with the new version was written, and is read back.
    pub fn proven(&mut self, m: usize) -> Check {
        self.host(m).turning = false;
        let Some(rotation) = self.db(m).rotation().filter(|of| of.phase == RotationPhase::Prepared) else {
            return Ok(());
        };
        let Some(key) = self.db(m).own.custody.key(rotation.to) else { return Ok(()) };
        if self.script.weather.full_disk && !self.quiet && self.rng.one_in(3) {
            self.count("backups not proven");
            return self.begin_move(m, Move::Cancel);
        }
        if !self.sabotaged(Sabotage::ActivatesUnproven) {
            self.back_up(m);
        }
        self.begin_move(m, Move::Prove(key))
    }

    /// What custody holds goes into a backup.
    pub fn back_up(&mut self, m: usize) {
        let custody = self.db(m).own.custody.clone();
        self.truth.escrowed.extend(custody.keys());
        self.count("backups");
        self.backups.push(Backup { ours: true, custody });
    }

    fn member_facts(&mut self, m: usize) -> Vec<MemberFact> {
        if self.sabotaged(Sabotage::ActivatesAtOnce) {
            return Vec::new();
        }
        let now = self.local(m);
        let given = self.db(m).given();
        let members = self.db(m).common.members.clone();
        let seen = self.host(m).core.seen();
        let others = members.iter().filter(|(node, of)| **node != m && of.1 == Standing::Member);
        others
            .map(|(node, _)| node_id(*node))
            .map(|id| MemberFact::of(id, seen.get(&id), now, given))
            .collect()
    }

    /// Seals some parts anew, beside everything else. They take their place later.
    fn seal_anew(&mut self, m: usize, to: KeyVersion) -> Check {
        let many = 1 + self.rng.below(6) as usize;
        let db = self.db(m);
        let (epoch, key) = (db.at.epoch, db.own.custody.key(to));
        let older = |row: &&Row| row.version < to && row.opens(&db.own.custody);
        let rows = db.records.rows.values().filter(older).map(|row| (row.clone(), false));
        let formers = db.records.formers.values().filter(older).map(|row| (row.clone(), true));
        let parts: Vec<_> = rows.chain(formers).take(many).collect();
        let (Some(key), false) = (key, parts.is_empty()) else { return self.look_at_rotation(m, UNOPENED) };
        let mut anew = Vec::new();
        for (row, former) in parts {
            let head = ResealHead { epoch, revision: Revision(row.revision), from: row.version, to };
            anew.push(Anew { head, row: row.under(key, &mut self.rng), former });
        }
        self.host(m).turning = true;
        let takes = 1 + self.rng.below(2_000);
        self.later(m, takes, Input::SealedAnew { parts: anew });
        Ok(())
    }

    pub fn sealed_anew(&mut self, m: usize, parts: Vec<Anew>) -> Check {
        self.host(m).turning = false;
        self.begin_move(m, Move::Reseal(parts))
    }

    /// What a transaction of the master decides about a move, by what it sees.
    pub fn admit_move(&mut self, m: usize, step: Move) -> Result<Option<Move>, crate::truth::Broken> {
        let admitted = match step {
            Move::Prepare => self.admit_prepare(m),
            step => self.admit_next(m, step)?,
        };
        if admitted.is_none() {
            self.count("moves refused");
        }
        Ok(admitted)
    }

    fn admit_prepare(&mut self, m: usize) -> Option<Move> {
        let facts = self.prepare_facts(m);
        let turned = |of: &(Rotation, u64)| of.0.epoch == facts.epoch;
        let before = self.db(m).common.rotations.values().any(turned) || self.truth.set_back;
        if before && facts.unheard.is_some() {
            // Two versions of one number are possible then: a limit that is known.
            return None;
        }
        match may_prepare(&facts) {
            Ok(to) => Some(Move::Prepared(to)),
            Err(refusal) => {
                self.say(|| format!("no rotation: {refusal:?}"));
                None
            }
        }
    }

    fn admit_next(&mut self, m: usize, step: Move) -> Result<Option<Move>, crate::truth::Broken> {
        let db = self.db(m);
        let Some(rotation) = db.rotation() else { return Ok(None) };
        let (to, phase) = (rotation.to, rotation.phase);
        let holds_to = db.own.custody.holds(to);
        let may = match &step {
            Move::Prove(key) => phase == RotationPhase::Prepared && key.number == to,
            Move::Distribute => phase == RotationPhase::Proven && !rotation.paused && holds_to,
            Move::Activate { decided_in, up, members } => {
                let facts = ActivateFacts {
                    rotation,
                    decided_in: *decided_in,
                    epoch: db.at.epoch,
                    active: db.active,
                    backup: db.common.backups.iter().any(|key| key.number == to),
                    holds_to,
                    members,
                    up: *up,
                };
                let may = may_activate(&facts).is_ok();
                if may {
                    let decided = self.host(m).started.after(*up);
                    all_on_line_hold(self.missing(m, to, decided), to)?;
                }
                may
            }
            Move::Reseal(_) => return Ok(self.admit_parts(m, step)),
            Move::Verify => phase == RotationPhase::Resealing,
            Move::Retire => {
                let many = db.records.all().count() as u64;
                let under = db.records.all().filter(|row| row.version >= to && row.opens(&db.own.custody));
                let uncounted = self.sabotaged(Sabotage::RetiresUncounted);
                let facts = RetireFacts {
                    rotation,
                    active: db.active,
                    older: if uncounted { 0 } else { db.older(to) },
                    opened: if uncounted { (many, many) } else { (under.count() as u64, many) },
                };
                may_retire(&facts).is_ok()
            }
            Move::Pause(_) => rotation.under_way(),
            Move::Cancel => rotation.cancellable(),
            Move::Prepare | Move::Prepared(_) => false,
        };
        Ok(may.then_some(step))
    }

    fn admit_parts(&self, m: usize, step: Move) -> Option<Move> {
        let db = self.db(m);
        let rotation = db.rotation()?;
        let goes_on = matches!(rotation.phase, RotationPhase::Resealing | RotationPhase::Verifying);
        let Move::Reseal(mut parts) = step else { return None };
        if !goes_on || rotation.paused {
            return None;
        }
        parts.retain(|part| {
            let present = match part.former {
                true => db.records.formers.get(&(part.row.record, part.row.revision)),
                false => db.records.rows.get(&part.row.record),
            };
            let present = present.map(|row| (Revision(row.revision), row.version));
            let facts = ResealFacts { epoch: db.at.epoch, active: db.active, present };
            self.sabotaged(Sabotage::ResealsBlindly) || admit_reseal(&facts, &part.head).is_ok()
        });
        (!parts.is_empty()).then_some(Move::Reseal(parts))
    }

    /// A member that is on line and does not hold a version. One that came back since it was decided is given it with its answer.
    fn missing(&mut self, m: usize, to: KeyVersion, decided: Moment) -> Option<usize> {
        // One that stood still takes all for away until it hears them again.
        if self.machines[m].clock.ran(self.now) - self.reach[m].runs < ONLINE_FOR {
            return None;
        }
        let now = self.local(m);
        let members = self.db(m).common.members.clone();
        let recent: BTreeSet<usize> = {
            let seen = self.host(m).core.seen();
            let heard = |last: Moment| last <= decided && now.since(last) < ONLINE_FOR;
            let recent = seen.iter().filter(|(_, seen)| heard(seen.last));
            recent.map(|(node, _)| machine_of(*node)).collect()
        };
        recent.into_iter().find(|node| {
            let own = self.own(*node);
            let member = members.get(node).is_some_and(|of| of.1 == Standing::Member);
            let here = own.highest() == self.own(m).highest();
            // Who keeps it in memory gets it again when it starts.
            member && here && !own.custody.holds(to) && !self.memory_only(*node)
        })
    }

    /// Whether two machines reach each other just now.
    pub fn reaches(&self, one: usize, other: usize) -> bool {
        self.machines[other].power == Power::Up && !self.cut(one, other) && !self.cut(other, one)
    }

    fn prepare_facts(&self, m: usize) -> PrepareFacts {
        let db = self.db(m);
        let others: Vec<usize> = (0..self.machines.len()).filter(|other| *other != m).collect();
        let told = others.iter().filter(|other| self.reaches(m, **other));
        let told = told.map(|other| self.own(*other).custody.highest());
        let used = db.records.all().chain(db.common.waiting()).map(|row| row.version);
        let backed = db.common.backups.iter().map(|key| key.number);
        let known = used.chain(backed).chain(db.common.rotations.keys().copied()).chain(told);
        let highest = known.max().unwrap_or(db.active).max(db.own.custody.highest());
        let own = db.own.highest();
        let follows = |other: usize| self.reaches(m, other) && self.own(other).highest() == own;
        let unheard = db.common.standbys().find(|other| *other != m && !follows(*other));
        let mine = Rank { epoch: db.at.epoch, node: node_id(m) };
        let grant = db.own.grants.iter().find(|grant| grant.rank() == mine);
        PrepareFacts {
            last: db.rotation(),
            active: db.active,
            highest,
            made_in: db.common.rotations.get(&highest).map_or(Epoch::FIRST, |(rotation, _)| rotation.epoch),
            epoch: db.at.epoch,
            forced: grant.is_some_and(|grant| grant.grant().kind.forced()),
            unheard: unheard.map(node_id),
            held: db.own.custody.len(),
            room: ROOM,
        }
    }

    /// Once faults have stopped somebody looks after a rotation that waits.
    pub fn look_after_rotation(&mut self, m: usize) -> Check {
        let Some(rotation) = self.db(m).rotation().filter(Rotation::under_way) else { return Ok(()) };
        if rotation.paused {
            self.steer(m, 1)?;
        }
        self.rotate(m)
    }
}

/// What the master says of its versions.
pub fn facts(db: &Db, known: Option<String>, asked: Epoch) -> MasterFacts {
    MasterFacts {
        at: db.at,
        version: db.active,
        keys: db.given(),
        audit: db.trail.len() as u64,
        known,
        shared: db.own.shared(db.at.epoch, asked),
    }
}

/// How soon a move that was refused is tried again.
pub const REFUSED: u64 = AGAIN;
