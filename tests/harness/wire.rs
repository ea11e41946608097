//! The wire as a caller that keeps no rules sees it: one connection, any certificate, any bytes, and the answer as it came.
//!
//! Tests of the package that makes the binary take this file by its path.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use sealport_core::secret::SecretBytes;
use sealport_node::net::authority::tls_key;
use serde_json::Value;

/// How long a connection waits for anything before the test gives it up.
pub const GIVE_UP: Duration = Duration::from_secs(30);

/// What a caller shows.
pub struct Identity {
    /// Certificates, its own first, DER.
    pub chain: Vec<Vec<u8>>,
    /// The key that it signs with.
    pub key: SecretBytes,
}

/// How to reach a server of the authority `ca`, as `who`. Nothing is checked of what is shown: that is the server's part.
pub fn caller(
    ca: &[u8],
    who: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.to_vec())).unwrap();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match who {
        None => builder.with_no_client_auth(),
        Some(who) => {
            let chain = who.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
            let key = provider.key_provider.load_private_key(tls_key(&who.key)).unwrap();
            let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            builder.with_client_cert_resolver(Arc::new(shown))
        }
    }
}

/// One connection, kept alive.
pub struct Line(StreamOwned<ClientConnection, TcpStream>);

impl Line {
    /// Connects. The handshake happens with the first request.
    pub fn open(at: SocketAddr, name: &str, config: ClientConfig) -> Self {
        let tcp = TcpStream::connect(at).unwrap();
        tcp.set_read_timeout(Some(GIVE_UP)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp))
    }

    /// Sends a request and reads its answer: the status, and the body's first line as JSON. An error is a connection
    /// that the other side ended.
    pub fn post(&mut self, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        self.ask(path, body)?;
        self.answer()
    }

    /// The same without a body.
    pub fn get(&mut self, path: &str) -> io::Result<(u16, Value)> {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Sends a request.
    pub fn ask(&mut self, path: &str, body: &Value) -> io::Result<()> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body.as_bytes()].concat())
    }

    /// Sends bytes inside TLS.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads an answer.
    pub fn answer(&mut self) -> io::Result<(u16, Value)> {
        let head = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = Vec::new();
        if let Some(length) = length {
            body = self.exactly(length.trim().parse().unwrap())?;
        } else {
            loop {
                let size = self.until(b"\r\n")?;
                let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).unwrap();
                let chunk = self.exactly(size + 2)?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok((status, serde_json::from_slice(line).unwrap_or(Value::Null)))
    }

    /// Waits until the other side ends the connection.
    pub fn ended(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                }
            }
        }
    }

    fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            read.extend(self.exactly(1)?);
        }
        Ok(read)
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; length];
        self.0.read_exact(&mut read)?;
        Ok(read)
    }
}
