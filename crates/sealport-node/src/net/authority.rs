//! The internal authority of a system: its keys, the certificates that it signs, the tokens that invite, and the
//! fingerprint that people compare.
//!
//! Ed25519 throughout. The root lasts ten years; what a node gets lasts seven days and is renewed daily, so a stolen
//! node key that was revoked is of no use soon, and an outage of less than a week needs no renewal.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType,
    SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, alg_id};
use sealport_core::{
    Code, Error,
    bundle::Authority,
    id::{NodeId, SystemId},
    machine::{Grant, ProvenGrant, SignedGrant},
    secret::{SecretBytes, SecretText, Wiped},
    time::Timestamp,
};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// How long a node's certificate lasts, in milliseconds.
pub const LEAF_LASTS: i64 = 7 * DAY;
/// A certificate that has less than this left is renewed, in milliseconds.
pub const RENEW_BELOW: i64 = 6 * DAY;
/// How far a clock may be off before a fresh certificate seems not to be valid yet, in milliseconds.
pub const CLOCK_SLACK: i64 = 5 * 60_000;

const DAY: i64 = 86_400_000;
const ROOT_LASTS: i64 = 3_653 * DAY;
const TOKEN_MARK: &str = "sealport1";

/// A new private key, in PKCS #8.
pub fn make_key() -> Result<SecretBytes, Error> {
    let pair =
        KeyPair::generate_for(&PKCS_ED25519).map_err(|e| fault("A private key could not be made", e))?;
    let der = Wiped::new(pair.serialize_der());
    Ok(SecretBytes::from_slice(&der))
}

/// The keys of a new authority, and its certificate (DER).
pub fn make_authority(system: SystemId, now: Timestamp) -> Result<(Authority, Vec<u8>), Error> {
    let authority = Authority { ca: make_key()?, grant: make_key()? };
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("Sealport system {system}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    lasting(&mut params, now.as_millis(), ROOT_LASTS);
    let certificate = params
        .self_signed(&pair(&authority.ca)?)
        .map_err(|e| fault("The authority's certificate could not be made", e))?;
    Ok((authority, certificate.der().to_vec()))
}

/// What a certificate lets its node be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// May answer as the master, and ask.
    Server,
    /// May only ask.
    Client,
}

/// Signs a node's key. `request` is a PKCS #10 request in DER: it proves that the node has the private key. Nothing
/// but the key is taken from it.
pub fn sign(
    authority: &Authority,
    ca: &[u8],
    system: SystemId,
    node: NodeId,
    leaf: Leaf,
    request: &[u8],
    now: Timestamp,
) -> Result<Signed, Error> {
    let asked = CertificateSigningRequestParams::from_der(&request.to_vec().into())
        .map_err(|e| Error::new(Code::Usage, "The request for a certificate is not one.").because(e))?;
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ca), pair(&authority.ca)?)
        .map_err(|e| fault("The authority's certificate can't be read", e))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&node.to_string());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if leaf == Leaf::Server {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let name = master_name(system)
            .try_into()
            .map_err(|e| fault("The master's name is no name for a certificate", e))?;
        params.subject_alt_names = vec![SanType::DnsName(name)];
    }
    lasting(&mut params, now.as_millis(), LEAF_LASTS);
    let certificate = params
        .signed_by(&asked.public_key, &issuer)
        .map_err(|e| fault("The certificate could not be signed", e))?;
    Ok(Signed {
        certificate: certificate.der().to_vec(),
        key_hash: Sha256::digest(asked.public_key.subject_public_key_info()).into(),
        expires: Timestamp::from_millis(now.as_millis() + LEAF_LASTS),
    })
}

/// A certificate that was just signed.
pub struct Signed {
    /// DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of the public key, as the registry knows it.
    pub key_hash: [u8; 32],
    /// When it ends.
    pub expires: Timestamp,
}

/// A PKCS #10 request (DER) for this key.
pub fn request(key: &SecretBytes) -> Result<Vec<u8>, Error> {
    let request = CertificateParams::default()
        .serialize_request(&pair(key)?)
        .map_err(|e| fault("The request for a certificate could not be made", e))?;
    Ok(request.der().to_vec())
}

/// SHA-256 of a private key's public part.
pub fn key_hash(key: &SecretBytes) -> Result<[u8; 32], Error> {
    Ok(Sha256::digest(pair(key)?.subject_public_key_info()).into())
}

/// The public part of the grant key, as every node keeps it.
pub fn grant_key(authority: &Authority) -> Result<Vec<u8>, Error> {
    Ok(pair(&authority.grant)?.public_key_raw().to_vec())
}

/// Signs a grant.
pub fn sign_grant(authority: &Authority, grant: Grant) -> Result<SignedGrant, Error> {
    let signature = pair(&authority.grant)?
        .sign(&grant.to_bytes())
        .map_err(|e| fault("The grant could not be signed", e))?;
    Ok(SignedGrant { grant, signature: STANDARD.encode(signature) })
}

/// A grant whose signature is by this key, and which is of this system.
pub fn prove_grant(signed: SignedGrant, system: SystemId, key: &[u8]) -> Option<ProvenGrant> {
    signed.prove(system, |bytes, signature| {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let ed25519 = known.all.iter().find(|known| known.signature_alg_id() == alg_id::ED25519);
        ed25519.is_some_and(|ed25519| ed25519.verify_signature(key, bytes, &signature).is_ok())
    })
}

/// The name that only a node which may be master can prove.
pub fn master_name(system: SystemId) -> String {
    format!("master.{system}.sealport.internal")
}

/// A private key as TLS takes it.
pub fn tls_key(key: &SecretBytes) -> PrivateKeyDer<'static> {
    // Opened for rustls, which keeps its own copy for as long as the connection's configuration lives.
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.expose().to_vec()))
}

/// What a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The node that it was signed for; an authority's own names none.
    pub node: Option<NodeId>,
    /// SHA-256 of its public key.
    pub key_hash: [u8; 32],
    /// From when on it counts.
    pub begins: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Reads a certificate (DER); `None` where it is not one.
pub fn read(certificate: &[u8]) -> Option<Said> {
    let (_, x509) = X509Certificate::from_der(certificate).ok()?;
    let name = x509.subject().iter_common_name().next();
    Some(Said {
        node: name.and_then(|name| name.as_str().ok()?.parse().ok()),
        key_hash: Sha256::digest(x509.public_key().raw).into(),
        begins: Timestamp::from_millis(x509.validity().not_before.timestamp() * 1_000),
        expires: Timestamp::from_millis(x509.validity().not_after.timestamp() * 1_000),
    })
}

/// What people compare: 64 bits of the hash of the authority's key, in four groups of hex. `None` where the
/// certificate is not one.
pub fn fingerprint(ca: &[u8]) -> Option<String> {
    let hash = read(ca)?.key_hash;
    let groups = hash[..8].chunks(2).map(|pair| format!("{:02X}{:02X}", pair[0], pair[1]));
    Some(groups.collect::<Vec<_>>().join("-"))
}

/// An invitation as it travels: the system, the pin of its authority, and 32 random bytes that only the token holds.
pub struct Token {
    /// The system that it lets a node into.
    pub system: SystemId,
    /// SHA-256 of the authority's public key.
    pub pin: [u8; 32],
    secret: SecretBytes,
}

impl Token {
    /// A new token.
    pub fn make_new(system: SystemId, pin: [u8; 32], rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        Self { system, pin, secret: SecretBytes::from_slice(secret.as_slice()) }
    }

    /// `sealport1.SYSTEM.PIN.SECRET`, in letters that survive mail and shells.
    pub fn to_text(&self) -> SecretText {
        // Opened to be handed over: that is what a token is for.
        let secret = Wiped::new(URL_SAFE_NO_PAD.encode(self.secret.expose()));
        let pin = URL_SAFE_NO_PAD.encode(self.pin);
        SecretText::new(format!("{TOKEN_MARK}.{}.{pin}.{}", self.system, secret.as_str()))
    }

    /// Reads a token. Errors: `usage`, which never repeats any of it.
    pub fn from_text(text: &SecretText) -> Result<Self, Error> {
        let wrong = || {
            Error::new(Code::Usage, "This is not a whole token of Sealport.")
                .hint("Copy all of it, from `sealport1.` to its end, or ask for a new one.")
        };
        let mut parts = text.expose().trim().split('.');
        if parts.next() != Some(TOKEN_MARK) {
            return Err(wrong());
        }
        let mut part = || parts.next().ok_or_else(wrong);
        let system = part()?.parse().map_err(|_| wrong())?;
        let bytes = |text: &str| -> Option<Zeroizing<[u8; 32]>> {
            let decoded = Wiped::new(URL_SAFE_NO_PAD.decode(text).ok()?);
            Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
        };
        let pin = *bytes(part()?).ok_or_else(wrong)?;
        let secret = bytes(part()?).ok_or_else(wrong)?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { system, pin, secret: SecretBytes::from_slice(secret.as_slice()) })
    }

    /// What the master keeps of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose()).into()
    }

    /// The secret part, for the one request that uses it up.
    pub fn secret(&self) -> SecretText {
        SecretText::new(URL_SAFE_NO_PAD.encode(self.secret.expose()))
    }
}

/// The hash of a token's secret part as a request carries it; `None` where it is none.
pub fn token_hash(secret: &SecretText) -> Option<[u8; 32]> {
    let bytes = Wiped::new(URL_SAFE_NO_PAD.decode(secret.expose()).ok()?);
    (bytes.len() == 32).then(|| Sha256::digest(&*bytes).into())
}

fn pair(key: &SecretBytes) -> Result<KeyPair, Error> {
    let der = PrivatePkcs8KeyDer::from(key.expose());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(|e| {
        Error::new(Code::Integrity, "A private key in custody is damaged.")
            .hint("Restore the master secret from a backup, or join again.")
            .because(e)
    })
}

fn named(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn lasting(params: &mut CertificateParams, now: i64, lasts: i64) {
    let at = |millis: i64| {
        let seconds = std::time::Duration::from_millis(millis.unsigned_abs());
        (std::time::UNIX_EPOCH + seconds).into()
    };
    params.not_before = at(now - CLOCK_SLACK);
    params.not_after = at(now + lasts);
}

fn fault(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Internal, format!("{what}.")).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> impl rand_core::CryptoRng {
        rand_core::UnwrapErr(getrandom::SysRng)
    }

    /// Sabotage: let `prove_grant` take any signature, or compare with the certificate's key.
    #[test]
    fn a_grant_is_proven_by_its_own_key_alone() {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let system = SystemId::make_new(&mut rng());
        let (authority, _) = make_authority(system, now).unwrap();
        let (other, _) = make_authority(system, now).unwrap();
        let marks = |epoch| sealport_core::machine::Marks {
            epoch: sealport_core::id::Epoch(epoch),
            generation: sealport_core::id::Generation(5),
        };
        let grant = Grant {
            system,
            epoch: sealport_core::id::Epoch(2),
            node: NodeId::make_new(&mut rng()),
            begins: marks(1),
            kind: sealport_core::machine::GrantKind::Planned,
            at: now,
            by: "ann".to_owned(),
        };
        let key = grant_key(&authority).unwrap();
        let signed = sign_grant(&authority, grant.clone()).unwrap();
        assert_eq!(prove_grant(signed.clone(), system, &key).unwrap().grant(), &grant);
        let forged = [
            (signed.clone(), grant_key(&other).unwrap()),
            (sign_grant(&other, grant.clone()).unwrap(), key.clone()),
            (
                SignedGrant {
                    grant: Grant { epoch: sealport_core::id::Epoch(3), ..grant.clone() },
                    ..signed.clone()
                },
                key.clone(),
            ),
            (SignedGrant { signature: String::new(), ..signed.clone() }, key.clone()),
            (SignedGrant { signature: "not base64".to_owned(), ..signed.clone() }, key.clone()),
            (signed, Vec::new()),
        ];
        for (signed, key) in forged {
            assert_eq!(prove_grant(signed, system, &key), None);
        }
    }

    #[test]
    fn a_token_comes_back_and_nothing_else_does() {
        let token = Token::make_new(SystemId::make_new(&mut rng()), [7; 32], &mut rng());
        let text = token.to_text();
        let again = Token::from_text(&text).unwrap();
        assert_eq!((again.system, again.pin, again.hash()), (token.system, token.pin, token.hash()));
        assert_eq!(token_hash(&token.secret()), Some(token.hash()));
        let whole = text.expose();
        for cut in 0..whole.len() {
            let error = Token::from_text(&SecretText::new(whole[..cut].to_owned())).err().unwrap();
            assert_eq!(error.code, Code::Usage);
            assert!(cut < 12 || !error.message.contains(&whole[..cut]));
        }
        assert!(Token::from_text(&SecretText::new(format!("{whole}.more"))).is_err());
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_until_when() {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let system = SystemId::make_new(&mut rng());
        let node = NodeId::make_new(&mut rng());
        let (authority, ca) = make_authority(system, now).unwrap();
        let key = make_key().unwrap();
        let request = request(&key).unwrap();
        let signed = sign(&authority, &ca, system, node, Leaf::Client, &request, now).unwrap();
        let said = read(&signed.certificate).unwrap();
        assert_eq!(said.key_hash, key_hash(&key).unwrap());
        assert_eq!(said.key_hash, signed.key_hash);
        assert_eq!((said.node, read(&ca).unwrap().node), (Some(node), None));
        assert_eq!(said.expires, signed.expires);
        assert_eq!(said.begins.as_millis(), now.as_millis() - CLOCK_SLACK);
        assert_eq!(fingerprint(&ca).unwrap().len(), 19);
        // A request whose signature is not by its own key is refused: nobody gets a certificate for a key of others.
        // Sabotage: let `sign` take the key from the request without rcgen's check of its signature.
        let mut forged = request.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert!(sign(&authority, &ca, system, node, Leaf::Client, &forged, now).is_err());
    }
}
