//! The commands that change the master, and those about the changes that only a former one had.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sealport_core::{
    Code, Error,
    api::{
        BackupSource, CheckOutcome, PreflightView, PromotedView, PromotionMode, Request, Response,
        StrandedDiffView, StrandedDoneView, StrandedListView, StrandedView,
    },
    id::Epoch,
    time::in_words,
};

use super::{
    ask::{Input, Typed},
    backup_passphrase, local,
    show::{age, changes, kind, table},
};

#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Id or name of the node that becomes the master, or `self`
    #[arg(value_name = "NODE|self")]
    pub node: String,
    /// The present master is lost: goes on without it. Asks for the name of the node
    #[arg(long)]
    pub emergency: bool,
    /// Restores the master secret from this backup first, on a node that lacks it: `promote self` only
    #[arg(long, value_name = "FILE", requires = "emergency")]
    pub from_backup: Option<PathBuf>,
    /// File with the backup's passphrase on its first line; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "from_backup")]
    pub passphrase_file: Option<PathBuf>,
    /// Goes on though another standby would open records that this one lacks the master secret for
    #[arg(long, requires = "emergency")]
    pub leave_unreadable: bool,
    /// Refuses unless the system is in this epoch, as `sealport status` told it
    #[arg(long, value_name = "EPOCH")]
    pub expect_epoch: Option<u64>,
    /// Only checks, and tells what would happen
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum StrandedCommand {
    /// Lists the changes that only a former master had
    #[command(after_long_help = "Example:\n  sealport stranded list")]
    List,
    /// Shows one beside what stands now
    #[command(after_long_help = "Example:\n  sealport stranded show 3")]
    Show {
        /// Number in the list
        id: u64,
    },
    /// Writes them again, each as a new revision on what stands now
    #[command(
        after_long_help = "Examples:\n  sealport stranded accept 3 4\n  sealport stranded accept --all"
    )]
    Accept(Chosen),
    /// Lets them go
    #[command(
        after_long_help = "Examples:\n  sealport stranded discard 3 4\n  sealport stranded discard --all"
    )]
    Discard(Chosen),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// Numbers in the list
    #[arg(value_name = "ID")]
    pub ids: Vec<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

impl Chosen {
    fn ids(self) -> Option<Vec<u64>> {
        (!self.all).then_some(self.ids)
    }
}

pub fn make_promote_request(args: PromoteArgs, input: &mut Input, yes: bool) -> Result<Request, Error> {
    let PromoteArgs {
        node,
        emergency,
        from_backup,
        passphrase_file,
        leave_unreadable,
        expect_epoch,
        dry_run,
    } = args;
    let mode = if emergency { PromotionMode::Emergency } else { PromotionMode::Planned };
    if from_backup.is_some() && node != "self" {
        return Err(Error::new(Code::Usage, "a backup file is read on the candidate itself")
            .hint("Run `sealport promote self --emergency --from-backup FILE` there."));
    }
    let from_backup = match from_backup {
        None => None,
        Some(file) => Some(BackupSource {
            file: local(&file)?,
            passphrase: backup_passphrase(passphrase_file.as_deref(), input, Typed::Once)?,
        }),
    };
    if dry_run {
        return Ok(Request::PromotePreflight { node, mode, from_backup, leave_unreadable });
    }
    if !emergency {
        input.confirm(
            &format!("Make {node} the master? The present one hands over and becomes a standby."),
            yes,
        )?;
    }
    let expect_epoch = expect_epoch.map(Epoch);
    Ok(Request::Promote { node, mode, expect_epoch, from_backup, leave_unreadable })
}

/// Where a request is an emergency promotion, it is carried out when the name of its node was typed. `own_name` tells the name
/// of this node.
pub fn confirm_emergency(
    request: &Request,
    input: &Input,
    own_name: impl FnOnce() -> Result<String, Error>,
) -> Result<(), Error> {
    let Request::Promote { node, mode: PromotionMode::Emergency, leave_unreadable, .. } = request else {
        return Ok(());
    };
    // `self` is short to type and the same on every machine: it says nothing of which one is meant.
    let name = if node == "self" && input.is_terminal() { own_name()? } else { node.clone() };
    let mut question = format!(
        "Promote {name} without the present master? What only that one has is kept as stranded changes when it comes back."
    );
    if *leave_unreadable {
        question += " What it lacks the master secret for opens nowhere until that is back.";
    }
    input.confirm_typed(&question, &name, false)
}

pub fn make_stranded_request(
    command: StrandedCommand,
    input: &mut Input,
    yes: bool,
) -> Result<Request, Error> {
    Ok(match command {
        StrandedCommand::List => Request::StrandedList,
        StrandedCommand::Show { id } => Request::StrandedShow { id },
        StrandedCommand::Accept(chosen) => Request::StrandedAccept { ids: chosen.ids() },
        StrandedCommand::Discard(chosen) => {
            input.confirm("Let these changes go? They are nowhere else.", yes)?;
            Request::StrandedDiscard { ids: chosen.ids() }
        }
    })
}

/// How an answer looks; `None` where it is not of these commands.
pub fn text(response: &Response, quiet: bool) -> Option<String> {
    Some(match response {
        Response::Preflight(view) => preflight(view),
        Response::Promoted(_) if quiet => String::new(),
        Response::Promoted(view) => promoted(view),
        Response::Stranded(view) => stranded(view),
        Response::StrandedDiff(view) => compared(view),
        Response::StrandedDone(_) if quiet => String::new(),
        Response::StrandedDone(view) => done(view),
        _ => return None,
    })
}

fn preflight(view: &PreflightView) -> String {
    let mut text = String::new();
    for check in &view.checks {
        let word = match check.outcome {
            CheckOutcome::Passed => "ok     ",
            CheckOutcome::Warning => "warning",
            CheckOutcome::Failed => "FAILED ",
        };
        text += &format!("{word}  {:<9}  {}\n", check.id, check.message);
        if !check.hint.is_empty() {
            text += &format!("                    {}\n", check.hint);
        }
    }
    let unknown = || "-".to_owned();
    text += "\n";
    text += &table(
        &["NODE", "ROLE", "ANSWERS", "STATE", "EPOCH", "GENERATION", "HEARD THE MASTER", "AHEAD"],
        view.evidence.iter().map(|node| {
            let role = match (node.master, node.standby) {
                (true, _) => "master",
                (_, true) => "standby",
                _ => "processing",
            };
            vec![
                node.name.clone(),
                role.to_owned(),
                if node.reached { "yes" } else { "no" }.to_owned(),
                node.state.map_or_else(unknown, |state| state.name().replace('_', " ")),
                node.epoch.map_or_else(unknown, |epoch| epoch.to_string()),
                node.generation.map_or_else(unknown, |generation| generation.to_string()),
                node.master_heard_seconds
                    .map_or_else(unknown, |seconds| format!("{} ago", in_words(seconds))),
                node.ahead.map_or_else(unknown, |writes| writes.to_string()),
            ]
        }),
        "No other node is known.",
    );
    if let Some(reminder) = &view.reminder {
        text += &format!("\nPassphrase reminder of the backup: {reminder}\n");
    }
    text += "\nWhat would happen:\n";
    for (number, step) in view.steps.iter().enumerate() {
        text += &format!("  {}. {step}\n", number + 1);
    }
    text += &if view.possible {
        let mut flags = if view.mode == PromotionMode::Emergency { " --emergency" } else { "" }.to_owned();
        if view.leave_unreadable {
            flags += " --leave-unreadable";
        }
        format!("\nPossible: sealport promote {}{flags} --expect-epoch {}\n", view.candidate_name, view.epoch)
    } else {
        "\nNot possible: see what failed above.\n".to_owned()
    };
    text
}

fn promoted(view: &PromotedView) -> String {
    let votes = match (view.votes, view.voters) {
        (Some(votes), Some(voters)) => format!(" {votes} of {voters} standbys agreed."),
        _ => String::new(),
    };
    format!(
        "{} is the master, in epoch {} from generation {} on, after {:.1} s.{votes}\n",
        view.master_name, view.epoch, view.generation, view.seconds
    )
}

fn place(change: &StrandedView) -> String {
    change.kind.map_or_else(|| "document".to_owned(), |port| kind(port).to_owned())
}

fn stranded(view: &StrandedListView) -> String {
    table(
        &["ID", "FROM", "KIND", "APPLICATION", "NAME", "REVISION", "NOW", "DIVERGED", "WHEN", "BY"],
        view.stranded.iter().map(|change| {
            vec![
                change.id.to_string(),
                change.from.clone(),
                place(change),
                change.application.clone(),
                change.name.clone(),
                change.revision.to_string(),
                change.present.map_or_else(|| "-".to_owned(), |present| present.to_string()),
                if change.diverged { "yes" } else { "no" }.to_owned(),
                change.at.map_or_else(|| "-".to_owned(), age),
                change.who.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }),
        "No stranded changes.",
    )
}

fn compared(view: &StrandedDiffView) -> String {
    let change = &view.change;
    let now = match change.present {
        Some(present) => format!("Now it is at revision {present}."),
        None => "There is no such record now.".to_owned(),
    };
    let head = format!(
        "{} {} in {}: revision {}, which only {} had. {now}\n",
        place(change),
        change.name,
        if change.application.is_empty() { "no application" } else { &change.application },
        change.revision,
        change.from,
    );
    head + &changes(&view.fields, "Nothing differs.")
}

fn done(view: &StrandedDoneView) -> String {
    let left = match view.left {
        0 => "None is left".to_owned(),
        left => format!("{left} left"),
    };
    match (view.accepted, view.discarded) {
        (accepted, 0) => format!("{accepted} accepted. {left}.\n"),
        (_, discarded) => format!("{discarded} discarded. {left}.\n"),
    }
}
