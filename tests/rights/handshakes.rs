//! What is no handshake: bytes, certificates and silences that a master refuses within its deadline, while good nodes go on;
//! and masters that a node refuses.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ED25519};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};
use sealport_core::{api::Request, id::NodeId, machine::Failure, secret::SecretBytes, time::Timestamp};
use sealport_node::{
    membership::Membership,
    net::{
        authority::{self, Leaf, Token, master_name, tls_key},
        client::Client,
    },
};
use serde_json::{Value, json};

use super::{
    DAY, Master, now,
    wire::{self, GIVE_UP, Identity, Line},
};

/// How long the master may take to end what is no handshake: its own patience, and a slow machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(16);

/// A certificate that signed itself.
pub(super) fn self_signed(name: &str) -> Identity {
    let key = authority::make_key().unwrap();
    let pair = pair(&key);
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    Identity { chain: vec![params.self_signed(&pair).unwrap().der().to_vec()], key }
}

fn pair(key: &SecretBytes) -> KeyPair {
    let der = PrivatePkcs8KeyDer::from(key.expose());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).unwrap()
}

/// A certificate of `ca` that says whatever `change` makes of it.
fn odd(ca: &[u8], ca_key: &SecretBytes, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ca), pair(ca_key)).unwrap();
    let key = authority::make_key().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    Identity { chain: vec![params.signed_by(&pair(&key), &issuer).unwrap().der().to_vec()], key }
}

/// A whole ClientHello, as rustls writes it.
fn hello(master: &Master) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from(master.name()).unwrap();
    let config = Arc::new(wire::caller(&master.ca, None, &[&TLS13]));
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// Sends bytes, then nothing. Whether the other side ended the connection without an answer that a web server would give.
fn bytes(at: SocketAddr, sent: &[u8], pause: Duration) -> bool {
    let mut tcp = TcpStream::connect(at).unwrap();
    tcp.set_read_timeout(Some(GIVE_UP)).unwrap();
    let step = if pause.is_zero() { sent.len().max(1) } else { 1 };
    for part in sent.chunks(step) {
        if tcp.write_all(part).is_err() {
            return true;
        }
        thread::sleep(pause);
    }
    let mut answer = Vec::new();
    match tcp.read_to_end(&mut answer) {
        Ok(_) => !answer.starts_with(b"HTTP/1.1 2"),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

type Attempt = Box<dyn FnOnce(&Master) -> bool + Send>;

fn attempts(master: &Master) -> Vec<(&'static str, Attempt)> {
    let mut all: Vec<(&'static str, Attempt)> = Vec::new();
    let good = || master.node("standby", true, false, now()).who;
    let (ca, ca_key) = (&master.ca, &master.authority.ca);

    // Certificates. Each is shown to an endpoint that every member may use.
    let other = authority::make_authority(master.system, Timestamp::from_millis(now())).unwrap();
    let mut forged = good();
    *forged.chain[0].last_mut().unwrap() ^= 1;
    let issuing = odd(ca, ca_key, |_| {});
    let below = odd(&issuing.chain[0], &issuing.key, |_| {});
    let usages = |usages: &[ExtendedKeyUsagePurpose]| {
        odd(ca, ca_key, |params| params.extended_key_usages = usages.to_vec())
    };
    let certificates = [
        ("another authority", odd(&other.1, &other.0.ca, |_| {})),
        ("self-signed", self_signed(&master.name())),
        ("for servers alone", usages(&[ExtendedKeyUsagePurpose::ServerAuth])),
        ("for code alone", usages(&[ExtendedKeyUsagePurpose::CodeSigning])),
        ("not valid yet", master.certified(NodeId::from_bytes([9; 16]), Leaf::Client, now() + 2 * DAY)),
        ("a forged signature", forged),
        ("the authority's own", Identity { chain: vec![ca.clone()], key: copy(ca_key) }),
        ("of another key", Identity { chain: good().chain, key: authority::make_key().unwrap() }),
        ("signed by a node", Identity { chain: [below.chain, issuing.chain].concat(), key: below.key }),
        (
            "no certificate at all",
            Identity { chain: vec![b"no certificate".to_vec()], key: authority::make_key().unwrap() },
        ),
    ];
    for (what, who) in certificates {
        all.push((what, Box::new(move |master| master.line(Some(&who)).post("/v1/nodes", &list()).is_err())));
    }

    // Versions and protocols.
    let who = good();
    let with = move |master: &Master, who: Option<&Identity>| {
        Line::open(master.at, &master.name(), wire::caller(&master.ca, who, &[&TLS12]))
    };
    all.push((
        "TLS 1.2",
        Box::new(move |master| with(master, Some(&who)).post("/v1/nodes", &list()).is_err()),
    ));
    all.push((
        "TLS 1.2 without a certificate",
        Box::new(move |master| with(master, None).post("/v1/join", &json!({})).is_err()),
    ));
    all.push((
        "HTTP/2 alone",
        Box::new(|master| {
            let mut config = wire::caller(&master.ca, None, &[&TLS13]);
            config.alpn_protocols = vec![b"h2".to_vec()];
            Line::open(master.at, &master.name(), config).post("/v1/join", &json!({})).is_err()
        }),
    ));

    // Bytes.
    let hello = hello(master);
    let mut longer = hello.clone();
    longer[6] = 0xff;
    let mut torn = hello.clone();
    torn.truncate(hello.len() / 2);
    let mut slow = hello.clone();
    slow.truncate(200);
    let empty: Vec<u8> = [22, 3, 3, 0, 0].repeat(64);
    let changes: Vec<u8> = [20, 3, 3, 0, 1, 1].repeat(64);
    let sent: [(&'static str, Vec<u8>, u64); 14] = [
        ("garbage", (0..512_u32).map(|i| (i * 37 % 251) as u8).collect(), 0),
        ("plain HTTP", b"POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".to_vec(), 0),
        ("plain HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 0),
        ("half a ClientHello", torn, 0),
        ("nothing at all", vec![], 0),
        ("a byte every 100 ms", slow, 100),
        ("a record of 65,535 bytes", [&[22, 3, 1, 0xff, 0xff][..], &[1; 1024]].concat(), 0),
        ("a handshake of 16 MiB", longer, 0),
        ("SSL 2", vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80], 0),
        ("an alert first", vec![21, 3, 3, 0, 2, 2, 40], 0),
        ("data first", vec![23, 3, 3, 0, 5, 1, 2, 3, 4, 5], 0),
        ("empty records", empty, 0),
        ("changes of cipher", changes, 0),
        ("two ClientHellos", hello.repeat(2), 0),
    ];
    for (what, sent, pause) in sent {
        all.push((what, Box::new(move |master| bytes(master.at, &sent, Duration::from_millis(pause)))));
    }
    all.push((
        "broken off",
        Box::new(move |master| {
            let mut tcp = TcpStream::connect(master.at).unwrap();
            tcp.write_all(&hello).unwrap();
            drop(tcp);
            true
        }),
    ));

    // Inside TLS, by one who has no certificate: it gets no longer than a handshake does.
    all.push((
        "silence after the handshake",
        Box::new(|master| {
            let mut line = master.line(None);
            line.raw(b"P").unwrap();
            line.ended()
        }),
    ));
    all.push((
        "half a request",
        Box::new(|master| {
            let mut line = master.line(None);
            line.raw(b"POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
            line.answer().is_ok_and(|(status, _)| status == 408)
        }),
    ));
    all.push((
        "a head without an end",
        Box::new(|master| {
            let mut line = master.line(None);
            let _ = line.raw(&[b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'a'; 200 << 10]].concat());
            line.answer().map_or(true, |(status, _)| status >= 400)
        }),
    ));
    all.push((
        "a body that is too long",
        Box::new(|master| {
            let mut line = master.line(None);
            let _ = line.raw(b"POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 900000000\r\n\r\n");
            let _ = line.raw(&[b'a'; 200 << 10]);
            line.answer().map_or(true, |(status, _)| status == 413)
        }),
    ));
    all.push((
        "two lengths",
        Box::new(|master| {
            let mut line = master.line(None);
            let _ = line.raw(
                b"POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
            );
            line.answer().map_or(true, |(status, _)| status == 400)
        }),
    ));
    all
}

fn list() -> Value {
    json!({ "actor": "", "request": Request::NodeList })
}

fn copy(key: &SecretBytes) -> SecretBytes {
    SecretBytes::from_slice(key.expose())
}

/// Sabotage: TLS 1.2 switched on; the minute that a silent node has, given to callers without a certificate too.
#[test]
fn what_is_no_handshake_is_refused_while_good_nodes_go_on() {
    let master = Master::start();
    let attempts = attempts(&master);
    assert!(attempts.len() >= 30, "{}", attempts.len());
    let good = master.node("processing", false, false, now());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let node = scope.spawn(|| {
            let (mut slowest, mut asked) = (Duration::ZERO, 0);
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(master.line(Some(&good.who)).post("/v1/nodes", &list()).unwrap().0, 200);
                slowest = slowest.max(begun.elapsed());
                asked += 1;
                thread::sleep(Duration::from_millis(20));
            }
            (slowest, asked)
        });
        let count = attempts.len();
        let begun: Vec<_> = attempts
            .into_iter()
            .map(|(what, attempt)| {
                let master = &master;
                (
                    what,
                    scope.spawn(move || {
                        let begun = Instant::now();
                        (attempt(master), begun.elapsed())
                    }),
                )
            })
            .collect();
        let mut late = Vec::new();
        let mut longest = (Duration::ZERO, "");
        for (what, attempt) in begun {
            let (refused, took) = attempt.join().unwrap();
            if !refused || took > REFUSED_WITHIN {
                late.push(format!("{what}: refused {refused}, {took:?}"));
            }
            longest = longest.max((took, what));
        }
        over.store(true, Ordering::Relaxed);
        let (slowest, asked) = node.join().unwrap();
        println!(
            "{count} bad handshakes refused, the last after {longest:?}; meanwhile {asked} good ones, the slowest {slowest:?}"
        );
        assert!(late.is_empty(), "{late:#?}");
        assert!(asked > 20 && slowest < Duration::from_secs(8), "{asked} {slowest:?}");
    });
}

/// Whether the master still holds a connection on which nothing was said.
fn is_held(tcp: &TcpStream) -> bool {
    tcp.set_nonblocking(true).unwrap();
    matches!(tcp.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// More callers than there are places for handshakes connect and say nothing: while they are there, a node joins and
/// another one polls.
/// Sabotage: take the handshake's place before the first byte, and both wait until the silent ones are let go.
#[test]
fn silent_callers_take_no_place_from_those_who_speak() {
    const SILENT: usize = 300;
    let master = Master::start();
    let good = master.node("standby", false, false, now());
    // A machine that is too busy to serve two in 10 s shows nothing; then once more.
    let rounds = 3;
    for round in 1..=rounds {
        let token = master.invite(&format!("round {round}"));
        let body = super::join_body(token.secret().expose(), &authority::make_key().unwrap());
        let silent: Vec<_> = (0..SILENT).map(|_| TcpStream::connect(master.at).unwrap()).collect();
        let begun = Instant::now();
        let mut line = master.line(Some(&good.who));
        assert_eq!(line.post("/v1/sync", &master.ask(0)).unwrap().0, 200);
        let mut joining = master.line(None);
        assert_eq!(joining.get("/openapi.json").unwrap().0, 200);
        let took = begun.elapsed();
        let held = silent.iter().filter(|tcp| is_held(tcp)).count();
        println!("{held} of {SILENT} silent callers were there when two were served after {took:?}");
        // The join itself opens custody, which takes as long as it takes.
        assert_eq!(joining.post("/v1/join", &body).unwrap().0, 200);
        if held == SILENT {
            return;
        }
    }
    panic!("in {rounds} rounds nobody was served while silent callers were there");
}

/// Enough callers to fill all places say a byte, or all of their first record, and nothing more: a node is answered all the same,
/// long before they are let go.
/// Sabotage: take the first byte for the first record; let nobody give way.
#[test]
fn callers_that_stall_in_their_handshake_keep_nobody_out() {
    const STALLED: usize = 400;
    let master = Master::start();
    let good = master.node("standby", false, false, now());
    let hello = hello(&master);
    for (what, said) in [("a byte", &hello[..1]), ("a ClientHello", &hello[..])] {
        let stall = |_| {
            let mut tcp = TcpStream::connect(master.at).unwrap();
            tcp.write_all(said).unwrap();
            tcp
        };
        let first = Instant::now();
        let stalled: Vec<_> = (0..STALLED).map(stall).collect();
        let begun = Instant::now();
        let mut line = master.line(Some(&good.who));
        assert_eq!(line.post("/v1/sync", &master.ask(0)).unwrap().0, 200);
        let took = begun.elapsed();
        println!("{STALLED} callers that say {what} and stall: a node is answered after {took:?}");
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
        // For them to be let go for their silence is another thing.
        if said.len() == 1 && first.elapsed() < Duration::from_secs(9) {
            let held = stalled.iter().filter(|tcp| is_held(tcp)).count();
            assert_eq!(held, STALLED, "who has not said a record has no place to give");
        }
    }
}

/// A server that shows this chain and answers everything with a join that would be taken.
fn rogue(shown: &Identity, tls12: bool) -> SocketAddr {
    let versions = if tls12 { [&TLS12] } else { [&TLS13] };
    let chain = shown.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(
            chain,
            provider.key_provider.load_private_key(tls_key(&shown.key)).unwrap(),
        ))));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((tcp, _)) = listener.accept() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, tcp);
            let mut asked = [0; 16 << 10];
            if stream.read(&mut asked).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull");
                let _ = stream.flush();
            }
        }
    });
    at
}

/// Sabotage: `Pinned` without the chain behind the pin.
#[test]
fn a_node_takes_only_the_master_of_its_own_system() {
    let master = Master::start();
    let node = master.node("processing", false, false, now());
    let other = authority::make_authority(master.system, Timestamp::from_millis(now())).unwrap();
    let leaf = |ca: &[u8], keys, kind, at| {
        let key = authority::make_key().unwrap();
        let request = authority::request(&key).unwrap();
        let at = Timestamp::from_millis(at);
        let signed = authority::sign(keys, ca, master.system, master.node, kind, &request, at).unwrap();
        Identity { chain: vec![signed.certificate, ca.to_vec()], key }
    };
    let (ca, keys) = (&master.ca, &master.authority);
    let good = leaf(ca, keys, Leaf::Server, now());
    let foreign = leaf(&other.1, &other.0, Leaf::Server, now());
    let behind = Identity { chain: vec![foreign.chain[0].clone(), ca.clone()], key: copy(&foreign.key) };
    let wrong_name = odd(ca, &keys.ca, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let name = master_name(sealport_core::id::SystemId::from_bytes([5; 16]));
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
    });
    let wrong_name = Identity { chain: vec![wrong_name.chain[0].clone(), ca.clone()], key: wrong_name.key };
    let own = self_signed(&master.name());
    let own = Identity { chain: vec![own.chain[0].clone(), ca.clone()], key: own.key };
    let servers = [
        ("its own", &good, false, true),
        ("of another authority", &foreign, false, false),
        ("of another authority, with ours behind it", &behind, false, false),
        ("a processing node's", &leaf(ca, keys, Leaf::Client, now()), false, false),
        ("another system's name", &wrong_name, false, false),
        ("self-signed, with ours behind it", &own, false, false),
        ("over", &leaf(ca, keys, Leaf::Server, now() - 30 * DAY), false, false),
        ("of TLS 1.2", &good, true, false),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (what, shown, tls12, taken) in servers {
        let at = rogue(shown, tls12);
        let url = format!("https://{at}");
        let membership =
            Membership::new(master.system, String::new(), node.id, url.clone(), &node.who.chain[0], ca);
        let member = Client::member(&membership, &node.who.key).unwrap();
        let pin = authority::read(ca).unwrap().key_hash;
        let joining = Client::joining(&url, master.system, pin).unwrap();
        for (how, client) in [("member", member), ("joining", joining)] {
            let answer = runtime.block_on(client.post::<Value>("/v1/nodes", &(), Duration::from_secs(8)));
            assert_eq!(answer.is_ok(), taken, "{what}, {how}: {answer:?}");
        }
    }
    // Of those that can prove the master's name, the one that is meant is heard, and no other; nor is anything sent to it.
    // Sabotage: take any node in `Only`. Seen: the other one is heard.
    let url = format!("https://{}", rogue(&good, false));
    let anyone = Client::nowhere(master.system, ca, node.who.chain[0].clone(), &node.who.key).unwrap();
    for (meant, heard) in [(master.node, true), (node.id, false)] {
        let client = anyone.to(&url, meant).unwrap();
        assert_eq!(client.meant(), Some(meant));
        let answer = runtime.block_on(client.post::<Value>("/v1/nodes", &(), Duration::from_secs(8)));
        assert_eq!(answer.is_ok(), heard, "{answer:?}");
        if let Err(refused) = answer {
            assert_eq!((refused.failure, refused.answered), (Failure::Superseded, false));
            assert!(refused.why.contains(&master.node.to_string()), "{}", refused.why);
        }
        // On the way to whoever answers there it is not asked who that is.
        let answer = client.at(&url).unwrap();
        let answer = runtime.block_on(answer.post::<Value>("/v1/nodes", &(), Duration::from_secs(8)));
        assert!(answer.is_ok(), "{answer:?}");
    }
    // A token with another pin: the node goes away before it has said anything of its token.
    let token = Token::make_new(master.system, [3; 32], &mut rand_core::UnwrapErr(getrandom::SysRng));
    let client = Client::joining(&format!("https://{}", master.at), token.system, token.pin).unwrap();
    let refused =
        runtime.block_on(client.post::<Value>("/v1/join", &(), Duration::from_secs(8))).unwrap_err();
    assert!(!refused.answered, "{:?}", refused.error);
    println!("a master with another pin: {}", refused.error.message);
}
