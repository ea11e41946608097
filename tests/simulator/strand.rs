//! Writes that the present history lacks: a node keeps them in its spool, sends them to its master, who takes each once into the
//! list; and an administrator decides upon them.

use sealport_core::{
    id::Epoch,
    machine::{AuditMark, Caller, Marks, Right, Standing, admit, lacks_history},
};

use crate::{
    commits::{Job, Writing},
    data::Db,
    machines::Power,
    master::Host,
    rows::{Common, Row},
    sabotage::Sabotage,
    truth::Check,
    world::{Input, World},
};

/// Writes in one request.
const MOST: usize = 3;
/// How soon a node sends again what was not answered.
const AGAIN: u64 = 10_000;

impl World<'_> {
    /// Sends what is kept of a history that ended to the master, until it has it.
    pub fn send_spool(&mut self, node: usize) {
        let disk = &self.disks[node].durable;
        let up = self.followers[node].as_ref().filter(|_| self.machines[node].power == Power::Up);
        let idle = up.is_some_and(|follower| !follower.spooling);
        if !idle || disk.own.spool.is_empty() || disk.standing != Standing::Member {
            return;
        }
        let entries: Vec<_> = disk.own.spool.iter().take(MOST).map(|(n, row)| (*n, row.clone())).collect();
        let (epoch, audit) = (disk.at.epoch, disk.audit());
        let to = self.follows(node);
        if to == node {
            return;
        }
        self.count("spools sent");
        if self.sabotaged(Sabotage::ForgetsSpool) {
            let upto = entries.last().map_or(0, |(n, _)| *n);
            self.disks[node].durable.own.spool.retain(|n, _| *n > upto);
        }
        self.followers[node].as_mut().expect("a node that is up").spooling = true;
        self.send(node, to, Input::Spool { from: node, epoch, audit, entries });
        self.later(node, AGAIN, Input::SpoolAgain);
    }

    /// The master has what was sent: it is forgotten when the list is here too, and with it what opens it.
    pub fn forget_spool(&mut self, node: usize) {
        let Some(follower) = self.followers[node].as_mut() else { return };
        let here = self.disks[node].durable.at;
        let there = |at: Marks| here.epoch == at.epoch && here.generation >= at.generation;
        if let Some((upto, _)) = follower.taken.take_if(|(_, at)| there(*at)) {
            follower.spooling = false;
            self.disks[node].durable.own.spool.retain(|n, _| *n > upto);
        }
    }

    /// A node brings what it kept.
    pub fn spool_came(
        &mut self,
        m: usize,
        from: usize,
        (epoch, audit): (Epoch, AuditMark),
        entries: Vec<(u64, Row)>,
    ) -> Check {
        if self.host(m).superseded() || admit(Caller::Known(&self.member(m, from)), Right::Sync).is_err() {
            return Ok(());
        }
        let db = self.db(m);
        if lacks_history(db.at.epoch, db.hash(audit.line).as_deref(), epoch, &audit) {
            self.count("spools refused by a master that was set back");
            return Ok(());
        }
        let upto = entries.last().map_or(0, |(n, _)| *n);
        let rows = entries.into_iter().map(|(_, row)| row).collect();
        self.enqueue_job(m, Job::Strand { from, upto, rows })
    }

    /// What a node kept while it followed, and is the master now, goes into its own list.
    pub fn take_own_spool(&mut self, m: usize) -> Check {
        let own = &self.db(m).own;
        let Some(upto) = own.spool.last_key_value().map(|(n, _)| *n) else { return Ok(()) };
        let rows = own.spool.values().cloned().collect();
        self.enqueue_job(m, Job::Strand { from: m, upto, rows })
    }

    pub fn admit_stranded(&mut self, m: usize, from: usize, upto: u64, rows: Vec<Row>) -> Option<Writing> {
        let db = self.db(m);
        let twice = self.sabotaged(Sabotage::TakesTwice);
        let known = |row: &Row| db.common.stranded.get(&row.name()).is_some_and(|of| of.waits || !twice);
        let news = |row: &Row| !known(row) && !holds_the_same(db, row);
        let rows: Vec<_> = rows.into_iter().filter(news).collect();
        if rows.is_empty() {
            self.has_spool(m, from, upto);
            return None;
        }
        self.count("changes stranded");
        Some(Writing::Strand { from, upto, rows })
    }

    /// The master has what a node brought.
    pub fn has_spool(&mut self, m: usize, from: usize, upto: u64) {
        if from == m {
            self.dbs[m].as_mut().expect("a master").own.spool.retain(|n, _| *n > upto);
        } else {
            let at = self.db(m).at;
            self.send(m, from, Input::SpoolTaken { upto, at });
        }
    }

    /// An administrator writes the first one again that opens, or lets the first go.
    pub fn admit_decision(&mut self, m: usize, accept: bool) -> Option<Writing> {
        let db = self.db(m);
        let opens = |row: &&Row| !accept || row.opens(&db.own.custody);
        let row = db.common.waiting().find(opens)?.clone();
        if !accept {
            self.count("stranded changes let go");
            return Some(Writing::Discard { name: row.name() });
        }
        let revision = db.records.rows.get(&row.record).map_or(1, |present| present.revision + 1);
        let key = db.own.custody.key(db.active)?;
        self.writes += 1;
        let again = row.again(revision, self.writes, key, &mut self.rng);
        self.count("stranded changes accepted");
        Some(Writing::Accept { name: row.name(), row: again })
    }
}

impl Host {
    /// Whether no write is under way.
    pub fn drained(&self) -> bool {
        self.writing.is_none()
    }
}

/// Whether the present history holds the same: sealing anew is no change.
pub fn holds_the_same(db: &Db, row: &Row) -> bool {
    let there = db.records.get(row.record, row.revision);
    there.is_some_and(|there| row.says_the_same(there, &db.own.custody))
}

/// Every write that stands here: as a record, as the value of one, or in the list.
pub fn writes_of<'a>(
    rows: impl Iterator<Item = &'a Row> + 'a,
    common: &'a Common,
) -> impl Iterator<Item = u64> + 'a {
    let listed = common.stranded.values().map(|stranded| &stranded.row);
    rows.chain(listed).flat_map(|row| [row.write, row.says])
}
