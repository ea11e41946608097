//! The service: one TLS port for nodes. Who may do what is read from the registry on each request.
//!
//! An unauthenticated caller costs little: handshakes have a deadline and a bound in number, bodies a limit, and a peer that
//! neither reads nor writes is let go. Callers that are not known yet never fill the places of those who are, and none of
//! them keeps the others out by doing nothing.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sealport_core::{
    Code, Error,
    api::NodeState,
    machine::{Answer, Caller, Certificate, Denial, Life, Member, Role, Standing, master::admit},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    authority::{CLOCK_SLACK, Said},
    bodies::Bodies,
    crowd::Crowd,
    endpoints::{BODY_LIMIT, DESCRIPTION, ENDPOINTS, Endpoint, Verb, anywhere},
    lives::{cloned, spoke},
    openapi,
    places::{Place, Places, has_spoken},
    tls::{self, Shown},
    wire::{Problem, SEAL_ANEW, SyncAsk, SyncLine},
};
use crate::{
    clock,
    engine::{Engine, KEY_CHECK, System, TIME, needs_sealing},
    life,
    run::Disturbed,
    store::NodeRow,
};

/// How long a caller has for its handshake, for the head of a request, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a node may keep a connection without a request on it.
const SILENCE: Duration = Duration::from_secs(60);
/// Connections in all, where the system lets this process open as many files.
pub(super) const CONNECTION_LIMIT: usize = 20_000;
/// Files that are no connections: databases, the local socket, backups.
const OTHER_FILES: usize = 256;

/// Who is at the other end of a connection, as far as its certificate says.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<Said>, Option<IpAddr>);

#[derive(Clone)]
struct Shared {
    engine: Weak<Engine>,
    bodies: Arc<Bodies>,
}

/// Serves nodes until it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    places: Arc<Semaphore>,
    limit: usize,
    stop: tokio::task::AbortHandle,
}

impl Server {
    /// Begins to serve.
    pub fn start(
        engine: &Arc<Engine>,
        listener: std::net::TcpListener,
        ca: &[u8],
        shown: Arc<Shown>,
    ) -> Result<Self, Error> {
        let broken =
            |e: std::io::Error| Error::new(Code::Unavailable, "The network port can't be served.").because(e);
        let address = listener.local_addr().map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let acceptor = TlsAcceptor::from(tls::server(ca, shown)?);
        let runtime = engine.runtime()?;
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener).map_err(broken)?;
        let router = router(Shared { engine: Arc::downgrade(engine), bodies: Arc::new(Bodies::new()) });
        let limit = connection_limit();
        let places = Arc::new(Semaphore::new(limit));
        let task = runtime.spawn(accept(listener, acceptor, router, places.clone()));
        Ok(Self { address, places, limit, stop: task.abort_handle() })
    }
}

impl Server {
    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.limit - self.places.available_permits()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

/// Lets this process open as many files as it may (systems begin with 1,024), and says how many connections that is good for:
/// where files end, the database could not be opened either.
fn connection_limit() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if let Some(files) = getrlimit(Resource::Nofile).current {
            let files = usize::try_from(files).unwrap_or(usize::MAX);
            return files.saturating_sub(OTHER_FILES).clamp(OTHER_FILES, CONNECTION_LIMIT);
        }
    }
    CONNECTION_LIMIT
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router, all: Arc<Semaphore>) {
    let places = Arc::new(Places::default());
    let mut crowd = Crowd::default();
    // Ends with this task: connections are let go when the server is.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of file descriptors, most often: a pause, else this would spin.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = all.clone().try_acquire_owned() else { continue };
        let (acceptor, router, places) = (acceptor.clone(), router.clone(), places.clone());
        let mut put_out = crowd.enter();
        connections.spawn(async move {
            let known = tokio::select! {
                known = introduce(stream, from.ip(), acceptor, &router, places) => known,
                _ = &mut put_out => None,
            };
            drop(put_out);
            if let Some((stream, peer)) = known {
                talk(stream, peer, None, router, SILENCE).await;
            }
            drop(place);
        });
    }
}

/// The handshake, until the caller is known. One that shows no certificate is answered here, and is never known.
async fn introduce(
    stream: TcpStream,
    from: IpAddr,
    acceptor: TlsAcceptor,
    router: &Router,
    places: Arc<Places>,
) -> Option<(TlsStream<TcpStream>, Peer)> {
    let _ = stream.set_nodelay(true);
    tokio::time::timeout(PATIENCE, has_spoken(&stream)).await.ok()??;
    let (place, put_out) = tokio::time::timeout(PATIENCE, places.enter(from)).await.ok()?;
    let shake_hands = async {
        let stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await.ok()?.ok()?;
        let peer = Peer(tls::peer(stream.get_ref().1.peer_certificates()), Some(from.to_canonical()));
        if peer.0.is_some() {
            return Some((stream, peer));
        }
        // It keeps its place until it is gone, so it may not be silent for long.
        talk(stream, peer, Some(Arc::new(place)), router.clone(), PATIENCE).await;
        None
    };
    tokio::select! {
        known = shake_hands => known,
        _ = put_out => None,
    }
}

/// Answers requests until the peer has said nothing for `silence`.
async fn talk(
    stream: TlsStream<TcpStream>,
    peer: Peer,
    place: Option<Arc<Place>>,
    router: Router,
    silence: Duration,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(place.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(tower::ServiceExt::oneshot(router, request).await.into_response()) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // A date would be a tenth of what a poll with nothing new costs.
    http.auto_date_header(false);
    http.timer(TokioTimer::new()).header_read_timeout(silence).max_buf_size(64 << 10);
    let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
    stream.set_write_timeout(Some(PATIENCE));
    let _ = http.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
}

fn router(shared: Shared) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let handler = move |state, request| handle(*endpoint, state, request);
        let method = match endpoint.verb {
            Verb::Get => get(handler),
            Verb::Post => post(handler),
        };
        router = router.route(endpoint.path, method.layer(DefaultBodyLimit::max(endpoint.limit)));
    }
    router
        .fallback(|| async { problem(&Error::new(Code::NotFound, "There is no such endpoint."), None) })
        .with_state(shared)
}

async fn handle(endpoint: Endpoint, State(shared): State<Shared>, request: Request) -> Response {
    let engine = shared.engine.clone();
    let response = answer(endpoint, shared, request).await;
    if let Some(system) = engine.upgrade().and_then(|engine| engine.system().ok()) {
        let status = response.status();
        let labels = [("endpoint", endpoint.path), ("status", status.as_str())];
        system.meters.count("sealport_requests_total", &labels);
    }
    response
}

async fn answer(endpoint: Endpoint, shared: Shared, request: Request) -> Response {
    let gone = || problem(&Error::new(Code::Unavailable, "The service is ending."), None);
    let Some(engine) = shared.engine.upgrade() else { return gone() };
    let Ok(system) = engine.system() else { return gone() };
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer(None, None));
    let place = request.extensions().get::<Option<Arc<Place>>>().cloned().flatten();
    let node = match admitted(&system, peer, &endpoint) {
        Ok(node) => node,
        Err(refused) => return *refused,
    };
    let spoken = match (spoke(&system, node.as_ref(), request.headers()), &node) {
        (Ok(spoken), _) => spoken,
        (Err(life), Some(node)) => return cloned(&system, node, life, peer.1),
        (Err(_), None) => return problem(&Error::new(Code::NotPermitted, "Who asks?"), Some("unknown")),
    };
    let body = tokio::time::timeout(
        PATIENCE * if endpoint.limit > BODY_LIMIT { 6 } else { 1 },
        axum::body::to_bytes(request.into_body(), endpoint.limit),
    );
    let body = match body.await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let limit = endpoint.limit >> 10;
            let error =
                Error::new(Code::Usage, format!("The request is larger than {limit} KiB, or broke off."))
                    .hint("Import large files on the master itself.");
            return answer_with(StatusCode::PAYLOAD_TOO_LARGE, &error, None);
        }
        Err(_) => {
            let error = Error::new(Code::Unavailable, "The request did not come in time.");
            return answer_with(StatusCode::REQUEST_TIMEOUT, &error, None);
        }
    };
    let _works = place.map(Place::works);
    if endpoint.path == DESCRIPTION {
        return openapi::answer();
    }
    if endpoint.path == "/v1/join" {
        return blocking(move || engine.join_from(&read(&body)?)).await;
    }
    if endpoint.path == "/v1/grant" {
        // Who is master is for every node of the system to hear, also where this one has not heard of it yet.
        return blocking(move || engine.grant_for(&read(&body)?)).await;
    }
    // Every other endpoint has a right that only a member has.
    let Some(node) = node else {
        return problem(&Error::new(Code::NotPermitted, "Who asks?"), Some("unknown"));
    };
    match endpoint.path {
        "/v1/sync" => {
            // A poll may wait for long: the engine must be able to end meanwhile.
            drop(engine);
            let answer = sync(system.clone(), node, (spoken, peer.1), &body, &shared.bodies).await;
            says_of_itself(&system, answer)
        }
        "/v1/secret" => blocking(move || system.secret_for(&node)).await,
        "/v1/renew" => blocking(move || engine.renew_for(&node, &read(&body)?)).await,
        "/v1/writes" => blocking(move || engine.write_for(&node, read(&body)?)).await,
        "/v1/spool" => blocking(move || engine.spool_for(&node, read(&body)?)).await,
        "/v1/nodes" => {
            blocking(move || engine.nodes_here(&system).map(sealport_core::api::Response::Nodes)).await
        }
        "/v1/about" => blocking(move || engine.about_for(&system, &node, &read(&body)?, peer.1)).await,
        "/v1/vote" => blocking(move || engine.vote_for(&node, &read(&body)?)).await,
        "/v1/handover" => blocking(move || engine.handover_for(&node, &read(&body)?)).await,
        "/v1/promote" => blocking(move || engine.promote_for(&node, read(&body)?)).await,
        "/v1/administer" => blocking(move || engine.administer_for(&node, read(&body)?)).await,
        _ => problem(&Error::new(Code::NotFound, "There is no such endpoint."), None),
    }
}

/// The caller as the registry has it now, if it may use the endpoint.
fn admitted(system: &System, peer: Peer, endpoint: &Endpoint) -> Result<Option<NodeRow>, Box<Response>> {
    let node = match peer.0 {
        Some(said) => {
            system.gate(|store| store.node_by_key(&said.key_hash)).map_err(|e| Box::new(problem(&e, None)))?
        }
        None => None,
    };
    let member = node.as_ref().zip(peer.0).map(|(node, said)| Member {
        standing: if node.revoked { Standing::Revoked } else { Standing::Member },
        role: if node.standby { Role::Standby } else { Role::Processing },
        administrator: node.administrator,
        certificate: if said.expires.as_millis() + CLOCK_SLACK < clock::wall().as_millis() {
            Certificate::Expired
        } else {
            Certificate::Valid
        },
    });
    if !anywhere(endpoint.path) && !system.leads() {
        let error = Error::new(Code::EncryptionUnavailable, "This node is not the master.")
            .hint("Ask the present master; `sealport node list` names it.");
        return Err(Box::new(answer_with(StatusCode::SERVICE_UNAVAILABLE, &error, Some("superseded"))));
    }
    let caller = match (&member, peer.0) {
        (Some(member), _) => Caller::Known(member),
        // The handshake takes no certificate but one of this authority.
        (None, Some(_)) => Caller::Stranger,
        (None, None) => Caller::Nobody,
    };
    match admit(caller, endpoint.right) {
        Ok(()) => Ok(node),
        Err(denial) => {
            let (word, message, hint) = match denial {
                Denial::Unknown => {
                    ("unknown", "The caller is no node of this system.", "Join with a token first.")
                }
                Denial::Revoked => {
                    ("revoked", "This node was revoked by an administrator.", "Ask for a new invitation.")
                }
                Denial::Expired => (
                    "expired",
                    "The node's certificate is over.",
                    "It is renewed by itself; compare the clocks if it is not.",
                ),
                Denial::NotStandby => ("not_standby", "Only a standby may do this.", "Use a standby."),
                Denial::NotAdministrator => (
                    "not_administrator",
                    "This node is not an administrator's.",
                    "Use a node that was invited with --administrator.",
                ),
            };
            Err(Box::new(problem(&Error::new(Code::NotPermitted, message).hint(hint), Some(word))))
        }
    }
}

/// Adds what lets a node see that it and the master agree: clock and check value.
fn says_of_itself(system: &System, mut response: Response) -> Response {
    // Short: a poll with nothing new costs little because everything in it does.
    response.headers_mut().insert(TIME, (clock::wall().as_millis() / 1_000).into());
    let beat =
        system.seat.as_ref().and_then(|seat| HeaderValue::from_str(&format!("{:x}", seat.beat())).ok());
    if let Some(beat) = beat {
        response.headers_mut().insert(life::BEAT, beat);
    }
    // Where all is the same, the mark of the versions has said so already.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let active = system.known().ok().and_then(|unlocked| {
        let active = unlocked.keys.active();
        unlocked
            .versions
            .iter()
            .find(|known| known.version == active)
            .map(|known| format!("{active}:{}", &known.kcv[..16]))
    });
    if let Some(value) = active.and_then(|active| HeaderValue::from_str(&active).ok()) {
        response.headers_mut().insert(KEY_CHECK, value);
    }
    response
}

async fn sync(
    system: Arc<System>,
    node: NodeRow,
    (spoken, from): (Option<(Life, u64)>, Option<IpAddr>),
    body: &Bytes,
    bodies: &Bodies,
) -> Response {
    let SyncAsk { ask, state } = match read::<SyncAsk>(body) {
        Ok(ask) => ask,
        Err(error) => return problem(&error, None),
    };
    let mut position = system.position();
    let begun = tokio::time::Instant::now();
    let mut told = false;
    let call = system.seat.as_ref().map(|seat| seat.call(node.id)).unwrap_or_default();
    loop {
        // Listens before it looks, so that nothing comes between.
        let called = call.notified();
        tokio::pin!(called);
        called.as_mut().enable();
        let disturbed = spoken
            .zip(system.seat.as_ref())
            .and_then(|((life, beat), seat)| seat.disturbed(node.id, life, beat));
        if let (Some(Disturbed::Cloned), Some((life, _))) = (disturbed, spoken) {
            return cloned(&system, &node, life, from);
        }
        let now = position.borrow_and_update().clone();
        if !system.leads() {
            let error = Error::new(Code::EncryptionUnavailable, "This node is not the master any more.");
            return answer_with(StatusCode::SERVICE_UNAVAILABLE, &error, Some("superseded"));
        }
        let (answer, facts) = match system.judge(&ask, &now) {
            Ok(judged) => judged,
            Err(error) => return problem(&error, None),
        };
        if !told && matches!(answer, Answer::Now(_) | Answer::Hold(_)) {
            system.polled(&node, &ask, said(state), facts.keys);
            told = true;
        }
        let left = match answer {
            Answer::Grant => {
                return match system.highest_grant() {
                    Ok(Some(grant)) => one_line(&SyncLine::Grant(grant.signed().clone())),
                    Ok(None) => {
                        problem(&Error::new(Code::Refused, "This master has no grant for its epoch."), None)
                    }
                    Err(error) => problem(&error, None),
                };
            }
            Answer::Superseded => {
                let met = tokio::task::block_in_place(|| system.met_higher_epoch(&ask));
                let error = Error::new(Code::EncryptionUnavailable, "This node is not the master any more.");
                let error = met.err().unwrap_or(error);
                return answer_with(StatusCode::SERVICE_UNAVAILABLE, &error, Some("superseded"));
            }
            Answer::Differs => {
                let head = system.head(&now, facts, sealport_core::machine::Body::Nothing);
                return one_line(&SyncLine::Head(head));
            }
            Answer::Now(sealport_core::machine::Body::Nothing) => None,
            Answer::Now(body) => {
                return match bodies.shared(&system, &ask, &now, body).await {
                    Some(page) => lines(page),
                    None => stream(system, ask, bodies.turn().await),
                };
            }
            Answer::Hold(_) if disturbed.is_some() => None,
            Answer::Hold(hold) => {
                Duration::from_millis(hold).checked_sub(begun.elapsed()).filter(|l| !l.is_zero())
            }
        };
        let Some(left) = left else {
            let head = system.head(&now, facts, sealport_core::machine::Body::Nothing);
            return one_line(&SyncLine::Head(head));
        };
        let waited = tokio::select! {
            waited = tokio::time::timeout(left, position.changed()) => waited,
            () = called => continue,
        };
        if matches!(waited, Ok(Err(_))) {
            return problem(&Error::new(Code::Unavailable, "The service is ending."), None);
        }
        // Revoked while it waited: it gets nothing of what came after.
        match system.gate(|store| store.node_by_key(&node.key_hash)) {
            Ok(Some(row)) if !row.revoked => {}
            Ok(_) => {
                let error = Error::new(Code::NotPermitted, "This node was revoked by an administrator.");
                return problem(&error, Some("revoked"));
            }
            // A registry that can't be read revokes nobody: the node would believe it for good.
            Err(error) => return problem(&error, None),
        }
    }
}

/// The answer to a poll that brings something, a line at a time: neither side holds more than a few.
fn stream(
    system: Arc<System>,
    ask: sealport_core::machine::Ask,
    turn: Option<OwnedSemaphorePermit>,
) -> Response {
    let (lines, mut read) = mpsc::channel::<Bytes>(8);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut page = Vec::with_capacity(64 << 10);
        let gone = || Error::new(Code::Cancelled, "The node is gone.");
        let result = system.tell(&ask, |line| {
            put(&mut page, &line)?;
            if page.len() >= 48 << 10 || matches!(line, SyncLine::Head(_)) {
                lines.blocking_send(std::mem::take(&mut page).into()).map_err(|_| gone())?;
            }
            Ok(())
        });
        // Without its last line an answer is worth nothing to the node, so an error needs no words of its own.
        if result.is_ok() && !page.is_empty() {
            let _ = lines.blocking_send(page.into());
        }
    });
    let body = futures_util::stream::poll_fn(move |context| {
        read.poll_recv(context).map(|line| line.map(Ok::<_, Infallible>))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response()
}

fn one_line(line: &SyncLine) -> Response {
    let mut page = Vec::new();
    match put(&mut page, line) {
        Ok(()) => lines(page.into()),
        Err(error) => problem(&error, None),
    }
}

fn lines(page: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], page).into_response()
}

pub(super) fn put(page: &mut Vec<u8>, line: &SyncLine) -> Result<(), Error> {
    serde_json::to_writer(&mut *page, line)
        .map_err(|e| Error::new(Code::Internal, "A line could not be written.").because(e))?;
    page.push(b'\n');
    Ok(())
}

fn said(state: NodeState) -> sealport_core::machine::State {
    use sealport_core::machine::State;
    match state {
        NodeState::Starting | NodeState::NoSystem => State::Starting,
        NodeState::NoSecret => State::NoSecret,
        NodeState::Synced => State::Synced,
        NodeState::Degraded => State::Degraded,
        NodeState::Stale => State::Stale,
        NodeState::Fenced => State::Fenced,
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|_| Error::new(Code::Usage, "The request is not what this endpoint takes."))
}

/// Does blocking work aside and answers with what comes of it.
async fn blocking<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(error)) => problem(&error, needs_sealing(&error).then_some(SEAL_ANEW)),
        Err(_) => problem(&Error::new(Code::Internal, "The request could not be carried out."), None),
    }
}

pub(super) fn problem(error: &Error, denial: Option<&str>) -> Response {
    let status = match error.code.exit() {
        2 => StatusCode::BAD_REQUEST,
        3 => StatusCode::NOT_FOUND,
        4 => StatusCode::CONFLICT,
        5 => StatusCode::FORBIDDEN,
        6 => StatusCode::UNPROCESSABLE_ENTITY,
        7 => StatusCode::PRECONDITION_FAILED,
        8 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer_with(status, error, denial)
}

fn answer_with(status: StatusCode, error: &Error, denial: Option<&str>) -> Response {
    let told = Error::new(error.code, error.message.clone()).hint(error.hint.clone());
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: error.message.clone(),
        status: status.as_u16(),
        error: told,
        denial: denial.map(str::to_owned),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
