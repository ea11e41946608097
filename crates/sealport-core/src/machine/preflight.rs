//! What is checked before a promotion, as a pure function of facts: the same answer for the window, the command and the
//! promotion itself.

use super::{Marks, Member, Role, Standing};
use crate::{
    api::{CheckOutcome, CheckView, PromotionMode},
    id::{Epoch, KeyVersion},
};

/// Seconds after which the last proof of a backup is worth a warning before a promotion: 14 days.
pub const BACKUP_OLD: u64 = 14 * 86_400;
/// Milliseconds by which two clocks may differ before it is worth a warning.
pub const CLOCK_APART: u64 = 2_000;

/// What the candidate's custody gave when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustodyCheck {
    /// Every version and the keys of the authority, read back; a canary was sealed and opened with them.
    HoldsAll,
    /// A backup was named that brings them, and it opens.
    FromBackup,
    /// The master secret is kept in memory only.
    MemoryOnly,
    /// It does not hold what a master needs, or does not open: why, in a sentence.
    Lacks(String),
}

/// The present master, as the candidate can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterCheck {
    /// It answered just now, and can do a master's work.
    Lives {
        /// Its name.
        name: String,
        /// Where its database is.
        at: Marks,
        /// Whether the versions that both hold have the same check values.
        same_secret: bool,
        /// Its active version.
        version: KeyVersion,
        /// Its clock minus the candidate's, in milliseconds.
        clock_offset: i64,
    },
    /// It answered, but has no keys at hand, or knows itself that it is no master any more.
    Disabled {
        /// Its name.
        name: String,
    },
    /// It does not answer.
    Silent {
        /// Its name.
        name: String,
        /// Seconds since any node heard it; `None` where none tells.
        heard_seconds: Option<u64>,
    },
    /// The candidate is the master.
    IsCandidate,
}

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationCheck {
    /// None is under way.
    None,
    /// The new master goes on with it.
    Transferable,
    /// Only the present master can go on with it.
    Bound,
}

/// A version of the master secret that something in the candidate's database is sealed under and its custody does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingVersion {
    /// The version.
    pub version: KeyVersion,
    /// Records, former revisions and stranded changes under it.
    pub parts: u64,
    /// A proven backup that brings it, where one is known.
    pub backup: Option<String>,
}

/// Everything that the checks are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightFacts {
    /// How the master is to change.
    pub mode: PromotionMode,
    /// Name of the candidate.
    pub candidate: String,
    /// The candidate by the registry; a backup makes it a standby.
    pub member: Option<Member>,
    /// Where other nodes reach the candidate.
    pub address: Option<String>,
    /// What its custody gave.
    pub custody: CustodyCheck,
    /// Its active version.
    pub version: Option<KeyVersion>,
    /// The version that is active by its database, where neither its custody nor the backup that was named holds it.
    pub lacks_active: Option<KeyVersion>,
    /// What its replica wholly holds, and the highest that it saw.
    pub at: Marks,
    /// See `at`.
    pub seen: Marks,
    /// Whether its replica is known to be damaged.
    pub damaged: bool,
    /// The present master.
    pub master: MasterCheck,
    /// The epoch that the administrator saw, where one was named.
    pub expected: Option<Epoch>,
    /// The node that is further than the candidate, and by how many writes.
    pub ahead: Option<(String, u64)>,
    /// Records that the candidate has, and those that opened, where they were tried.
    pub records: u64,
    /// See `records`.
    pub opened: Option<u64>,
    /// Versions that are in use in its database and not in its custody, nor in the backup that was named.
    pub missing: Vec<MissingVersion>,
    /// The standby that answers and opens most of what the candidate can't, and how many parts those are.
    pub opens_more: Option<(String, u64)>,
    /// The administrator said that what does not open may be left so.
    pub leave_unreadable: bool,
    /// Seconds since a backup of the active version was proven.
    pub backup_age: Option<u64>,
    /// Standbys that are not revoked.
    pub voters: u32,
    /// Those that answered, the candidate among them.
    pub reachable: u32,
    /// A rotation.
    pub rotation: RotationCheck,
}

/// The checks in the order in which an administrator reads them. None of them failed: it is possible.
pub fn preflight(facts: &PreflightFacts) -> Vec<CheckView> {
    let planned = facts.mode == PromotionMode::Planned;
    vec![
        epoch(facts),
        candidate(facts),
        address(facts),
        master(facts, planned),
        secret(facts),
        replica(facts, planned),
        records(facts, planned),
        versions(facts, planned),
        clock(facts),
        backup(facts),
        votes(facts, planned),
        rotation(facts, planned),
    ]
}

fn check(id: &str, outcome: CheckOutcome, message: String, hint: &str) -> CheckView {
    CheckView { id: id.to_owned(), outcome, message, hint: hint.to_owned() }
}

fn passed(id: &str, message: String) -> CheckView {
    check(id, CheckOutcome::Passed, message, "")
}

fn warning(id: &str, message: String, hint: &str) -> CheckView {
    check(id, CheckOutcome::Warning, message, hint)
}

fn failed(id: &str, message: String, hint: &str) -> CheckView {
    check(id, CheckOutcome::Failed, message, hint)
}

fn epoch(facts: &PreflightFacts) -> CheckView {
    let now = facts.seen.epoch;
    match facts.expected {
        Some(expected) if expected != now => failed(
            "epoch",
            format!("The system is in epoch {now}, not {expected}: the master changed meanwhile."),
            "Look at `sealport status` and decide anew.",
        ),
        _ => passed("epoch", format!("The system is in epoch {now}; the promotion makes it a later one.")),
    }
}

fn candidate(facts: &PreflightFacts) -> CheckView {
    let name = &facts.candidate;
    let id = "candidate";
    let planned = facts.mode == PromotionMode::Planned;
    if facts.master == MasterCheck::IsCandidate {
        return if planned {
            failed(id, format!("{name} is the master already."), "Choose another node.")
        } else {
            warning(
                id,
                format!(
                    "{name} is the master. It becomes the master anew, with what its database holds now."
                ),
                "Do this only where its database was set back and you accept that. What other nodes have beyond it is kept there as stranded changes.",
            )
        };
    }
    match &facts.member {
        None => {
            failed(id, format!("{name} is no node of this system."), "`sealport node list` tells the nodes.")
        }
        Some(member) if member.standing != Standing::Member => {
            failed(id, format!("{name} was revoked."), "Choose another node.")
        }
        Some(member) if member.role != Role::Standby && facts.custody != CustodyCheck::FromBackup => failed(
            id,
            format!("{name} is a processing node: it does not hold what a master needs."),
            "Choose a standby, or name a backup file on that node: --from-backup.",
        ),
        Some(member) if member.role != Role::Standby => {
            passed(id, format!("{name} is a processing node; the backup gives it what a master needs."))
        }
        Some(_) => passed(id, format!("{name} is a standby.")),
    }
}

fn address(facts: &PreflightFacts) -> CheckView {
    match &facts.address {
        Some(address) => passed("address", format!("Other nodes reach {} at {address}.", facts.candidate)),
        None => failed(
            "address",
            format!("{} does not listen, so no node could follow it.", facts.candidate),
            "Start `sealport serve` there, and check the setting `listen`.",
        ),
    }
}

fn master(facts: &PreflightFacts, planned: bool) -> CheckView {
    let id = "master";
    match (&facts.master, planned) {
        (MasterCheck::IsCandidate, _) => passed(id, "No other master is asked.".to_owned()),
        (MasterCheck::Lives { name, .. }, true) => {
            passed(id, format!("The master {name} answers and can hand over."))
        }
        (MasterCheck::Lives { name, .. }, false) => failed(
            id,
            format!("The master {name} answers: it is not lost."),
            "Promote without --emergency: it hands over, and nothing is lost.",
        ),
        (MasterCheck::Disabled { name }, true) => failed(
            id,
            format!(
                "{name} answers, but can't hand over: its master secret is not at hand, or it is no master any more."
            ),
            "Unlock its custody. If that is not possible, promote in an emergency.",
        ),
        (MasterCheck::Disabled { name }, false) => {
            passed(id, format!("{name} answers, but can't do a master's work."))
        }
        (MasterCheck::Silent { name, .. }, true) => failed(
            id,
            format!("The master {name} does not answer."),
            "If it is lost, promote in an emergency: --emergency.",
        ),
        (MasterCheck::Silent { name, heard_seconds: Some(seconds) }, false) => {
            passed(id, format!("The master {name} does not answer; a node last heard it {seconds} s ago."))
        }
        (MasterCheck::Silent { name, heard_seconds: None }, false) => {
            passed(id, format!("The master {name} does not answer, and no node has heard it."))
        }
    }
}

fn secret(facts: &PreflightFacts) -> CheckView {
    let id = "secret";
    let name = &facts.candidate;
    match &facts.custody {
        CustodyCheck::MemoryOnly => {
            return failed(
                id,
                format!(
                    "{name} keeps the master secret in memory only: after a restart there would be none."
                ),
                "Choose another node, or join this one again with its secret in custody.",
            );
        }
        CustodyCheck::Lacks(why) => {
            return failed(
                id,
                format!("The custody of {name} does not give what a master needs: {why}"),
                "Unlock it, or name a backup file on that node: --from-backup.",
            );
        }
        CustodyCheck::HoldsAll | CustodyCheck::FromBackup => {}
    }
    match &facts.master {
        MasterCheck::Lives { same_secret: false, .. } => failed(
            id,
            format!("A version of the master secret is another one at the master than on {name}."),
            "Don't go on. Find out which machine has the right one, by the check values of a proven backup.",
        ),
        MasterCheck::Lives { version, .. } if facts.version < Some(*version) => failed(
            id,
            format!("{name} does not hold version {version} of the master secret, which is active."),
            "Wait for its next sync.",
        ),
        // No consent goes on here: nobody could follow a master that has not what it tells them to seal under.
        _ if let Some(version) = facts.lacks_active => failed(
            id,
            format!(
                "{name} does not hold version {version} of the master secret, which is active: as the master it could seal nothing, and no node would follow it."
            ),
            "Choose another node, or name a backup that holds it on that node: --from-backup.",
        ),
        _ => passed(id, format!("{name} holds the master secret: it was read back, and a canary opened.")),
    }
}

fn replica(facts: &PreflightFacts, planned: bool) -> CheckView {
    let id = "replica";
    let Marks { epoch, generation } = facts.at;
    if facts.damaged {
        return failed(id, "The replica is damaged.".to_owned(), "Wait for the full copy that it asks for.");
    }
    match (&facts.master, planned) {
        (MasterCheck::Lives { at, .. }, true) if at.epoch != epoch => failed(
            id,
            format!("The replica is of epoch {epoch}; the master is in epoch {}.", at.epoch),
            "Wait for its next sync.",
        ),
        (MasterCheck::Lives { at, .. }, true) if at.generation > generation => passed(
            id,
            format!(
                "The replica lacks {} writes; they come before the master hands over.",
                at.generation.0 - generation.0
            ),
        ),
        (_, true) => passed(id, format!("The replica holds all, up to generation {generation}.")),
        (_, false) => match &facts.ahead {
            Some((other, writes)) => warning(
                id,
                format!(
                    "{other} has {writes} writes that this node lacks: they would become stranded changes."
                ),
                "Promote that node instead, if it can be.",
            ),
            None if facts.seen > facts.at => warning(
                id,
                format!(
                    "The replica is at generation {generation}; this node has heard of generation {}.",
                    facts.seen.generation
                ),
                "What lies between is lost, unless the old master comes back: then it is kept as stranded changes.",
            ),
            None => passed(
                id,
                format!(
                    "No node that answers has more than this one (epoch {epoch}, generation {generation})."
                ),
            ),
        },
    }
}

fn records(facts: &PreflightFacts, planned: bool) -> CheckView {
    let id = "records";
    let all = facts.records;
    match facts.opened {
        None if planned => passed(id, format!("{all} records are here.")),
        None => warning(
            id,
            format!("{all} records are here; whether they open was not tried."),
            "They are opened before the promotion.",
        ),
        Some(opened) if opened == all => passed(id, format!("All {all} records open.")),
        Some(opened) => warning(
            id,
            format!("{opened} of {all} records open here."),
            "What does not open is damaged, or needs a version of the master secret that is not here. A backup may have it.",
        ),
    }
}

fn versions(facts: &PreflightFacts, planned: bool) -> CheckView {
    let id = "versions";
    let name = &facts.candidate;
    if facts.missing.is_empty() {
        let held = "Every version of the master secret that something here is sealed under is held.";
        return passed(id, held.to_owned());
    }
    let each = facts.missing.iter().map(|MissingVersion { version, parts, backup }| {
        let backup = match backup {
            Some(file) => format!("the backup {file} brings it"),
            None => "no proven backup is known to hold it".to_owned(),
        };
        let parts = if *parts == 1 { "1 part is".to_owned() } else { format!("{parts} parts are") };
        format!("version {version} ({parts} sealed under it; {backup})")
    });
    let lacks = format!("{name} does not hold {}.", each.collect::<Vec<_>>().join(", nor "));
    let bring =
        "A backup that holds it brings it: `sealport promote self --emergency --from-backup FILE` there.";
    match &facts.opens_more {
        _ if planned => failed(
            id,
            format!("{lacks} As the master it could not open that, nor give it to others."),
            "Wait for its next sync, or choose another node.",
        ),
        Some((other, more)) if !facts.leave_unreadable => failed(
            id,
            format!("{lacks} {other} opens {more} of these parts."),
            &format!(
                "Promote {other} instead. {bring} Only where neither is possible, consent to leave it unreadable: `--leave-unreadable`."
            ),
        ),
        // A refusal could leave nobody to promote. It stays sealed as it is, and opens when its version is back.
        _ => warning(
            id,
            format!(
                "{lacks} What is sealed under it stays as it is, and opens nowhere until its version is back."
            ),
            bring,
        ),
    }
}

fn clock(facts: &PreflightFacts) -> CheckView {
    match facts.master {
        MasterCheck::Lives { clock_offset, .. } if clock_offset.unsigned_abs() > CLOCK_APART => warning(
            "clock",
            format!("The clocks differ by {} s.", clock_offset.unsigned_abs() / 1_000),
            "Set both by a time server. Nothing safe depends on it, but times in the audit trail do, and certificates.",
        ),
        MasterCheck::Lives { .. } => passed("clock", "The clocks agree.".to_owned()),
        _ => passed("clock", "There is no other clock to compare with.".to_owned()),
    }
}

fn backup(facts: &PreflightFacts) -> CheckView {
    match facts.backup_age {
        Some(age) if age <= BACKUP_OLD => {
            passed("backup", format!("A backup was proven {} days ago.", age / 86_400))
        }
        Some(age) => warning(
            "backup",
            format!("The last proof of a backup is {} days old.", age / 86_400),
            "Back up first, if there is time.",
        ),
        None => warning(
            "backup",
            "There is no proven backup of the active master secret.".to_owned(),
            "Back up first, if there is time.",
        ),
    }
}

fn votes(facts: &PreflightFacts, planned: bool) -> CheckView {
    let PreflightFacts { voters, reachable, .. } = facts;
    if planned {
        return passed("votes", "The master itself hands over: nobody has to be asked.".to_owned());
    }
    if reachable * 2 > *voters {
        return passed(
            "votes",
            format!("{reachable} of {voters} standbys can be asked: that is a majority."),
        );
    }
    warning(
        "votes",
        format!("Only {reachable} of {voters} standbys can be asked: the promotion would be forced."),
        "Be sure that no one promotes another node at the same time, and that the old master is really gone. \
         If both happen, the later or higher one wins by itself, and what the other took is kept as stranded changes.",
    )
}

fn rotation(facts: &PreflightFacts, planned: bool) -> CheckView {
    match facts.rotation {
        RotationCheck::None => passed("rotation", "No rotation is under way.".to_owned()),
        RotationCheck::Transferable => {
            passed("rotation", "A rotation is under way; the new master goes on with it.".to_owned())
        }
        RotationCheck::Bound if planned => failed(
            "rotation",
            "A rotation is under way that only the present master can go on with.".to_owned(),
            "Wait until its new version is active, or cancel it.",
        ),
        RotationCheck::Bound => warning(
            "rotation",
            "A rotation was under way that only the lost master could go on with.".to_owned(),
            "It counts as cancelled; begin it anew.",
        ),
    }
}
