//! `sealport secret`: the versions of the master secret, a rotation from the first word to its end, and how they are shown.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use clap::{Args, Subcommand};
use sealport_core::{
    Code, Error,
    api::{
        Notice, Request, Response, RotationAct, RotationPhase, RotationStatusView, RotationView,
        VersionListView, VersionState,
    },
    id::KeyVersion,
};

use super::{
    args::PassphraseArgs,
    ask::{Input, Typed},
    progress,
    show::{age, duration, plain, table},
};
use crate::call::{Call, Handle};

/// How often a command that watches a rotation looks.
const LOOK: Duration = Duration::from_millis(400);

/// `sealport secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Lists the versions of the master secret, with what each still seals
    #[command(visible_alias = "status", after_long_help = "Example:\n  sealport secret list --json")]
    List,
    /// Makes a new version of the master secret and seals everything anew under it, while all goes on
    #[command(after_long_help = "\
The new version counts only once the backup is written, read back and opened. Ctrl+C then stops watching;
the rotation goes on by itself, also after a crash.

Examples:
  sealport secret rotate --backup rotated.sealport --passphrase-file p.txt --reminder \"envelope in the safe\"
  sealport secret rotate --status")]
    Rotate(RotateArgs),
    /// Wipes a version that nothing needs any more from every node
    #[command(after_long_help = "\
What is sealed under it, in old copies of the database, can't be opened again. `sealport secret list` names the
backups in which something is sealed under it.

Example:
  sealport secret destroy 1 --confirm Production")]
    Destroy {
        /// Number of the version
        version: u32,
        /// The name of the system, typed, so that nobody does this by mistake
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
}

/// `sealport secret rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Where the backup with the new version goes; the file must not be there yet
    #[arg(long, value_name = "FILE", required_unless_present_any = ["status", "pause", "resume", "cancel"])]
    pub backup: Option<PathBuf>,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// What reminds people of the backup's passphrase; anyone who has the file can read it
    #[arg(long, value_name = "TEXT", requires = "backup")]
    pub reminder: Option<String>,
    /// Ends once the new version is proven, and watches nothing
    #[arg(long, requires = "backup")]
    pub no_wait: bool,
    /// Shows how far the rotation is
    #[arg(long, conflicts_with_all = ["backup", "passphrase_file", "pause", "resume", "cancel"])]
    pub status: bool,
    /// Stops it for now
    #[arg(long, conflicts_with_all = ["backup", "passphrase_file", "resume", "cancel"])]
    pub pause: bool,
    /// Goes on with it
    #[arg(long, conflicts_with_all = ["backup", "passphrase_file", "cancel"])]
    pub resume: bool,
    /// Gives it up; only before the new version is active
    #[arg(long, conflicts_with_all = ["backup", "passphrase_file"])]
    pub cancel: bool,
}

/// The request of `sealport secret`.
pub fn make_secret_request(command: SecretCommand, input: &mut Input, yes: bool) -> Result<Request, Error> {
    Ok(match command {
        SecretCommand::List => Request::SecretList,
        SecretCommand::Destroy { version, confirm } => {
            let confirm = match confirm {
                Some(name) => name,
                None => input.line(
                    &format!(
                        "Version {version} is wiped from every node. Type the name of the system to go on: "
                    ),
                    "--confirm NAME",
                )?,
            };
            Request::SecretDestroy { version: KeyVersion(version), confirm }
        }
        SecretCommand::Rotate(args) => match args {
            RotateArgs { backup: Some(file), passphrase, reminder, .. } => {
                super::refuse_existing(&file)?;
                let passphrase =
                    super::backup_passphrase(passphrase.passphrase_file.as_deref(), input, Typed::Twice)?;
                Request::SecretRotate { file: super::local(&file)?, passphrase, reminder }
            }
            RotateArgs { pause: true, .. } => Request::SecretSteer { steer: RotationAct::Pause },
            RotateArgs { resume: true, .. } => Request::SecretSteer { steer: RotationAct::Resume },
            RotateArgs { cancel: true, .. } => {
                input.confirm("Give up the rotation and drop the new version?", yes)?;
                Request::SecretSteer { steer: RotationAct::Cancel }
            }
            _ => Request::SecretRotation,
        },
    })
}

/// Watches a rotation until it ends or somebody stops watching.
///
/// # Errors
/// `refused` where it was cancelled.
pub fn watch(engine: &dyn Handle, call: &Call<'_>) -> Result<Response, Error> {
    loop {
        let response = engine.handle(Request::SecretRotation, call)?;
        let Response::Rotation(RotationStatusView { rotation: Some(view), .. }) = &response else {
            return Ok(response);
        };
        match view.phase {
            RotationPhase::Done => return Ok(response),
            RotationPhase::Cancelled => {
                return Err(Error::new(Code::Refused, "The rotation was cancelled.")
                    .hint(view.note.clone().unwrap_or_else(|| "The former version goes on.".to_owned())));
            }
            _ if view.paused => return Ok(response),
            _ => {}
        }
        (call.notify)(Notice::Progress {
            doing: doing(view),
            done: view.done,
            total: view.total,
            seconds_left: view.seconds_left,
        });
        for _ in 0..8 {
            if call.cancel.load(Ordering::SeqCst) {
                progress::say(
                    "It goes on by itself. `sealport secret rotate --status` shows how far it is, --pause stops it.",
                );
                return Ok(response);
            }
            std::thread::sleep(LOOK / 8);
        }
    }
}

/// Answers of this command in words; `None` for others.
pub fn text(response: &Response) -> Option<String> {
    match response {
        Response::Versions(view) => Some(versions(view)),
        Response::Rotation(RotationStatusView { rotation: Some(view), .. }) => Some(rotation(view)),
        Response::Rotation(view) => Some(format!(
            "No rotation was begun yet. Version {} of the master secret is active.\n",
            view.active_version
        )),
        _ => None,
    }
}

fn versions(view: &VersionListView) -> String {
    let rows = view.versions.iter().map(|version| {
        let state = match version.state {
            VersionState::Prepared => "prepared",
            VersionState::Active => "active",
            VersionState::Opens => "opens only",
            VersionState::Retired => "retired",
            VersionState::Destroyed => "destroyed",
        };
        vec![
            version.version.to_string(),
            state.to_owned(),
            version.records.to_string(),
            age(version.created),
            version.kcv.clone(),
            version.backups.join(", "),
        ]
    });
    let mut text = table(
        &["VERSION", "STATE", "SEALED PARTS", "MADE", "CHECK VALUE", "BACKUPS WITH PARTS UNDER IT"],
        rows,
        "No versions.",
    );
    match &view.due {
        Some(why) => text.push_str(&format!("\nA rotation is due. {}\n", plain(why))),
        None => {
            text.push_str(&format!("\nA new version is due {} days after the last.\n", view.due_after_days))
        }
    }
    text
}

fn rotation(view: &RotationView) -> String {
    let mut text = format!("Rotation from version {} to version {}: {}.\n", view.from, view.to, doing(view));
    if view.total > 0 {
        let rate = view.per_second.map(|rate| format!(", {rate} a second")).unwrap_or_default();
        let left =
            view.seconds_left.map(|left| format!(", about {} left", duration(left))).unwrap_or_default();
        text.push_str(&format!("Sealed anew: {} of {}{rate}{left}\n", view.done, view.total));
    }
    if !view.holding.is_empty() {
        text.push_str(&format!("Nodes that hold it: {}\n", plain(&view.holding.join(", "))));
    }
    if !view.missing.is_empty() {
        text.push_str(&format!(
            "Nodes that fetch it when they are back: {}\n",
            plain(&view.missing.join(", "))
        ));
    }
    if let Some(note) = &view.note {
        text.push_str(&format!("{}\n", plain(note)));
    }
    text.push_str(&format!("Begun {} by {}", age(view.started), plain(&view.by)));
    match view.finished {
        Some(at) => text.push_str(&format!(", ended {}\n", age(at))),
        None => text.push('\n'),
    }
    text
}

fn doing(view: &RotationView) -> String {
    let paused = if view.paused { ", paused" } else { "" };
    let phase = match view.phase {
        RotationPhase::Prepared => "the new version is made, its backup is to be proven",
        RotationPhase::Proven => "its backup is proven",
        RotationPhase::Distributing => "nodes take the new version",
        RotationPhase::Resealing => "everything is sealed anew",
        RotationPhase::Verifying => "a sample is opened",
        RotationPhase::Done => "done",
        RotationPhase::Cancelled => "cancelled",
    };
    format!("{phase}{paused}")
}
