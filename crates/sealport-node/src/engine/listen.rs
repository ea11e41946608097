//! The network side of a master: its own certificate, the port, and the address that the registry tells.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use sealport_core::{Code, Error, api::NodeState, secret::SecretBytes};

use super::{
    Engine, fleet, held, now,
    setup::host_name,
    system::{System, own_act},
};
use crate::{
    net::{
        authority::{self, Leaf},
        client::Client,
        server::Server,
        tls::Shown,
    },
    store::{Change, NodeChange, NodeRow},
};

/// How often the master looks whether its own certificate gets short.
const LOOK: Duration = Duration::from_secs(3_600);

/// The port of a service: wanted, and had.
#[derive(Default)]
pub(super) struct Listening {
    /// Whether this process serves other nodes at all, and where, if not where the settings say.
    wanted: Option<Option<String>>,
    server: Option<Server>,
    /// Where others reach it.
    told: Option<String>,
}

impl Listening {
    /// Connections of other nodes that are open.
    pub fn connections(&self) -> usize {
        self.server.as_ref().map_or(0, Server::connections)
    }
}

impl Engine {
    /// Serves other nodes from now on, wherever there is something to serve. `at` takes the place of the setting.
    pub fn listen(&self, at: Option<String>) -> Result<(), Error> {
        held(&self.listening).wanted = Some(at);
        self.begin_listening()
    }

    /// Where this node is reached by others.
    ///
    /// # Errors
    /// Why it is not, on a master.
    pub fn listening(&self) -> Result<Option<SocketAddr>, Error> {
        self.begin_listening()?;
        Ok(held(&self.listening).server.as_ref().map(|server| server.address))
    }

    /// Serves and asks nobody any more.
    pub(super) fn be_silent(&self) {
        let mut listening = held(&self.listening);
        listening.server = None;
        listening.told = None;
        *self.way.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Where other nodes reach this one, while it serves.
    pub(crate) fn address(&self) -> Option<String> {
        held(&self.listening).told.clone()
    }

    /// Where other nodes would reach this one, if it served.
    pub(super) fn would_listen(&self) -> Option<String> {
        match &held(&self.listening).wanted {
            Some(Some(at)) => Some(at.clone()),
            Some(None) => self.settings().ok().map(|settings| settings.listen().to_owned()),
            None => None,
        }
    }

    /// The state of this node.
    pub fn state(&self) -> NodeState {
        self.node_state()
    }

    /// Begins to listen if that is wanted, this is a master or a standby whose keys are at hand, and it does not listen yet.
    pub(super) fn begin_listening(&self) -> Result<(), Error> {
        self.begin_listening_as(false)
    }

    /// The same; a candidate that a backup just gave all that a master needs listens before it is one.
    pub(super) fn begin_listening_as(&self, candidate: bool) -> Result<(), Error> {
        let mut listening = held(&self.listening);
        let (Some(at), None) = (&listening.wanted, &listening.server) else { return Ok(()) };
        let Some(engine) = self.me.get().and_then(Weak::upgrade) else { return Ok(()) };
        let Ok(system) = self.system() else { return Ok(()) };
        if system.cloned.is_some() {
            return Ok(());
        }
        let known = system.gate(|store| store.nodes())?.into_iter().find(|node| node.id == system.row.node);
        // A standby is asked too: who is master, for its vote, to become the master.
        if !candidate
            && !system.is_master()
            && !known.as_ref().is_some_and(|node| node.standby && !node.revoked)
        {
            return Ok(());
        }
        let at = match at {
            Some(at) => at.clone(),
            None => self.settings()?.listen().to_owned(),
        };
        // The port first: where it is taken, custody is not troubled.
        let listener = TcpListener::bind(&at).map_err(|e| {
            Error::new(Code::Unavailable, format!("Can't listen on {at}: {e}."))
                .hint("Another program may use the port: choose one with `sealport config set listen ADDR:PORT`.")
                .because(e)
        })?;
        let (certificate, ca, key) = own_certificate(&system)?;
        let shown = Shown::new(certificate, ca.clone(), &key)?;
        self.go_by(Client::nowhere(system.row.id, &ca, shown.certificate(), &key)?);
        let server = Server::start(&engine, listener, &ca, shown.clone())?;
        self.runtime()?.spawn(keep_fresh(Arc::downgrade(&engine), shown));
        let address = told(&at, server.address);
        listening.server = Some(server);
        listening.told = Some(address.clone());
        drop(listening);
        if !system.is_master() {
            // The master hears of it with the next renewal, which this makes due.
            if let Some(follower) = system.follower() {
                follower.nudge();
            }
            return Ok(());
        }
        self.doubt(&system);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let moved = |node: &NodeRow| node.address.as_ref() != Some(&address) || node.version != version;
        if let Some(node) = known.filter(moved) {
            let entry = own_act("node.listen", node.name, format!("at {address}, with Sealport {version}"));
            let nodes = vec![NodeChange::Seen { id: node.id, address: Some(address), version }];
            system.write_here(&Change { acts: vec![entry], nodes, ..Change::default() })?;
        }
        Ok(())
    }
}

/// A new certificate for the master itself, the authority's, and the key of the first. Custody is opened once for all.
pub(super) fn own_certificate(system: &System) -> Result<(Vec<u8>, Vec<u8>, SecretBytes), Error> {
    let mut bundle = system.bundle()?;
    let key = bundle.node_key.take().ok_or_else(|| {
        Error::new(Code::Integrity, "Custody holds no private key of this node.")
            .hint("Restore the latest backup in a new data directory.")
    })?;
    let keys = bundle.authority.as_ref().ok_or_else(|| {
        Error::new(
            Code::Refused,
            "Custody does not hold the keys of the authority, so no node can be served.",
        )
        .hint("Restore the latest backup in a new data directory.")
    })?;
    system.learn_grant_key_of(keys)?;
    let ca = fleet::authority_of(system)?;
    let request = authority::request(&key)?;
    let signed = authority::sign(keys, &ca, system.row.id, system.row.node, Leaf::Server, &request, now())?;
    Ok((signed.certificate, ca, key))
}

/// Shows a new certificate each day. Ends with the engine.
async fn keep_fresh(engine: Weak<Engine>, shown: Arc<Shown>) {
    let mut signed = now();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(engine) = engine.upgrade() else { return };
        let Ok(system) = engine.system() else { continue };
        if now().as_millis() - signed.as_millis() < authority::LEAF_LASTS - authority::RENEW_BELOW {
            continue;
        }
        let fresh = tokio::task::block_in_place(|| {
            let (certificate, ca, key) = own_certificate(&system)?;
            engine.go_by(Client::nowhere(system.row.id, &ca, certificate.clone(), &key)?);
            shown.replace(certificate, ca, &key)
        });
        if fresh.is_ok() {
            signed = now();
        }
    }
}

/// What the registry tells: the address that was asked for, with the port that was had, and a name where it was "any".
fn told(asked: &str, had: SocketAddr) -> String {
    let host = asked.rsplit_once(':').map_or(asked, |(host, _)| host);
    let any = had.ip().is_unspecified();
    let host = if any { host_name() } else { host.to_owned() };
    format!("{host}:{}", had.port())
}
