//! The command line: reads what was typed, makes a request of it, and prints what came of it.
//!
//! Answers go to standard output; progress, warnings and errors to standard error, but with `--json` an error is the answer.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::{CommandFactory as _, Parser as _};
use sealport_core::{
    Code, Error,
    api::{
        Assignment, CustodyChoice, CustodyKind, FirstBackup, ImportFile, LocalPath, PortFilter, Request,
        Response, StatusView,
    },
    id::Revision,
    secret::{SecretText, Wiped},
};

use crate::{
    call::{self, Call, Origin},
    config::{self, Config, Settings},
    door::{self, Opener},
    files, fill,
};
use args::{
    AuditCommand, BackupCommand, Cli, Command, CustodyArg, CustodyArgs, InitArgs, PortCommand, SecretsArg,
};
use ask::{Input, Typed};
use progress::Progress;
use secret::SecretCommand;

mod args;
mod ask;
mod interrupt;
mod nodes;
mod progress;
mod promote;
mod secret;
mod show;

const IMPORT_LIMIT: u64 = 64 * 1024 * 1024;
const VALUE_LIMIT: u64 = 1024 * 1024;

/// Runs the command of this process. `opener` opens the engine where no process has the data directory open.
pub fn main(opener: Opener) -> ExitCode {
    protect_memory();
    interrupt::listen();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let json = cli.global.json;
    match run(cli, opener) {
        Ok(text) => print(&text),
        Err(error) => {
            if json {
                let document = serde_json::json!({ "error": error });
                print(&format!("{document:#}\n"));
            } else {
                eprintln!("error: {}", show::plain(&error.message));
                if !error.hint.is_empty() {
                    eprintln!("hint: {}", show::plain(&error.hint));
                }
            }
            ExitCode::from(error.code.exit())
        }
    }
}

/// The command line as it is typed: for whoever checks one without running it.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(cli: Cli, opener: Opener) -> Result<Wiped<String>, Error> {
    let Cli { global, command } = cli;
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "sealport", &mut script);
        return Ok(Wiped::new(String::from_utf8_lossy(&script).into_owned()));
    }
    let (data_dir, source) = config::locate(global.data_dir.clone())?;
    let mut input = Input::default();
    if let Command::Serve(args) = command {
        let custody_passphrase = custody_passphrase_file_only(&data_dir)?;
        let config = Config { data_dir, custody_passphrase, interactive: input.is_terminal() };
        nodes::serve(config, args, global.json)?;
        return Ok(Wiped::new(String::new()));
    }
    let watches = matches!(&command, Command::Secret(SecretCommand::Rotate(args)) if args.backup.is_some() && !args.no_wait);
    let request = make_request(command, &mut input, global.yes)?;
    if !global.yes {
        promote::confirm_emergency(&request, &input, || own_name(&data_dir, opener))?;
    }
    // These bring their passphrase, or make the custody that it is for.
    let brings_custody = matches!(
        request,
        Request::Init { .. } | Request::BackupRestore { .. } | Request::Unlock { .. } | Request::Join { .. }
    );
    let testing = matches!(request, Request::AlertTest);
    let mut custody = None;
    let mut config = || {
        if !brings_custody && custody.is_none() {
            custody = custody_passphrase(&data_dir, &mut input)?;
        }
        Ok(Config {
            data_dir: data_dir.clone(),
            // Each attempt to open takes its own copy; all are wiped.
            custody_passphrase: custody
                .as_ref()
                .map(|text: &SecretText| SecretText::new(text.expose().to_owned())),
            interactive: input.is_terminal(),
        })
    };
    let progress = Progress::new(!global.quiet && !global.json);
    let call = Call {
        actor: call::actor(),
        origin: Origin::CommandLine,
        notify: &|notice| progress.show(&notice),
        cancel: interrupt::cancel_flag(),
    };
    let mut response = door::ask(&data_dir, &mut config, opener, request, &call);
    if watches && response.is_ok() {
        // One way for all of it: where no service runs, the rotation goes on in this process.
        response = door::open(&data_dir, config, opener).and_then(|engine| secret::watch(&*engine, &call));
    }
    // Gone before anything else is said.
    drop(progress);
    let response = response?;
    refuse_unfilled(&response)?;
    if testing {
        nodes::refuse_undelivered(&response)?;
    }
    if global.json {
        let mut text = Wiped::new(fields(&response)?);
        text.push('\n');
        Ok(text)
    } else {
        Ok(show::text(&response, &data_dir, &source, global.quiet))
    }
}

/// The name of this node. Nothing has to be unlocked for that.
fn own_name(data_dir: &Path, opener: Opener) -> Result<String, Error> {
    let config =
        || Ok(Config { data_dir: data_dir.to_owned(), custody_passphrase: None, interactive: false });
    let call = Call {
        actor: call::actor(),
        origin: Origin::CommandLine,
        notify: &|_| {},
        cancel: interrupt::cancel_flag(),
    };
    match door::ask(data_dir, config, opener, Request::Status, &call)? {
        Response::Status(StatusView { node: Some(node), .. }) => Ok(node.name),
        Response::Status(_) => Err(Error::new(Code::NoSystem, "this data directory holds no system yet")),
        _ => Err(Error::new(Code::Internal, "the answer is not the one to this request")),
    }
}

/// A fill list with rows that fit nothing fills nothing: for a script that is a failure, not an answer.
fn refuse_unfilled(response: &Response) -> Result<(), Error> {
    match response {
        Response::Filled(view) if !view.dry_run && !view.problems.is_empty() => {
            let rows: Vec<_> = view
                .problems
                .iter()
                .map(|problem| format!("row {}: {}", problem.row, problem.reason))
                .collect();
            Err(Error::new(Code::Refused, format!("Nothing was filled. {}", rows.join(" ")))
                .hint("Mend these rows and try again; --dry-run shows which rows fit."))
        }
        _ => Ok(()),
    }
}

fn make_request(command: Command, input: &mut Input, yes: bool) -> Result<Request, Error> {
    Ok(match command {
        Command::Init(args) => make_init(args, input)?,
        Command::Status => Request::Status,
        Command::Unlock { passphrase_file } => {
            let file = config::custody_passphrase_file(passphrase_file).map(|(path, _)| path);
            let what = "custody passphrase";
            let passphrase = input.passphrase(file.as_deref(), "--passphrase-file", what, Typed::Once)?;
            Request::Unlock { passphrase }
        }
        Command::Port(command) => make_port_request(command, input, yes)?,
        Command::Backup(command) => make_backup_request(command, input)?,
        Command::Audit(AuditCommand::List { limit, before }) => Request::AuditList { before, limit },
        Command::Join(args) => Request::Join {
            url: args.url,
            token: nodes::token(&args.token_file, input)?,
            custody: custody_choice(args.custody, input)?,
            cache: nodes::cache(args.cache),
        },
        Command::Secret(command) => secret::make_secret_request(command, input, yes)?,
        Command::Node(command) => nodes::make_node_request(command, input, yes)?,
        Command::Promote(args) => promote::make_promote_request(args, input, yes)?,
        Command::Stranded(command) => promote::make_stranded_request(command, input, yes)?,
        Command::Alert(command) => nodes::make_alert_request(&command),
        Command::Config(command) => nodes::make_config_request(command),
        Command::Serve(_) => return Err(Error::new(Code::Internal, "serving asks nothing")),
        Command::Completions { .. } => return Err(Error::new(Code::Internal, "completions ask nothing")),
    })
}

fn make_init(args: InitArgs, input: &mut Input) -> Result<Request, Error> {
    let backup = match args.backup {
        Some(file) if !args.backup_later => {
            refuse_existing(&file)?;
            FirstBackup::Now {
                file: local(&file)?,
                passphrase: backup_passphrase(
                    args.passphrase.passphrase_file.as_deref(),
                    input,
                    Typed::Twice,
                )?,
                reminder: args.reminder,
            }
        }
        _ => FirstBackup::Later,
    };
    Ok(Request::Init { name: args.name, custody: custody_choice(args.custody, input)?, backup })
}

fn make_port_request(command: PortCommand, input: &mut Input, yes: bool) -> Result<Request, Error> {
    Ok(match command {
        PortCommand::Import { files, dry_run } => {
            let files = files.iter().map(|file| import_file(file)).collect::<Result<_, _>>()?;
            Request::PortImport { files, dry_run }
        }
        PortCommand::Documents => Request::DocumentList,
        PortCommand::List { search, application, adapter, kind, missing, deleted } => Request::PortList {
            filter: PortFilter { search, application, adapter, kind: kind.map(Into::into), missing, deleted },
            offset: 0,
            limit: None,
        },
        PortCommand::Show { port, revision } => Request::PortShow { port, revision: revision.map(Revision) },
        PortCommand::Set { port, changes, read, note, dry_run } => {
            let changes = changes.iter().map(|change| assignment(change, input)).collect::<Result<_, _>>()?;
            let (if_revision, if_imprint) = read.seen()?;
            Request::PortSet { port, changes, if_revision, if_imprint, note, dry_run }
        }
        PortCommand::Mark { port, path, not_secret, read } => {
            let (if_revision, if_imprint) = read.seen()?;
            Request::PortMark { port, path, secret: !not_secret, if_revision, if_imprint }
        }
        PortCommand::Reveal { port, path } => Request::PortReveal { port, path },
        PortCommand::Missing => Request::PortMissing,
        PortCommand::Fill { csv, dry_run } => {
            let (content, name) = if csv == Path::new("-") {
                (input.stdin("fill list", IMPORT_LIMIT)?, "standard input".to_owned())
            } else {
                (files::read_limited(&csv, IMPORT_LIMIT)?, csv.display().to_string())
            };
            Request::PortFill { rows: fill::read_rows(&content, &name)?, dry_run }
        }
        PortCommand::Export { out, secrets, document } => {
            if secrets == SecretsArg::Include {
                input.confirm(&format!("Write every secret in the clear into {}?", out.display()), yes)?;
            }
            let document = document.map(|id| {
                id.parse().map_err(|e| {
                    Error::new(Code::Usage, format!("`{id}` is not the id of a document"))
                        .hint("`sealport port documents` lists them.")
                        .because(e)
                })
            });
            Request::PortExport {
                out: local(&out)?,
                secrets: secrets.into(),
                document: document.transpose()?,
            }
        }
        PortCommand::History { port } => Request::PortHistory { port },
        PortCommand::Diff { port, from, to } => {
            Request::PortDiff { port, from: Revision(from), to: Revision(to) }
        }
        PortCommand::Revert { port, revision, read } => {
            let (if_revision, if_imprint) = read.seen()?;
            input.confirm(&format!("Write revision {revision} of {port} again?"), yes)?;
            Request::PortRevert { port, to: Revision(revision), if_revision, if_imprint }
        }
        PortCommand::Delete { port, read } => {
            let (if_revision, if_imprint) = read.seen()?;
            input.confirm(&format!("Delete {port}? Its history stays and it can come back."), yes)?;
            Request::PortDelete { port, if_revision, if_imprint }
        }
        PortCommand::Undelete { port, read } => {
            let (if_revision, if_imprint) = read.seen()?;
            Request::PortUndelete { port, if_revision, if_imprint }
        }
    })
}

fn make_backup_request(command: BackupCommand, input: &mut Input) -> Result<Request, Error> {
    Ok(match command {
        BackupCommand::Create { file, passphrase, reminder, secret_only } => {
            refuse_existing(&file)?;
            let passphrase = backup_passphrase(passphrase.passphrase_file.as_deref(), input, Typed::Twice)?;
            Request::BackupCreate { file: local(&file)?, passphrase, reminder, secret_only }
        }
        BackupCommand::Inspect { file } => Request::BackupInspect { file: local(&file)? },
        BackupCommand::Drill { file, passphrase } => {
            let passphrase = backup_passphrase(passphrase.passphrase_file.as_deref(), input, Typed::Once)?;
            Request::BackupDrill { file: local(&file)?, passphrase }
        }
        BackupCommand::Restore { file, passphrase, custody } => {
            let passphrase = backup_passphrase(passphrase.passphrase_file.as_deref(), input, Typed::Once)?;
            Request::BackupRestore {
                file: local(&file)?,
                passphrase,
                custody: custody_choice(custody, input)?,
            }
        }
    })
}

fn backup_passphrase(file: Option<&Path>, input: &mut Input, typed: Typed) -> Result<SecretText, Error> {
    input.passphrase(file, "--passphrase-file", "backup passphrase", typed)
}

fn custody_choice(args: CustodyArgs, input: &mut Input) -> Result<CustodyChoice, Error> {
    match args.custody {
        CustodyArg::Keyring if args.custody_passphrase_file.is_some() => {
            Err(Error::new(Code::Usage, "the keyring takes no passphrase file")
                .hint("Add --custody passphrase, or leave --custody-passphrase-file away."))
        }
        CustodyArg::Keyring => Ok(CustodyChoice::Keyring),
        CustodyArg::Passphrase => {
            let file = config::custody_passphrase_file(args.custody_passphrase_file).map(|(path, _)| path);
            let passphrase = input.passphrase(
                file.as_deref(),
                "--custody-passphrase-file",
                "custody passphrase",
                Typed::Twice,
            )?;
            Ok(CustodyChoice::Passphrase { passphrase })
        }
    }
}

/// The passphrase of the data directory's custody, where it needs one.
fn custody_passphrase(data_dir: &Path, input: &mut Input) -> Result<Option<SecretText>, Error> {
    match Settings::read(data_dir)? {
        Some(Settings { custody: CustodyKind::Passphrase, .. }) => {
            let file = config::custody_passphrase_file(None).map(|(path, _)| path);
            let flag = format!("{}=", config::CUSTODY_PASSPHRASE_FILE_VARIABLE);
            input.passphrase(file.as_deref(), &flag, "custody passphrase", Typed::Once).map(Some)
        }
        _ => Ok(None),
    }
}

/// The passphrase of the custody from its file, where one is named: a service asks nobody.
fn custody_passphrase_file_only(data_dir: &Path) -> Result<Option<SecretText>, Error> {
    let file = config::custody_passphrase_file(None).map(|(path, _)| path);
    match (Settings::read(data_dir)?, file) {
        (Some(Settings { custody: CustodyKind::Passphrase, .. }), Some(file)) => {
            files::read_passphrase(&file).map(|(passphrase, _)| Some(passphrase))
        }
        _ => Ok(None),
    }
}

/// `PATH=VALUE`, `PATH=@FILE`, `PATH=@-`, `PATH=@@text`.
fn assignment(text: &str, input: &mut Input) -> Result<Assignment, Error> {
    // What stands behind a missing `=` may be a secret, so it isn't said again.
    let Some((path, value)) = text.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        return Err(Error::new(Code::Usage, "a change is written PATH=VALUE")
            .hint("`sealport port show ID` lists the paths."));
    };
    let value = match value.strip_prefix('@') {
        None => SecretText::new(value.to_owned()),
        Some(rest) if rest.starts_with('@') => SecretText::new(rest.to_owned()),
        Some("-") => value_of(&input.stdin("value", VALUE_LIMIT)?, "standard input")?,
        Some(file) => value_of(&files::read_limited(Path::new(file), VALUE_LIMIT)?, file)?,
    };
    Ok(Assignment { path: path.to_owned(), value })
}

fn value_of(content: &[u8], name: &str) -> Result<SecretText, Error> {
    let content = content.strip_suffix(b"\n").map(|c| c.strip_suffix(b"\r").unwrap_or(c)).unwrap_or(content);
    std::str::from_utf8(content)
        .map(|text| SecretText::new(text.to_owned()))
        .map_err(|_| Error::new(Code::Usage, format!("{name} isn't UTF-8 text")))
}

fn import_file(path: &Path) -> Result<ImportFile, Error> {
    let content = files::read_limited(path, IMPORT_LIMIT)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(ImportFile { name, content: SecretText::new(BASE64_STANDARD.encode(&*content)) })
}

// The process that has the directory open may stand in another folder, so paths go out whole.
fn local(path: &Path) -> Result<LocalPath, Error> {
    let whole = std::path::absolute(path)
        .map_err(|e| Error::new(Code::Usage, format!("can't tell where {} is", path.display())).because(e))?;
    match whole.into_os_string().into_string() {
        Ok(text) => Ok(LocalPath(text)),
        Err(path) => Err(Error::new(
            Code::Usage,
            format!("the path {} isn't UTF-8 text", PathBuf::from(path).display()),
        )),
    }
}

// Before anybody types a passphrase twice; the writer refuses again, for sure.
fn refuse_existing(file: &Path) -> Result<(), Error> {
    if file.symlink_metadata().is_ok() {
        return Err(Error::new(Code::AlreadyExists, format!("{} is there already", file.display()))
            .hint("Choose another name; a backup never takes the place of a file."));
    }
    Ok(())
}

/// The view in a response, without the tag that names it.
fn fields(response: &Response) -> Result<String, Error> {
    match response {
        Response::Status(view) => serde_json::to_string_pretty(view),
        Response::Imported(view) => serde_json::to_string_pretty(view),
        Response::Documents(view) => serde_json::to_string_pretty(view),
        Response::Ports(view) => serde_json::to_string_pretty(view),
        Response::Port(view) => serde_json::to_string_pretty(view),
        Response::Saved(view) => serde_json::to_string_pretty(view),
        Response::Revealed(view) => serde_json::to_string_pretty(view),
        Response::Missing(view) => serde_json::to_string_pretty(view),
        Response::Filled(view) => serde_json::to_string_pretty(view),
        Response::Exported(view) => serde_json::to_string_pretty(view),
        Response::History(view) => serde_json::to_string_pretty(view),
        Response::Diff(view) => serde_json::to_string_pretty(view),
        Response::Backup(view) => serde_json::to_string_pretty(view),
        Response::Restored(view) => serde_json::to_string_pretty(view),
        Response::Audit(view) => serde_json::to_string_pretty(view),
        Response::Invited(view) => serde_json::to_string_pretty(view),
        Response::Joined(view) => serde_json::to_string_pretty(view),
        Response::Nodes(view) => serde_json::to_string_pretty(view),
        Response::Separated(view) => serde_json::to_string_pretty(view),
        Response::Preflight(view) => serde_json::to_string_pretty(view),
        Response::Promoted(view) => serde_json::to_string_pretty(view),
        Response::Stranded(view) => serde_json::to_string_pretty(view),
        Response::StrandedDiff(view) => serde_json::to_string_pretty(view),
        Response::StrandedDone(view) => serde_json::to_string_pretty(view),
        Response::Versions(view) => serde_json::to_string_pretty(view),
        Response::Rotation(view) => serde_json::to_string_pretty(view),
        Response::Alerts(view) => serde_json::to_string_pretty(view),
        Response::Config(view) => serde_json::to_string_pretty(view),
    }
    .map_err(|e| Error::new(Code::Internal, "the answer can't be written as JSON").because(e))
}

fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // `sealport ... | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: can't write to standard output: {error}");
            ExitCode::from(Code::Unavailable.exit())
        }
    }
}

// Help and version are answers; the rest is code 2, as JSON where that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let text = error.render().to_string();
        let mut parts = text.trim().splitn(2, "\n\n");
        let message = parts.next().unwrap_or_default().trim_start_matches("error: ");
        let hint = parts.next().unwrap_or_default();
        let document = serde_json::json!({ "error": Error::new(Code::Usage, message).hint(hint) });
        print(&format!("{document:#}\n"));
        return ExitCode::from(Code::Usage.exit());
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage.exit()))
}

/// No core dumps, and on Linux no other process of the user may look into this one: both could hold the master secret.
/// Where the system refuses, the command goes on: it is a second line of defence.
pub fn protect_memory() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_splits_at_the_first_equals_sign_and_reads_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p=w");
        std::fs::write(&file, "two words\r\n").unwrap();
        let read = |text: &str| {
            let change = assignment(text, &mut Input::default()).unwrap();
            (change.path, change.value.expose().to_owned())
        };
        assert_eq!(read("a/b=c=d"), ("a/b".to_owned(), "c=d".to_owned()));
        assert_eq!(read("a="), ("a".to_owned(), String::new()));
        assert_eq!(read("a=@@home"), ("a".to_owned(), "@home".to_owned()));
        assert_eq!(read(&format!("a=@{}", file.display())), ("a".to_owned(), "two words".to_owned()));
        std::fs::write(&file, "two\n\n").unwrap();
        assert_eq!(read(&format!("a=@{}", file.display())).1, "two\n");
    }

    #[test]
    fn a_change_without_a_path_is_refused_without_saying_its_value() {
        for text in ["s3cret", "=s3cret"] {
            let error = assignment(text, &mut Input::default()).unwrap_err();
            assert_eq!(error.code, Code::Usage);
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }
}
