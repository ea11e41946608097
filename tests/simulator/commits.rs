//! The transactions of a master: one at a time, each decided by what it sees, and then durable.

use sealport_core::machine::{Admitted, Kept, Standing, WriteHead, master::MasterEvent};

use crate::{
    data::Db,
    master::Host,
    restore::Stored,
    rotate::{self, Move},
    rows::{Name, Row, Stranded},
    sabotage::Sabotage,
    truth::{Change, Check},
    world::{Input, World, node_id},
};

/// What waits for the one writer.
pub enum Job {
    Write {
        from: usize,
        head: WriteHead,
        row: Row,
    },
    Revoke {
        node: usize,
    },
    Reveal,
    Rotate(Move),
    /// What a node kept of a history that ended.
    Strand {
        from: usize,
        upto: u64,
        rows: Vec<Row>,
    },
    /// An administrator decides upon a stranded change.
    Resolve {
        accept: bool,
    },
    /// Sabotage: a write that was checked before its transaction.
    Checked {
        from: usize,
        row: Row,
    },
}

/// What is being made durable.
pub enum Writing {
    Row { from: usize, row: Row },
    Revoke { node: usize },
    Reveal,
    Rotate(Move),
    Strand { from: usize, upto: u64, rows: Vec<Row> },
    Accept { name: Name, row: Row },
    Discard { name: Name },
}

impl World<'_> {
    pub fn enqueue_job(&mut self, m: usize, job: Job) -> Check {
        self.host(m).queue.push_back(job);
        self.next_job(m)
    }

    /// The next transaction begins: it decides, and writes what it decided.
    pub fn next_job(&mut self, m: usize) -> Check {
        while self.hosts[m].as_ref().is_some_and(Host::lets_in) {
            let Some(job) = self.host(m).queue.pop_front() else { break };
            let Some(writing) = self.decide(m, job)? else { continue };
            if self.sabotaged(Sabotage::AcknowledgesBeforeSync)
                && let Writing::Row { from, row } = &writing
            {
                let (from, row) = (*from, row.clone());
                self.acknowledge_early(m, from, &row)?;
            }
            self.host(m).writing = Some(writing);
            self.write_to_disk(m);
            if self.sabotaged(Sabotage::AnswersBeforeSync) {
                self.answer_held(m)?;
            }
        }
        Ok(())
    }

    fn decide(&mut self, m: usize, job: Job) -> Result<Option<Writing>, crate::truth::Broken> {
        Ok(match job {
            Job::Write { from, head, row } => match self.admit_row(m, from, head, &row)? {
                Some(Admitted::Write) => Some(Writing::Row { from, row }),
                _ => None,
            },
            Job::Revoke { node } => Some(Writing::Revoke { node }),
            Job::Reveal => Some(Writing::Reveal),
            Job::Checked { from, row } => Some(Writing::Row { from, row }),
            Job::Rotate(step) => {
                let admitted = self.admit_move(m, step)?;
                if admitted.is_none() {
                    self.turned(m, rotate::REFUSED)?;
                }
                admitted.map(Writing::Rotate)
            }
            Job::Strand { from, upto, rows } => self.admit_stranded(m, from, upto, rows),
            Job::Resolve { accept } => self.admit_decision(m, accept),
        })
    }

    pub fn master_synced(&mut self, m: usize) -> Check {
        let Some(writing) = self.host(m).writing.take() else { return Ok(()) };
        self.commit(m, &writing)?;
        match writing {
            Writing::Row { from, row } => {
                let row =
                    self.db(m).records.get(row.record, row.revision).expect("it was just written").clone();
                self.wait_for_standby(m, from, row)?;
            }
            Writing::Revoke { node } => self.revoked(m, node)?,
            Writing::Rotate(_) => self.turned(m, 0)?,
            Writing::Strand { from, upto, .. } => self.has_spool(m, from, upto),
            Writing::Reveal | Writing::Accept { .. } | Writing::Discard { .. } => {}
        }
        if let Some(grant) = self.host(m).ended.take() {
            return self.master_granted(m, grant);
        }
        self.answer_held(m)?;
        self.next_job(m)
    }

    /// A transaction is durable.
    pub fn commit(&mut self, m: usize, writing: &Writing) -> Check {
        let before = self.db(m).clone();
        let mut after = before.clone();
        let change = self.apply(&mut after, writing);
        let truth = self.truth.add(m, &before, &after, change)?;
        let anew = matches!(writing, Writing::Rotate(Move::Reseal(_)));
        note(&mut after, truth, anew && self.sabotaged(Sabotage::ResealsSilently));
        self.dbs[m] = Some(after);
        if let Writing::Revoke { node } = writing {
            self.truth.revoked.insert(*node, truth);
        }
        if let Writing::Discard { name } = writing
            && let Some(gone) = before.common.stranded.get(name)
        {
            self.truth.let_go.extend([gone.row.write, gone.row.says]);
        }
        self.remember(m, || Stored::Db(Box::new(before)));
        self.count("commits");
        Ok(())
    }

    fn apply(&self, db: &mut Db, writing: &Writing) -> Change {
        if !matches!(writing, Writing::Reveal) {
            db.at.generation = db.at.generation.next();
        }
        let generation = db.at.generation.0;
        let mut change = Change::default();
        let decided = |db: &mut Db, name: &Name| {
            if let Some(stranded) = db.common.stranded.get_mut(name) {
                (stranded.waits, stranded.generation) = (false, generation);
            }
        };
        match writing {
            Writing::Row { row, .. } => {
                let mut row = Row { generation, ..row.clone() };
                if self.sabotaged(Sabotage::WritesWrongly) {
                    let mut bytes = row.envelope.to_vec();
                    bytes[80] ^= 1;
                    row.envelope = bytes.into();
                }
                db.records.take(row.clone());
                change.row = Some(row);
            }
            Writing::Accept { name, row } => {
                decided(db, name);
                let row = Row { generation, ..row.clone() };
                db.records.take(row.clone());
                (change.row, change.accepts) = (Some(row), Some(name.clone()));
            }
            Writing::Discard { name } => decided(db, name),
            Writing::Revoke { node } => {
                let (role, _) = db.common.member(*node);
                db.common.members.insert(*node, (role, Standing::Revoked, generation));
            }
            Writing::Strand { rows, .. } => {
                for row in rows {
                    let stranded = Stranded { row: row.clone(), waits: true, generation };
                    db.common.stranded.insert(row.name(), stranded);
                }
            }
            Writing::Rotate(step) => rotate::apply(db, step, generation, &mut change),
            Writing::Reveal => {}
        }
        change
    }

    /// Sabotage: the database as it will be once it is synced.
    pub fn db_with_unsynced(&mut self, m: usize) -> Option<Db> {
        let writing = self.hosts[m].as_mut()?.writing.take()?;
        let mut db = self.db(m).clone();
        self.apply(&mut db, &writing);
        note(&mut db, self.truth.len(), false);
        self.host(m).writing = Some(writing);
        Some(db)
    }

    /// Sabotage: the answer goes out while the disk still writes.
    fn acknowledge_early(&mut self, m: usize, from: usize, row: &Row) -> Check {
        self.truth.promise(row);
        if from != m {
            self.send(m, from, Input::Written { write: row.write, outcome: Ok(Kept::NoStandbyOnline) });
        }
        Ok(())
    }

    fn revoked(&mut self, m: usize, node: usize) -> Check {
        self.master_step(m, MasterEvent::Revoked { node: node_id(node) })
    }
}

/// The transaction is the last, and leaves an entry in the trail.
fn note(db: &mut Db, truth: usize, silent: bool) {
    db.tip = Some(truth);
    if !silent {
        db.trail.push(truth);
    }
}
