//! The command line as it is typed: commands, flags, help. Others script against it, so nothing here changes lightly.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sealport_core::{
    Error,
    api::{ExportSecrets, PortKind},
    id::Revision,
    seal::Imprint,
};

use super::{
    nodes::{AlertCommand, ConfigCommand, JoinArgs, NodeCommand, ServeArgs},
    promote::{PromoteArgs, StrandedCommand},
    secret::SecretCommand,
};

const AFTER_HELP: &str = "\
Exit codes:
  0 done           1 internal fault    2 usage            3 not found       4 refused in this state
  5 not permitted  6 integrity         7 conflict         8 keyring, store or process unavailable
  130 ended at once by Ctrl+C or a signal

With --json the answer is one JSON document on standard output, and so is an error:
  {\"error\":{\"code\":\"...\",\"message\":\"...\",\"hint\":\"...\"}}
The exit code tells which of the two it is. Without --json errors go to standard error.

Passphrases come from a prompt, from --passphrase-file FILE, or from standard input
(--passphrase-file -); the first line counts. Names that start with '-' go after '--'.

Environment:
  SEALPORT_DATA_DIR                 the data directory
  SEALPORT_CUSTODY_PASSPHRASE_FILE  file with the passphrase of custody `passphrase`
  NO_COLOR                          no colours";

/// Keeps port configurations sealed under a master secret
///
/// Sealport reads BizTalk binding files, keeps every port and its credentials sealed, fills in the passwords that
/// BizTalk removed, and writes the files again. Its master secret rests in the keyring and in a backup that is proven to restore.
#[derive(Debug, Parser)]
#[command(name = "sealport", version, after_long_help = AFTER_HELP, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The data directory [default: SEALPORT_DATA_DIR, the user's sealport.toml, or the system's place for data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Prints the answer, or the error, as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Asks for no confirmation
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Prints no progress and no words of success
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a system with a new master secret, and the backup that proves it can come back
    #[command(after_long_help = "\
Examples:
  sealport init --name Production --backup /media/safe/production.sealport --passphrase-file p.txt
  sealport init --name Build --custody passphrase --custody-passphrase-file p.txt --backup-later")]
    Init(InitArgs),
    /// Tells what this installation is and how it is
    #[command(after_long_help = "Example:\n  sealport status --json")]
    Status,
    /// Gives the passphrase of custody `passphrase` to the process that has the data directory open
    #[command(after_long_help = "Example:\n  sealport unlock --passphrase-file p.txt")]
    Unlock {
        /// File with the custody's passphrase on its first line; `-` is standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Reads, lists, changes and writes port configurations
    #[command(subcommand)]
    Port(PortCommand),
    /// Writes, proves and restores backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Runs the service of the data directory: the master, or a node that follows it
    #[command(after_long_help = "Example:\n  sealport serve --listen 0.0.0.0:7410")]
    Serve(ServeArgs),
    /// Joins the system of a master, in a data directory without one
    #[command(
        after_long_help = "Example:\n  sealport join https://hub-1.example:7410 --token-file token.txt"
    )]
    Join(JoinArgs),
    /// Lists, rotates and destroys versions of the master secret
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Lists, invites, renames and revokes nodes
    #[command(subcommand)]
    Node(NodeCommand),
    /// Makes another node the master: handed over by the present one, or in an emergency without it
    #[command(after_long_help = "\
Examples:
  sealport promote HUB-2 --dry-run
  sealport promote HUB-2
  sealport promote self --emergency
  sealport promote self --emergency --from-backup /media/safe/production.sealport --passphrase-file p.txt")]
    Promote(PromoteArgs),
    /// Lists, shows, accepts and discards changes that only a former master had
    #[command(subcommand)]
    Stranded(StrandedCommand),
    /// Shows the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Shows what needs a person, and tests where alerts go
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Reads and changes settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the completions of a shell
    #[command(after_long_help = "Example:\n  sealport completions bash > /etc/bash_completion.d/sealport")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// What people call the system
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub custody: CustodyArgs,
    /// Where the first backup goes; the file must not be there yet
    #[arg(long, value_name = "FILE", required_unless_present = "backup_later")]
    pub backup: Option<PathBuf>,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// What reminds people of the backup's passphrase; anyone who has the file can read it
    #[arg(long, value_name = "TEXT", requires = "backup")]
    pub reminder: Option<String>,
    /// Puts the backup off: the status stays red until there is one
    #[arg(long, conflicts_with_all = ["backup", "passphrase_file"])]
    pub backup_later: bool,
}

#[derive(Debug, Args)]
pub struct CustodyArgs {
    /// Where the master secret rests on this machine
    #[arg(long, value_enum, default_value_t = CustodyArg::Keyring)]
    pub custody: CustodyArg,
    /// File with the passphrase of custody `passphrase`; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub custody_passphrase_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CustodyArg {
    /// The keyring of the operating system
    Keyring,
    /// A file sealed under a passphrase, for machines without a keyring
    Passphrase,
}

#[derive(Debug, Args)]
pub struct PassphraseArgs {
    /// File with the backup's passphrase on its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PortCommand {
    /// Reads binding files; importing a port again keeps its filled secrets and its history
    #[command(after_long_help = "Example:\n  sealport port import --dry-run Orders.BindingInfo.xml")]
    Import {
        /// Binding files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Says what would happen, and writes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the files that were imported
    #[command(after_long_help = "Example:\n  sealport port documents")]
    Documents,
    /// Lists ports
    #[command(after_long_help = "Example:\n  sealport port list --search \"orders sftp\" --missing")]
    List {
        /// Words that all occur in name, address, adapter, user or application
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only ports of this application
        #[arg(long, value_name = "A")]
        application: Option<String>,
        /// Only ports with this adapter
        #[arg(long, value_name = "X")]
        adapter: Option<String>,
        /// Only ports of this kind
        #[arg(long, value_enum)]
        kind: Option<KindArg>,
        /// Only ports with missing secrets
        #[arg(long)]
        missing: bool,
        /// Only deleted ports
        #[arg(long)]
        deleted: bool,
    },
    /// Shows a port, or what it was at a revision; never a secret value
    #[command(after_long_help = "Example:\n  sealport port show \"SendOrders\" --revision 3")]
    Show {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// Shows this revision
        #[arg(long, value_name = "N")]
        revision: Option<u64>,
    },
    /// Changes properties of a port
    #[command(after_long_help = "\
PATH=VALUE splits at the first '='. A VALUE of @FILE is read from the file and @- from standard
input, without one line end at the end; so secrets stay out of the list of processes. A value that
starts with '@' is written '@@...'.

Examples:
  sealport port set SendOrders Address=sftp://new.example.com/in
  sealport port set SendOrders Password=@password.txt --if-revision 4 --note \"new partner password\"")]
    Set {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// Path of a property, or an end of it that fits only one, and its new value
        #[arg(required = true, value_name = "PATH=VALUE")]
        changes: Vec<String>,
        #[command(flatten)]
        read: Read,
        /// Why, for the history
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Says what would change, and writes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Marks a property as secret, or takes such a mark away
    #[command(after_long_help = "Example:\n  sealport port mark SendOrders ConnectionString")]
    Mark {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// Path of the property
        path: String,
        /// Takes the mark away
        #[arg(long)]
        not_secret: bool,
        #[command(flatten)]
        read: Read,
    },
    /// Prints one secret value; the audit trail keeps that it was seen
    #[command(after_long_help = "Example:\n  sealport port reveal SendOrders Password")]
    Reveal {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// Path of the property
        path: String,
    },
    /// Lists the secrets that are still missing
    #[command(after_long_help = "Example:\n  sealport port missing --json")]
    Missing,
    /// Fills missing secrets from a CSV file, all rows or none
    #[command(after_long_help = "\
The first row names the columns application, port, property, user and value, in any order. An empty
property fits where the port misses just one secret; an empty user fits any.

Example:
  sealport port fill --csv secrets.csv --dry-run")]
    Fill {
        /// The file; `-` is standard input
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,
        /// Says which rows fit, and writes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes binding files under their original names
    #[command(after_long_help = "Example:\n  sealport port export --out ./export --secrets include")]
    Export {
        /// The folder to write into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Whether secrets are masked as BizTalk does, or written in the clear
        #[arg(long, value_enum, default_value_t = SecretsArg::Mask)]
        secrets: SecretsArg,
        /// Only the document with this id
        #[arg(long, value_name = "ID")]
        document: Option<String>,
    },
    /// Lists the revisions of a port
    #[command(after_long_help = "Example:\n  sealport port history SendOrders")]
    History {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
    },
    /// Shows what changed from one revision to another
    #[command(after_long_help = "Example:\n  sealport port diff SendOrders 1 4")]
    Diff {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// The earlier revision
        from: u64,
        /// The later revision
        to: u64,
    },
    /// Writes a former revision again, as a new one
    #[command(after_long_help = "Example:\n  sealport port revert SendOrders 3")]
    Revert {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        /// The revision to go back to
        revision: u64,
        #[command(flatten)]
        read: Read,
    },
    /// Deletes a port; its history stays
    #[command(after_long_help = "Example:\n  sealport port delete SendOrders --yes")]
    Delete {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        #[command(flatten)]
        read: Read,
    },
    /// Brings a deleted port back
    #[command(after_long_help = "Example:\n  sealport port undelete SendOrders")]
    Undelete {
        #[arg(value_name = "ID|NAME", help = PORT_HELP)]
        port: String,
        #[command(flatten)]
        read: Read,
    },
}

/// What a change was decided upon: it is refused where that does not stand any more.
#[derive(Debug, Args)]
pub struct Read {
    /// Refuses where the port is no longer at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    /// Refuses where the port is not what `sealport --json port show` told as its imprint
    #[arg(long, value_name = "IMPRINT")]
    if_imprint: Option<String>,
}

impl Read {
    /// Revision and imprint, as requests carry them.
    pub fn seen(self) -> Result<(Option<Revision>, Option<Imprint>), Error> {
        let imprint = self.if_imprint.map(|text| text.parse()).transpose()?;
        Ok((self.if_revision.map(Revision), imprint))
    }
}

const PORT_HELP: &str = "Id of the port, or a name that only one has";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KindArg {
    ReceivePort,
    SendPort,
    SendPortGroup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SecretsArg {
    /// As BizTalk writes a secret that it removed
    Mask,
    /// In the clear, as BizTalk needs them to import
    Include,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Writes a backup, reads it back and proves that it restores
    #[command(after_long_help = "\
Example:
  sealport backup create today.sealport --passphrase-file p.txt --reminder \"envelope in the safe\"")]
    Create {
        /// The file; it must not be there yet
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// What reminds people of the passphrase; anyone who has the file can read it
        #[arg(long, value_name = "TEXT")]
        reminder: Option<String>,
        /// Only the master secret, without the ports: it ends the alert `no_proven_backup`, but brings no port back
        #[arg(long)]
        secret_only: bool,
    },
    /// Shows what a backup says about itself; needs no passphrase
    #[command(after_long_help = "Example:\n  sealport backup inspect today.sealport")]
    Inspect {
        /// The backup
        file: PathBuf,
    },
    /// Proves that a backup restores: opens it and every record in it, changes nothing
    #[command(after_long_help = "Example:\n  sealport backup drill today.sealport --passphrase-file p.txt")]
    Drill {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Restores a backup into a data directory without a system
    #[command(after_long_help = "\
Example:
  sealport --data-dir /srv/sealport backup restore today.sealport --passphrase-file p.txt")]
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        #[command(flatten)]
        custody: CustodyArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Lists what was done, newest first
    #[command(after_long_help = "Example:\n  sealport audit list --limit 20")]
    List {
        /// Most entries
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Only entries before this number
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
    },
}

impl From<KindArg> for PortKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::ReceivePort => PortKind::ReceivePort,
            KindArg::SendPort => PortKind::SendPort,
            KindArg::SendPortGroup => PortKind::SendPortGroup,
        }
    }
}

impl From<SecretsArg> for ExportSecrets {
    fn from(secrets: SecretsArg) -> Self {
        match secrets {
            SecretsArg::Mask => ExportSecrets::Mask,
            SecretsArg::Include => ExportSecrets::Include,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn names_that_start_with_a_dash_work_after_two() {
        let cli = Cli::try_parse_from(["sealport", "port", "show", "--", "-odd name"]).unwrap();
        assert!(matches!(cli.command, Command::Port(PortCommand::Show { port, .. }) if port == "-odd name"));
    }
}
