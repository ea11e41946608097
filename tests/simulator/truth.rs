//! What is true, as only the simulator knows it, and the invariants: named functions that hold after every step.
//!
//! Each says beside it what was broken to see it fail. A `Sabotage` is a break in the modelled world, tried in each run by
//! `each_sabotage_is_caught`; "core" is an edit of the core, tried by hand and undone.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use sealport_core::{
    api::RotationPhase,
    id::{Epoch, Generation, KeyVersion, NodeId},
    machine::{
        Contradiction, Facts, Grant, GrantKind, Kept, Marks, Notify, ProvenGrant, Rank, Role, Standing, State,
    },
};

use crate::{
    data::{Db, Replica},
    keys::{Custody, Key},
    rows::{Common, Name, Row},
    script::Script,
};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub name: &'static str,
    /// On what.
    pub what: String,
}

/// Whether it holds.
pub type Check = Result<(), Broken>;

fn holds(name: &'static str, holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Broken { name, what: what() }) }
}

/// One transaction that the master made durable.
#[derive(Clone, Debug)]
struct Txn {
    parent: Option<usize>,
    /// The epoch, and the machine that was its master.
    reign: (u64, usize),
    generation: u64,
    change: Change,
    /// What every node hears beside the records, after it.
    common: Rc<Common>,
}

/// What a transaction changes in the records.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// A write.
    pub row: Option<Row>,
    /// Parts that were sealed anew.
    pub anew: Vec<Row>,
    /// The stranded change that the write accepts.
    pub accepts: Option<Name>,
}

/// What a node has told and not taken back.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    unreachable: bool,
    contradiction: Option<Contradiction>,
    stale: bool,
    damaged: bool,
}

/// What is durable on a node and does not go down.
#[derive(Clone, Copy, Debug)]
struct Lasting {
    grant: Option<Rank>,
    seen: Marks,
    at: Marks,
    version: Option<KeyVersion>,
    line: u64,
}

/// All that ever became durable, and what was promised.
#[derive(Debug, Default)]
pub struct Truth {
    txns: Vec<Txn>,
    acknowledged: Vec<Row>,
    /// Which nodes are revoked, and by which transaction.
    pub revoked: BTreeMap<usize, usize>,
    /// Which replicas were damaged on purpose and not copied anew since.
    pub hurt: BTreeSet<usize>,
    /// Which nodes lost a secret that they kept in memory, and have not held all of a reign since.
    pub forgot: BTreeSet<usize>,
    /// Which were at any time.
    pub once_hurt: BTreeSet<usize>,
    /// Which machines were put back to an older copy.
    pub put_back: BTreeSet<usize>,
    /// Whether the database of a master was set back.
    pub set_back: bool,
    /// Epochs that somebody forgot whose database was set back.
    pub forgotten: BTreeSet<u64>,
    /// Writes that an administrator let go.
    pub let_go: BTreeSet<u64>,
    /// How many secrets of each number were made.
    made: BTreeMap<KeyVersion, u8>,
    /// Secrets that backups hold.
    pub escrowed: BTreeSet<Key>,
    highest: BTreeMap<usize, Lasting>,
    /// Who was handed an epoch, or elected to it.
    regular: BTreeMap<Epoch, NodeId>,
    /// Where a master ended that handed over.
    pub handed: BTreeMap<Rank, Option<usize>>,
    /// How many masters were elected or forced.
    pub emergencies: u64,
    followed: BTreeMap<usize, usize>,
    told: BTreeMap<usize, Told>,
}

impl Truth {
    /// A master made a transaction durable: its database before, and after. Its index, which is also the hash of the trail there.
    pub fn add(&mut self, m: usize, before: &Db, after: &Db, change: Change) -> Result<usize, Broken> {
        let parent = before.tip;
        let reign = (after.at.epoch.0, m);
        let row = change.row.as_ref();
        self.applied_once(parent, reign, row)?;
        self.i1_one_writer(before, after.at.generation, parent, reign, row)?;
        for row in row.into_iter().chain(&change.anew) {
            i2_active_version_only(after, row)?;
            self.sealed_under_what_a_backup_holds(&after.own.custody, row)?;
        }
        rotation_changes_nothing(before, after, &change.anew)?;
        retired_is_not_needed(before, after)?;
        self.accepted_once(parent, change.accepts.as_ref())?;
        let common = Rc::new(after.common.clone());
        self.txns.push(Txn { parent, reign, generation: after.at.generation.0, change, common });
        Ok(self.txns.len() - 1)
    }

    /// A new secret of this number.
    pub fn make(&mut self, number: KeyVersion) -> Key {
        let made = self.made.entry(number).or_default();
        *made += 1;
        Key { number, made: *made }
    }

    /// A secret that was made in this system, and not in another.
    fn ours(&self, key: Key) -> bool {
        key.made <= self.made.get(&key.number).copied().unwrap_or_default()
    }

    fn path(&self, tip: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(tip, |at| self.txns[*at].parent)
    }

    /// Every generation follows the one before, every revision the one before, and none has two successors of one reign
    /// unless the database was set back. A reign is an epoch and its master.
    /// Sabotage: `ChecksBefore`. Core: leave the revision out of `admit_write`; seen after 5 cases.
    fn i1_one_writer(
        &self,
        db: &Db,
        generation: Generation,
        parent: Option<usize>,
        reign: (u64, usize),
        row: Option<&Row>,
    ) -> Check {
        let name = "i1_one_writer";
        let next = db.at.generation.0 + u64::from(row.is_some());
        holds(name, generation.0 == next || row.is_none(), || {
            format!("{generation} after {}", db.at.generation)
        })?;
        let again = |txn: &Txn| txn.parent == parent && txn.reign == reign;
        let fork = !self.set_back && parent.is_some() && self.txns.iter().any(again);
        holds(name, !fork, || format!("two transactions of {reign:?} follow {parent:?}"))?;
        // A reign goes on from its own last transaction, or begins over one of an earlier epoch.
        let goes_on = parent.is_none_or(|p| self.txns[p].reign == reign || self.txns[p].reign.0 < reign.0);
        holds(name, goes_on, || format!("{reign:?} over {parent:?}"))?;
        let Some(row) = row else { return Ok(()) };
        let present = db.records.rows.get(&row.record).map_or(0, |row| row.revision);
        holds(name, row.revision == present + 1, || {
            format!("record {}: {} over {present}", row.record, row.revision)
        })
    }

    /// No write takes effect twice: not in one history, and not at two masters of one epoch.
    /// Sabotage: `WritesRepeats`.
    fn applied_once(&self, parent: Option<usize>, reign: (u64, usize), row: Option<&Row>) -> Check {
        let Some(row) = row else { return Ok(()) };
        holds("applied_once", !self.has(parent, row), || format!("write {}", row.write))?;
        let twice = |txn: &&Txn| txn.reign.0 == reign.0 && txn.reign.1 != reign.1;
        let same = |txn: &Txn| txn.change.row.as_ref().is_some_and(|there| there.write == row.write);
        let other = self.txns.iter().filter(twice).any(same);
        holds("applied_once", !other, || format!("write {} at two masters of epoch {}", row.write, reign.0))
    }

    /// A write that is refused was not written: one that comes again is told that it is there.
    /// Core: let `admit_write` ignore `same`; seen after 2 cases.
    pub fn a_repeat_is_no_conflict(&self, db: &Db, row: &Row) -> Check {
        let written = self.has(db.tip, row);
        holds("a_repeat_is_no_conflict", !written, || format!("write {} is there and was refused", row.write))
    }

    /// The master answers a write: then it is durable, opens with the master's keys, and is where the answer says.
    pub fn acknowledge(&mut self, db: &Db, row: &Row, standby: Option<(usize, bool)>) -> Check {
        self.i3_acknowledged_opens(db, row)?;
        i6_standby_has_all(db, row, standby)?;
        let durable = self.has(db.tip, row);
        self.promise(row);
        holds("nothing_acknowledged_is_lost", durable, || format!("write {} is not durable", row.write))
    }

    /// From now on this write must not be lost.
    pub fn promise(&mut self, row: &Row) {
        self.acknowledged.push(row.clone());
    }

    fn has(&self, tip: Option<usize>, row: &Row) -> bool {
        let wrote = |at: usize| self.txns[at].change.row.as_ref().is_some_and(|r| r.write == row.write);
        self.path(tip).any(wrote)
    }

    /// Whether a master wrote this very row; or it was damaged since.
    pub fn wrote(&self, row: &Row) -> bool {
        let same = |there: &Row| Rc::ptr_eq(&there.envelope, &row.envelope);
        self.txns.iter().any(|txn| txn.change.row.iter().chain(&txn.change.anew).any(same))
    }

    /// How many transactions there are: the index of the next one.
    pub fn len(&self) -> usize {
        self.txns.len()
    }

    /// Sabotage: `WritesWrongly`.
    fn i3_acknowledged_opens(&self, db: &Db, row: &Row) -> Check {
        let there = db.records.get(row.record, row.revision);
        let opens = there.is_some_and(|row| row.opens(&db.own.custody));
        holds("i3_acknowledged_opens", opens, || format!("write {} at the master", row.write))
    }

    /// Every acknowledged write is among these: what any node has or keeps as stranded, or what the master has in the end.
    /// Checked when a master starts, when a replica is made anew, and at the end.
    /// Sabotage: `AcknowledgesBeforeSync`, `LetsGo`, `ForgetsSpool`, `HandsOverEarly`.
    pub fn nothing_acknowledged_is_lost(&self, there: &BTreeSet<u64>) -> Check {
        for row in &self.acknowledged {
            let kept = there.contains(&row.write) || self.let_go.contains(&row.write);
            holds("nothing_acknowledged_is_lost", kept, || {
                format!("write {} at generation {}", row.write, row.generation)
            })?;
        }
        Ok(())
    }

    /// A disk was damaged, or put back to an older copy: what stood nowhere else is gone with it, and no fault of the protocol.
    pub fn gone_with_a_disk(&mut self, before: &BTreeSet<u64>, after: &BTreeSet<u64>) {
        let gone = |row: &Row| before.contains(&row.write) && !after.contains(&row.write);
        self.acknowledged.retain(|row| !gone(row));
    }

    /// What a node is has no past any more: an older copy of it was put in its place.
    pub fn begins_anew(&mut self, node: usize, follows: bool) {
        self.put_back.insert(node);
        self.highest.remove(&node);
        self.followed.remove(&node);
        self.hurt.remove(&node);
        // No damage is done to a master's database.
        if follows && self.once_hurt.contains(&node) {
            self.hurt.insert(node);
        }
    }

    /// A grant was signed. Of the masters of one epoch at most one was handed to or elected; the others were forced.
    /// A voter whose database was set back has forgotten its promise: then there can be two, and the higher rank stands.
    /// Sabotage: `ForgetsPromises`.
    pub fn one_master_in_an_epoch(&mut self, grant: &Grant) -> Check {
        let regular = match grant.kind {
            GrantKind::Planned => true,
            GrantKind::Emergency { votes, of } => votes * 2 > of,
        };
        self.emergencies += u64::from(grant.kind != GrantKind::Planned);
        let before = self.regular.get(&grant.epoch).copied();
        if regular {
            self.regular.insert(grant.epoch, grant.node);
        }
        let one = !regular || before.is_none_or(|node| node == grant.node);
        holds("one_master_in_an_epoch", one || self.forgotten.contains(&grant.epoch.0), || {
            format!("epoch {}: {before:?}, then {}", grant.epoch, grant.node)
        })
    }

    /// Who is handed to begins where the former master ended.
    /// Sabotage: `HandsOverEarly`.
    pub fn a_hand_over_loses_nothing(&self, grant: &ProvenGrant, candidate: &Replica) -> Check {
        let name = "a_hand_over_loses_nothing";
        let Some(tip) = self.handed.get(&grant.rank()) else { return Ok(()) };
        let here = candidate.tip;
        holds(name, here == *tip, || format!("handed over at {tip:?}, begun at {here:?}"))
    }

    /// What a node has on disk never goes back, over crashes too; nor does what it tells the master. A higher grant may end a
    /// history: then the grant goes first.
    /// Sabotage: `ForgetsSeen`, `NoCache`.
    pub fn i4_never_down(&mut self, node: usize, disk: &Replica, memory: bool) -> Check {
        let version = if memory { None } else { disk.version };
        let grant = disk.own.highest();
        let now = Lasting { grant, seen: disk.seen, at: disk.at, version, line: disk.audit().line };
        let before = self.highest.insert(node, now).unwrap_or(now);
        let down =
            (grant, now.seen) < (before.grant, before.seen) || (grant, now.at) < (before.grant, before.at);
        let same_epoch = now.at.epoch == before.at.epoch && grant == before.grant;
        let within = same_epoch && (version < before.version || now.line < before.line);
        let unseen = disk.at > disk.seen;
        holds("i4_never_down", !down && !within && !unseen, || {
            format!("node {node}: {before:?}, then {now:?}")
        })
    }

    /// What a node holds now continues what it held before, or is of a later reign.
    /// Sabotage: `AnyHistory`, `ResealsSilently`. Core: let `answer` and `contradicts` ignore history and generation; seen after 2 cases. The master's
    /// check alone gone is seen by `i6`, the node's alone by `liveness`: each stands in for the other.
    pub fn i13_never_silently(&mut self, node: usize, disk: &Replica) -> Check {
        let Some(now) = disk.tip else { return Ok(()) };
        let name = "i13_never_silently";
        holds(name, now < self.txns.len(), || {
            format!("node {node} follows t{now}, which never became durable")
        })?;
        let before = self.followed.insert(node, now);
        let later = |before: usize| self.txns[before].reign < self.txns[now].reign;
        let follows =
            before.is_none_or(|before| later(before) || self.path(Some(now)).any(|at| at == before));
        holds(name, follows, || format!("node {node} went from t{before:?} to t{now}"))
    }

    /// A replica that says generation g has every revision that the master had at g, and no other up to g.
    /// Sabotage: `MovesEarly`, `LosesRows`.
    pub fn replica_is_whole(&self, node: usize, disk: &Replica) -> Check {
        let name = "replica_is_whole";
        if self.hurt.contains(&node) {
            return Ok(());
        }
        let tip = disk.tip;
        let generation = tip.map_or(0, |tip| self.txns[tip].generation);
        holds(name, disk.at.generation.0 == generation, || {
            format!("node {node} says {}, its history says {generation}", disk.at.generation)
        })?;
        let mut known = BTreeSet::new();
        let changes = self.path(tip).map(|at| &self.txns[at].change);
        // The latest first: what was sealed anew is as it was sealed last.
        for row in changes.flat_map(|change| change.row.iter().chain(&change.anew)) {
            if !known.insert((row.record, row.revision)) {
                continue;
            }
            let held = disk.records.get(row.record, row.revision);
            let same = held.is_some_and(|held| Rc::ptr_eq(&held.envelope, &row.envelope));
            holds(name, same, || {
                format!("node {node} at {generation} lacks {}.{}", row.record, row.revision)
            })?;
        }
        let (shown, many) =
            (disk.records.all().filter(|row| row.generation <= generation).count(), known.len());
        holds(name, shown == many, || format!("node {node} at {generation} shows {shown} of {many}"))?;
        let told = tip.is_none_or(|tip| self.txns[tip].common.same(&disk.common));
        holds(name, told, || format!("node {node} at {generation} has another registry, rotation or list"))
    }

    /// A node that saw more than its master has, or another history, seals nothing once the master has answered.
    /// Sabotage: `SealsInDoubt`.
    pub fn no_seal_in_doubt(&self, node: usize, master: Option<usize>, disk: &Replica, seals: bool) -> Check {
        if master.is_some_and(|tip| tip >= self.txns.len()) {
            return Ok(());
        }
        let doubt = disk.tip.is_some_and(|here| !self.path(master).any(|at| at == here));
        holds("no_seal_in_doubt", !doubt || !seals, || {
            format!("node {node} at {:?} seals, and its master is at {master:?}", disk.tip)
        })
    }

    /// Nothing is sealed under a version that no backup holds.
    /// Sabotage: `ActivatesUnproven`.
    fn sealed_under_what_a_backup_holds(&self, custody: &Custody, row: &Row) -> Check {
        let key = custody.key(row.version);
        let proven = key.is_none_or(|key| key.made == 0 || self.escrowed.contains(&key));
        holds("sealed_under_what_a_backup_holds", proven, || format!("{key:?}"))
    }

    /// A stranded change is accepted once, however many nodes bring it.
    /// Sabotage: `TakesTwice`.
    fn accepted_once(&self, parent: Option<usize>, accepts: Option<&Name>) -> Check {
        let Some(name) = accepts else { return Ok(()) };
        let before = self.path(parent).any(|at| self.txns[at].change.accepts.as_ref() == Some(name));
        holds("accepted_once", !before, || format!("record {} revision {}", name.0, name.1))
    }

    /// Who becomes the master opens all that it has, with secrets of this system: no wrong backup made it one.
    /// Sabotage: `TakesAnyBackup`.
    pub fn a_master_opens_all(&self, m: usize, db: &Db) -> Check {
        let name = "a_master_opens_all";
        let other = db.own.custody.keys().find(|key| !self.ours(*key));
        holds(name, other.is_none(), || format!("machine {m} holds {other:?} of another system"))?;
        // What was damaged on purpose opens nowhere.
        let closed = db.records.all().find(|row| self.wrote(row) && !row.opens(&db.own.custody));
        holds(name, closed.is_none(), || format!("machine {m} does not open {closed:?}"))
    }

    /// The master says something to a node.
    /// Sabotage: `AdmitsOnce`.
    pub fn i10_revoked_gets_nothing(&self, db: &Db, node: usize) -> Check {
        let revoked = self.revoked.get(&node).is_some_and(|by| db.trail.contains(by));
        holds("i10_revoked_gets_nothing", !revoked, || format!("node {node} got an answer"))
    }

    /// Somebody is told something.
    /// Core: `Notify::Stale` before a poll had the time to bring the version; that was so, and was found here.
    pub fn i14_no_false_alarm(&self, script: &Script, node: usize, told: &Notify) -> Check {
        let corruption =
            matches!(told, Notify::Damaged | Notify::Repaired | Notify::Contradiction(_) | Notify::Agreed);
        let news = script.promotes() && matches!(told, Notify::Master(_));
        let false_alarm = (script.is_calm() && !news) || (corruption && !script.corrupts());
        holds("i14_no_false_alarm", !false_alarm, || format!("node {node}: {told:?}"))
    }

    /// A node starts: it has told nothing, but that it is damaged.
    pub fn starts(&mut self, node: usize, disk: &Replica) {
        self.told.insert(node, Told { damaged: disk.damaged, ..Told::default() });
    }

    /// Each change is told once, and taken back only when it was told.
    /// Sabotage: `RepeatsItself`.
    pub fn told_once(&mut self, node: usize, notice: &Notify) -> Check {
        let told = self.told.entry(node).or_default();
        let before = *told;
        match notice {
            Notify::Unreachable { .. } => told.unreachable = true,
            Notify::Restored => told.unreachable = false,
            Notify::Contradiction(contradiction) => told.contradiction = Some(*contradiction),
            Notify::Agreed => told.contradiction = None,
            Notify::Stale { .. } => told.stale = true,
            Notify::Current => told.stale = false,
            Notify::Damaged => told.damaged = true,
            Notify::Repaired => told.damaged = false,
            Notify::Revoked | Notify::Cloned | Notify::Master(_) => return Ok(()),
        }
        let same = before.unreachable == told.unreachable
            && before.contradiction == told.contradiction
            && before.stale == told.stale
            && before.damaged == told.damaged;
        holds("told_once", !same, || format!("node {node} tells {notice:?} again"))
    }

    /// A node that is degraded has told it, unless it has just started or stood still. `silent` is how long it ran without a
    /// break since the loss.
    /// Sabotage: `SaysNothing`.
    pub fn an_outage_is_told(&self, node: usize, state: State, silent: u64) -> Check {
        let told = self.told.get(&node).is_some_and(|told| told.unreachable);
        let due = state == State::Degraded && silent > 75_000;
        holds("an_outage_is_told", told || !due, || format!("node {node} is silent for {silent} ms"))
    }

    /// Whether what a node follows is what the master has.
    pub fn agrees(&self, db: &Db, disk: &Replica) -> bool {
        disk.tip.is_none_or(|theirs| self.path(db.tip).any(|at| at == theirs))
    }
}

/// Nothing is written under another version than the active one.
/// Core: leave the version out of `admit_write`; seen after 7 cases.
fn i2_active_version_only(db: &Db, row: &Row) -> Check {
    holds("i2_active_version_only", row.version == db.active, || format!("{row:?} under {}", db.active))
}

/// Sealing anew changes no value and loses no edit: every revision that was there is there, says the same, and opens.
/// Sabotage: `ResealsBlindly`.
fn rotation_changes_nothing(before: &Db, after: &Db, anew: &[Row]) -> Check {
    if anew.is_empty() {
        return Ok(());
    }
    let name = "rotation_changes_nothing";
    for row in before.records.all() {
        let there = after.records.get(row.record, row.revision);
        let same = there.is_some_and(|there| (there.write, there.says) == (row.write, row.says));
        holds(name, same, || format!("record {} revision {} is another one", row.record, row.revision))?;
    }
    for row in anew {
        let older = before.records.get(row.record, row.revision).is_some_and(|was| was.version < row.version);
        holds(name, older && row.opens(&after.own.custody), || {
            format!("record {} revision {} was sealed anew", row.record, row.revision)
        })?;
    }
    Ok(())
}

/// When a rotation is done nothing is sealed under an older version.
/// Sabotage: `RetiresUncounted`.
fn retired_is_not_needed(before: &Db, after: &Db) -> Check {
    let done = |db: &Db| db.rotation().filter(|rotation| rotation.phase == RotationPhase::Done);
    let (Some(rotation), true) = (done(after), done(before).is_none()) else { return Ok(()) };
    let left = after.older(rotation.to);
    holds("retired_is_not_needed", left == 0, || format!("{left} parts are under older than {}", rotation.to))
}

/// No custody meets two secrets of one number.
/// Sabotage: `MakesAnother`.
pub fn one_secret_per_number(node: usize, here: &Custody, given: &Custody) -> Check {
    let other = here.differing(given);
    holds("one_secret_per_number", other.is_none(), || format!("node {node} is given another {other:?}"))
}

/// A version becomes active when every member that is on line holds it.
/// Sabotage: `ActivatesAtOnce`, `DropsNewer`.
pub fn all_on_line_hold(missing: Option<usize>, to: KeyVersion) -> Check {
    holds("all_on_line_hold", missing.is_none(), || format!("node {missing:?} does not hold version {to}"))
}

/// A write that is said to be on a standby is on its disk, and opens there.
/// Sabotage: `AsksBeforeSync`. Core: count a standby that is one generation behind, seen after 2 cases; count every node as a
/// standby.
fn i6_standby_has_all(db: &Db, row: &Row, standby: Option<(usize, bool)>) -> Check {
    let Some((node, opens)) = standby else { return Ok(()) };
    holds("i6_standby_has_all", db.common.member(node).0 == Role::Standby, || {
        format!("node {node} is no standby")
    })?;
    holds("i6_standby_has_all", opens, || format!("write {} on node {node}", row.write))
}

/// A node that has the secret may open, and can: everything, or at least what has just come.
/// Sabotage: `OpensInContact`.
pub fn i7_opening_never_stops<'a>(
    node: usize,
    facts: &Facts,
    may: bool,
    custody: &Custody,
    rows: impl Iterator<Item = &'a Row>,
) -> Check {
    let name = "i7_opening_never_stops";
    if facts.standing != Standing::Member {
        return Ok(());
    }
    if facts.secret.held.is_none() {
        return Ok(());
    }
    holds(name, may, || format!("node {node} may not: {facts:?}"))?;
    for row in rows {
        holds(name, row.opens(custody), || {
            format!("node {node} can't open {}.{} under {}", row.record, row.revision, row.version)
        })?;
    }
    Ok(())
}

/// No row is on a disk before the secret that opens it is in custody. One that kept it in memory and was started again may have
/// lost a version that a master who was forced does not have: what it holds of the epoch before stays closed until it has the new one.
/// Sabotage: `SecretLast`.
pub fn i7_secret_comes_first(node: usize, disk: &Replica, forgot: bool) -> Check {
    if disk.version.is_none() || (forgot && disk.at.epoch < disk.seen.epoch) {
        return Ok(());
    }
    let closed = disk.records.all().find(|row| !disk.own.custody.holds(row.version));
    holds("i7_secret_comes_first", closed.is_none(), || {
        format!("node {node} has {closed:?}, and holds {:?}", disk.own.custody)
    })
}

/// No sealing more than 65 s after the master, the way there or the way back was lost. `lost` is how long that is, less the
/// time in which the node's own clock stood still.
/// Sabotage: `SealsAlways`. Core: `answered` proves the moment of the answer, seen after 31 cases; `DEGRADED_AFTER` is
/// 72 s, seen after 474.
pub fn i8_no_seal_after_a_loss(node: usize, seals: bool, lost: u64) -> Check {
    holds("i8_no_seal_after_a_loss", lost <= 65_000 || !seals, || {
        format!("node {node} seals {lost} ms after the loss")
    })
}

/// A node polls while it still polls, or takes over an answer.
/// Sabotage: `PollsTwice`.
pub fn one_poll_in_flight(node: usize, busy: bool) -> Check {
    holds("one_poll_in_flight", !busy, || format!("node {node}"))
}

/// Nobody spins: a case has a few thousand events, and the largest some ten thousand.
/// Found a tick that stood in line for ever, in the simulator itself.
pub fn comes_to_rest(events: u64) -> Check {
    holds("comes_to_rest", events < 300_000, || format!("{events} events"))
}

/// Everything that has to be true when faults have stopped for long enough.
pub fn liveness(node: usize, well: bool, what: impl FnOnce() -> String) -> Check {
    holds("liveness", well, || format!("node {node}: {}", what()))
}

/// Kept by whom, for the count.
pub fn kept_word(kept: Kept) -> &'static str {
    match kept {
        Kept::ByStandby(_) => "kept by a standby",
        Kept::NoStandbyOnline => "no standby on line",
        Kept::StandbyLate => "standby late",
        Kept::Stranded => "stranded",
    }
}
