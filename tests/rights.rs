//! Who may do what on a master's port, asked over real TLS: every endpoint times every kind of caller, revocation, expiry,
//! tokens, and everything that is no handshake.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::Connection;
use sealport_core::{
    api::{CustodyChoice, FirstBackup, NodeRole, Request, Response},
    bundle::{Authority, Kept},
    id::{Epoch, Generation, NodeId, SystemId},
    machine::{Grant, GrantKind, KeySetMark, Marks, SignedGrant, rotation::derive_key_set_mark},
    secret::SecretBytes,
    time::Timestamp,
};
use sealport_node::{
    clock,
    config::Config,
    custody::Custody,
    net::{
        authority::{self, LEAF_LASTS, Leaf, Token, master_name},
        endpoints::{ENDPOINTS, Verb},
    },
    service::Service,
};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "harness/system.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "other tests use what is not used here")]
mod system;

#[path = "harness/wire.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod wire;

#[path = "rights/handshakes.rs"]
mod handshakes;

use wire::{Identity, Line};

const DAY: i64 = 86_400_000;
const PASSPHRASE: &str = "custody words";

/// A master that is served, and what a thief of its authority's keys could sign.
struct Master {
    service: Service,
    folder: TempDir,
    at: SocketAddr,
    system: SystemId,
    node: NodeId,
    authority: Authority,
    /// What a node says that holds every version of the master secret.
    keys: KeySetMark,
    ca: Vec<u8>,
    made: AtomicU64,
}

/// A node of the registry with its certificate.
struct Node {
    id: NodeId,
    who: Identity,
}

impl Master {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let config = Config {
            data_dir: data_dir.clone(),
            custody_passphrase: Some(system::secret(PASSPHRASE)),
            interactive: false,
        };
        let service = Service::start(config, Some("127.0.0.1:0".to_owned())).unwrap();
        let custody = CustodyChoice::Passphrase { passphrase: system::secret(PASSPHRASE) };
        let init = Request::Init { name: "Hub".to_owned(), custody, backup: FirstBackup::Later };
        let Response::Status(status) = system::ask(&service, init).unwrap() else { panic!() };
        let at = service.network().unwrap().unwrap();
        let custody = Custody::Passphrase {
            file: data_dir.join("custody.age"),
            passphrase: system::secret(PASSPHRASE),
        };
        let text = custody.load().unwrap();
        let Kept::Secret(bundle) = Kept::from_text(std::str::from_utf8(&text).unwrap()).unwrap() else {
            panic!()
        };
        let database = Connection::open(data_dir.join("sealport.db")).unwrap();
        let ca = database.query_row("SELECT ca FROM system", [], |row| row.get(0)).unwrap();
        Self {
            service,
            folder,
            at,
            system: status.system.unwrap().id,
            node: status.node.unwrap().id,
            keys: derive_key_set_mark(bundle.checks()),
            authority: bundle.authority.unwrap(),
            ca,
            made: AtomicU64::new(0),
        }
    }

    fn database(&self) -> Connection {
        let database = Connection::open(self.folder.path().join("data/sealport.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }

    /// A certificate of this authority, signed at a moment.
    fn certified(&self, id: NodeId, leaf: Leaf, signed: i64) -> Identity {
        let key = authority::make_key().unwrap();
        let request = authority::request(&key).unwrap();
        let now = Timestamp::from_millis(signed);
        let signed =
            authority::sign(&self.authority, &self.ca, self.system, id, leaf, &request, now).unwrap();
        Identity { chain: vec![signed.certificate], key }
    }

    /// A node of the registry, whose certificate was signed at a moment.
    fn node(&self, role: &str, administrator: bool, revoked: bool, signed: i64) -> Node {
        let id = NodeId::make_new(&mut rand_core::UnwrapErr(getrandom::SysRng));
        let leaf = if role == "standby" { Leaf::Server } else { Leaf::Client };
        let who = self.certified(id, leaf, signed);
        let hash = authority::key_hash(&who.key).unwrap();
        let name = format!("N{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.database()
            .execute(
                "INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, NULL, '0', 0, ?, 0, 1)",
                rusqlite::params![
                    id.as_bytes(),
                    name,
                    role,
                    administrator,
                    revoked,
                    hash,
                    signed + LEAF_LASTS
                ],
            )
            .unwrap();
        Node { id, who }
    }

    fn line(&self, who: Option<&Identity>) -> Line {
        Line::open(self.at, &self.name(), wire::caller(&self.ca, who, &[&rustls::version::TLS13]))
    }

    fn name(&self) -> String {
        master_name(self.system)
    }

    fn invite(&self, name: &str) -> Token {
        let invite =
            Request::NodeInvite { name: name.to_owned(), role: NodeRole::Processing, administrator: false };
        let Response::Invited(view) = system::ask(&self.service, invite).unwrap() else { panic!() };
        Token::from_text(&view.token).unwrap()
    }

    fn ask(&self, hold: u64) -> Value {
        json!({
            "ask": {
                "seen": { "epoch": 1, "generation": self.generation() },
                "at": { "epoch": 1, "generation": self.generation() },
                "audit": self.audit(), "version": 1, "keys": self.keys, "full": false, "hold": hold,
            },
            "state": "synced",
        })
    }

    fn generation(&self) -> u64 {
        self.database().query_row("SELECT generation FROM system", [], |row| row.get(0)).unwrap()
    }

    fn audit(&self) -> Value {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(json!({ "line": row.get::<_, u64>(0)?, "hash": row.get::<_, String>(1)? }))
        };
        self.database().query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], read).unwrap()
    }
}

fn now() -> i64 {
    clock::wall().as_millis()
}

fn join_body(secret: &str, key: &SecretBytes) -> Value {
    json!({ "token": secret, "request": STANDARD.encode(authority::request(key).unwrap()), "version": "1" })
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The caller gets no answer: its certificate ends the connection.
    Shut,
    /// It is refused for who it is, in this word.
    Denied(&'static str),
    /// It reaches the endpoint, which answers its body with this status.
    Reached(u16),
}

/// The kinds of caller, in the order of the columns below.
const KINDS: [&str; 10] = [
    "nobody",
    "of another system",
    "self-signed",
    "expired",
    "revoked",
    "revoked and expired",
    "processing",
    "standby",
    "administrator",
    "whose row is gone",
];

/// The expected end of every endpoint for every kind. Sabotage: `/v1/secret` with `Right::Anyone`, or with `Right::Tell`;
/// `/v1/grant` with `Right::Renew`.
/// An endpoint without a row ends the test.
fn expected(path: &str) -> Option<[End; 10]> {
    use End::{Denied, Reached, Shut};
    let (unknown, revoked, expired) = (Denied("unknown"), Denied("revoked"), Denied("expired"));
    let not_administrator = Denied("not_administrator");
    let row = |expired: End, member: End, administrator: End| {
        [unknown, Shut, Shut, expired, revoked, revoked, member, member, administrator, unknown]
    };
    Some(match path {
        // The token decides, and this one is none: whoever asks, it is refused without a word about the caller.
        "/v1/join" => {
            let none = Reached(403);
            [none, Shut, Shut, none, none, none, none, none, none, none]
        }
        "/v1/renew" => row(Reached(200), Reached(200), Reached(200)),
        // It tells nothing that the source does not tell.
        "/openapi.json" => {
            let all = Reached(200);
            [all, Shut, Shut, all, all, all, all, all, all, all]
        }
        "/v1/sync" | "/v1/secret" | "/v1/spool" | "/v1/nodes" => row(expired, Reached(200), Reached(200)),
        // An empty write is none.
        "/v1/writes" => row(expired, Reached(400), Reached(400)),
        "/v1/administer" => row(expired, not_administrator, Reached(200)),
        "/v1/about" => row(expired, Reached(200), Reached(200)),
        // Who slept for longer than its certificate lasts must still learn who is master.
        // Nor is it kept from a node that this one has not heard of yet: the grant's signature decides.
        "/v1/grant" => {
            let mut all = row(Reached(200), Reached(200), Reached(200));
            all[9] = Reached(200);
            all
        }
        // A vote for another than the caller is none; a hand-over in an epoch that is over is refused.
        "/v1/vote" | "/v1/handover" => {
            let not = Denied("not_standby");
            let asked = if path == "/v1/vote" { Reached(403) } else { Reached(412) };
            [unknown, Shut, Shut, expired, revoked, revoked, not, asked, not, unknown]
        }
        // Another node may ask for a promotion of this one only.
        "/v1/promote" => row(expired, not_administrator, Reached(403)),
        _ => return None,
    })
}

#[test]
fn every_endpoint_answers_every_kind_of_caller_as_the_table_says() {
    let master = Master::start();
    let long_ago = now() - 30 * DAY;
    let other = authority::make_authority(master.system, Timestamp::from_millis(now())).unwrap();
    let foreign = {
        let key = authority::make_key().unwrap();
        let request = authority::request(&key).unwrap();
        // Even with the name of this system and the id of its master.
        let at = Timestamp::from_millis(now());
        let signed =
            authority::sign(&other.0, &other.1, master.system, master.node, Leaf::Server, &request, at);
        Identity { chain: vec![signed.unwrap().certificate, other.1.clone()], key }
    };
    let gone = master.node("processing", false, false, now());
    master.database().execute("DELETE FROM node WHERE id = ?", [gone.id.as_bytes()]).unwrap();
    let callers = [
        None,
        Some(foreign),
        Some(handshakes::self_signed(&master.name())),
        Some(master.node("processing", true, false, long_ago).who),
        Some(master.node("standby", true, true, now()).who),
        Some(master.node("standby", true, true, long_ago).who),
        Some(master.node("processing", false, false, now()).who),
        Some(master.node("standby", false, false, now()).who),
        Some(master.node("processing", true, false, now()).who),
        Some(gone.who),
    ];
    let mut invited = 0;
    for endpoint in ENDPOINTS {
        let row = expected(endpoint.path);
        let row = row.unwrap_or_else(|| panic!("{} has no row in the table of rights", endpoint.path));
        for ((kind, expected), who) in KINDS.iter().zip(row).zip(&callers) {
            let body = match endpoint.path {
                "/v1/join" => join_body("AAAA", &authority::make_key().unwrap()),
                "/v1/renew" => {
                    let key = who.as_ref().map(|who| authority::request(&who.key).unwrap());
                    json!({ "request": STANDARD.encode(key.unwrap_or_default()), "version": "1" })
                }
                "/v1/sync" => master.ask(0),
                "/v1/secret" => Value::Null,
                "/v1/writes" => json!({ "epoch": 1, "puts": [], "acts": [] }),
                "/v1/spool" => json!({ "entries": [] }),
                "/v1/administer" => {
                    invited += 1;
                    let name = format!("new {invited}");
                    let invite =
                        Request::NodeInvite { name, role: NodeRole::Processing, administrator: false };
                    json!({ "actor": "someone", "request": invite })
                }
                "/openapi.json" => Value::Null,
                "/v1/nodes" | "/v1/promote" => json!({ "actor": "", "request": Request::NodeList }),
                "/v1/about" | "/v1/grant" => json!({}),
                "/v1/vote" => json!({ "promise": { "epoch": 2, "to": NodeId::from_bytes([7; 16]) } }),
                "/v1/handover" => json!({
                    "ask": {
                        "expect_epoch": 0, "at": { "epoch": 0, "generation": 0 },
                        "audit": { "line": 0, "hash": "" }, "newest_version": 1,
                    },
                    "actor": "someone",
                }),
                other => panic!("no body for {other}"),
            };
            let mut line = master.line(who.as_ref());
            let answer = match endpoint.verb {
                Verb::Get => line.get(endpoint.path),
                Verb::Post => line.post(endpoint.path, &body),
            };
            let end = match answer {
                Err(_) => End::Shut,
                Ok((status, answer)) => match answer["denial"].as_str() {
                    Some(word) => {
                        assert_eq!(status, 403, "{answer}");
                        assert!(answer["error"]["message"].is_string(), "{answer}");
                        End::Denied(
                            ["unknown", "revoked", "expired", "not_standby", "not_administrator"]
                                .into_iter()
                                .find(|known| *known == word)
                                .unwrap(),
                        )
                    }
                    None => End::Reached(status),
                },
            };
            assert_eq!(end, expected, "{} asked by one {kind}", endpoint.path);
        }
    }
    // What is served to nodes and to this machine is the one description, and it is asked for in one way.
    let mut line = master.line(None);
    let (_, described) = line.get("/openapi.json").unwrap();
    assert_eq!(described["paths"].as_object().unwrap().len(), ENDPOINTS.len() + 3, "{described}");
    assert_eq!(line.post("/openapi.json", &Value::Null).unwrap().0, 405);
    // Whatever is no endpoint is not there, for anybody.
    for path in ["/", "/v1", "/v1/sync/", "/v2/sync", "/v1/../v1/secret", "/V1/SYNC", "//v1/sync", "/metrics"]
    {
        let (status, answer) = master.line(callers[8].as_ref()).post(path, &Value::Null).unwrap();
        assert_eq!((status, answer["error"]["code"].as_str()), (404, Some("not_found")), "{path}");
    }
}

/// Sabotage: `sync` that goes on whatever the registry says after a wait.
#[test]
fn revocation_holds_from_the_next_request_and_ends_a_held_poll() {
    let master = Master::start();
    let node = master.node("processing", false, false, now());
    let mut kept = master.line(Some(&node.who));
    let mut held = master.line(Some(&node.who));
    let nodes = json!({ "actor": "", "request": Request::NodeList });
    assert_eq!(kept.post("/v1/nodes", &nodes).unwrap().0, 200);
    held.ask("/v1/sync", &master.ask(24_000)).unwrap();
    // The poll is held once the master has heard the node.
    let end = Instant::now() + Duration::from_secs(10);
    let heard = || {
        let Response::Nodes(view) = system::ask(&master.service, Request::NodeList).unwrap() else {
            panic!()
        };
        view.nodes.iter().any(|entry| entry.id == node.id && entry.last_sync_age_seconds.is_some())
    };
    while !heard() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    system::ask(&master.service, Request::NodeRevoke { node: node.id.to_string() }).unwrap();
    for line in [&mut kept, &mut master.line(Some(&node.who))] {
        let (status, answer) = line.post("/v1/nodes", &nodes).unwrap();
        assert_eq!((status, &answer["denial"]), (403, &"revoked".into()));
    }
    let (status, answer) = held.answer().unwrap();
    assert_eq!((status, &answer["denial"]), (403, &"revoked".into()), "{answer}");
    let took = begun.elapsed();
    println!("a held poll of a revoked node ended after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(10));
}

/// Sabotage: the time left out of the check of a token and of its use, since each is enough; leave a used token in its table.
#[test]
fn a_token_lets_one_node_in_once_within_its_time() {
    let master = Master::start();
    let key = authority::make_key().unwrap();
    let refused = |secret: &str, why: &str| {
        let (status, answer) =
            master.line(None).post("/v1/join", &join_body(secret, &authority::make_key().unwrap())).unwrap();
        assert_eq!(
            (status, answer["error"]["code"].as_str()),
            (403, Some("not_permitted")),
            "{why}: {answer}"
        );
        assert!(secret.len() < 8 || !answer.to_string().contains(secret), "{why}: the token comes back");
    };
    let token = master.invite("first");
    // Two at once: one is let in.
    let body = join_body(token.secret().expose(), &key);
    let other = join_body(token.secret().expose(), &authority::make_key().unwrap());
    let send = |body| master.line(None).post("/v1/join", body).unwrap();
    let answers = thread::scope(|scope| {
        let two = scope.spawn(|| send(&other));
        [send(&body), two.join().unwrap()]
    });
    let mut statuses = answers.each_ref().map(|(status, _)| *status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "{:?}", answers.each_ref().map(|(_, answer)| &answer["error"]));
    refused(token.secret().expose(), "used");
    // 15 minutes and not one more: its row is moved back in time, as time would.
    let token = master.invite("second");
    let moved = "UPDATE invite SET expires = expires - ? WHERE token_hash = ?";
    let left: i64 = master
        .database()
        .query_row("SELECT expires FROM invite WHERE token_hash = ?", [token.hash()], |row| row.get(0))
        .unwrap();
    let left = left - now();
    assert!((14 * 60_000..=15 * 60_000).contains(&left), "{left}");
    assert_eq!(
        master.database().execute(moved, rusqlite::params![15 * 60_000 + 1_000, token.hash()]).unwrap(),
        1
    );
    refused(token.secret().expose(), "over");
    let whole = master.invite("third").secret();
    let whole = whole.expose();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..cut], "cut");
    }
    // A master of another system knows nothing of it.
    let other = Master::start();
    let (status, _) = other.line(None).post("/v1/join", &join_body(whole, &key)).unwrap();
    assert_eq!(status, 403);
    // Guesses: each is one look at an index, and neither the token nor the service wears out. Were custody opened
    // before the token is looked up, this would take hours.
    let begun = Instant::now();
    let mut line = master.line(None);
    for guess in 0..10_000_u32 {
        let mut secret = [7; 32];
        secret[..4].copy_from_slice(&guess.to_be_bytes());
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        let body = json!({ "token": secret, "request": "", "version": "" });
        assert_eq!(line.post("/v1/join", &body).unwrap().0, 403);
    }
    println!("10,000 guesses of a token took {} ms", begun.elapsed().as_millis());
    let audit: u64 = master.database().query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
    assert!(audit < 100, "guesses fill the trail: {audit}");
    let (status, answer) = master.line(None).post("/v1/join", &join_body(whole, &key)).unwrap();
    // The key is in the registry if it won the race above; a fresh one is let in by the token that is still good.
    if status != 200 {
        assert_eq!(answer["error"]["code"], "already_exists");
        let fresh = authority::make_key().unwrap();
        assert_eq!(master.line(None).post("/v1/join", &join_body(whole, &fresh)).unwrap().0, 200);
    }
}

/// The same entries of a spool, sent twice at once as after an answer that came too late, are in the trail once.
/// Sabotage: the number that was admitted with the request, not the one of the transaction, decides.
#[test]
fn a_spool_that_is_sent_twice_at_once_is_in_the_trail_once() {
    let master = Master::start();
    let node = master.node("processing", false, false, now());
    let entry = |seq: u64| {
        json!([seq, { "act": {
            "at": "2026-01-01T00:00:00.000Z", "who": "someone", "origin": "cli", "act": "port.reveal",
            "object": format!("spooled {seq}"), "detail": "",
        } }])
    };
    let body = json!({ "entries": (1..=100).map(entry).collect::<Vec<_>>() });
    let answers = thread::scope(|scope| {
        let send = || master.line(Some(&node.who)).post("/v1/spool", &body).unwrap();
        let sent: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect::<Vec<_>>()
    });
    for answer in answers {
        assert_eq!((answer.0, &answer.1["upto"]), (200, &100.into()), "{answer:?}");
    }
    let count = "SELECT count(*), count(DISTINCT object) FROM audit WHERE object LIKE 'spooled %'";
    let counts: (u64, u64) =
        master.database().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(counts, (100, 100));
}

/// A grant counts by its signature alone, whoever brings it; a lower one changes nothing.
/// Sabotage: let `prove_grant` take any signature.
#[test]
fn a_forged_grant_is_refused_and_a_true_one_ends_the_master() {
    let master = Master::start();
    let node = master.node("processing", false, false, now());
    let standby = master.node("standby", false, false, now());
    let (other, _) = authority::make_authority(master.system, Timestamp::from_millis(now())).unwrap();
    let marks = |epoch, generation| Marks { epoch: Epoch(epoch), generation: Generation(generation) };
    let grant = |epoch: u64, to| Grant {
        system: master.system,
        epoch: Epoch(epoch),
        node: to,
        begins: marks(epoch - 1, 1),
        kind: GrantKind::Planned,
        at: Timestamp::from_millis(now()),
        by: "someone".to_owned(),
    };
    let tell = |signed: SignedGrant| {
        master.line(Some(&node.who)).post("/v1/grant", &json!({ "grant": signed })).unwrap()
    };
    let rules = || {
        let invite =
            Request::NodeInvite { name: "x".to_owned(), role: NodeRole::Processing, administrator: false };
        system::ask(&master.service, invite).is_ok()
    };
    // Signed by another authority; by the right one, and then changed.
    let forged = authority::sign_grant(&other, grant(9, node.id)).unwrap();
    let changed = SignedGrant {
        grant: grant(9, node.id),
        signature: authority::sign_grant(&master.authority, grant(2, standby.id)).unwrap().signature,
    };
    for forged in [forged, changed] {
        let (status, answer) = tell(forged);
        assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("integrity")), "{answer}");
    }
    // Signed well, and of an epoch that was seen.
    assert_eq!(tell(authority::sign_grant(&master.authority, grant(1, standby.id)).unwrap()).0, 200);
    assert!(rules(), "nothing of that ends a master");
    let (status, answer) = tell(authority::sign_grant(&master.authority, grant(2, standby.id)).unwrap());
    assert_eq!((status, answer["grant"]["grant"]["epoch"].as_u64()), (200, Some(2)), "{answer}");
    // From the answer on nothing is written here, also behind the service's back.
    assert!(!rules());
    let row = "SELECT master = node, seen_epoch FROM system";
    let row = master.database().query_row(row, [], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, u64>(1)?)));
    assert_eq!(row.unwrap(), (false, 2));
}
