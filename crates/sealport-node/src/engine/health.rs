//! What this node may do now, in words: the refusals of the protocol's machine as errors that people can act on.

use std::time::Duration;

use sealport_core::{
    Code, Error,
    api::NodeState,
    machine::{Cause, Contradiction, Refusal, derive_state, may_open, may_seal},
    time::{Timestamp, in_words},
};

use super::system::System;
use crate::clock;

/// How long an act waits for a node that has just started to hear from its master.
const STARTING: Duration = Duration::from_secs(6);

impl System {
    /// The state of this node.
    pub fn state(&self) -> NodeState {
        derive_state(&self.facts()).into()
    }

    /// Waits, at most `patience`, for a node that has just started to hear from its master.
    pub fn wait_for_contact(&self, patience: Duration) {
        if let Some(follower) = self.follower() {
            follower.wait(patience, || self.state() != NodeState::Starting);
        }
    }

    /// Whether new values may be sealed now. Errors: `encryption_unavailable`, with the cause, since when, and the cure.
    pub fn may_seal(&self) -> Result<(), Error> {
        self.wait_for_contact(STARTING);
        may_seal(&self.facts()).map_err(|refusal| {
            // Someone wants to: the next try is now, not when the back-off of minutes is over.
            if let Some(follower) = self.follower() {
                follower.nudge();
            }
            self.refusal(&refusal)
        })
    }

    /// Whether records may be opened at all. Losing the master never forbids it.
    pub fn may_open(&self) -> Result<(), Error> {
        // The master, and a node that has not begun to follow, need no second look.
        match self.follower() {
            None => Ok(()),
            Some(_) => match may_open(&self.facts()) {
                // Custody says better than this what stands in its way.
                Err(Refusal { cause: Cause::CustodyRefuses | Cause::NoSecret, .. }) | Ok(()) => Ok(()),
                Err(refusal) => Err(self.refusal(&refusal)),
            },
        }
    }

    /// Why and since when sealing is refused; `None` while it is not.
    pub fn sealing_refused(&self) -> Option<(Error, Option<Timestamp>)> {
        let refusal = may_seal(&self.facts()).err()?;
        let since = refusal.since.map(ago).or(self.cloned);
        Some((self.refusal(&refusal), since))
    }

    /// A refusal as an error.
    pub fn refusal(&self, refusal: &Refusal) -> Error {
        let master = self.follower().map_or_else(String::new, |follower| follower.url());
        let lasting =
            |ms| format!(" for {}, since {}", in_words(ms / 1_000), ago(ms).at_a_glance(clock::wall()));
        let since = refusal.since.map(lasting).unwrap_or_default();
        let why = self.follower().and_then(|follower| follower.last_error());
        let (message, hint) = match refusal.cause {
            Cause::Starting => (
                "This node has just started and has not heard from its master yet.".to_owned(),
                "Try again in a few seconds.",
            ),
            Cause::MasterUnreachable if self.follower().is_none() => (
                "Nothing new can be sealed: this node is not at work as the master, and follows none."
                    .to_owned(),
                "It goes on by itself. Where something hinders it, the alert `master_change_stuck` says what.",
            ),
            Cause::MasterUnreachable => (
                format!(
                    "Nothing new can be sealed: the master {master} was not heard{since}{}.",
                    why.map(|why| format!(" ({why})")).unwrap_or_default()
                ),
                "Opening goes on without limit, also after a restart. Bring the master back; sealing works again by itself.",
            ),
            Cause::CustodyRefuses | Cause::NoSecret => match self.known() {
                Err(error) => return error,
                Ok(_) => ("The master secret is not at hand.".to_owned(), "Try again."),
            },
            Cause::OldSecret { held, wanted } => (
                format!(
                    "Version {wanted} of the master secret is in use; this node holds version {held} only."
                ),
                "It comes with the next sync. `sealport status` tells when the master was last heard.",
            ),
            Cause::Contradiction(contradiction) => contradicted(contradiction, &master),
            Cause::Revoked => (
                "This node was revoked by an administrator. It opens and seals nothing any more.".to_owned(),
                "If that was a mistake, ask for a new invitation and join in a new data directory.",
            ),
            Cause::OtherSystem => (
                "Custody holds the master secret of another system.".to_owned(),
                "Restore the master secret of this system from its backup.",
            ),
            Cause::Superseded => (
                "This node is not the master any more: another one has a higher epoch.".to_owned(),
                "Look at `sealport node list` for the present master.",
            ),
            Cause::Cloned => (
                format!(
                    "Nothing new can be sealed{}: another machine holds the identity of this node and is at work, so this is its copy.",
                    self.cloned
                        .map(|at| format!(" since {}", at.at_a_glance(clock::wall())))
                        .unwrap_or_default()
                ),
                "Opening goes on. Make this copy a test system of its own with `sealport node separate --name NAME`, or end it and delete its data directory. If this is the right one, end the other and join again in a new data directory.",
            ),
        };
        Error::new(Code::EncryptionUnavailable, message).hint(hint)
    }

    /// There is no way to the master because following could not begin.
    pub fn no_way(&self) -> Error {
        if self.cloned.is_some() {
            return self.refusal(&Refusal { cause: Cause::Cloned, since: None });
        }
        match self.known() {
            Err(error) => error,
            Ok(_) => Error::new(Code::EncryptionUnavailable, "This node does not follow its master yet.")
                .hint("Try again in a moment."),
        }
    }
}

fn contradicted(contradiction: Contradiction, master: &str) -> (String, &'static str) {
    let what = match contradiction {
        Contradiction::OtherSystem => "belongs to another system",
        Contradiction::LowerEpoch => "is a former master: its epoch is over",
        Contradiction::LowerGeneration => "has lost writes that this node has: its database was set back",
        Contradiction::LowerVersion => "uses an older master secret than this node has",
        Contradiction::OtherHistory => {
            "has another history than this node has: its database was set back and written to"
        }
    };
    (
        format!("Nothing is sealed here: what answers at {master} {what}."),
        "Opening goes on. Look at the master first, and don't write there before it is clear which of the two is right.",
    )
}

fn ago(millis: u64) -> Timestamp {
    let at = clock::wall().as_millis() - i64::try_from(millis).unwrap_or_default();
    // To the second: the two clocks differ by a hair each time.
    Timestamp::from_millis((at + 500) / 1_000 * 1_000)
}
