//! Health, metrics and the description of the interface, in plain HTTP for this machine alone. Nothing here changes
//! anything, and nothing says the name or a value of a port.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sealport_core::{Code, Error};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{endpoints::DESCRIPTION, openapi, server::problem};
use crate::engine::Engine;

/// Where `sealport serve` shows them unless told otherwise.
pub const DEFAULT: &str = "127.0.0.1:7411";
/// Every path here, with what it says.
pub const PATHS: &[(&str, &str)] = &[
    ("/healthz", "Whether the process answers."),
    ("/readyz", "Whether the node seals and opens and agrees with its master; 503 with the reason if not."),
    ("/metrics", "Figures for Prometheus."),
    (DESCRIPTION, "This description."),
];

const PATIENCE: Duration = Duration::from_secs(10);
const CONNECTION_LIMIT: usize = 32;

/// Serves until it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    engine: Weak<Engine>,
    stop: tokio::task::AbortHandle,
}

impl Server {
    /// Begins to serve at `ADDR:PORT`.
    ///
    /// # Errors
    /// `usage` for an address that other machines could reach, `unavailable` where the port is taken.
    pub fn start(engine: &Arc<Engine>, at: &str) -> Result<Self, Error> {
        let wanted: SocketAddr =
            at.parse().ok().filter(|at: &SocketAddr| at.ip().is_loopback()).ok_or_else(|| {
                Error::new(
                    Code::Usage,
                    format!("Metrics can't be shown on `{at}`: it is no loopback address and port."),
                )
                .hint("Write --metrics 127.0.0.1:7411, or --metrics off.")
            })?;
        let broken = |e: std::io::Error| {
            Error::new(Code::Unavailable, format!("Can't show health and metrics on {at}: {e}."))
                .hint("Another service may use the port: choose one with --metrics ADDR:PORT, or --metrics off.")
                .because(e)
        };
        let listener = std::net::TcpListener::bind(wanted).map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let runtime = engine.runtime()?;
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener).map_err(broken)?;
        let task = runtime.spawn(accept(listener, router(Arc::downgrade(engine))));
        engine.alarm().metrics.store(true, Ordering::Relaxed);
        Ok(Self { address, engine: Arc::downgrade(engine), stop: task.abort_handle() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.abort();
        if let Some(engine) = self.engine.upgrade() {
            engine.alarm().metrics.store(false, Ordering::Relaxed);
        }
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    // Ends with this task: connections are let go when the server is.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // More than that are let go at once.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let router = router.clone();
        connections.spawn(async move {
            serve(stream, router).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, router: Router) {
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(tower::ServiceExt::oneshot(router, request).await.into_response()) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 << 10);
    let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
    stream.set_write_timeout(Some(PATIENCE));
    let _ = http.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
}

fn router(engine: Weak<Engine>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { axum::Json(serde_json::json!({ "alive": true })) }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(DESCRIPTION, get(|| async { openapi::answer() }))
        .fallback(|| async { problem(&Error::new(Code::NotFound, "There is no such page."), None) })
        .layer(middleware::from_fn(own_name))
        .with_state(engine)
}

/// Refuses a request by a name that is not this machine's own: a web page must not read this through a name that it bent
/// to the loopback address.
async fn own_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let ours = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    if !ours || name.ends_with(|c: char| c.is_ascii_alphabetic()) && name != "localhost" {
        return problem(&Error::new(Code::NotPermitted, "Ask by the loopback address."), None);
    }
    next.run(request).await
}

async fn readyz(State(engine): State<Weak<Engine>>) -> Response {
    match aside(engine, Engine::readiness).await {
        Ok(readiness) => {
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, axum::Json(readiness)).into_response()
        }
        Err(error) => problem(&error, None),
    }
}

async fn metrics(State(engine): State<Weak<Engine>>) -> Response {
    match aside(engine, Engine::figures).await {
        Ok(figures) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], figures).into_response()
        }
        Err(error) => problem(&error, None),
    }
}

async fn aside<T: Send + 'static>(
    engine: Weak<Engine>,
    ask: fn(&Engine) -> Result<T, Error>,
) -> Result<T, Error> {
    let gone = || Error::new(Code::Unavailable, "The service is ending.");
    let engine = engine.upgrade().ok_or_else(gone)?;
    tokio::task::spawn_blocking(move || ask(&engine)).await.unwrap_or_else(|_| Err(gone()))
}
