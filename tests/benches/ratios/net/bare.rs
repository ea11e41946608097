//! The peer of the master: a server of the same stack, with the same certificates and the same check of its callers, that
//! answers every request with the same bytes.

use std::{convert::Infallible, fs, io::Write, path::Path, sync::Arc};

use http_body_util::Full;
use hyper::{Response, body::Bytes, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use sealport_core::{id::NodeId, secret::SecretBytes};
use sealport_node::net::{authority::Leaf, tls};
use tokio_rustls::TlsAcceptor;

use super::hub::Hub;

/// Writes what the peer needs into a folder: certificate, key and answer.
pub fn prepare(hub: &Hub, folder: &Path, answer: &[u8]) {
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let (signed, key) = hub.signed(NodeId::make_new(&mut rng), Leaf::Server);
    // Opened for the peer, a process of its own; the folder goes with the benchmark.
    let key = key.expose().to_vec();
    let files =
        [("ca", &hub.ca), ("certificate", &signed.certificate), ("key", &key), ("answer", &answer.to_vec())];
    for (name, content) in files {
        fs::write(folder.join(format!("bare.{name}")), content).expect("a file");
    }
}

/// Serves until it is ended.
pub fn play(folder: &Path) {
    super::process::open_many();
    let read = |name: &str| fs::read(folder.join(format!("bare.{name}"))).expect("a file of the peer");
    let (ca, answer) = (read("ca"), Bytes::from(read("answer")));
    let key = SecretBytes::from_slice(&read("key"));
    let shown = tls::Shown::new(read("certificate"), ca.clone(), &key).expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(tls::server(&ca, shown).expect("a configuration"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        std::io::stdout().flush().expect("standard output");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let (acceptor, answer) = (acceptor.clone(), Arc::new(answer.clone()));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |_| {
                    let body = Full::new((*answer).clone());
                    async move { Ok::<_, Infallible>(Response::new(body)) }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                http.auto_date_header(false).timer(TokioTimer::new());
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}
