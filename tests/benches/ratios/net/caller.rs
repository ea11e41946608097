//! One end of a connection to a master: TLS with an identity of its own, and requests on it one after the other.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use sealport_core::{
    api::NodeState,
    id::SystemId,
    machine::{Ask, Held},
};
use sealport_node::net::{authority::master_name, wire::SyncAsk};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// Whom to call, and as whom.
#[derive(Clone)]
pub struct Caller {
    config: Arc<ClientConfig>,
    to: SocketAddr,
    name: ServerName<'static>,
    from: Ipv4Addr,
}

/// An open connection.
pub type Line = SendRequest<Full<Bytes>>;

impl Caller {
    /// `number` spreads callers over the addresses of this machine, which has too few ports at one.
    pub fn new(config: Arc<ClientConfig>, to: SocketAddr, system: SystemId, number: usize) -> Self {
        let name = master_name(system).try_into().expect("a name");
        Self { config, to, name, from: Ipv4Addr::new(127, 0, 1, 1 + (number % 32) as u8) }
    }

    /// Opens a connection: TCP, and both sides prove themselves.
    pub async fn connect(&self) -> io::Result<Line> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((self.from, 0)))?;
        let stream = socket.connect(self.to).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(self.config.clone()).connect(self.name.clone(), stream).await?;
        let (line, driver) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(driver);
        Ok(line)
    }
}

/// Asks on an open connection; the status and the whole answer.
pub async fn ask(line: &mut Line, body: Bytes) -> io::Result<(u16, Bytes)> {
    line.ready().await.map_err(io::Error::other)?;
    let request = Request::post("/v1/sync")
        .header("host", "master")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    let response = line.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status().as_u16();
    let answer = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    Ok((status, answer))
}

/// What a node that holds everything asks, with this hold.
pub fn poll(held: &Held, hold: u64) -> Bytes {
    let ask = Ask {
        seen: held.seen,
        at: held.at,
        audit: held.audit.clone(),
        version: held.version,
        keys: held.keys,
        full: held.damaged,
        hold,
    };
    body(ask)
}

/// A poll as it goes over the wire.
pub fn body(ask: Ask) -> Bytes {
    serde_json::to_vec(&SyncAsk { ask, state: NodeState::Synced }).expect("an ask is JSON").into()
}
