//! What a node is, derived from facts and stored nowhere, and whether it may seal and open by that.
//!
//! Losing contact never takes the right to open. Doubt about the master or its secret takes the right to seal.

use serde::{Deserialize, Serialize};

use super::{DEGRADED_AFTER, DEGRADED_MISSES, STARTING_LIMIT};
use crate::id::KeyVersion;

/// Whether custody gave the secret when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustodyFact {
    /// It answers; what it holds is known.
    Open,
    /// Locked, denied, missing or silent.
    Refuses,
}

/// The master secret on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretFact {
    /// The active version that is held, ready to use.
    pub held: Option<KeyVersion>,
    /// The highest version that the master, or a record, is known to use.
    pub wanted: Option<KeyVersion>,
}

/// How long ago the way to the master and back was proven, and what was tried since. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Not since this process started.
    NeverYet {
        /// Since the start.
        since: u64,
        /// Polls in a row that failed.
        missed: u32,
    },
    /// The ask of the last poll that was answered went out this long ago.
    Age {
        /// Since then.
        ms: u64,
        /// Polls in a row that failed.
        missed: u32,
    },
}

/// Whether the node belongs to its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Registered.
    Member,
    /// An administrator revoked it, and the master said so.
    Revoked,
    /// What custody holds belongs to another system than the database beside it.
    OtherSystem,
    /// A former master that met a higher epoch.
    Superseded,
    /// A copy of a node that is at work elsewhere ([`super::clone`]).
    Cloned,
}

/// How an answer contradicted what this node has already seen. Until a good answer comes, nothing is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// It came from another system.
    OtherSystem,
    /// The master is in an epoch that is over.
    LowerEpoch,
    /// The master has lost writes: its database was set back.
    LowerGeneration,
    /// Another version of the master secret, older than the one held, is active there.
    LowerVersion,
    /// The master's audit trail is not a continuation of the one held: its database was set back and written to since.
    OtherHistory,
}

/// All that the state depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Custody.
    pub custody: CustodyFact,
    /// The master secret.
    pub secret: SecretFact,
    /// Contact with the master.
    pub contact: Contact,
    /// Membership.
    pub standing: Standing,
    /// A contradiction that is not resolved.
    pub contradiction: Option<Contradiction>,
    /// Whether this node is the master: it needs no contact.
    pub master_here: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The facts are not known yet; at most 5 s.
    Starting,
    /// The master secret is not at hand: nothing opens.
    NoSecret,
    /// All is well.
    Synced,
    /// The master can't be reached: opens, doesn't seal.
    Degraded,
    /// Known to be behind, or in doubt about the master: opens what it can, doesn't seal.
    Stale,
    /// Not part of the system any more.
    Fenced,
}

impl State {
    /// The word for it, as scripts see it.
    pub fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::NoSecret => "no_secret",
            State::Synced => "synced",
            State::Degraded => "degraded",
            State::Stale => "stale",
            State::Fenced => "fenced",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Why a node may not seal, or not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Contact was not tried long enough yet: seconds.
    Starting,
    /// Custody does not give the secret.
    CustodyRefuses,
    /// There is no secret here.
    NoSecret,
    /// The active version is another one.
    OldSecret {
        /// Held here.
        held: KeyVersion,
        /// Known to be in use.
        wanted: KeyVersion,
    },
    /// An answer contradicted what was seen before.
    Contradiction(Contradiction),
    /// The master can't be reached.
    MasterUnreachable,
    /// The node was revoked.
    Revoked,
    /// The secret belongs to another system.
    OtherSystem,
    /// This was the master; another is.
    Superseded,
    /// Another process is this very node, and began before.
    Cloned,
}

/// A refusal to seal or to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// Age of the last proof of contact in milliseconds, where the cause is the lack of it: the refusal began when the
    /// contact did not come back after that.
    pub since: Option<u64>,
}

/// The state that follows from the facts. Earlier lines win.
pub fn derive_state(facts: &Facts) -> State {
    match refusal(facts) {
        None => State::Synced,
        Some(Cause::Revoked | Cause::OtherSystem | Cause::Superseded | Cause::Cloned) => State::Fenced,
        Some(Cause::CustodyRefuses | Cause::NoSecret) => State::NoSecret,
        Some(Cause::Contradiction(_) | Cause::OldSecret { .. }) => State::Stale,
        Some(Cause::Starting) => State::Starting,
        Some(Cause::MasterUnreachable) => State::Degraded,
    }
}

/// Whether new values may be sealed: in `synced` alone.
pub fn may_seal(facts: &Facts) -> Result<(), Refusal> {
    let Some(cause) = refusal(facts) else { return Ok(()) };
    let since = match (cause, facts.contact) {
        (Cause::MasterUnreachable, Contact::NeverYet { since: ms, .. } | Contact::Age { ms, .. }) => Some(ms),
        _ => None,
    };
    Err(Refusal { cause, since })
}

/// Whether records may be opened: wherever the secret is held, except on a node that was revoked or holds the secret of
/// another system. A former master goes on opening, since what it holds is the system's; so does a copy.
pub fn may_open(facts: &Facts) -> Result<(), Refusal> {
    let cause = match (facts.standing, facts.secret.held, facts.custody) {
        (Standing::Revoked, ..) => Cause::Revoked,
        (Standing::OtherSystem, ..) => Cause::OtherSystem,
        (_, Some(_), _) => return Ok(()),
        (_, None, CustodyFact::Refuses) => Cause::CustodyRefuses,
        (_, None, CustodyFact::Open) => Cause::NoSecret,
    };
    Err(Refusal { cause, since: None })
}

/// The first thing that stands against sealing.
fn refusal(facts: &Facts) -> Option<Cause> {
    let starting = matches!(facts.contact, Contact::NeverYet { since, .. } if since < STARTING_LIMIT);
    match facts.standing {
        Standing::Revoked => return Some(Cause::Revoked),
        Standing::OtherSystem => return Some(Cause::OtherSystem),
        Standing::Superseded => return Some(Cause::Superseded),
        Standing::Cloned => return Some(Cause::Cloned),
        Standing::Member => {}
    }
    let Some(held) = facts.secret.held else {
        return Some(match facts.custody {
            CustodyFact::Refuses => Cause::CustodyRefuses,
            // A node that keeps the secret in memory only gets it with the first answer.
            CustodyFact::Open if starting && !facts.master_here => Cause::Starting,
            CustodyFact::Open => Cause::NoSecret,
        });
    };
    if let Some(contradiction) = facts.contradiction {
        return Some(Cause::Contradiction(contradiction));
    }
    if let Some(wanted) = facts.secret.wanted.filter(|wanted| *wanted > held) {
        return Some(Cause::OldSecret { held, wanted });
    }
    if facts.master_here {
        return None;
    }
    match facts.contact {
        Contact::NeverYet { .. } if starting => Some(Cause::Starting),
        Contact::NeverYet { .. } => Some(Cause::MasterUnreachable),
        Contact::Age { ms, missed } => {
            (ms >= DEGRADED_AFTER || missed >= DEGRADED_MISSES).then_some(Cause::MasterUnreachable)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    const V1: Option<KeyVersion> = Some(KeyVersion(1));

    fn synced() -> Facts {
        Facts {
            custody: CustodyFact::Open,
            secret: SecretFact { held: V1, wanted: V1 },
            contact: Contact::Age { ms: 0, missed: 0 },
            standing: Standing::Member,
            contradiction: None,
            master_here: false,
        }
    }

    /// Every state with the facts that make it, and who may seal and open in it.
    #[test]
    fn each_state_follows_from_its_facts() {
        let old = SecretFact { held: V1, wanted: Some(KeyVersion(2)) };
        let none = SecretFact { held: None, wanted: V1 };
        let never = |since, missed| Contact::NeverYet { since, missed };
        let rows: &[(Facts, State, bool)] = &[
            (synced(), State::Synced, true),
            (Facts { contact: Contact::Age { ms: 59_999, missed: 1 }, ..synced() }, State::Synced, true),
            (Facts { contact: Contact::Age { ms: 60_000, missed: 0 }, ..synced() }, State::Degraded, true),
            (Facts { contact: Contact::Age { ms: 0, missed: 2 }, ..synced() }, State::Degraded, true),
            (Facts { contact: never(4_999, 0), ..synced() }, State::Starting, true),
            (Facts { contact: never(5_000, 0), ..synced() }, State::Degraded, true),
            (Facts { contact: never(u64::MAX, 9), master_here: true, ..synced() }, State::Synced, true),
            (Facts { secret: old, ..synced() }, State::Stale, true),
            (Facts { secret: old, master_here: true, ..synced() }, State::Stale, true),
            (Facts { contradiction: Some(Contradiction::LowerEpoch), ..synced() }, State::Stale, true),
            (Facts { secret: none, ..synced() }, State::NoSecret, false),
            (Facts { secret: none, custody: CustodyFact::Refuses, ..synced() }, State::NoSecret, false),
            (Facts { secret: none, contact: never(10, 0), ..synced() }, State::Starting, false),
            (
                Facts { secret: none, contact: never(10, 0), master_here: true, ..synced() },
                State::NoSecret,
                false,
            ),
            // The secret is already in memory: that custody locked itself later stops nothing.
            (Facts { custody: CustodyFact::Refuses, ..synced() }, State::Synced, true),
            (Facts { standing: Standing::Revoked, ..synced() }, State::Fenced, false),
            (Facts { standing: Standing::OtherSystem, ..synced() }, State::Fenced, false),
            (Facts { standing: Standing::Superseded, master_here: true, ..synced() }, State::Fenced, true),
            (Facts { standing: Standing::Cloned, ..synced() }, State::Fenced, true),
            (Facts { standing: Standing::Cloned, secret: none, ..synced() }, State::Fenced, false),
        ];
        for (facts, state, opens) in rows {
            assert_eq!(derive_state(facts), *state, "{facts:?}");
            assert_eq!(may_seal(facts).is_ok(), *state == State::Synced, "{facts:?}");
            assert_eq!(may_open(facts).is_ok(), *opens, "{facts:?}");
        }
    }

    #[test]
    fn a_refusal_says_since_when_contact_is_lost() {
        let lost = Facts { contact: Contact::Age { ms: 61_000, missed: 3 }, ..synced() };
        assert_eq!(may_seal(&lost), Err(Refusal { cause: Cause::MasterUnreachable, since: Some(61_000) }));
        let doubt = Facts { contradiction: Some(Contradiction::LowerGeneration), ..lost };
        let cause = Cause::Contradiction(Contradiction::LowerGeneration);
        assert_eq!(may_seal(&doubt), Err(Refusal { cause, since: None }));
    }

    #[test]
    fn the_words_are_those_that_scripts_see() {
        let all =
            [State::Starting, State::NoSecret, State::Synced, State::Degraded, State::Stale, State::Fenced];
        for state in all {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
