//! Making this node the master: what would come of it, the hand-over by the present master, the emergency without it, and
//! what voters and a master that hands over answer.

use std::{
    path::Path,
    sync::{PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{
        BackupSource, CheckOutcome, EvidenceView, LocalPath, NodeState, PreflightView, PromotedView,
        PromotionMode, Request, Response,
    },
    backup::one_line,
    bundle::{Bundle, Kept},
    id::{Epoch, NodeId},
    machine::{
        Ballot, BecomeRefusal, Certificate, Grant, GrantKind, HandoverAsk, HandoverRefusal, Marks, Member,
        Promise, ProvenGrant, Role, Standing, Tally, VoteFacts, VoteRefusal,
        preflight::{CustodyCheck, MasterCheck, PreflightFacts, RotationCheck, preflight},
        tally, vote,
    },
};

use super::{
    Engine,
    around::EACH,
    fleet, heard, held, now,
    system::{System, act, open},
};
use crate::{
    alert::canary,
    backup::Reader,
    call::Call,
    clock,
    membership::Membership,
    net::{
        authority,
        client::DEADLINE,
        wire::{AboutAnswer, AboutAsk, Administer, HandoverAnswer, HandoverRequest, VoteAnswer, VoteAsk},
    },
    store::{Item, NodeRow, Seating},
};

/// How long a master that hands over lets no write in while the candidate catches up.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a candidate waits until it has its seat.
const SEAT: Duration = Duration::from_secs(20);
/// How long a promotion on another node may take.
const ELSEWHERE: Duration = Duration::from_secs(60);
/// What custody gave back counts for this long: reading it again costs a second.
const READ_BACK: Duration = Duration::from_secs(60);

/// What was found out before a promotion.
struct Found {
    facts: PreflightFacts,
    abouts: Vec<(NodeRow, Option<AboutAnswer>)>,
    own: NodeRow,
    master: Option<NodeRow>,
    reminder: Option<String>,
    /// From the backup that was named.
    bundle: Option<Bundle>,
}

impl Engine {
    /// How this node is, for a candidate.
    pub(crate) fn about_here(&self, system: &System) -> Result<AboutAnswer, Error> {
        let position = system.position().borrow().clone();
        let state = system.state();
        let (own, promised, grants) =
            system.gate(|store| Ok((store.own()?, store.promised()?, store.grants()?)))?;
        let versions = system.known().map(|unlocked| unlocked.versions.clone()).unwrap_or_default();
        Ok(AboutAnswer {
            node: system.row.node,
            state,
            master: system.leads(),
            live: system.leads() && state == NodeState::Synced,
            at: position.at,
            seen: own.seen.max(position.at),
            active_version: position.active_version,
            versions,
            grant: grants.into_iter().next(),
            promised,
            heard_seconds: if system.is_master() { None } else { fleet::sync_age(system) },
            time: clock::wall().as_millis(),
        })
    }

    /// Promises an epoch to a candidate, or refuses.
    pub(crate) fn vote_for(&self, node: &NodeRow, ask: &VoteAsk) -> Result<VoteAnswer, Error> {
        if ask.promise.to != node.id {
            return Err(Error::new(Code::NotPermitted, "A node asks for itself only."));
        }
        let system = self.system()?;
        let live_master = system.leads() && system.state() == NodeState::Synced;
        let decided = held(&system.writer).promise(|seen, promised| {
            let candidate = Some(member(node));
            vote(&VoteFacts { seen, promised, live_master, candidate }, &ask.promise)
        })?;
        Ok(VoteAnswer { refusal: decided.err() })
    }

    /// Hands over to the standby that asks, once it has everything. From the first time that it asks no write is let in, for at
    /// most 10 s; if it does not come again, this master goes on as before.
    pub(crate) fn handover_for(
        &self,
        node: &NodeRow,
        request: &HandoverRequest,
    ) -> Result<HandoverAnswer, Error> {
        let system = self.system()?;
        let told = |system: &System, grant: Option<&ProvenGrant>| {
            let position = system.position().borrow().clone();
            HandoverAnswer {
                at: position.at,
                audit: position.audit,
                grant: grant.map(|g| g.signed().clone()),
            }
        };
        // The answer to this very hand-over was lost.
        let highest = system.highest_grant()?;
        if let Some(grant) = highest.filter(|grant| {
            grant.rank().node == node.id && grant.grant().epoch == request.ask.expect_epoch.next()
        }) {
            return Ok(told(&system, Some(&grant)));
        }
        let position = system.position().borrow().clone();
        if !system.leads() || request.ask.expect_epoch != position.at.epoch {
            return Err(self.who_won(&system));
        }
        *held(&system.drain) = Some(Instant::now() + DRAIN);
        let position = {
            // Whatever was being written has ended, and is told.
            let _writer = held(&system.writer);
            system.position().borrow().clone()
        };
        if request.ask.at != position.at || request.audit != position.audit {
            return Ok(told(&system, None));
        }
        let result = self.hand_over(&system, node, request);
        if result.is_err() {
            *held(&system.drain) = None;
        }
        let grant = result?;
        let answer =
            HandoverAnswer { at: position.at, audit: position.audit, grant: Some(grant.signed().clone()) };
        self.reopen_soon();
        Ok(answer)
    }

    fn hand_over(
        &self,
        system: &System,
        node: &NodeRow,
        request: &HandoverRequest,
    ) -> Result<ProvenGrant, Error> {
        // Opened before the database is held: it takes a second.
        let bundle = system.bundle()?;
        let keys = bundle.authority.as_ref().ok_or_else(no_authority)?;
        system.learn_grant_key_of(keys)?;
        let mut writer = held(&system.writer);
        let position = writer.position()?;
        let grant = Grant {
            system: system.row.id,
            epoch: position.at.epoch.next(),
            node: node.id,
            begins: position.at,
            kind: GrantKind::Planned,
            at: now(),
            by: one_word(&request.actor),
        };
        let grant = system.prove_here(authority::sign_grant(keys, grant)?, keys)?;
        let drained = position.audit == request.audit;
        let bound = self.rotation_bound(system);
        match writer.hand_over(&grant, &request.ask, Some(member(node)), drained, bound)? {
            Ok(()) => {}
            Err(refusal) => {
                drop(writer);
                return Err(self.handover_refused(system, refusal));
            }
        }
        // Nothing is answered as the master from here on.
        if let Some(seat) = &system.seat {
            seat.met(grant.rank().epoch);
        }
        system.over.store(true, std::sync::atomic::Ordering::Release);
        system.position.send_replace(writer.position()?);
        Ok(grant)
    }

    /// Whether a rotation stands where only this node can go on with it.
    fn rotation_bound(&self, _system: &System) -> bool {
        false
    }

    fn handover_refused(&self, system: &System, refusal: HandoverRefusal) -> Error {
        match refusal {
            HandoverRefusal::NotMaster | HandoverRefusal::Epoch { .. } => self.who_won(system),
            HandoverRefusal::NotStandby => {
                Error::new(Code::Refused, "The candidate is no standby of this system.")
                    .hint("Choose a standby.")
            }
            HandoverRefusal::Behind { .. } | HandoverRefusal::NotDrained => {
                Error::new(Code::Unavailable, "The candidate did not have everything yet.").hint("Try again.")
            }
            HandoverRefusal::Rotation => Error::new(
                Code::Refused,
                "A rotation is under way that only the present master can go on with.",
            )
            .hint("Wait until its new version is active, or cancel it."),
        }
    }

    /// The error of whoever looked before the master changed: it says who is master now.
    fn who_won(&self, system: &System) -> Error {
        let highest = system.highest_grant().ok().flatten();
        let position = system.position().borrow().clone();
        let (node, epoch) = match highest.filter(|grant| grant.rank().epoch >= position.at.epoch) {
            Some(grant) => (grant.rank().node, grant.rank().epoch),
            None => (position.master, position.at.epoch),
        };
        let name = self.name_of(system, node);
        Error::new(
            Code::EpochConflict,
            format!("The master changed meanwhile: {name} is the master, in epoch {epoch}."),
        )
        .hint("Look at `sealport status`, and promote again if that is still what you want.")
    }

    fn name_of(&self, system: &System, node: NodeId) -> String {
        let nodes = system.gate(|store| store.nodes()).unwrap_or_default();
        nodes.into_iter().find(|row| row.id == node).map_or_else(|| node.to_string(), |row| row.name)
    }

    /// Does what an administrator at another node asks of this candidate.
    pub(crate) fn promote_for(&self, node: &NodeRow, ask: Administer) -> Result<Response, Error> {
        let here = match &ask.request {
            Request::PromotePreflight { node, from_backup, .. }
            | Request::Promote { node, from_backup, .. } => node == "self" && from_backup.is_none(),
            _ => false,
        };
        if !here {
            return Err(Error::new(Code::NotPermitted, "Another node may not ask for that."));
        }
        self.handle_for(node, ask)
    }

    /// The node that is meant, and whether it is this one.
    fn candidate(&self, system: &System, node: &str) -> Result<(NodeRow, bool), Error> {
        let own = system.row.node.to_string();
        let row = fleet::find(system, if node == "self" { &own } else { node })?;
        let here = row.id == system.row.node;
        Ok((row, here))
    }

    /// Asks another candidate.
    fn elsewhere(
        &self,
        system: &System,
        row: &NodeRow,
        request: Request,
        from_backup: bool,
        call: &Call<'_>,
    ) -> Result<Response, Error> {
        if from_backup {
            return Err(Error::new(
                Code::Usage,
                "A backup file is read where it lies: on the candidate itself.",
            )
            .hint(format!("Run `sealport promote self --from-backup FILE` on {}.", row.name)));
        }
        let address = self.address_of(system, row.id).ok_or_else(|| {
            Error::new(Code::Unavailable, format!("{} does not listen, so it can't be asked.", row.name))
                .hint("Start `sealport serve` there, or run `sealport promote self` on that machine.")
        })?;
        let client = self.way_to(&address)?;
        let ask = Administer { actor: call.actor.clone(), request };
        self.runtime()?.block_on(client.post("/v1/promote", &ask, ELSEWHERE)).map_err(|refused| {
            Error::new(refused.error.code, refused.error.message.replace("The master", "The node"))
                .hint(refused.error.hint)
        })
    }

    /// What a promotion would do, and whether it can.
    pub(super) fn preflight(
        &self,
        node: &str,
        mode: PromotionMode,
        from_backup: Option<BackupSource>,
        call: &Call<'_>,
    ) -> Result<PreflightView, Error> {
        let system = self.system()?;
        let (row, here) = self.candidate(&system, node)?;
        if !here {
            let request = Request::PromotePreflight { node: "self".to_owned(), mode, from_backup: None };
            return match self.elsewhere(&system, &row, request, from_backup.is_some(), call)? {
                Response::Preflight(view) => Ok(view),
                _ => Err(Error::new(Code::Unavailable, "The answer of the node makes no sense.")),
            };
        }
        let found = self.find_out(&system, mode, from_backup.as_ref(), None, call)?;
        Ok(self.view_of(&system, &found))
    }

    /// Makes a node the master.
    pub(super) fn promote(
        &self,
        node: &str,
        mode: PromotionMode,
        expect_epoch: Option<Epoch>,
        from_backup: Option<BackupSource>,
        call: &Call<'_>,
    ) -> Result<PromotedView, Error> {
        let begun = Instant::now();
        let system = self.system()?;
        let expected = expect_epoch.unwrap_or(self.seen(&system)?.epoch);
        let (row, here) = self.candidate(&system, node)?;
        // Whoever has a backup and its passphrase has all that an administrator could have.
        let own = system.gate(|store| store.nodes())?.into_iter().find(|row| row.id == system.row.node);
        if !own.is_some_and(|own| own.administrator)
            && from_backup.is_none()
            && call.origin != crate::call::Origin::Network
        {
            return Err(Error::new(
                Code::NotPermitted,
                "This node is not an administrator's, so it may not promote.",
            )
            .hint("Use a node that was invited with --administrator."));
        }
        if !here {
            let request = Request::Promote {
                node: "self".to_owned(),
                mode,
                expect_epoch: Some(expected),
                from_backup: None,
            };
            return match self.elsewhere(&system, &row, request, from_backup.is_some(), call)? {
                Response::Promoted(view) => {
                    // What this node knows already it need not wait to hear.
                    self.ask_around();
                    Ok(view)
                }
                _ => Err(Error::new(Code::Unavailable, "The answer of the node makes no sense.")),
            };
        }
        let _one = self.promoting.lock().unwrap_or_else(PoisonError::into_inner);
        let system = self.system()?;
        if self.seen(&system)?.epoch != expected {
            return Err(self.who_won(&system));
        }
        let found = self.find_out(&system, mode, from_backup.as_ref(), Some(expected), call)?;
        let checks = preflight(&found.facts);
        if let Some(check) = checks.iter().find(|check| check.outcome == CheckOutcome::Failed) {
            let system = self.system()?;
            if self.seen(&system)?.epoch != expected || check.id == "epoch" {
                return Err(self.who_won(&system));
            }
            return Err(Error::new(Code::Refused, check.message.clone()).hint(check.hint.clone()));
        }
        let former = found.master.as_ref().map(|row| row.name.clone()).filter(|name| *name != row.name);
        let by_backup = found.bundle.is_some();
        let grant = match mode {
            PromotionMode::Planned => self.take_over(&system, &found, expected, call)?,
            PromotionMode::Emergency => self.take_in_emergency(&system, found, expected, by_backup, call)?,
        };
        self.until_seated(&grant)?;
        let position = self.system()?.position().borrow().clone();
        let (votes, voters) = match grant.grant().kind {
            GrantKind::Planned => (None, None),
            GrantKind::Emergency { votes, of } => (Some(votes), Some(of)),
        };
        Ok(PromotedView {
            master: grant.rank().node,
            master_name: row.name,
            mode,
            former_master: former,
            epoch: grant.rank().epoch,
            generation: position.at.generation,
            votes,
            voters,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// The highest that this node has ever seen.
    fn seen(&self, system: &System) -> Result<Marks, Error> {
        system.gate(|store| Ok(store.own()?.seen.max(store.position()?.at)))
    }

    /// The present master hands over: it takes no write until this node has all, and grants it the next epoch.
    fn take_over(
        &self,
        system: &System,
        found: &Found,
        expected: Epoch,
        call: &Call<'_>,
    ) -> Result<ProvenGrant, Error> {
        let gone = || {
            Error::new(Code::Unavailable, "The master can't be reached any more.")
                .hint("Nothing was changed.")
        };
        let address =
            found.master.as_ref().and_then(|row| self.address_of(system, row.id)).ok_or_else(gone)?;
        let client = self.way_to(&address)?;
        // A vote for another in the very epoch that this node is about to get would make two masters of it.
        let own = Promise { epoch: expected.next(), to: system.row.node };
        let promised = held(&system.writer).promise(|seen, promised| {
            let facts = VoteFacts { seen, promised, live_master: false, candidate: Some(member(&found.own)) };
            vote(&facts, &own)
        })?;
        if promised.is_err() && held(&system.writer).promised()?.is_some_and(|other| other.epoch >= own.epoch)
        {
            return Err(self.who_won(system));
        }
        let end = Instant::now() + DRAIN;
        loop {
            super::check_cancel(call)?;
            let position = system.position().borrow().clone();
            let ask = HandoverAsk {
                expect_epoch: expected,
                at: position.at,
                newest_version: position.active_version,
            };
            let request = HandoverRequest { ask, audit: position.audit.clone(), actor: call.actor.clone() };
            let answer =
                self.runtime()?.block_on(client.post::<HandoverAnswer>("/v1/handover", &request, DEADLINE));
            let answer = match answer {
                Ok(answer) => answer,
                // Whether it handed over is not known: it is asked again.
                Err(refused) if !refused.answered && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(200));
                    continue;
                }
                Err(refused) => return Err(refused.into()),
            };
            if let Some(signed) = answer.grant {
                let grant = system.prove(signed).ok_or_else(|| {
                    Error::new(Code::Integrity, "The grant of the master is not signed by this system's key.")
                })?;
                self.granted(grant.clone())?;
                return Ok(grant);
            }
            if Instant::now() >= end {
                return Err(Error::new(
                    Code::Unavailable,
                    "What the master has did not come to this node in time.",
                )
                .hint(
                    "Nothing was changed: the master goes on. Look at `sealport status` here, and try again.",
                ));
            }
            if let Some(follower) = system.follower() {
                follower.nudge();
                follower.wait(Duration::from_millis(1_000), || {
                    let position = system.position().borrow().clone();
                    position.at >= answer.at && position.audit.line >= answer.audit.line
                });
            }
        }
    }

    /// The master is lost: this node asks the others for their promise, and grants itself the epoch.
    fn take_in_emergency(
        &self,
        system: &System,
        found: Found,
        expected: Epoch,
        by_backup: bool,
        call: &Call<'_>,
    ) -> Result<ProvenGrant, Error> {
        if let Some(bundle) = found.bundle {
            system.take_secret(bundle)?;
            *held(&self.read_back) = None;
        }
        let bundle = self.bundle_read_back(system)?;
        let keys = bundle.authority.as_ref().ok_or_else(no_authority)?;
        system.learn_grant_key_of(keys)?;
        let me = system.row.node;
        let promised = |about: &AboutAnswer| about.promised.map(|promise| promise.epoch);
        let others = found.abouts.iter().filter_map(|(_, about)| about.as_ref());
        let highest = others.flat_map(|about| [Some(about.seen.epoch), promised(about)]).flatten().max();
        let own = held(&system.writer).promised()?.map(|promise| promise.epoch);
        let epoch = expected.max(highest.unwrap_or(expected)).max(own.unwrap_or(expected)).next();
        let ask = Promise { epoch, to: me };
        let mut own_row = found.own.clone();
        own_row.standby |= by_backup;
        let decided = held(&system.writer).promise(|seen, promised| {
            let facts = VoteFacts { seen, promised, live_master: false, candidate: Some(member(&own_row)) };
            vote(&facts, &ask)
        })?;
        let mut ballots = vec![match decided {
            Ok(_) => Ballot::Agreed,
            Err(refusal) => Ballot::Refused(refusal),
        }];
        let voters: Vec<_> = found.abouts.iter().map(|(row, _)| row).filter(|row| row.standby).collect();
        ballots.extend(self.ask_for_votes(system, &voters, ask)?);
        let of = u32::try_from(ballots.len()).unwrap_or(u32::MAX);
        let votes = match tally(&ballots) {
            Tally::Elected { votes } | Tally::Forced { votes } => votes,
            Tally::Lost(refusal) => return Err(self.lost(system, epoch, refusal)),
        };
        loop {
            let at = system.position().borrow().at;
            let grant = Grant {
                system: system.row.id,
                epoch,
                node: me,
                begins: at,
                kind: GrantKind::Emergency { votes, of },
                at: now(),
                by: one_word(&call.actor),
            };
            let grant = system.prove_here(authority::sign_grant(keys, grant)?, keys)?;
            let forced = if votes * 2 > of { "" } else { ", forced" };
            let detail = format!("epoch {epoch}, emergency, {votes} of {of} standbys agreed{forced}");
            let seating = Seating {
                grant: &grant,
                expected: Some(expected),
                holds_all: true,
                by_backup,
                address: self.address(),
                act: act(call, "master.promote", own_row.name.clone(), detail),
            };
            let decided = held(&system.writer).become_master(&seating)?;
            match decided {
                Ok(_) => {
                    self.reopen()?;
                    self.announce();
                    return Ok(grant);
                }
                // Something of the former master came at the last moment: with it, then.
                Err(BecomeRefusal::Behind) => super::check_cancel(call)?,
                Err(refusal) => return Err(self.become_refused(system, refusal)),
            }
        }
    }

    fn ask_for_votes(
        &self,
        system: &System,
        voters: &[&NodeRow],
        ask: Promise,
    ) -> Result<Vec<Ballot>, Error> {
        let mut asked = Vec::new();
        for row in voters {
            let client = self.address_of(system, row.id).map(|address| self.way_to(&address)).transpose()?;
            asked.push(async move {
                let client = client?;
                match client.post::<VoteAnswer>("/v1/vote", &VoteAsk { promise: ask }, EACH).await {
                    Ok(VoteAnswer { refusal: None }) => Some(Ballot::Agreed),
                    Ok(VoteAnswer { refusal: Some(refusal) }) => Some(Ballot::Refused(refusal)),
                    Err(_) => None,
                }
            });
        }
        let runtime = self.runtime()?;
        let tasks: Vec<_> = asked.into_iter().map(|ask| runtime.spawn(ask)).collect();
        let answers = tasks.into_iter().map(|task| runtime.block_on(task).ok().flatten());
        Ok(answers.map(|ballot| ballot.unwrap_or(Ballot::Silent)).collect())
    }

    fn lost(&self, system: &System, epoch: Epoch, refusal: VoteRefusal) -> Error {
        match refusal {
            VoteRefusal::MasterLives => Error::new(Code::Refused, "The master lives: it answered, and did not agree.")
                .hint("Promote without --emergency: it hands over, and nothing is lost."),
            VoteRefusal::Promised(promise) => Error::new(
                Code::EpochConflict,
                format!("{} asks for epoch {} at the same time, and was first.", self.name_of(system, promise.to), promise.epoch),
            )
            .hint("Look at `sealport status` in some seconds, and promote again if that is still what you want."),
            VoteRefusal::Seen { .. } => {
                self.ask_around();
                self.who_won(system)
            }
            VoteRefusal::NotStandby | VoteRefusal::Revoked => Error::new(
                Code::NotPermitted,
                format!("A standby does not agree to epoch {epoch}: this node was revoked."),
            )
            .hint("Choose another node."),
        }
    }

    fn become_refused(&self, system: &System, refusal: BecomeRefusal) -> Error {
        let refused = |message: &str, hint: &str| Error::new(Code::Refused, message).hint(hint);
        match refusal {
            BecomeRefusal::Epoch { .. } | BecomeRefusal::NotPromised | BecomeRefusal::NotMine => {
                self.who_won(system)
            }
            BecomeRefusal::Keys => refused(
                "The custody of this node does not give what a master needs.",
                "Unlock it, or restore the master secret with `sealport promote self --emergency --from-backup FILE`.",
            ),
            BecomeRefusal::NotStandby => refused("This node is no standby.", "Choose a standby."),
            BecomeRefusal::Damaged => refused("The replica of this node is damaged.", "Choose another node."),
            BecomeRefusal::Behind => refused(
                "This node was granted the next epoch, but does not hold what the former master had then.",
                "Promote a node that does, in an emergency: `sealport promote NODE --emergency`.",
            ),
        }
    }

    /// Waits until this node answers as the master of a grant.
    fn until_seated(&self, grant: &ProvenGrant) -> Result<(), Error> {
        let end = Instant::now() + SEAT;
        loop {
            let system = self.system()?;
            if system.leads() && system.position().borrow().at.epoch == grant.rank().epoch {
                return Ok(());
            }
            if let Some((message, hint)) = held(&self.stuck).clone() {
                return Err(Error::new(Code::Refused, message).hint(hint));
            }
            if Instant::now() > end {
                return Err(Error::new(
                    Code::Unavailable,
                    "The master handed over, but this node has not begun yet.",
                )
                .hint("It goes on by itself; `sealport status` tells how far it is."));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Takes the seat that a grant gave, aside.
    pub(crate) fn take_seat_soon(&self) {
        if let Some(engine) = self.me.get().and_then(Weak::upgrade) {
            thread::spawn(move || engine.change_went(engine.take_seat()));
        }
    }

    /// Takes the seat that the highest grant gives this node. Where it has it, nothing happens.
    fn take_seat(&self) -> Result<(), Error> {
        let _one = held(&self.seating);
        let system = self.system()?;
        if system.is_master() {
            return Ok(());
        }
        let Some(grant) = system.highest_grant()?.filter(|grant| grant.rank().node == system.row.node) else {
            return Ok(());
        };
        let fresh = held(&self.read_back).is_some_and(|at| at.elapsed() < READ_BACK);
        let holds_all =
            fresh || self.bundle_read_back(&system).is_ok_and(|bundle| bundle.authority.is_some());
        let act = crate::store::Act {
            at: now(),
            who: grant.grant().by.clone(),
            origin: crate::call::Origin::Service.to_string(),
            act: "master.promote".into(),
            object: self.name_of(&system, system.row.node),
            detail: format!("epoch {}, handed over", grant.rank().epoch),
        };
        let seating = Seating {
            grant: &grant,
            expected: None,
            holds_all,
            by_backup: false,
            address: self.address(),
            act,
        };
        let decided = held(&system.writer).become_master(&seating)?;
        decided.map_err(|refusal| self.become_refused(&system, refusal))?;
        Membership::remove(&self.config.data_dir)?;
        self.reopen()?;
        self.announce();
        Ok(())
    }

    /// What custody holds, read back now: every version, and a canary sealed and opened with it.
    fn bundle_read_back(&self, system: &System) -> Result<Bundle, Error> {
        let bundle = match system.kept()? {
            Kept::Secret(bundle) => bundle,
            Kept::KeyOnly { .. } => {
                return Err(Error::new(Code::Refused, "The master secret is kept in memory only."));
            }
        };
        let keys = sealport_core::seal::Keys::derive(&bundle);
        canary::prove(&keys, &keys)?;
        if bundle.authority.is_some() {
            *held(&self.read_back) = Some(Instant::now());
        }
        Ok(bundle)
    }

    fn find_out(
        &self,
        system: &System,
        mode: PromotionMode,
        from_backup: Option<&BackupSource>,
        expected: Option<Epoch>,
        call: &Call<'_>,
    ) -> Result<Found, Error> {
        let nodes = system.gate(|store| store.nodes())?;
        let own = nodes.iter().find(|row| row.id == system.row.node).cloned();
        let own = own.ok_or_else(|| {
            Error::new(Code::Refused, "This node is not in the registry yet.")
                .hint("Wait for its first sync.")
        })?;
        let abouts = self.ask_about(system)?;
        for (_, about) in &abouts {
            // A grant that another knows counts here before anything is decided.
            if let Some(grant) =
                about.as_ref().and_then(|about| about.grant.clone()).and_then(|signed| system.prove(signed))
            {
                let known = system.gate(|store| store.grants())?.first().map(|signed| signed.grant.rank());
                if grant.outranks(self.seen(system)?.epoch, known) {
                    self.granted(grant.clone())?;
                    if let Some(follower) = system.follower() {
                        follower.wait(EACH, || {
                            self.seen(system).is_ok_and(|seen| seen.epoch >= grant.rank().epoch)
                        });
                    }
                }
            }
        }
        let position = system.position().borrow().clone();
        let seen = self.seen(system)?;
        let present = system.gate(|store| store.grants())?.first().map(|signed| signed.grant.node);
        let master_id = present.unwrap_or(position.master);
        let master = nodes.iter().find(|row| row.id == master_id).cloned();
        let here = system.known().map(|unlocked| unlocked.versions.clone()).unwrap_or_default();
        let (custody, bundle, reminder) = self.custody_check(system, from_backup, call)?;
        let answer = abouts.iter().find(|(row, _)| row.id == master_id).and_then(|(_, about)| about.as_ref());
        let name = master.as_ref().map_or_else(|| master_id.to_string(), |row| row.name.clone());
        let master_check = match answer {
            _ if master_id == system.row.node => MasterCheck::IsCandidate,
            Some(about) if about.master && about.live => MasterCheck::Lives {
                name,
                at: about.at,
                same_secret: heard::differing(&here, &about.versions).is_none(),
                version: about.active_version,
                clock_offset: about.time - clock::wall().as_millis(),
            },
            Some(_) => MasterCheck::Disabled { name },
            None => {
                let heard = abouts.iter().filter_map(|(_, about)| about.as_ref()?.heard_seconds);
                MasterCheck::Silent { name, heard_seconds: heard.chain(fleet::sync_age(system)).min() }
            }
        };
        let ahead = abouts
            .iter()
            .filter_map(|(row, about)| Some((row.name.clone(), beyond(about.as_ref()?.at, position.at)?)))
            .max_by_key(|(_, writes)| *writes);
        let backups = system.read(|store| store.backups())?;
        let newest = backups.iter().find(|backup| backup.active_version == position.active_version);
        let standby = |row: &&NodeRow| row.standby || (row.id == own.id && bundle.is_some());
        let reached = abouts.iter().filter(|(row, about)| row.standby && about.is_some()).count();
        let voters = nodes.iter().filter(|row| !row.revoked).filter(standby).count();
        let (records, opened) = match mode {
            PromotionMode::Planned => (position.counts.records, None),
            PromotionMode::Emergency => self.open_all(system, call)?,
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let facts = PreflightFacts {
            mode,
            candidate: own.name.clone(),
            member: Some(member(&own)),
            address: self.address(),
            custody,
            version: system.keys_held().0,
            at: position.at,
            seen,
            damaged: system.gate(|store| store.own())?.damaged,
            master: master_check,
            expected,
            ahead,
            records,
            opened,
            backup_age: newest.map(|backup| now().seconds_since(backup.proven)),
            voters: count(voters),
            reachable: count(reached + 1),
            rotation: RotationCheck::None,
        };
        Ok(Found { facts, abouts, own, master, reminder, bundle })
    }

    /// Asks all other nodes how they are, at once.
    fn ask_about(&self, system: &System) -> Result<Vec<(NodeRow, Option<AboutAnswer>)>, Error> {
        let runtime = self.runtime()?;
        let mut asked = Vec::new();
        for row in system.others()? {
            let client = self.address_of(system, row.id).and_then(|address| self.way_to(&address).ok());
            let task = client.map(|client| {
                runtime.spawn(async move {
                    client.post::<AboutAnswer>("/v1/about", &AboutAsk {}, EACH).await.ok()
                })
            });
            asked.push((row, task));
        }
        let answer = |(row, task): (NodeRow, Option<tokio::task::JoinHandle<_>>)| {
            let about: Option<AboutAnswer> = task.and_then(|task| runtime.block_on(task).ok().flatten());
            // Whoever answers there must be the node that is meant.
            let about = about.filter(|about| about.node == row.id);
            (row, about)
        };
        Ok(asked.into_iter().map(answer).collect())
    }

    fn custody_check(
        &self,
        system: &System,
        from_backup: Option<&BackupSource>,
        call: &Call<'_>,
    ) -> Result<(CustodyCheck, Option<Bundle>, Option<String>), Error> {
        if let Some(BackupSource { file: LocalPath(file), passphrase }) = from_backup {
            let reader = Reader::open(Path::new(file))?;
            let header = reader.header().clone();
            if header.system != system.row.id {
                return Err(Error::new(
                    Code::Integrity,
                    format!("{file} is a backup of another system ({}).", header.system_name),
                ));
            }
            let mut progress = super::Progress::new(call, "Opening the backup", header.records);
            let mut done = 0;
            let contents = reader.read_all(passphrase, &mut |item| {
                if matches!(item, Item::Record(_)) {
                    done += 1;
                    progress.at(done)?;
                }
                Ok(())
            })?;
            let check = match (&contents.bundle.authority, system.known()) {
                (None, _) => CustodyCheck::Lacks("the backup holds no keys of the authority.".to_owned()),
                (_, Ok(here)) if heard::differing(&here.versions, &contents.bundle.views()).is_some() => {
                    CustodyCheck::Lacks("the backup holds another secret under the same version.".to_owned())
                }
                _ if system.memory_only => CustodyCheck::MemoryOnly,
                (Some(keys), _) => {
                    let ca = fleet::authority_of(system)?;
                    let fits = authority::read(&ca).map(|said| said.key_hash)
                        == Some(authority::key_hash(&keys.ca)?);
                    if fits {
                        CustodyCheck::FromBackup
                    } else {
                        CustodyCheck::Lacks("the backup holds the keys of another authority.".to_owned())
                    }
                }
            };
            return Ok((check, Some(contents.bundle), header.reminder));
        }
        let check = match self.bundle_read_back(system) {
            _ if system.memory_only => CustodyCheck::MemoryOnly,
            Ok(bundle) if bundle.authority.is_some() => CustodyCheck::HoldsAll,
            Ok(_) => CustodyCheck::Lacks("it does not hold the keys of the authority.".to_owned()),
            Err(error) => CustodyCheck::Lacks(error.message),
        };
        Ok((check, None, None))
    }

    /// Opens every record that is here: how many there are, and how many open.
    fn open_all(&self, system: &System, call: &Call<'_>) -> Result<(u64, Option<u64>), Error> {
        let position = system.position().borrow().clone();
        let known = *held(&self.opened_all);
        if let Some((at, records, opened)) = known.filter(|(at, ..)| *at == position.at) {
            let _ = at;
            return Ok((records, Some(opened)));
        }
        let Ok(unlocked) = system.unlocked() else { return Ok((position.counts.records, None)) };
        let mut progress = super::Progress::new(call, "Opening every record", position.counts.records);
        let (mut records, mut opened) = (0, 0);
        let store = system.read(|store| store.again())?;
        let moment = store.one_moment()?;
        store.snapshot(|item| {
            if let Item::Record(row) = item {
                records += 1;
                opened += u64::from(
                    open(&unlocked.keys, &row, row.kind.body(), row.revision, &row.envelope).is_ok(),
                );
                progress.at(records)?;
            }
            Ok(())
        })?;
        drop(moment);
        *held(&self.opened_all) = Some((position.at, records, opened));
        Ok((records, Some(opened)))
    }

    fn view_of(&self, system: &System, found: &Found) -> PreflightView {
        let facts = &found.facts;
        let checks = preflight(facts);
        let master = found.master.as_ref().map(|row| row.id);
        let at = facts.at;
        let evidence = found.abouts.iter().map(|(row, about)| EvidenceView {
            node: row.id,
            name: row.name.clone(),
            reached: about.is_some(),
            state: about.as_ref().map(|about| about.state),
            epoch: about.as_ref().map(|about| about.at.epoch),
            generation: about.as_ref().map(|about| about.at.generation),
            master_heard_seconds: about.as_ref().and_then(|about| about.heard_seconds),
            standby: row.standby,
            master: Some(row.id) == master,
            ahead: about.as_ref().and_then(|about| beyond(about.at, at)),
        });
        let own = EvidenceView {
            node: found.own.id,
            name: found.own.name.clone(),
            reached: true,
            state: Some(system.state()),
            epoch: Some(at.epoch),
            generation: Some(at.generation),
            master_heard_seconds: if system.is_master() { None } else { fleet::sync_age(system) },
            standby: found.own.standby,
            master: Some(found.own.id) == master,
            ahead: None,
        };
        let mut evidence: Vec<_> = evidence.chain([own]).collect();
        evidence.sort_by(|a, b| a.name.cmp(&b.name));
        PreflightView {
            candidate: found.own.id,
            candidate_name: found.own.name.clone(),
            mode: facts.mode,
            epoch: facts.seen.epoch,
            master_name: found.master.as_ref().map(|row| row.name.clone()),
            possible: checks.iter().all(|check| check.outcome != CheckOutcome::Failed),
            checks,
            evidence,
            voters: facts.voters,
            reachable_voters: facts.reachable,
            records: facts.records,
            records_opened: facts.opened,
            reminder: found.reminder.clone(),
            steps: steps(facts),
        }
    }
}

/// What will happen, for people.
fn steps(facts: &PreflightFacts) -> Vec<String> {
    let name = &facts.candidate;
    let steps: &[&str] = match facts.mode {
        PromotionMode::Planned => &[
            "The master takes no new write, and those under way end.",
            "{} fetches what it lacks.",
            "The master grants {} the next epoch. From here on it only goes forward.",
            "{} answers as the master; the former one becomes a standby.",
            "The other nodes follow by themselves.",
        ],
        PromotionMode::Emergency => &[
            "The other standbys are asked for their promise of the next epoch.",
            "{} grants itself the epoch and answers as the master.",
            "The other nodes follow by themselves.",
            "When the old master comes back, it stands down; what only it had is kept as stranded changes.",
        ],
    };
    steps.iter().map(|step| step.replace("{}", name)).collect()
}

/// How many writes one replica has beyond another.
fn beyond(there: Marks, here: Marks) -> Option<u64> {
    (there > here).then(|| {
        if there.epoch == here.epoch { there.generation.0 - here.generation.0 } else { there.generation.0 }
    })
}

fn member(node: &NodeRow) -> Member {
    Member {
        standing: if node.revoked { Standing::Revoked } else { Standing::Member },
        role: if node.standby { Role::Standby } else { Role::Processing },
        administrator: node.administrator,
        certificate: Certificate::Valid,
    }
}

fn no_authority() -> Error {
    Error::new(Code::Refused, "This node does not hold the keys of the authority.")
        .hint("Choose a standby, or name a backup file: --from-backup.")
}

fn one_word(text: &str) -> String {
    one_line("name", text, 200).unwrap_or_else(|_| "someone".to_owned())
}
