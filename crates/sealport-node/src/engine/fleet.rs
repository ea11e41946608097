//! Many nodes: inviting, joining, listing, renaming, revoking. What only the master can do, a node asks it to do.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{
        Cache, CustodyChoice, InviteView, JoinView, NodeEntryView, NodeListView, NodeRole, NodeState,
        NodeView, Request, Response,
    },
    backup::{MAX_NAME, one_line},
    bundle::{Bundle, Kept},
    id::{Generation, NodeId},
    machine::Role,
    secret::SecretText,
    time::Timestamp,
};

use super::{
    Engine, now,
    setup::{UNFINISHED, Undo},
    system::{System, act},
    system_rng,
};
use crate::{
    call::Call,
    config::Settings,
    membership::Membership,
    net::{
        authority::{self, Token},
        client::Client,
        wire::{Administer, JoinAsk},
    },
    store::{Change, InviteRow, NodeChange, NodeRow, Store, SystemRow},
};

/// How long an invitation counts, in milliseconds.
const INVITE_LASTS: i64 = 15 * 60_000;

impl Engine {
    pub(super) fn invite(
        &self,
        name: &str,
        role: NodeRole,
        administrator: bool,
        call: &Call,
    ) -> Result<Response, Error> {
        let system = self.system()?;
        let request = || Request::NodeInvite { name: name.to_owned(), role, administrator };
        if !system.is_master() {
            return administer(&system, request(), call);
        }
        let name = one_line("name of the node", name, MAX_NAME)?;
        if name.is_empty() || role == NodeRole::Master {
            return Err(Error::new(Code::Usage, "A node is invited by a name, as standby or processing.")
                .hint("Example: sealport node invite --name HUB-2 --role standby"));
        }
        let nodes = system.gate(|store| store.nodes())?;
        if nodes.iter().any(|node| !node.revoked && node.name.eq_ignore_ascii_case(&name)) {
            return Err(Error::new(Code::AlreadyExists, format!("There is a node {name} already."))
                .hint("Choose another name, or revoke that one first."));
        }
        let ca = authority_of(&system)?;
        let pin = authority::read(&ca).ok_or_else(no_authority)?.key_hash;
        let token = Token::make_new(system.row.id, pin, &mut system_rng());
        let expires = Timestamp::from_millis(now().as_millis() + INVITE_LASTS);
        let invite = InviteRow {
            token_hash: token.hash(),
            name: name.clone(),
            standby: role == NodeRole::Standby,
            administrator,
            expires,
        };
        let rights = if administrator { ", administrator" } else { "" };
        let entry = act(call, "node.invite", name.clone(), format!("{}{rights}", role.name()));
        system.write(Change { acts: vec![entry], invite: Some((invite, now())), ..Change::default() })?;
        let address = nodes.into_iter().find(|node| node.id == system.row.node).and_then(|node| node.address);
        Ok(Response::Invited(InviteView {
            token: token.to_text(),
            expires,
            fingerprint: authority::fingerprint(&ca).ok_or_else(no_authority)?,
            name,
            role,
            administrator,
            url: address.map(|address| format!("https://{address}")),
        }))
    }

    pub(super) fn nodes(&self) -> Result<NodeListView, Error> {
        let system = self.system()?;
        if let Some(follower) = system.follower()
            && system.state() == NodeState::Synced
            && let Ok(Response::Nodes(mut view)) =
                follower.ask("/v1/nodes", &Administer { actor: String::new(), request: Request::NodeList })
        {
            view.nodes.iter_mut().for_each(|node| node.here = node.id == system.row.node);
            return Ok(view);
        }
        self.nodes_here(&system)
    }

    /// The nodes as this database and this process know them.
    pub(crate) fn nodes_here(&self, system: &System) -> Result<NodeListView, Error> {
        let position = system.position().borrow().clone();
        let own_state = system.state();
        let seen = system.seat.as_ref().map(|seat| seat.seen()).unwrap_or_default();
        let live = system.is_master();
        let entry = |node: NodeRow| {
            let here = node.id == system.row.node;
            let contact = seen.get(&node.id);
            NodeEntryView {
                id: node.id,
                role: node.role(position.master),
                administrator: node.administrator,
                state: match (here, contact) {
                    _ if node.revoked => Some(NodeState::Fenced),
                    (true, _) => Some(own_state),
                    (false, Some((seen, age))) => Some(judged(seen.state.into(), *age)),
                    (false, None) => None,
                },
                last_sync_age_seconds: match (here, contact) {
                    (true, _) if live => Some(0),
                    (true, _) => sync_age(system),
                    (false, contact) => contact.map(|(_, age)| age / 1_000),
                },
                epoch: if here { Some(position.at.epoch) } else { contact.map(|(seen, _)| seen.at.epoch) },
                generation: if here {
                    Some(position.at.generation)
                } else {
                    contact.map(|(seen, _)| seen.at.generation)
                },
                address: node.address,
                version: Some(node.version),
                here,
                revoked: node.revoked,
                joined: node.joined,
                certificate_expires: Some(node.certificate_expires),
                name: node.name,
            }
        };
        let (nodes, ca) = system.gate(|store| Ok((store.nodes()?, store.system()?.ca)))?;
        let nodes: Vec<_> = nodes.into_iter().map(entry).collect();
        let summary = summary(&nodes, live, position.at.epoch.0);
        Ok(NodeListView { summary, live, fingerprint: ca.and_then(|ca| authority::fingerprint(&ca)), nodes })
    }

    pub(super) fn revoke(&self, node: &str, call: &Call) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            return administer(&system, Request::NodeRevoke { node: node.to_owned() }, call);
        }
        let row = find(&system, node)?;
        if row.id == system.row.node {
            return Err(Error::new(
                Code::Refused,
                format!("{} is the master: it can't be revoked.", row.name),
            )
            .hint("Make another node the master first."));
        }
        let entry = act(call, "node.revoke", row.name.clone(), row.id.to_string());
        system.write(Change {
            acts: vec![entry],
            nodes: vec![NodeChange::Revoke(row.id)],
            ..Change::default()
        })?;
        if let Some(seat) = &system.seat {
            seat.revoked(row.id);
        }
        self.nodes_here(&system).map(Response::Nodes)
    }

    pub(super) fn rename(&self, node: &str, name: &str, call: &Call) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            let request = Request::NodeRename { node: node.to_owned(), name: name.to_owned() };
            return administer(&system, request, call);
        }
        let row = find(&system, node)?;
        let name = one_line("name of the node", name, MAX_NAME)?;
        if name.is_empty() {
            return Err(Error::new(Code::Usage, "A node needs a name."));
        }
        let entry = act(call, "node.rename", row.name, format!("now {name}"));
        let nodes = vec![NodeChange::Rename(row.id, name)];
        system.write(Change { acts: vec![entry], nodes, ..Change::default() })?;
        self.nodes_here(&system).map(Response::Nodes)
    }

    pub(super) fn join(
        &self,
        url: &str,
        token: &SecretText,
        custody: CustodyChoice,
        cache: Cache,
        call: &Call,
    ) -> Result<JoinView, Error> {
        let _only = super::held(&self.setup);
        self.expect_empty()?;
        let token = Token::from_text(token)?;
        let key = authority::make_key()?;
        let client = Client::joining(url, token.system, token.pin)?;
        let ask = JoinAsk {
            token: token.secret(),
            request: STANDARD.encode(authority::request(&key)?),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            memory_only: cache == Cache::Memory,
        };
        let mut progress = super::Progress::new(call, "Joining", 0);
        progress.at(0)?;
        let answer = self.runtime()?.block_on(client.join(&ask)).map_err(Error::from)?;
        let wrong =
            || Error::new(Code::Unavailable, "The master's answer makes no sense. Nothing was joined.");
        let certificate = STANDARD.decode(&answer.certificate).map_err(|_| wrong())?;
        let ca = STANDARD.decode(&answer.ca).map_err(|_| wrong())?;
        // The authority that everything is checked against from now on is the one that the token pins.
        if authority::read(&ca).map(|said| said.key_hash) != Some(token.pin) || answer.system != token.system
        {
            return Err(wrong());
        }
        // Opened to be parsed into the bundle's own secret types.
        let mut bundle = Bundle::from_text(answer.bundle.expose())?;
        if bundle.system() != token.system {
            return Err(wrong());
        }
        let row = SystemRow {
            id: answer.system,
            name: answer.system_name.clone(),
            created: answer.system_created,
            node: answer.node,
            node_name: answer.name.clone(),
            epoch: answer.epoch,
            active_version: answer.active_version,
            generation: Generation(0),
            master: answer.master,
            ca: Some(ca.clone()),
        };
        let kept = match cache {
            Cache::Keyring => {
                bundle.node_key = Some(key);
                Kept::Secret(bundle)
            }
            Cache::Memory => Kept::KeyOnly { system: answer.system, node_key: key },
        };
        let membership = Membership::new(
            answer.system,
            answer.system_name.clone(),
            answer.node,
            url.to_owned(),
            &certificate,
            &ca,
        );
        let mut undo = Undo::default();
        let unfinished = self.config.data_dir.join(UNFINISHED);
        undo.database(&unfinished);
        Store::create(&unfinished, &row)?;
        membership.write(&self.config.data_dir)?;
        undo.file(self.config.data_dir.join(crate::membership::FILE));
        let mut settings = Settings::new(match custody {
            CustodyChoice::Keyring => sealport_core::api::CustodyKind::Keyring,
            CustodyChoice::Passphrase { .. } => sealport_core::api::CustodyKind::Passphrase,
        });
        settings.cache = (cache == Cache::Memory).then_some(cache);
        let custody = self.custody(custody, row.id);
        self.finish(row, custody, &kept, Some(settings), undo)?;
        // The replica comes before the answer: who joined can open at once.
        self.follow()?;
        let system = self.system()?;
        let follower = system.follower().ok_or_else(|| system.no_way())?;
        let there = follower.wait(std::time::Duration::from_secs(300), || {
            let _ = progress.at(system.position().borrow().counts.records);
            system.state() == NodeState::Synced && system.position().borrow().at.generation > Generation(0)
        });
        if !there {
            return Err(Error::new(
                Code::Unavailable,
                "This node has joined, but the first copy of the port configurations did not arrive in time.",
            )
            .hint("It goes on by itself while `sealport serve` or the desktop runs; `sealport status` tells how far it is."));
        }
        let ports = system.read(|store| store.counts())?.0;
        Ok(JoinView {
            system: answer.system,
            system_name: answer.system_name,
            node: NodeView {
                id: answer.node,
                name: answer.name,
                role: if answer.standby { NodeRole::Standby } else { NodeRole::Processing },
                administrator: answer.administrator,
            },
            fingerprint: authority::fingerprint(&ca).ok_or_else(wrong)?,
            ports,
        })
    }
}

/// Seconds since the master was last heard, as this node knows.
pub(super) fn sync_age(system: &System) -> Option<u64> {
    match system.facts().contact {
        sealport_core::machine::Contact::Age { ms, .. } => Some(ms / 1_000),
        sealport_core::machine::Contact::NeverYet { .. } => None,
    }
}

/// Certificate of the authority.
pub(super) fn authority_of(system: &System) -> Result<Vec<u8>, Error> {
    system.gate(|store| store.system())?.ca.ok_or_else(no_authority)
}

/// The role of a registered node for the protocol.
pub(crate) fn role_of(node: &NodeRow) -> Role {
    if node.standby { Role::Standby } else { Role::Processing }
}

fn no_authority() -> Error {
    Error::new(Code::Refused, "This system has no authority that could let nodes in.")
        .hint("It was made by an early version: back it up and restore it in a new data directory, which makes one.")
}

/// What a node says of itself, judged by when it said so.
fn judged(said: NodeState, age_ms: u64) -> NodeState {
    if age_ms >= sealport_core::machine::ONLINE_FOR && said == NodeState::Synced {
        return NodeState::Degraded;
    }
    said
}

pub(super) fn administer(system: &System, request: Request, call: &Call) -> Result<Response, Error> {
    let follower = system.follower().ok_or_else(|| system.no_way())?;
    follower.ask("/v1/administer", &Administer { actor: call.actor.clone(), request })
}

fn find(system: &System, node: &str) -> Result<NodeRow, Error> {
    let nodes = system.gate(|store| store.nodes())?;
    let id: Option<NodeId> = node.parse().ok();
    let fits = |row: &&NodeRow| Some(row.id) == id || (!row.revoked && row.name.eq_ignore_ascii_case(node));
    nodes.iter().find(fits).cloned().ok_or_else(|| {
        Error::new(Code::NotFound, format!("There is no node {node}."))
            .hint("`sealport node list` tells their names and ids.")
    })
}

/// The truth in one sentence.
fn summary(nodes: &[NodeEntryView], live: bool, epoch: u64) -> String {
    let members: Vec<_> = nodes.iter().filter(|node| !node.revoked).collect();
    let master = members.iter().find(|node| node.role == NodeRole::Master);
    let master = master.map_or("unknown", |node| node.name.as_str());
    if !live {
        return format!(
            "The master {master} can't be asked now. This is what this node last knew (epoch {epoch})."
        );
    }
    let agree = members.iter().filter(|node| node.state == Some(NodeState::Synced)).count();
    match (members.len(), agree) {
        (1, 1) => format!("One node: {master} is master, epoch {epoch}."),
        (all, agreeing) if all == agreeing => {
            format!("All {all} nodes agree: {master} is master, epoch {epoch}.")
        }
        (all, agreeing) => {
            let others: Vec<_> = members
                .iter()
                .filter(|node| node.state != Some(NodeState::Synced))
                .map(|node| match node.state {
                    Some(state) => format!("{} is {}", node.name, state.name().replace('_', " ")),
                    None => format!("{} was not heard since the master started", node.name),
                })
                .collect();
            format!(
                "{agreeing} of {all} nodes agree that {master} is master, epoch {epoch}. {}.",
                others.join("; ")
            )
        }
    }
}
