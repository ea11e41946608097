//! A change of master: who asks around, who votes, how a master hands over and stands down, and how a node takes its seat. The
//! decisions are the core's; here are the messages, and the transactions that guard them.

use std::collections::{BTreeMap, BTreeSet};

use sealport_core::{
    id::Epoch,
    machine::{
        Ballot, BecomeFacts, Event, GrantKind, HandoverAsk, HandoverFacts, Marks, Moment, PollId, Promise,
        ProvenGrant, Rank, Role, SignedGrant, Standing, State, Tally, VoteFacts, master::MasterEvent,
        may_become_master, may_hand_over, tally, vote,
    },
};

use crate::{
    data::{Db, Disk, Own},
    grants::{member, prove, sign},
    keys::Custody,
    restore::Stored,
    rows::Row,
    sabotage::Sabotage,
    strand::writes_of,
    truth::{Change, Check},
    world::{Input, World, machine_of, node_id},
};

/// How often a master asks around.
const LOOK: u64 = 10_000;
/// How long a master that hands over lets no write in while the candidate catches up.
const DRAIN: u64 = 10_000;
/// How long a candidate asks a master to hand over.
const FORWARD: u64 = 30_000;
/// How long a candidate waits for answers to one question.
const EACH: u64 = 2_000;

/// What an administrator wants a node to be, while the node goes about it. Lost with the process.
pub enum Campaign {
    /// The master hands over.
    Planned { expected: Epoch, until: Moment },
    /// Everyone is asked what they saw and promised.
    Asks { expected: Epoch, highest: Epoch, by_backup: bool },
    /// The standbys are asked for their promise.
    Votes { expected: Epoch, epoch: Epoch, ballots: BTreeMap<usize, Ballot>, by_backup: bool },
}

impl World<'_> {
    /// The database of a master.
    pub fn db(&self, m: usize) -> &Db {
        self.dbs[m].as_ref().expect("a master")
    }

    /// What a node has of its own, whatever it is.
    pub fn own(&self, m: usize) -> &Own {
        self.dbs[m].as_ref().map_or(&self.disks[m].durable.own, |db| &db.own)
    }

    fn own_mut(&mut self, m: usize) -> &mut Own {
        self.dbs[m].as_mut().map_or(&mut self.disks[m].durable.own, |db| &mut db.own)
    }

    pub fn seen_epoch(&self, m: usize) -> Epoch {
        self.dbs[m].as_ref().map_or(self.disks[m].durable.seen.epoch, |db| db.at.epoch)
    }

    /// Whose answers a node waits for.
    pub fn follows(&self, node: usize) -> usize {
        let held = self.followers[node].as_ref().and_then(|follower| follower.core.held().grant);
        held.or(self.own(node).highest()).map_or(0, |rank| machine_of(rank.node))
    }

    /// The one that takes itself for the master with the best right, if its machine knows that.
    pub fn seated(&self) -> Option<usize> {
        let seats = (0..self.dbs.len()).filter_map(|m| self.dbs[m].as_ref().map(|db| (db, m)));
        seats.filter(|(db, _)| !db.superseded).map(|(db, m)| (db.at.epoch, m)).max().map(|(_, m)| m)
    }

    /// The master by the highest grant that any node knows.
    pub fn crown(&self) -> Option<usize> {
        let highest = (0..self.dbs.len()).filter_map(|m| self.own(m).highest()).max();
        let m = highest.map_or(0, |rank| machine_of(rank.node));
        let epoch = highest.map_or(Epoch::FIRST, |rank| rank.epoch);
        self.dbs[m].as_ref().filter(|db| db.at.epoch == epoch && !db.superseded).map(|_| m)
    }

    /// Whether a node has a row durably, as a record or as a stranded change, and can open it.
    pub fn holds(&self, m: usize, row: &Row) -> bool {
        let disk = &self.disks[m].durable;
        let (records, common) =
            self.dbs[m].as_ref().map_or((&disk.records, &disk.common), |db| (&db.records, &db.common));
        let own = self.own(m);
        let listed = common.stranded.values().map(|stranded| &stranded.row);
        let mut held =
            records.get(row.record, row.revision).into_iter().chain(own.spool.values()).chain(listed);
        held.any(|held| held.write == row.write && held.opens(&own.custody))
    }

    /// Every write that is in some database, or kept as stranded.
    pub fn kept(&self) -> BTreeSet<u64> {
        let all = (0..self.dbs.len()).flat_map(|m| {
            let disk = &self.disks[m].durable;
            let (records, common) =
                self.dbs[m].as_ref().map_or((&disk.records, &disk.common), |db| (&db.records, &db.common));
            // What was damaged on purpose is there no more.
            let whole = move |row: &&Row| !self.truth.hurt.contains(&m) || self.truth.wrote(row);
            writes_of(records.all().filter(whole).chain(self.own(m).spool.values()), common)
        });
        all.collect()
    }

    pub fn acknowledged_is_kept(&self) -> Check {
        self.truth.nothing_acknowledged_is_lost(&self.kept())
    }

    /// What was under way in this process is not any more.
    pub fn reborn(&mut self, m: usize) {
        self.machines[m].life += 1;
        self.campaigns[m] = None;
        if let Some(key) = self.machines[m].tick.take() {
            self.queue.remove(&key);
        }
    }

    fn signed(&self, m: usize) -> Option<SignedGrant> {
        self.own(m).grants.first().map(|grant| grant.signed().clone())
    }

    fn send_to_others(&mut self, m: usize, input: &Input) {
        for to in (0..self.machines.len()).filter(|to| *to != m) {
            self.send(m, to, input.clone());
        }
    }

    /// A poll is not answered: whoever was asked is no master, or one whose grant the node does not know.
    pub fn refuse_poll(&mut self, m: usize, to: usize, poll: PollId) {
        let grant = self.signed(m);
        self.send(m, to, Input::Refused { poll, grant });
    }

    /// Asks every address of the registry who is master.
    pub fn ask_around(&mut self, m: usize) {
        // Where no master ever changes nobody has anything to tell.
        if !self.script.promotes() {
            return;
        }
        self.count("times asked around");
        let grant = self.signed(m);
        self.send_to_others(m, &Input::Around { from: m, grant });
    }

    /// A master looks whether it still is one.
    pub fn look(&mut self, m: usize) {
        self.host(m).look = Some(self.local(m).after(LOOK));
        self.ask_around(m);
    }

    /// What any node answers, whatever it is.
    pub fn asked_around(&mut self, m: usize, input: Input) -> Check {
        match input {
            Input::Around { from, grant } => {
                self.granted(m, grant)?;
                let grant = self.signed(m);
                self.send(m, from, Input::Granted { grant });
                Ok(())
            }
            Input::Granted { grant } => {
                let others = self.machines.len() - 1;
                if let Some(host) = self.hosts[m].as_mut() {
                    host.heard += 1;
                    if host.heard >= others {
                        host.sure = Moment(0);
                    }
                }
                self.granted(m, grant)?;
                if self.hosts[m].is_some() { self.next_job(m) } else { Ok(()) }
            }
            Input::About { from } => {
                let promised = self.own(m).promised.map_or(Epoch(0), |promise| promise.epoch);
                let epoch = self.seen_epoch(m).max(promised);
                self.send(m, from, Input::AboutIs { epoch });
                Ok(())
            }
            Input::Vote { from, ask } => {
                let live = self.hosts[m].as_ref().is_some_and(|host| !host.superseded());
                let mut facts = self.vote_facts(m, from, live);
                let forgets = self.sabotaged(Sabotage::ForgetsPromises);
                if forgets {
                    facts.promised = None;
                }
                let ballot = match vote(&facts, &ask) {
                    Ok(promise) => {
                        if !forgets {
                            self.own_mut(m).promised = Some(promise);
                        }
                        Ballot::Agreed
                    }
                    Err(refusal) => Ballot::Refused(refusal),
                };
                self.count("votes");
                self.send(m, from, Input::Ballot { from: m, epoch: ask.epoch, ballot });
                Ok(())
            }
            Input::Handover { from, ask, .. } => {
                // It was the master, and the answer to this very hand-over was lost.
                let same = |grant: &ProvenGrant| {
                    grant.rank() == Rank { epoch: ask.expect_epoch.next(), node: node_id(from) }
                };
                let grant = self.own(m).grants.first().filter(|grant| same(grant));
                let grant = grant.map(|grant| grant.signed().clone());
                self.send(m, from, Input::HandedOver { refused: grant.is_none(), grant });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn vote_facts(&self, m: usize, candidate: usize, live_master: bool) -> VoteFacts {
        let registry = self.dbs[m].as_ref().map_or(&self.disks[m].durable.common, |db| &db.common);
        let (role, standing) = registry.member(candidate);
        let promised = self.own(m).promised;
        VoteFacts { seen: self.seen_epoch(m), promised, live_master, candidate: Some(member(role, standing)) }
    }

    /// What a machine is, by its own registry.
    pub fn registered(&self, m: usize) -> (Role, Standing) {
        self.dbs[m].as_ref().map_or(&self.disks[m].durable.common, |db| &db.common).member(m)
    }

    /// A grant comes: it is proven, and followed where it is higher.
    pub fn granted(&mut self, m: usize, grant: Option<SignedGrant>) -> Check {
        let Some(grant) = grant.and_then(|signed| prove(signed, false)) else { return Ok(()) };
        if self.dbs[m].is_some() {
            self.master_granted(m, grant)
        } else {
            self.step(m, Event::Granted(grant))
        }
    }

    /// A candidate asks the master to hand over. From the first time on no write is let in, until it has everything.
    pub fn handover_asked(&mut self, m: usize, from: usize, ask: HandoverAsk) -> Check {
        let now = self.local(m);
        let at = self.db(m).at;
        let (role, standing) = self.db(m).common.member(from);
        let rotation = self.db(m).rotation();
        let host = self.host(m);
        if host.superseded() || ask.expect_epoch != at.epoch {
            self.send(m, from, Input::HandedOver { refused: true, grant: None });
            return Ok(());
        }
        host.drain = now.after(DRAIN);
        let drained = host.drained();
        let early = self.sabotaged(Sabotage::HandsOverEarly);
        let here = self.db(m).audit();
        if !drained || (!early && (ask.at != at || ask.audit != here)) {
            self.send(m, from, Input::HandedOver { refused: false, grant: None });
            return Ok(());
        }
        let facts = HandoverFacts {
            at,
            audit: here.clone(),
            master: true,
            drained,
            candidate: Some(member(role, standing)),
            rotation_bound: rotation.is_some_and(|rotation| rotation.under_way() && !rotation.gives()),
        };
        let ask = if early { HandoverAsk { at, audit: here, ..ask } } else { ask };
        if may_hand_over(&facts, &ask).is_err() {
            self.host(m).drain = Moment(0);
            self.send(m, from, Input::HandedOver { refused: true, grant: None });
            return self.next_job(m);
        }
        let signed = sign(at.epoch.next(), node_id(from), at, GrantKind::Planned, true);
        let grant = prove(signed.clone(), false).expect("it was just signed");
        self.count("hand-overs");
        self.say(|| format!("node {m} hands over: {:?}", grant.rank()));
        self.truth.one_master_in_an_epoch(grant.grant())?;
        let tip = self.db(m).tip;
        self.truth.handed.insert(grant.rank(), tip);
        self.master_step(m, MasterEvent::Met { epoch: grant.rank().epoch })?;
        let db = self.dbs[m].as_mut().expect("a master");
        db.at.epoch = grant.rank().epoch;
        db.own.put(grant);
        self.send(m, from, Input::HandedOver { refused: false, grant: Some(signed) });
        self.stand_down(m, None)
    }

    /// A master is none any more: it follows, by this grant or by the one that it made itself.
    pub fn stand_down(&mut self, m: usize, grant: Option<ProvenGrant>) -> Check {
        self.master_ends(m);
        let db = self.dbs[m].take().expect("a master");
        self.remember(m, || Stored::Db(Box::new(db.clone())));
        let mut replica = db.stand_down();
        if let Some(grant) = grant {
            replica.keep_grant(grant);
        }
        self.say(|| format!("node {m} stands down, {:?}", replica.own.highest()));
        self.disks[m] = Disk { durable: replica, unsynced: Default::default() };
        self.reborn(m);
        self.reach[m].runs = self.machines[m].clock.ran(self.now);
        self.follower_start(m)
    }

    /// Takes the seat that the highest grant gives this node.
    pub fn take_seat(&mut self, node: usize) -> Check {
        let mine = |grant: &&ProvenGrant| grant.rank().node == node_id(node);
        let Some(grant) = self.own(node).grants.first().filter(mine).cloned() else { return Ok(()) };
        let mut facts = self.become_facts(node, false);
        if self.sabotaged(Sabotage::HandsOverEarly) {
            facts.at = grant.grant().begins;
        }
        if let Err(refusal) = may_become_master(&facts, &grant, None) {
            self.count("seats refused");
            self.say(|| format!("node {node} takes no seat: {refusal:?}"));
            return Ok(());
        }
        self.truth.a_hand_over_loses_nothing(&grant, &self.disks[node].durable)?;
        self.seat(node, grant)
    }

    pub fn become_facts(&self, node: usize, by_backup: bool) -> BecomeFacts {
        let standby = by_backup || self.registered(node) == (Role::Standby, Standing::Member);
        let own = self.own(node);
        let disk = &self.disks[node].durable;
        let (at, seen, records) = match &self.dbs[node] {
            Some(db) => (db.at, db.at, &db.records),
            None => (disk.at, disk.seen.max(disk.at), &disk.records),
        };
        BecomeFacts {
            node: node_id(node),
            at,
            seen: seen.epoch,
            known: own.highest(),
            promised: own.promised,
            // What is stranded may have come from where another version was made: then only who brought it opens it.
            holds_all: records.all().all(|row| own.custody.holds(row.version)),
            standby,
            // A candidate opens every record, and counts them.
            damaged: self.dbs[node].is_none() && (disk.damaged || self.truth.hurt.contains(&node)),
        }
    }

    /// The transaction that makes a node the master.
    fn seat(&mut self, node: usize, grant: ProvenGrant) -> Check {
        let was_master = self.dbs[node].is_some();
        let before = match self.dbs[node].clone() {
            Some(db) => db,
            None => {
                let replica = self.disks[node].durable.clone();
                self.remember(node, || Stored::Replica(Box::new(replica.clone())));
                Db {
                    at: replica.at,
                    active: replica.active,
                    records: replica.records,
                    trail: replica.trail.to_vec(),
                    tip: replica.tip,
                    common: replica.common,
                    own: replica.own,
                    superseded: false,
                }
            }
        };
        let mut db = before.clone();
        self.truth.a_master_opens_all(node, &db)?;
        let at = Marks { epoch: grant.rank().epoch, generation: db.at.generation.next() };
        db.own.put(grant);
        db.at = at;
        db.own.extra.clear();
        db.common.members.insert(node, (Role::Standby, Standing::Member, at.generation.0));
        let begun = self.truth.add(node, &before, &db, Change::default())?;
        db.trail.push(begun);
        db.tip = Some(begun);
        self.count("masters seated");
        self.say(|| format!("node {node} is the master at {at:?}"));
        if was_master {
            self.master_ends(node);
        }
        self.dbs[node] = Some(db);
        self.disks[node].unsynced.clear();
        // What others asked meanwhile is answered by what it is now: the master, or no more, once one tells of a higher epoch.
        let waiting = self.followers[node].take().map(|follower| follower.waiting).unwrap_or_default();
        self.reborn(node);
        self.master_start(node)?;
        for input in waiting {
            self.deliver(node, input)?;
        }
        Ok(())
    }

    /// An administrator wants this node to be the master: the present one is to hand over, or is lost.
    pub fn campaign(&mut self, node: usize, emergency: bool, backup: Option<u64>) -> Check {
        let facts = self.become_facts(node, backup.is_some());
        let state = self.state(node);
        let now = self.local(node);
        let disk = &self.disks[node].durable;
        let (at, member) = (disk.at.epoch, disk.standing == Standing::Member || self.dbs[node].is_some());
        let fit = facts.standby && facts.holds_all && !facts.damaged && member;
        if !fit || self.campaigns[node].is_some() || (!emergency && state != Some(State::Synced)) {
            self.count("promotions not begun");
            self.say(|| format!("node {node} begins no promotion: {facts:?}, {state:?}"));
            return Ok(());
        }
        if emergency {
            let Some(brought) = self.emergency_is_possible(node, backup) else { return Ok(()) };
            let by_backup = brought.is_some();
            if let Some(brought) = brought {
                self.take_bundle(node, brought);
            }
            let seen = facts.seen;
            self.start_campaign(node, Campaign::Asks { expected: seen, highest: seen, by_backup });
            self.send_to_others(node, &Input::About { from: node });
            self.later(node, EACH, Input::Campaign);
            return Ok(());
        }
        // A vote for another in the very epoch that this node is about to get would make two masters of it.
        let own = Promise { epoch: at.next(), to: node_id(node) };
        match vote(&self.vote_facts(node, node, false), &own) {
            Ok(promise) => self.own_mut(node).promised = Some(promise),
            Err(_) if self.own(node).promised.is_some_and(|other| other.epoch >= own.epoch) => {
                self.count("promotions not begun");
                return Ok(());
            }
            Err(_) => {}
        }
        self.start_campaign(node, Campaign::Planned { expected: at, until: now.after(FORWARD) });
        self.ask_handover(node, at);
        Ok(())
    }

    fn start_campaign(&mut self, node: usize, campaign: Campaign) {
        self.campaigns[node] = Some(campaign);
    }

    fn ask_handover(&mut self, node: usize, expected: Epoch) {
        let disk = &self.disks[node].durable;
        let ask = HandoverAsk {
            expect_epoch: expected,
            at: disk.at,
            audit: disk.audit(),
            newest_version: disk.active,
        };
        let to = self.follows(node);
        self.send(node, to, Input::Handover { from: node, ask });
        self.later(node, 1_000, Input::Campaign);
    }

    /// The time for one question of a campaign is over.
    pub fn campaign_goes_on(&mut self, node: usize) -> Check {
        let now = self.local(node);
        match self.campaigns[node].take() {
            None => Ok(()),
            Some(Campaign::Planned { until, .. }) if now >= until => {
                self.count("hand-overs given up");
                Ok(())
            }
            Some(Campaign::Planned { expected, until }) => {
                self.start_campaign(node, Campaign::Planned { expected, until });
                self.ask_handover(node, expected);
                self.step(node, Event::Nudged)
            }
            Some(Campaign::Asks { expected, highest, by_backup }) => {
                self.ask_for_votes(node, expected, highest, by_backup)
            }
            Some(votes) if self.hosts[node].as_ref().is_some_and(|host| !host.drained()) => {
                // It is the master, and a transaction is under way.
                self.campaigns[node] = Some(votes);
                self.later(node, 100, Input::Campaign);
                Ok(())
            }
            Some(Campaign::Votes { expected, epoch, ballots, by_backup }) => {
                self.count_votes(node, expected, epoch, &ballots, by_backup)
            }
        }
    }

    fn ask_for_votes(&mut self, node: usize, expected: Epoch, highest: Epoch, by_backup: bool) -> Check {
        let own = self.own(node).promised.map_or(expected, |promise| promise.epoch);
        let epoch = expected.max(highest).max(own).next();
        let ask = Promise { epoch, to: node_id(node) };
        let registry = self.dbs[node].as_ref().map_or(&self.disks[node].durable.common, |db| &db.common);
        let mut ballots: BTreeMap<usize, Ballot> =
            registry.standbys().map(|voter| (voter, Ballot::Silent)).collect();
        let mut facts = self.vote_facts(node, node, false);
        if by_backup {
            facts.candidate = Some(member(Role::Standby, self.registered(node).1));
        }
        let decided = vote(&facts, &ask);
        if let Ok(promise) = decided {
            self.own_mut(node).promised = Some(promise);
        }
        ballots.insert(node, decided.map_or_else(Ballot::Refused, |_| Ballot::Agreed));
        for voter in ballots.keys().copied().filter(|voter| *voter != node) {
            self.send(node, voter, Input::Vote { from: node, ask });
        }
        self.start_campaign(node, Campaign::Votes { expected, epoch, ballots, by_backup });
        self.later(node, EACH, Input::Campaign);
        Ok(())
    }

    fn count_votes(
        &mut self,
        node: usize,
        expected: Epoch,
        epoch: Epoch,
        ballots: &BTreeMap<usize, Ballot>,
        by_backup: bool,
    ) -> Check {
        let of = ballots.len() as u32;
        let ballots: Vec<Ballot> = ballots.values().copied().collect();
        let votes = match tally(&ballots) {
            Tally::Elected { votes } | Tally::Forced { votes } => votes,
            Tally::Lost(refusal) => {
                self.count("elections lost");
                self.say(|| format!("node {node} is not elected: {refusal:?}"));
                return Ok(());
            }
        };
        let begins = self.dbs[node].as_ref().map_or(self.disks[node].durable.at, |db| db.at);
        let signed = sign(epoch, node_id(node), begins, GrantKind::Emergency { votes, of }, true);
        let Some(grant) = prove(signed.clone(), false) else { return Ok(()) };
        if let Err(refusal) = may_become_master(&self.become_facts(node, by_backup), &grant, Some(expected)) {
            self.count("seats refused");
            self.say(|| format!("node {node} takes no seat: {refusal:?}"));
            return Ok(());
        }
        self.count(if votes * 2 > of { "masters elected" } else { "masters forced" });
        self.truth.one_master_in_an_epoch(grant.grant())?;
        self.seat(node, grant)?;
        self.send_to_others(node, &Input::Granted { grant: Some(signed) });
        Ok(())
    }

    /// What comes to a candidate.
    pub fn campaign_hears(&mut self, node: usize, input: Input) -> Check {
        match (input, self.campaigns[node].as_mut()) {
            (Input::AboutIs { epoch }, Some(Campaign::Asks { highest, .. })) => {
                *highest = epoch.max(*highest);
                Ok(())
            }
            (Input::Ballot { from, epoch, ballot }, Some(Campaign::Votes { epoch: mine, ballots, .. })) => {
                if epoch == *mine {
                    ballots.insert(from, ballot);
                }
                Ok(())
            }
            (Input::HandedOver { refused, grant }, Some(Campaign::Planned { .. })) => {
                if refused || grant.is_some() {
                    self.campaigns[node] = None;
                }
                self.granted(node, grant)
            }
            _ => Ok(()),
        }
    }

    /// The bundle of a backup goes into custody, as one that a master gives.
    fn take_bundle(&mut self, node: usize, mut brought: Custody) {
        for key in self.own(node).custody.keys().collect::<Vec<_>>() {
            if !brought.holds(key.number) && !self.sabotaged(Sabotage::DropsNewer) {
                brought.put(key);
            }
        }
        if self.sabotaged(Sabotage::TakesAnyBackup) {
            self.own_mut(node).custody = brought;
            return;
        }
        self.count("backups that make a master");
        self.disks[node].durable.commit(crate::data::Op::Secret(brought));
    }
}
