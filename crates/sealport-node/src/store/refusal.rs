//! Why a move of the rotation is refused, in words.

use sealport_core::{
    Code, Error,
    id::KeyVersion,
    machine::rotation::{ActivateRefusal, DestroyRefusal, PrepareRefusal, RetireRefusal},
};

pub(super) fn moved_on(why: &str) -> Error {
    Error::new(Code::Refused, why).hint("Look at `sealport secret rotate --status`.")
}

pub(super) fn not_under_way() -> Error {
    Error::new(Code::Refused, "No rotation is under way.")
        .hint("Begin one with `sealport secret rotate --backup FILE`.")
}

/// `unheard` is the name of the standby that was not heard.
pub(super) fn prepare_refused(refusal: PrepareRefusal, unheard: &str) -> Error {
    match refusal {
        PrepareRefusal::Unheard(_) => Error::new(
            Code::Refused,
            format!(
                "This master was forced, without a majority, and {unheard} was not seen to follow it: it could be made the master in the same epoch, and make another version of the same number."
            ),
        )
        .hint(format!(
            "Start {unheard} and rotate when `sealport status` there names this master, or revoke it if it is gone: `sealport node revoke {unheard}`."
        )),
        PrepareRefusal::UnderWay { to } => {
            Error::new(Code::Refused, format!("A rotation to version {to} is under way."))
                .hint("Watch it with `sealport secret rotate --status`.")
        }
        PrepareRefusal::Full { room } => Error::new(
            Code::Refused,
            format!("Custody has room for {room} versions of the master secret, and all of them are taken."),
        )
        .hint("Destroy a retired version that no backup needs any more: `sealport secret list`, `sealport secret destroy`."),
    }
}

pub(super) fn activate_refused(to: KeyVersion, refusal: ActivateRefusal) -> Error {
    let why = match refusal {
        ActivateRefusal::Epoch { now } => format!("the epoch is {now} now"),
        ActivateRefusal::Phase => "the rotation is paused or not at that point".to_owned(),
        ActivateRefusal::Active { now } => format!("version {now} is the active one"),
        ActivateRefusal::NoBackup => "no backup that holds it was proven".to_owned(),
        ActivateRefusal::NotHeld => "custody does not hold it".to_owned(),
        ActivateRefusal::Member(node) => format!("the node {node} is on line and does not hold it yet"),
    };
    moved_on(&format!("Version {to} does not become active: {why}."))
}

pub(super) fn retire_refused(refusal: RetireRefusal) -> Error {
    match refusal {
        RetireRefusal::Phase => moved_on("The rotation is paused or not at that point."),
        RetireRefusal::Active { now } => moved_on(&format!("Version {now} is the active one.")),
        RetireRefusal::Left { parts } => moved_on(&format!("{parts} parts are left under older versions.")),
        RetireRefusal::Unopened { parts } => Error::new(
            Code::Integrity,
            format!("{parts} parts of the sample that was sealed anew do not open."),
        )
        .hint("The older version stays. Check the database with `sealport doctor`, and drill a backup."),
    }
}

pub(super) fn destroy_refused(version: KeyVersion, refusal: DestroyRefusal) -> Error {
    match refusal {
        DestroyRefusal::Unknown => {
            Error::new(Code::NotFound, format!("There is no version {version} of the master secret here."))
                .hint("List them with `sealport secret list`.")
        }
        DestroyRefusal::Active => Error::new(Code::Refused, format!("Version {version} is the active one."))
            .hint("Rotate first: `sealport secret rotate --backup FILE`."),
        DestroyRefusal::Needed => {
            Error::new(Code::Refused, format!("The rotation that is under way needs version {version}."))
                .hint("Wait until it is done: `sealport secret rotate --status`.")
        }
        DestroyRefusal::Used { parts } => {
            Error::new(Code::Refused, format!("{parts} parts are still sealed under version {version}."))
                .hint("Rotate, and accept or discard what is stranded; then nothing needs it.")
        }
    }
}
