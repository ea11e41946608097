//! A node's side of the network: requests to the master, each with a deadline, and what a failure means.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Method, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    tls::TlsInfo,
};
use rustls::ClientConfig;
use sealport_core::{
    Code, Error,
    id::{NodeId, SystemId},
    machine::Failure,
    secret::{SecretBytes, Wiped},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    authority::{self, master_name},
    tls,
    wire::{CLONED, JoinAnswer, JoinAsk, Problem, SEAL_ANEW},
};
use crate::{life, membership::Membership, store::SealAnew};

/// How long any request but a poll may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is not a stream.
const ANSWER_LIMIT: usize = 4 << 20;

/// The way to a master, or to another node that serves.
pub struct Client {
    http: reqwest::Client,
    base: String,
    url: String,
    /// As it would reach any node.
    tls: ClientConfig,
    ca: Vec<u8>,
    system: SystemId,
    /// The one node that is heard.
    meant: Option<NodeId>,
    /// The count of the last answer; 0 before the first.
    heard: AtomicU64,
}

/// What went wrong, for people and for the protocol.
#[derive(Debug)]
pub struct Refused {
    /// For people.
    pub error: Error,
    /// Why, in a few words that fit into another sentence.
    pub why: String,
    /// For the protocol.
    pub failure: Failure,
    /// The master decided so; where not, nobody knows whether it did what was asked.
    pub answered: bool,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Client {
    /// As a member.
    pub fn member(membership: &Membership, key: &SecretBytes) -> Result<Self, Error> {
        Self::nowhere(membership.system, &membership.ca()?, membership.certificate()?, key)?
            .at(&membership.url)
    }

    /// As a node with this certificate (DER), without a master yet: for [`Client::at`] and [`Client::to`].
    pub fn nowhere(
        system: SystemId,
        ca: &[u8],
        certificate: Vec<u8>,
        key: &SecretBytes,
    ) -> Result<Self, Error> {
        Self::new("https://127.0.0.1:1", tls::member(ca, certificate, key)?, ca, system, None)
    }

    /// The same caller, on its way to whichever node of the system answers there.
    pub fn at(&self, url: &str) -> Result<Self, Error> {
        Self::new(url, self.tls.clone(), &self.ca, self.system, None)
    }

    /// The same caller, on its way to this node: another one that answers there is sent nothing and is not heard.
    pub fn to(&self, url: &str, node: NodeId) -> Result<Self, Error> {
        Self::new(url, self.tls.clone(), &self.ca, self.system, Some(node))
    }

    /// The node that alone is heard, if one is.
    pub fn meant(&self) -> Option<NodeId> {
        self.meant
    }

    /// As a node that has only a token with this pin.
    pub fn joining(url: &str, system: SystemId, pin: [u8; 32]) -> Result<Self, Error> {
        Self::new(url, tls::joining(pin)?, &[], system, None)
    }

    fn new(
        url: &str,
        tls: ClientConfig,
        ca: &[u8],
        system: SystemId,
        meant: Option<NodeId>,
    ) -> Result<Self, Error> {
        let (host, port) = address(url)?;
        let config = match meant {
            Some(node) => tls::only(tls.clone(), ca, node)?,
            None => tls.clone(),
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .tls_info(true)
            .dns_resolver(Arc::new(Fixed { host, port }))
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_max_idle_per_host(2)
            .build()
            .map_err(|e| Error::new(Code::Internal, "The network client can't be set up.").because(e))?;
        // The name is the one that the master proves by its certificate; where it is, the resolver says.
        let base = format!("https://{}:{port}", master_name(system));
        let heard = AtomicU64::new(0);
        Ok(Self { http, base, url: url.to_owned(), tls, ca: ca.to_vec(), system, meant, heard })
    }

    /// Asks to be let in.
    pub async fn join(&self, ask: &JoinAsk) -> Result<JoinAnswer, Refused> {
        self.post("/v1/join", ask, DEADLINE).await
    }

    /// Sends one request and reads the whole answer within `deadline`.
    pub async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        ask: &impl Serialize,
        deadline: Duration,
    ) -> Result<A, Refused> {
        self.post_to(None, path, ask, deadline).await
    }

    /// The same, but only the node with this key may answer: SHA-256 of the public one, as the registry has it.
    pub async fn post_to<A: DeserializeOwned>(
        &self,
        key_hash: Option<[u8; 32]>,
        path: &str,
        ask: &impl Serialize,
        deadline: Duration,
    ) -> Result<A, Refused> {
        let exchange = async {
            let mut response = self.send(path, ask).await?;
            let shown = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
            let shown = shown.and_then(authority::read).map(|said| said.key_hash);
            if key_hash.is_some() && shown != key_hash {
                return Err(self.senseless("another node answers there"));
            }
            // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
            let length = response.content_length().and_then(|length| usize::try_from(length).ok());
            let room = length.unwrap_or(ANSWER_LIMIT).min(ANSWER_LIMIT);
            let mut body = Wiped::new(Vec::with_capacity(room));
            while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
                if body.len() + chunk.len() > ANSWER_LIMIT {
                    return Err(self.senseless("it is too long"));
                }
                body.extend_from_slice(&chunk);
            }
            serde_json::from_slice(&body).map_err(|_| self.senseless("it is not what was asked for"))
        };
        tokio::time::timeout(deadline, exchange).await.unwrap_or_else(|_| Err(self.late(deadline)))
    }

    /// Sends one request; the body of the answer comes as it comes. `deadline` is for its beginning.
    pub async fn stream(
        &self,
        path: &str,
        ask: &impl Serialize,
        deadline: Duration,
    ) -> Result<reqwest::Response, Refused> {
        tokio::time::timeout(deadline, self.send(path, ask))
            .await
            .unwrap_or_else(|_| Err(self.late(deadline)))
    }

    async fn send(&self, path: &str, ask: &impl Serialize) -> Result<reqwest::Response, Refused> {
        let body = serde_json::to_vec(ask).map_err(|e| Refused {
            why: "the request could not be written".to_owned(),
            error: Error::new(Code::Internal, "A request could not be written.").because(e),
            failure: Failure::Refused,
            answered: true,
        })?;
        let heard = Some(self.heard.load(Ordering::Relaxed)).filter(|heard| *heard > 0);
        let request = self
            .http
            .request(Method::POST, format!("{}{path}", self.base))
            .header("content-type", "application/json")
            // TLS has proven the long name; here it would only make each poll longer.
            .header("host", "master")
            .header(life::LIFE, life::to_header(heard))
            .body(body);
        let mut response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let beat = response.headers().get(life::BEAT).and_then(|beat| beat.to_str().ok());
        if let Some(beat) = beat.and_then(|beat| u64::from_str_radix(beat, 16).ok()) {
            self.heard.store(beat, Ordering::Relaxed);
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > 64 << 10 {
                break;
            }
        }
        Err(self.refused(status, &body))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Refused {
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            return self.senseless(&format!("its status is {status}"));
        };
        let failure = match problem.denial.as_deref() {
            Some("revoked") => Failure::Revoked,
            Some(CLONED) => Failure::Cloned,
            Some("expired") => Failure::Expired,
            Some("superseded") => Failure::Superseded,
            _ => Failure::Refused,
        };
        let error = match problem.denial.as_deref() {
            Some(SEAL_ANEW) => problem.error.because(SealAnew),
            _ => problem.error,
        };
        Refused { why: error.message.clone(), error, failure, answered: status.is_client_error() }
    }

    fn unreachable(&self, cause: &reqwest::Error) -> Refused {
        let mut why = String::new();
        let mut source = std::error::Error::source(cause);
        while let Some(inner) = source {
            why = inner.to_string();
            source = inner.source();
        }
        if let Some((_, other)) = why.split_once(tls::ANOTHER_NODE) {
            let why = format!("{}{other}", tls::ANOTHER_NODE);
            return Refused {
                error: Error::new(
                    Code::Unavailable,
                    format!("The master is not the one that answers at {}: {why}.", self.url),
                )
                .hint(
                    "Nothing was sent to it. A machine that was restored becomes the master by name: \
                     `sealport promote self --emergency` there. Else check that the address is right.",
                ),
                why,
                failure: Failure::Superseded,
                answered: false,
            };
        }
        // rustls says who refused what; a name that does not fit is another master, an old date a clock.
        let (failure, hint) = if why.contains("UnknownIssuer") || why.contains("BadSignature") {
            (
                Failure::OtherSystem,
                "Another system answers at this address. Check it with `sealport config get`.",
            )
        } else if why.contains("NotValidYet") || why.contains("Expired") {
            (
                Failure::Unreachable,
                "The clocks of the two machines differ, or the master's certificate is over. Compare the clocks first.",
            )
        } else {
            (
                Failure::Unreachable,
                "Check that it runs, that the address is right, and that no firewall is between.",
            )
        };
        let why = if why.is_empty() { cause.to_string() } else { why };
        Refused {
            error: Error::new(Code::Unavailable, format!("The master {} can't be reached: {why}.", self.url))
                .hint(hint),
            why,
            failure,
            answered: false,
        }
    }

    fn late(&self, deadline: Duration) -> Refused {
        Refused {
            error: Error::new(
                Code::Unavailable,
                format!("The master {} did not answer within {} s.", self.url, deadline.as_secs()),
            )
            .hint("Check that it runs, and that no firewall is between."),
            why: "no answer in time".to_owned(),
            failure: Failure::Unreachable,
            answered: false,
        }
    }

    fn senseless(&self, what: &str) -> Refused {
        Refused {
            error: Error::new(
                Code::Unavailable,
                format!("The answer of {} makes no sense: {what}.", self.url),
            )
            .hint("Check that a Sealport of the same version answers at this address."),
            why: format!("its answer makes no sense: {what}"),
            failure: Failure::Unreachable,
            answered: false,
        }
    }
}

/// Where a master is.
pub fn address(url: &str) -> Result<(String, u16), Error> {
    let wrong = || {
        Error::new(Code::Usage, format!("`{url}` is not the address of a master."))
            .hint("Write it like https://hub-1.example:7410.")
    };
    let rest = url.strip_prefix("https://").ok_or_else(wrong)?.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) || port == 0 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// Finds the one host, whatever name TLS asks for.
struct Fixed {
    host: String,
    port: u16,
}

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_more() {
        assert_eq!(address("https://hub-1.example:7410").unwrap(), ("hub-1.example".to_owned(), 7410));
        assert_eq!(address("https://[::1]:1/").unwrap(), ("::1".to_owned(), 1));
        for wrong in [
            "http://a:1",
            "https://a",
            "https://:1",
            "https://a:0",
            "https://a:70000",
            "https://a/b:1",
            "a:1",
        ] {
            assert_eq!(address(wrong).unwrap_err().code, Code::Usage, "{wrong}");
        }
    }
}
