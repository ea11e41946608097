//! What other nodes answer to a candidate: how they are, their promise of an epoch, and, on the master, the hand-over.

use std::time::{Duration, Instant};

use sealport_core::{
    Code, Error,
    api::{NodeState, Request, Response},
    backup::one_line,
    id::NodeId,
    machine::{
        Certificate, Grant, GrantKind, HandoverRefusal, Member, ProvenGrant, Role, Standing, VoteFacts, vote,
    },
};

use super::{Engine, fleet, held, now, system::System};
use crate::{
    clock,
    net::{
        authority,
        wire::{AboutAnswer, Administer, HandoverAnswer, HandoverRequest, VoteAnswer, VoteAsk},
    },
    store::NodeRow,
};

/// How long a master that hands over lets no write in while the candidate catches up.
const DRAIN: Duration = Duration::from_secs(10);

impl Engine {
    /// How this node is, for a candidate.
    pub(super) fn about_here(&self, system: &System) -> Result<AboutAnswer, Error> {
        let position = system.position().borrow().clone();
        let state = system.state();
        let leads = system.leads();
        // After that, so that who is no master any more says whose grant ended it.
        let (own, promised, grant) =
            system.gate(|store| Ok((store.own()?, store.promised()?, store.grant()?)))?;
        let versions = system.known().map(|unlocked| unlocked.versions.clone()).unwrap_or_default();
        Ok(AboutAnswer {
            node: system.row.node,
            state,
            master: leads,
            live: leads && state == NodeState::Synced,
            at: position.at,
            seen: own.seen.max(position.at),
            active_version: position.active_version,
            versions,
            grant,
            promised,
            heard_seconds: if system.is_master() { None } else { fleet::sync_age(system) },
            time: clock::wall().as_millis(),
            cloned: false,
            copy: None,
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
        if request.ask.at != position.at || request.ask.audit != position.audit {
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
        let bound = self.rotation_bound(system);
        // Whoever writes holds the writer, and this does: none is under way.
        match writer.hand_over(&grant, &request.ask, Some(member(node)), true, bound)? {
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
    fn rotation_bound(&self, system: &System) -> bool {
        // One that can't be read counts as bound: then nothing is handed over.
        system
            .gate(|store| store.rotation())
            .map_or(true, |row| row.is_some_and(|row| row.rotation().under_way() && !row.rotation().gives()))
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
    pub(super) fn who_won(&self, system: &System) -> Error {
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

    pub(super) fn name_of(&self, system: &System, node: NodeId) -> String {
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
}

pub(super) fn member(node: &NodeRow) -> Member {
    Member {
        standing: if node.revoked { Standing::Revoked } else { Standing::Member },
        role: if node.standby { Role::Standby } else { Role::Processing },
        administrator: node.administrator,
        certificate: Certificate::Valid,
    }
}

pub(super) fn no_authority() -> Error {
    Error::new(Code::Refused, "This node does not hold the keys of the authority.")
        .hint("Choose a standby, or name a backup file: --from-backup.")
}

pub(super) fn one_word(text: &str) -> String {
    one_line("name", text, 200).unwrap_or_else(|_| "someone".to_owned())
}
