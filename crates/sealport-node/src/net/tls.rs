//! TLS between nodes: 1.3 only, both sides with certificates of the system's authority.
//!
//! The server takes a certificate that is over (the registry and the endpoint decide then: such a node may renew and
//! nothing else), and a caller without one (it may join). The client takes only a certificate that proves the master's
//! name and, where it means one node, that it was signed for that node; while it joins, only one of the authority that its
//! token pins.

use std::sync::{Arc, RwLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ClientHello, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use sealport_core::{Code, Error, id::NodeId, secret::SecretBytes};

use super::authority::{self, Said};

/// How the refusal of a node that is not the one that was meant begins; its id follows.
pub const ANOTHER_NODE: &str = "another node answers there: ";

/// The one protocol that is spoken.
const ALPN: &[u8] = b"http/1.1";

/// The certificate that a server shows. It can be replaced while the server runs.
#[derive(Debug)]
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// Shows this certificate, with its authority behind it, so that a node that joins can compare the pin.
    pub fn new(certificate: Vec<u8>, ca: Vec<u8>, key: &SecretBytes) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(certified(certificate, ca, key)?))))
    }

    /// The certificate (DER) that is shown.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        shown.cert.first().map(|certificate| certificate.to_vec()).unwrap_or_default()
    }

    /// Shows another one from now on.
    pub fn replace(&self, certificate: Vec<u8>, ca: Vec<u8>, key: &SecretBytes) -> Result<(), Error> {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = certified(certificate, ca, key)?;
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
    }
}

/// How the service listens.
pub fn server(ca: &[u8], shown: Arc<Shown>) -> Result<Arc<ServerConfig>, Error> {
    let inner = WebPkiClientVerifier::builder_with_provider(roots(ca)?, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|e| fault("The check of callers can't be set up", e))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| fault("TLS 1.3 can't be set up", e))?
        .with_client_cert_verifier(Arc::new(AlsoExpired(inner)))
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves its certificate anew, so nothing is remembered about callers.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// How a member reaches the master.
pub fn member(ca: &[u8], certificate: Vec<u8>, key: &SecretBytes) -> Result<ClientConfig, Error> {
    let mut config = builder()?
        .with_root_certificates(roots(ca)?)
        .with_client_auth_cert(vec![CertificateDer::from(certificate)], authority::tls_key(key))
        .map_err(|e| fault("The certificate and the key of this node don't fit", e))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The same member on its way to one node: whoever else answers is sent nothing and is not heard.
pub fn only(mut config: ClientConfig, ca: &[u8], node: NodeId) -> Result<ClientConfig, Error> {
    let chain = WebPkiServerVerifier::builder_with_provider(roots(ca)?, provider())
        .build()
        .map_err(|e| fault("The check of the master can't be set up", e))?;
    config.dangerous().set_certificate_verifier(Arc::new(Only { node, chain }));
    Ok(config)
}

/// How a node that joins reaches the master that its token pins.
pub fn joining(pin: [u8; 32]) -> Result<ClientConfig, Error> {
    let mut config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider: provider() }))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Who is at the other end of a connection, by the certificate that it proved.
pub fn peer(chain: Option<&[CertificateDer<'_>]>) -> Option<Said> {
    authority::read(chain?.first()?)
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| fault("TLS 1.3 can't be set up", e))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(ca: &[u8]) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(ca.to_vec()))
        .map_err(|e| fault("The certificate of the authority can't be read", e))?;
    Ok(Arc::new(roots))
}

fn certified(certificate: Vec<u8>, ca: Vec<u8>, key: &SecretBytes) -> Result<Arc<CertifiedKey>, Error> {
    let chain = vec![CertificateDer::from(certificate), CertificateDer::from(ca)];
    CertifiedKey::from_der(chain, authority::tls_key(key), &provider())
        .map(Arc::new)
        .map_err(|e| fault("The certificate and the key of this node don't fit", e))
}

fn fault(what: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Code::Internal, format!("{what}.")).because(cause)
}

/// Checks a caller's chain as of a moment at which its certificate counted. Whether it still does is for the endpoint.
#[derive(Debug)]
struct AlsoExpired(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AlsoExpired {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let at = match authority::read(end_entity) {
            Some(said) if said.expires.as_millis() / 1_000 < now.as_secs() as i64 => {
                let last = (said.expires.as_millis() / 1_000 - 1).unsigned_abs();
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(last))
            }
            _ => now,
        };
        self.0.verify_client_cert(end_entity, intermediates, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Takes one node alone. Any standby can prove the master's name, and so can a former master.
#[derive(Debug)]
struct Only {
    node: NodeId,
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let good =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        match authority::read(end_entity).and_then(|said| said.node) {
            Some(node) if node == self.node => Ok(good),
            other => {
                let other = other.map_or_else(|| "it does not say which".to_owned(), |node| node.to_string());
                Err(rustls::Error::General(format!("{ANOTHER_NODE}{other}")))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Takes the server whose chain holds the pinned authority, and whose certificate that authority signed for the name.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates
            .iter()
            .find(|certificate| authority::read(certificate).is_some_and(|said| said.key_hash == self.pin))
            .ok_or(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
