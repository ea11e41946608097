//! The commands about many nodes: serve, join, node, alert, config; how they are typed, and how their answers look.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sealport_core::{
    Code, Error,
    api::{
        AlertListView, Cache, ConfigView, InviteView, JoinView, KeptView, NodeEntryView, NodeListView,
        NodeRole, NodeState, Request, Response, SeparatedView, Severity,
    },
    secret::SecretText,
    time::in_words,
};

use super::{args::CustodyArgs, ask::Input, interrupt, show::table};
use crate::{config::Config, files, net::ops, service::Service};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where other nodes reach this one [default: the setting `listen`, else 127.0.0.1:7410]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Where health and metrics are shown, on a loopback address, or `off` [default: the setting `metrics`, else
    /// 127.0.0.1:7411]
    #[arg(long, value_name = "ADDR:PORT|off")]
    pub metrics: Option<String>,
}

#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Address of the master, like https://hub-1.example:7410
    pub url: String,
    /// File with the token on its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    #[command(flatten)]
    pub custody: CustodyArgs,
    /// Whether the master secret is kept in the custody, or in memory only: then a restart while the master is away
    /// opens nothing
    #[arg(long, value_enum, default_value_t = CacheArg::Keyring)]
    pub cache: CacheArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CacheArg {
    /// In the custody
    Keyring,
    /// In memory only, as Enterprise SSO does
    Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Seals, opens and follows
    Processing,
    /// May be promoted: holds everything a master needs
    Standby,
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Lists the nodes and how they are
    #[command(after_long_help = "Example:\n  sealport node list")]
    List,
    /// Prints a token with which one node may join, once, within 15 minutes
    #[command(after_long_help = "\
Example:
  sealport node invite --name HUB-2 --role standby > token.txt")]
    Invite {
        /// What the node will be called
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleArg,
        /// Whether it may invite, rename and revoke nodes
        #[arg(long)]
        administrator: bool,
    },
    /// Shuts a node out: it gets nothing from its next request on
    #[command(after_long_help = "Example:\n  sealport node revoke HUB-2")]
    Revoke {
        #[arg(value_name = "ID|NAME", help = NODE_HELP)]
        node: String,
    },
    /// Makes this data directory, a copy of one, a system of its own: everything is sealed anew under a new master secret
    #[command(after_long_help = "\
Example:
  sealport node separate --name Hub-Test

The copy keeps its ports with all revisions, its trail, and the passphrase of its custody. It forgets the other nodes, the backups and
the keys that the former system knows.")]
    Separate {
        /// What the new system is called
        #[arg(long)]
        name: String,
        /// Takes the former system's secret out of the keyring too. Not on the machine of the original, or where another
        /// data directory needs it
        #[arg(long)]
        forget: bool,
    },
    /// Gives a node another name
    #[command(after_long_help = "Example:\n  sealport node rename HUB-2 HUB-B")]
    Rename {
        #[arg(value_name = "ID|NAME", help = NODE_HELP)]
        node: String,
        /// The new name
        name: String,
    },
}

const NODE_HELP: &str = "Id or name of the node";

#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Lists what needs a person now, and where alerts go
    #[command(after_long_help = "Example:\n  sealport alert list")]
    List,
    /// Sends a test alert to every place that alerts go to
    #[command(after_long_help = "Example:\n  sealport alert test")]
    Test,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Prints settings with where they come from
    #[command(after_long_help = "Example:\n  sealport config get sync_interval")]
    Get {
        /// One setting; without it, all
        key: Option<String>,
    },
    /// Changes a setting
    #[command(after_long_help = "Example:\n  sealport config set sync_interval 5s")]
    Set {
        /// Which
        key: String,
        /// What it is from now on
        value: String,
    },
}

pub fn make_node_request(command: NodeCommand, input: &mut Input, yes: bool) -> Result<Request, Error> {
    Ok(match command {
        NodeCommand::List => Request::NodeList,
        NodeCommand::Invite { name, role, administrator } => {
            let role = match role {
                RoleArg::Processing => NodeRole::Processing,
                RoleArg::Standby => NodeRole::Standby,
            };
            Request::NodeInvite { name, role, administrator }
        }
        NodeCommand::Revoke { node } => {
            let question = format!(
                "Revoke {node}? It gets nothing from its next request on. The secret stays in its custody: rotate it if \
                 you don't trust that machine."
            );
            input.confirm(&question, yes)?;
            Request::NodeRevoke { node }
        }
        NodeCommand::Separate { name, forget } => {
            let question = format!(
                "Make this data directory a system of its own, called {name}? It leaves its present system for good: on the \
                 original, instead of on a copy, that would take this node away from the others."
            );
            input.confirm_typed(&question, &name, yes)?;
            Request::NodeSeparate { name, forget }
        }
        NodeCommand::Rename { node, name } => Request::NodeRename { node, name },
    })
}

pub fn make_alert_request(command: &AlertCommand) -> Request {
    match command {
        AlertCommand::List => Request::AlertList,
        AlertCommand::Test => Request::AlertTest,
    }
}

pub fn make_config_request(command: ConfigCommand) -> Request {
    match command {
        ConfigCommand::Get { key } => Request::ConfigGet { key },
        ConfigCommand::Set { key, value } => Request::ConfigSet { key, value },
    }
}

/// The token: from its file, or the first line of standard input.
pub fn token(file: &std::path::Path, input: &mut Input) -> Result<SecretText, Error> {
    let text = if file == std::path::Path::new("-") {
        input.stdin("token", 4096)?
    } else {
        files::read_limited(file, 4096)?
    };
    let text = std::str::from_utf8(&text).unwrap_or_default();
    // An invitation prints words around the token; the token is what begins with its mark.
    let token =
        text.lines().map(str::trim).find(|line| line.starts_with("sealport1.")).unwrap_or(text.trim());
    Ok(SecretText::new(token.to_owned()))
}

pub fn cache(cache: CacheArg) -> Cache {
    match cache {
        CacheArg::Keyring => Cache::Keyring,
        CacheArg::Memory => Cache::Memory,
    }
}

/// Runs the service until the process is told to end. Prints one line when it is ready.
pub fn serve(config: Config, args: ServeArgs, json: bool) -> Result<(), Error> {
    let data_dir = config.data_dir.clone();
    let service = Service::start(config, args.listen)?;
    let status = match service.engine().status_view()? {
        status if status.system.is_none() => {
            return Err(Error::new(
                Code::NoSystem,
                format!("{} holds no system to serve.", data_dir.display()),
            )
            .hint("Make one with `sealport init`, join one with `sealport join`, or restore a backup."));
        }
        status => status,
    };
    let metrics = service.serve_ops(args.metrics.as_deref(), Some(ops::DEFAULT))?;
    let locked = status.secret.is_none() && status.sealing.code != Some(Code::EncryptionUnavailable);
    let listening = if locked { None } else { service.network()? };
    let name = |view: Option<String>| view.unwrap_or_default();
    let system = name(status.system.map(|system| system.name));
    let node = status.node.map(|node| format!("{} ({})", node.name, node.role.name()));
    let master = status.master.and_then(|master| master.address);
    let place = match (listening, locked, master) {
        (Some(at), ..) => format!("listening on {at}"),
        (None, true, _) => "waiting for its custody: `sealport unlock`".to_owned(),
        (None, false, Some(master)) => format!("following {master}"),
        (None, false, None) => "serving this machine only".to_owned(),
    };
    if json {
        let line = serde_json::json!({
            "ready": true, "system": system, "node": name(node), "listen": listening.map(|at| at.to_string()),
            "metrics": metrics.map(|at| at.to_string()),
        });
        println!("{line}");
    } else {
        let metrics = metrics.map(|at| format!("; metrics on http://{at}")).unwrap_or_default();
        println!("Sealport is ready: system {system}, node {}, {place}{metrics}.", name(node));
    }
    #[cfg(target_os = "linux")]
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    interrupt::wait();
    #[cfg(target_os = "linux")]
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    drop(service);
    Ok(())
}

/// Words for the answers of these commands; `None` for an answer of another one.
pub fn text(response: &Response, quiet: bool) -> Option<String> {
    Some(match response {
        Response::Invited(view) => invited(view),
        Response::Joined(_) if quiet => String::new(),
        Response::Joined(view) => joined(view),
        Response::Nodes(view) => nodes(view),
        Response::Separated(_) if quiet => String::new(),
        Response::Separated(view) => separated(view),
        Response::Alerts(view) => alerts(view),
        Response::Config(view) => config(view),
        _ => return None,
    })
}

/// Where else a write is, as a line; empty where there is nothing to say.
pub fn kept(view: Option<&KeptView>) -> String {
    match view {
        Some(KeptView { standby: Some(standby), .. }) => format!("{standby} has it too.\n"),
        Some(KeptView { late: true, .. }) => {
            "No standby confirmed it within 5 s; it is on the master.\n".to_owned()
        }
        _ => String::new(),
    }
}

fn invited(view: &InviteView) -> String {
    let url = view.url.as_deref().unwrap_or("https://THIS-HOST:PORT");
    format!(
        "Token for {} ({}{}), good for one use until {}:\n\n{}\n\nOn {}:  sealport join {url} --token-file -\n\
         Fingerprint of the system:  {}   (the node must show the same)\n",
        view.name,
        view.role.name(),
        if view.administrator { ", administrator" } else { "" },
        view.expires,
        // The token is what was asked for.
        view.token.expose(),
        view.name,
        view.fingerprint,
    )
}

fn joined(view: &JoinView) -> String {
    format!(
        "Joined system {} as {} ({}). {} ports are here.\nFingerprint of the system:  {}\n\
         Compare it with the one that the invitation showed.\n",
        view.system_name,
        view.node.name,
        view.node.role.name(),
        view.ports,
        view.fingerprint,
    )
}

fn separated(view: &SeparatedView) -> String {
    let left = view.former_secret.as_ref().map(|place| {
        format!(
            "The master secret of {} is still in {place}, since another data directory of this user may need it. Take it away \
             there if none does: service `sealport`, user {}.\n",
            view.former.name, view.former.id
        )
    });
    format!(
        "This is the system {} now, of one node; it is no part of {} any more. {} ports are here; {} records and revisions were \
         sealed anew.\n{}Back up now: backups of {} do not open what is sealed from here on.\n",
        view.system.name,
        view.former.name,
        view.ports,
        view.parts,
        left.unwrap_or_default(),
        view.former.name,
    )
}

fn nodes(view: &NodeListView) -> String {
    let rows = view.nodes.iter().map(|node: &NodeEntryView| {
        let here = if node.here { " (here)" } else { "" };
        let rights = if node.administrator { ", admin" } else { "" };
        vec![
            format!("{}{here}", node.name),
            format!("{}{rights}", node.role.name()),
            if node.revoked { "revoked".to_owned() } else { state(node.state) },
            node.last_sync_age_seconds
                .map(|age| format!("{} ago", in_words(age)))
                .unwrap_or_else(|| "-".to_owned()),
            node.generation.map(|generation| generation.to_string()).unwrap_or_else(|| "-".to_owned()),
            node.address.clone().unwrap_or_default(),
            node.version.clone().unwrap_or_default(),
            node.id.to_string(),
        ]
    });
    let table = table(
        &["NODE", "ROLE", "STATE", "LAST SYNC", "GENERATION", "ADDRESS", "VERSION", "ID"],
        rows,
        "No nodes.",
    );
    format!("{table}\n{}\n", view.summary)
}

fn state(state: Option<NodeState>) -> String {
    state.map_or_else(|| "unknown".to_owned(), |state| state.name().replace('_', " "))
}

/// A test alert that did not arrive everywhere is a failure for a script.
pub fn refuse_undelivered(response: &Response) -> Result<(), Error> {
    let Response::Alerts(view) = response else { return Ok(()) };
    let failed: Vec<_> = view
        .sinks
        .iter()
        .filter(|sink| sink.on && sink.delivered != Some(true))
        .map(|sink| format!("{}: {}", sink.name, sink.last))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::Unavailable,
        format!("The test alert did not arrive everywhere. {}", failed.join(" ")),
    )
    .hint("`sealport alert list` shows all sinks, `sealport config get` where they are."))
}

fn alerts(view: &AlertListView) -> String {
    let mut text = String::new();
    for alert in &view.alerts {
        let severity = match alert.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "CRITICAL",
        };
        text.push_str(&format!("{severity}  {}: {}\n          {}\n", alert.id, alert.message, alert.hint));
    }
    if view.alerts.is_empty() {
        text.push_str("Nothing needs you.\n");
    }
    for sink in &view.sinks {
        let on = if sink.on { "on" } else { "off" };
        text.push_str(&format!("Sink {}: {on}. {}\n", sink.name, sink.last));
    }
    text
}

fn config(view: &ConfigView) -> String {
    let rows = view.settings.iter().map(|setting| {
        vec![setting.key.clone(), setting.value.clone(), setting.source.clone(), setting.about.clone()]
    });
    table(&["SETTING", "VALUE", "FROM", "WHAT IT DOES"], rows, "No settings.")
}
