//! Making this node the master: the hand-over by the present one, the emergency without it, and the seat.

use std::{
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{CheckOutcome, PromotedView, PromotionMode, Request, Response},
    bundle::Kept,
    id::Epoch,
    machine::{
        Ballot, BecomeRefusal, Grant, GrantKind, HandoverAsk, Promise, ProvenGrant, Tally, VoteFacts,
        VoteRefusal,
        preflight::{MasterCheck, preflight},
        tally, vote,
    },
};

use super::{
    Engine,
    around::EACH,
    held, now,
    preflight::{Found, How},
    system::{System, act},
    yielding::{member, no_authority, one_word},
};
use crate::{
    call::Call,
    membership::Membership,
    net::{
        authority,
        wire::{AboutAnswer, HandoverAnswer, HandoverRequest, VoteAnswer, VoteAsk},
    },
    store::{NodeRow, Seating},
};

/// How long the master may take to hand over: it opens its custody.
const HANDOVER: Duration = Duration::from_secs(20);
/// How long a candidate asks, once it has begun.
const FORWARD: Duration = Duration::from_secs(30);
/// How long a candidate waits until it has its seat.
const SEAT: Duration = Duration::from_secs(20);
/// What custody gave back counts for this long: reading it again costs a second.
const READ_BACK: Duration = Duration::from_secs(60);

impl Engine {
    /// Makes a node the master.
    pub(super) fn promote(
        &self,
        node: &str,
        how: How,
        expect_epoch: Option<Epoch>,
        call: &Call<'_>,
    ) -> Result<PromotedView, Error> {
        let mode = how.mode;
        let begun = Instant::now();
        let system = self.system()?;
        system.not_cloned()?;
        let expected = expect_epoch.unwrap_or(self.seen(&system)?.epoch);
        let (row, here) = self.candidate(&system, node)?;
        // Whoever has a backup and its passphrase has all that an administrator could have.
        let own = system.gate(|store| store.nodes())?.into_iter().find(|row| row.id == system.row.node);
        if !own.is_some_and(|own| own.administrator)
            && how.from_backup.is_none()
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
                leave_unreadable: how.leave_unreadable,
            };
            return match self.elsewhere(&system, &row, request, how.from_backup.is_some(), call)? {
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
        let found = self.find_out(&system, &how, Some(expected), call)?;
        let checks = preflight(&found.facts);
        if let Some(check) = checks.iter().find(|check| check.outcome == CheckOutcome::Failed) {
            let system = self.system()?;
            if matches!(found.facts.master, MasterCheck::Disabled { .. })
                && let Some(follower) = system.follower()
            {
                // It may have handed over to another while it was asked: then it tells to whom.
                follower.nudge();
                follower.wait(EACH, || self.seen(&system).is_ok_and(|seen| seen.epoch != expected));
            }
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
        let master = found.master.as_ref().map(|row| row.id).ok_or_else(gone)?;
        let address = self.address_of(system, master).ok_or_else(gone)?;
        let client = self.way_to(&address, master)?;
        // A vote for another in the very epoch that this node is about to get would make two masters of it.
        let own = Promise { epoch: expected.next(), to: system.row.node };
        let promised = held(&system.writer).promise(|seen, promised| {
            let facts = VoteFacts { seen, promised, live_master: false, candidate: Some(member(&found.own)) };
            vote(&facts, &own)
        })?;
        if promised.is_err()
            && let Some(other) = held(&system.writer).promised()?.filter(|other| other.epoch >= own.epoch)
        {
            return Err(self.promised_away(system, other));
        }
        let end = Instant::now() + FORWARD;
        loop {
            super::check_cancel(call)?;
            let position = system.position().borrow().clone();
            let ask = HandoverAsk {
                expect_epoch: expected,
                at: position.at,
                audit: position.audit,
                newest_version: position.active_version,
            };
            let request = HandoverRequest { ask, actor: call.actor.clone() };
            let answer =
                self.runtime()?.block_on(client.post::<HandoverAnswer>("/v1/handover", &request, HANDOVER));
            let answer = match answer {
                Ok(answer) => answer,
                // Whether it handed over is not known: it is asked again.
                // What came in between was not there yet.
                Err(refused)
                    if (!refused.answered || refused.error.code == Code::Unavailable)
                        && Instant::now() < end =>
                {
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
        if let Some(mut bundle) = found.bundle {
            // An older backup lacks what was made since: whatever comes of this, what is here stays.
            if let Kept::Secret(here) = system.kept()? {
                bundle.adopt(here, |_| true);
            }
            system.take_secret(bundle)?;
            *held(&self.read_back) = None;
            self.begin_listening_as(true)?;
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
                    // It is the master from here on, whatever hinders it still: what does is tried again, and told.
                    if self.reopen().is_err() {
                        self.reopen_soon();
                    }
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
            let address = self.address_of(system, row.id);
            let client = address.map(|address| self.way_to(&address, row.id)).transpose()?;
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

    /// This node voted for another in an election that has no winner, or none that it heard of: a promise has no end.
    fn promised_away(&self, system: &System, promise: Promise) -> Error {
        if self.seen(system).is_ok_and(|seen| seen.epoch >= promise.epoch) {
            return self.who_won(system);
        }
        let name = self.name_of(system, promise.to);
        Error::new(
            Code::EpochConflict,
            format!("This node promised epoch {} to {name}, which has not become the master.", promise.epoch),
        )
        .hint(format!(
            "Promote {name} or another standby first; the epoch after that one is free for this node."
        ))
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
            let granted = format!("Epoch {} is granted to this node, but it", grant.rank().epoch);
            if let Some((message, hint)) = held(&self.stuck).clone() {
                return Err(Error::new(Code::Refused, format!("{granted} can't begin: {message}")).hint(
                    format!("{hint} It is tried again by itself; `sealport status` tells how far it is."),
                ));
            }
            if Instant::now() > end {
                return Err(Error::new(Code::Unavailable, format!("{granted} has not begun yet."))
                    .hint("It goes on by itself; `sealport status` tells how far it is."));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Takes the seat that a grant gave, aside.
    pub(crate) fn take_seat_soon(&self) {
        self.aside(Self::take_seat);
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
}
