//! The local socket between real threads and real sockets, with a handle that does what a test tells it to.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{
        AuditListView, CustodyChoice, FirstBackup, ImportFile, NodeState, Notice, PortKind, Request,
        Response, RevealView, SaveView,
    },
    id::{Generation, RecordId, Revision},
    secret::SecretText,
};
use sealport_node::{
    call::{Call, Handle, Hear, Origin},
    config::Config,
    door,
    local::{CONNECTION_LIMIT, Client, Server, socket_path},
    lock::DirectoryLock,
    service::Service,
};

#[path = "harness/served.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod served;

use served::{DEADLINE, Served, a_port, framed, heard, next_frame, wait_until};

/// What a server sends first where it does what it was asked.
const TAKEN: &[u8] = br#""taken""#;

type Listener = Weak<dyn Fn(Notice) + Send + Sync>;

/// A handle of the test: each request stands for something that an engine does.
#[derive(Default)]
struct Fake {
    seen: Mutex<Vec<(String, Origin)>>,
    inside: AtomicUsize,
    cancelled: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
    listeners: Mutex<Vec<Listener>>,
}

impl Fake {
    /// Says something of its own accord, as an engine does after a write. How many hear it.
    fn say(&self, generation: u64) -> usize {
        let hearing: Vec<Hear> = self.listeners.lock().unwrap().iter().filter_map(Weak::upgrade).collect();
        hearing.iter().for_each(|hear| hear(Notice::Changed { generation: Generation(generation) }));
        hearing.len()
    }
}

impl Handle for Fake {
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error> {
        self.seen.lock().unwrap().push((call.actor.clone(), call.origin));
        match request {
            // Answers with notices first.
            Request::PortMissing => {
                for done in 0..3 {
                    let doing = "counting".to_owned();
                    (call.notify)(Notice::Progress { doing, done, total: 3, seconds_left: None });
                }
                Ok(Response::Audit(empty_audit()))
            }
            // Works until it's cancelled.
            Request::PortImport { .. } if call.actor == "slow" => {
                let end = Instant::now() + DEADLINE;
                while !call.cancel.load(Ordering::SeqCst) {
                    assert!(Instant::now() < end, "the cancel never came");
                    thread::sleep(Duration::from_millis(5));
                }
                self.cancelled.fetch_add(1, Ordering::SeqCst);
                Err(Error::new(Code::Cancelled, "stopped"))
            }
            // Says how much came.
            Request::PortImport { files, .. } => {
                let bytes = files.iter().map(|file| file.content.expose().len() as u64).sum();
                Ok(Response::Saved(SaveView {
                    id: RecordId::from_bytes([1; 16]),
                    revision: Revision(bytes),
                    dry_run: true,
                    kept: None,
                    changes: vec![],
                }))
            }
            Request::PortReveal { path, .. } => {
                Ok(Response::Revealed(RevealView { path, value: SecretText::new("värde \"1\"".to_owned()) }))
            }
            Request::PortShow { .. } => Ok(Response::Port(a_port("SendOrders"))),
            // Waits inside until the test opens.
            Request::DocumentList => {
                self.inside.fetch_add(1, Ordering::SeqCst);
                let open = self.open.lock().unwrap();
                drop(self.opened.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap());
                Ok(Response::Audit(empty_audit()))
            }
            Request::AlertTest => panic!("as what is not right in an engine may"),
            _ => Err(Error::new(Code::RevisionConflict, "refused by the test").hint("as it should")),
        }
    }

    fn subscribe(&self, hear: &Hear) -> Result<(), Error> {
        self.listeners.lock().unwrap().push(Arc::downgrade(hear));
        hear(Notice::State { state: NodeState::Synced });
        Ok(())
    }
}

fn empty_audit() -> AuditListView {
    AuditListView { entries: vec![], broken_at: None, total: 0 }
}

fn serve() -> Served<Fake> {
    Served::start(Fake::default())
}

impl Served<Fake> {
    fn client(&self) -> Client {
        Client::connect(&self.data_dir()).unwrap().expect("a server that listens")
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(socket_path(&self.data_dir()).unwrap()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}

fn ask(client: &Client, request: Request) -> Result<Response, Error> {
    ask_as(client, "tester", request, &AtomicBool::new(false))
}

fn ask_as(client: &Client, actor: &str, request: Request, cancel: &AtomicBool) -> Result<Response, Error> {
    let actor = actor.to_owned();
    client.handle(request, &Call { actor, origin: Origin::CommandLine, notify: &|_| {}, cancel })
}

fn import(bytes: usize) -> Request {
    let content = SecretText::new("A".repeat(bytes));
    Request::PortImport { files: vec![ImportFile { name: "f".to_owned(), content }], dry_run: true }
}

/// All that the server says until it hangs up.
/// Sabotage: name another origin than the socket in `serve`.
#[test]
fn requests_answers_notices_and_errors_come_through() {
    let served = serve();
    let client = served.client();
    let notices = Mutex::new(0);
    let call = Call {
        actor: "tester".to_owned(),
        origin: Origin::CommandLine,
        notify: &|notice| {
            assert!(matches!(notice, Notice::Progress { total: 3, .. }));
            *notices.lock().unwrap() += 1;
        },
        cancel: &AtomicBool::new(false),
    };
    assert!(matches!(client.handle(Request::PortMissing, &call), Ok(Response::Audit(_))));
    assert_eq!(*notices.lock().unwrap(), 3);
    let reveal = Request::PortReveal { port: "p".to_owned(), path: "x".to_owned() };
    assert!(
        matches!(ask(&client, reveal), Ok(Response::Revealed(view)) if view.value.expose() == "värde \"1\"")
    );
    // A view with a `kind` of its own: the tag of the response must not be called so too.
    let show = Request::PortShow { port: "p".to_owned(), revision: None };
    assert!(matches!(ask(&client, show), Ok(Response::Port(view)) if view.kind == PortKind::SendPort));
    let error = ask(&client, Request::Status).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::RevisionConflict, "refused by the test"));
    assert_eq!(error.hint, "as it should");
    // Where a request came in is what the server saw, not what the client says.
    assert!(
        served.fake.seen.lock().unwrap().iter().all(|seen| *seen == ("tester".to_owned(), Origin::Socket))
    );
}

/// Sabotage: let `frame` make one of any length; the server refuses it then, in words that help nobody.
#[test]
fn a_large_request_comes_through_and_one_over_the_limit_is_refused() {
    // On a machine that is busy with other tests, 64 MiB take their time.
    let served = Served::start_with(Fake::default(), 6 * DEADLINE);
    let start = Instant::now();
    let answer = ask(&served.client(), import(64 * 1024 * 1024)).unwrap();
    println!("64 MiB over the socket in {:?}", start.elapsed());
    assert!(matches!(answer, Response::Saved(view) if view.revision.0 == 64 * 1024 * 1024));
    let refused = ask(&served.client(), import(128 * 1024 * 1024)).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.hint.contains("fewer files"));
}

/// Sabotage: give the socket the mode 0o666.
#[test]
fn the_socket_is_private_and_goes_with_its_server() {
    let mut served = serve();
    let path = socket_path(&served.data_dir()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&served.data_dir()), 0o700);
    served.server = None;
    assert!(!path.exists());
    assert!(Client::connect(&served.data_dir()).unwrap().is_none());
}

#[test]
fn only_who_holds_the_lock_serves_and_takes_over_a_dead_socket() {
    let mut served = serve();
    let path = socket_path(&served.data_dir()).unwrap();
    served.server = None;
    served.lock = None;
    // A process that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(Client::connect(&served.data_dir()).unwrap().is_none());
    let handle: Arc<dyn Handle> = served.fake.clone();
    // Sabotage: leave the check of the lock away, and a second server takes the socket of a living one.
    let refused = Server::start(Arc::clone(&handle), &served.data_dir()).map(drop).unwrap_err();
    assert_eq!(refused.code, Code::Internal);
    served.lock = Some(DirectoryLock::take(&served.data_dir()).unwrap());
    served.server = Some(Server::start(handle, &served.data_dir()).unwrap());
    assert!(ask(&served.client(), Request::PortMissing).is_ok());
}

#[test]
fn a_cancel_and_a_client_that_is_gone_reach_the_work() {
    let served = serve();
    let cancel = AtomicBool::new(false);
    let client = served.client();
    thread::scope(|scope| {
        let work = scope.spawn(|| ask_as(&client, "slow", import(1), &cancel));
        wait_until("the work begins", || !served.fake.seen.lock().unwrap().is_empty());
        cancel.store(true, Ordering::SeqCst);
        assert_eq!(work.join().unwrap().unwrap_err().code, Code::Cancelled);
    });
    assert_eq!(served.fake.cancelled.load(Ordering::SeqCst), 1);
    // Sabotage: without the thread that watches, a client that went away is worked for to the end.
    let mut gone = served.raw();
    gone.write_all(&framed(&slow_import())).unwrap();
    wait_until("the work begins", || served.fake.seen.lock().unwrap().len() == 2);
    drop(gone);
    wait_until("the work stops", || served.fake.cancelled.load(Ordering::SeqCst) == 2);
}

#[test]
fn silence_and_half_a_request_end_at_the_deadline() {
    let served = Served::start_with(Fake::default(), Duration::from_millis(200));
    for sent in [&b""[..], &[0, 0], &[0, 0, 1, 0, b'{', b'"']] {
        let start = Instant::now();
        let mut stream = served.raw();
        stream.write_all(sent).unwrap();
        // Sabotage: read without the deadline, and this waits for ever.
        let said = heard(&mut stream);
        assert!(said.contains("did not come in time"), "{said}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    // A byte now and then does not win more time. Sabotage: count the deadline from each byte on; it is heard no end then.
    let mut stream = served.raw();
    let start = Instant::now();
    let mut dripping = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            dripping.write_all(&[0, 0, 16, 0]).unwrap();
            // Until the server hangs up.
            while start.elapsed() < DEADLINE && dripping.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(40));
            }
        });
        assert!(!heard(&mut stream).is_empty());
    });
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Sabotage: say why JSON is none in its own words, which repeat it; take any length.
#[test]
fn nonsense_is_refused_without_saying_it_again() {
    let served = serve();
    let secret = br#"{"actor":"a","request":{"act":"s3cret"}}"#;
    for content in [&secret[..], b"s3cret", b"[]", b"\xff"] {
        let mut stream = served.raw();
        stream.write_all(&framed(content)).unwrap();
        let said = heard(&mut stream);
        assert!(said.contains("\"usage\"") && !said.contains("s3cret"), "{said}");
    }
    // A length without bytes reserves nothing and is refused at once.
    let mut stream = served.raw();
    stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
    assert!(heard(&mut stream).contains("too long"));
    assert!(served.fake.seen.lock().unwrap().is_empty());
    assert!(ask(&served.client(), Request::PortMissing).is_ok());
}

/// Sabotage: keep a connection in the list when it is over.
#[test]
fn connections_are_bounded_and_come_free_again() {
    let served = serve();
    let client = served.client();
    // The look of `connect` was a connection too; it may take a moment to end.
    let enter = || {
        let mut end = Err(Error::new(Code::Busy, "not yet"));
        wait_until("a place is free", || {
            end = ask(&client, Request::DocumentList);
            !matches!(&end, Err(error) if error.code == Code::Busy)
        });
        assert!(end.is_ok(), "{end:?}");
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTION_LIMIT {
            scope.spawn(enter);
        }
        wait_until("all are inside", || served.fake.inside.load(Ordering::SeqCst) == CONNECTION_LIMIT);
        // Sabotage: raise the limit in the server alone, and this one gets in.
        let refused = ask(&client, Request::PortMissing);
        *served.fake.open.lock().unwrap() = true;
        served.fake.opened.notify_all();
        assert_eq!(refused.unwrap_err().code, Code::Busy);
    });
    wait_until("one comes free", || ask(&served.client(), Request::PortMissing).is_ok());
}

/// Sabotage: cancel nothing when the server goes; let it keep its handle.
#[test]
fn dropping_the_server_cancels_what_is_under_way_and_lets_go_of_the_handle() {
    let mut served = serve();
    let client = served.client();
    thread::scope(|scope| {
        let work = scope.spawn(|| ask_as(&client, "slow", import(1), &AtomicBool::new(false)));
        wait_until("the work begins", || !served.fake.seen.lock().unwrap().is_empty());
        let idle = served.raw();
        let start = Instant::now();
        served.server = None;
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!(work.join().unwrap().unwrap_err().code, Code::Cancelled);
        drop(idle);
    });
    assert_eq!(Arc::strong_count(&served.fake), 1);
}

/// Who asked for it would wait for ever. Sabotage: hang up behind `serve` alone, and not where it panics.
#[test]
fn a_request_that_breaks_is_an_error_to_who_asked() {
    let served = serve();
    let client = served.client();
    let (say, said) = mpsc::channel();
    thread::spawn(move || say.send(ask(&client, Request::AlertTest).unwrap_err().code));
    assert_eq!(said.recv_timeout(DEADLINE), Ok(Code::Unavailable));
    assert!(ask(&served.client(), Request::PortMissing).is_ok());
}

/// Sabotage: let the door try once; let it open the directory whether it is served or not.
#[test]
fn the_door_leads_to_the_server_or_opens_here() {
    fn opener(config: Config) -> Result<Arc<dyn Handle>, Error> {
        DirectoryLock::take(&config.data_dir).map(drop)?;
        Ok(Arc::new(Fake::default()))
    }
    let mut served = serve();
    let data_dir = served.data_dir();
    let mut asked = 0;
    let mut config = || {
        asked += 1;
        Ok(Config { data_dir: data_dir.clone(), custody_passphrase: None, interactive: false })
    };
    // Served: the configuration, and with it a passphrase, is never asked for.
    door::open(&data_dir, &mut config, opener).map(drop).unwrap();
    served.server = None;
    served.lock = None;
    door::open(&data_dir, &mut config, opener).map(drop).unwrap();
    // Another command holds the lock and ends soon: this one waits for it.
    let lock = DirectoryLock::take(&data_dir).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(lock);
        });
        door::open(&data_dir, &mut config, opener).map(drop).unwrap();
    });
    assert!(asked > 2, "{asked}");
}

/// Asks by the door; where that opens the directory itself, the same fake answers as the server's.
fn ask_door(data_dir: &Path, fake: &Arc<Fake>) -> Result<Response, Error> {
    let config =
        || Ok(Config { data_dir: data_dir.to_owned(), custody_passphrase: None, interactive: false });
    let opener = |config: Config| {
        DirectoryLock::take(&config.data_dir).map(drop)?;
        Ok(Arc::clone(fake) as Arc<dyn Handle>)
    };
    let actor = "tester".to_owned();
    let call = Call { actor, origin: Origin::CommandLine, notify: &|_| {}, cancel: &AtomicBool::new(false) };
    door::ask(data_dir, config, opener, Request::PortMissing, &call)
}

/// A command while the window is being closed: it costs time, never the command, and nothing is done twice.
/// Sabotage: let the client say `broken` where it says `closing`, and commands fail here.
#[test]
fn commands_outlive_the_process_that_served_them() {
    let (mut served_here, mut opened_here) = (0, 0);
    for round in 0..60 {
        let mut served = serve();
        let (data_dir, fake) = (served.data_dir(), Arc::clone(&served.fake));
        thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| ask_door(&data_dir, &fake))).collect();
            // Now before, now amid, now after the four.
            wait_until("some came", || fake.seen.lock().unwrap().len() >= round % 5);
            served.server = None;
            served.lock = None;
            for one in asking {
                let answer = one.join().unwrap();
                assert!(matches!(answer, Ok(Response::Audit(_))), "{answer:?}");
            }
        });
        let seen = fake.seen.lock().unwrap();
        assert_eq!(seen.len(), 4);
        served_here += seen.iter().filter(|(_, origin)| *origin == Origin::Socket).count();
        opened_here += seen.iter().filter(|(_, origin)| *origin == Origin::CommandLine).count();
    }
    println!("{served_here} answered by the server, {opened_here} by the command itself");
    assert!(served_here > 0 && opened_here > 0);
}

/// Sabotage: let `serve` go on where "taken" can't be sent, and the request is done for somebody who sends it again.
#[test]
fn nothing_is_done_for_who_can_not_hear_that_it_was_taken() {
    let mut served = serve();
    let mut deaf = served.raw();
    let request = framed(br#"{"actor":"deaf","request":{"act":"port_missing"}}"#);
    let (most, last) = request.split_at(request.len() - 1);
    deaf.write_all(most).unwrap();
    deaf.shutdown(std::net::Shutdown::Read).unwrap();
    deaf.write_all(last).unwrap();
    // A request that is heard comes through meanwhile; then all connections end.
    assert!(ask(&served.client(), Request::PortMissing).is_ok());
    served.server = None;
    let seen = served.fake.seen.lock().unwrap();
    assert_eq!(*seen, [("tester".to_owned(), Origin::Socket)]);
}

/// Sabotage: try again also after "taken", and a write could be done twice.
#[test]
fn what_was_taken_is_never_sent_again() {
    let taken = framed(TAKEN);
    let busy = br#"{"code":"busy","message":"full","hint":""}"#;
    let refused = framed(&[&br#"{"refused":"#[..], busy, b"}"].concat());
    let failed = framed(&[&br#"{"error":"#[..], busy, b"}"].concat());
    for (says, expected) in [
        (vec![], None),
        (refused, None),
        (taken[..6].to_vec(), None),
        (taken.clone(), Some(Code::Unavailable)),
        // Nothing of the engine's own errors means "send it again".
        ([taken, failed].concat(), Some(Code::Busy)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        let path = socket_path(&data_dir).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let fake = Arc::new(Fake::default());
        let answer = thread::scope(|scope| {
            scope.spawn(|| {
                // The look of `connect`, then the request; then this server is gone.
                drop(listener.accept().unwrap());
                let (mut stream, _) = listener.accept().unwrap();
                std::fs::remove_file(&path).unwrap();
                next_frame(&mut stream);
                stream.write_all(&says).unwrap();
            });
            ask_door(&data_dir, &fake)
        });
        let done_here = fake.seen.lock().unwrap().len();
        match expected {
            None => assert!(answer.is_ok() && done_here == 1, "{says:?}: {answer:?}"),
            Some(code) => assert_eq!((answer.unwrap_err().code, done_here), (code, 0), "{says:?}"),
        }
    }
}

/// One that keeps what it hears.
fn listener() -> (Hear, mpsc::Receiver<Notice>) {
    let (say, said) = mpsc::channel();
    (Arc::new(move |notice| say.send(notice).unwrap_or_default()), said)
}

/// A window beside a service hears at once what happens there, and again after the service was started anew.
/// Sabotage: end the client's thread where the server goes; keep a listener that is gone, in the server or in the client.
#[test]
fn who_listens_hears_what_happens_and_finds_a_server_that_was_away() {
    let mut served = serve();
    let (hear, heard) = listener();
    let client = served.client();
    client.subscribe(&hear).unwrap();
    let next = || heard.recv_timeout(DEADLINE).expect("a notice");
    assert!(matches!(next(), Notice::State { state: NodeState::Synced }));
    for generation in 1..=3 {
        assert_eq!(served.fake.say(generation), 1);
        assert!(matches!(next(), Notice::Changed { generation: Generation(told) } if told == generation));
    }
    // A request of the same client goes its own way meanwhile.
    assert!(ask(&client, Request::PortMissing).is_ok());

    let begun = Instant::now();
    served.server = None;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(served.fake.say(4), 0, "nobody hears it any more");
    served.server = Some(Server::start(served.fake.clone(), &served.data_dir()).unwrap());
    // It missed something, so it is told how it is now.
    assert!(matches!(next(), Notice::State { .. }));
    assert_eq!(served.fake.say(5), 1);
    assert!(matches!(next(), Notice::Changed { generation: Generation(5) }));

    // Who went is not told, and holds no place.
    drop(hear);
    served.fake.say(6);
    wait_until("it is forgotten", || served.fake.say(7) == 0);
    assert!(heard.try_recv().is_err());
}

/// A window that stands still must not hold up the writes of others, nor fill the memory of the service.
/// Sabotage: wait in `hear` until the listener has room.
#[test]
fn a_listener_that_takes_nothing_holds_nobody_up_and_is_hung_up_on() {
    let served = serve();
    let mut still = served.raw();
    still.write_all(&framed(br#"{"actor":"a","listen":true}"#)).unwrap();
    // It hears that it listens and how the node is, and takes nothing more.
    assert_eq!(next_frame(&mut still), TAKEN);
    assert!(String::from_utf8(next_frame(&mut still)).unwrap().contains("state"));
    let begun = Instant::now();
    let mut said: u64 = 0;
    // As fast as writes are, so that all buffers fill up, those of the system too.
    while served.fake.say(said) == 1 {
        said += 1;
        thread::sleep(Duration::from_micros(100));
        assert!(begun.elapsed() < DEADLINE, "{said} notices and no end");
    }
    println!("{said} notices went before it was hung up on, in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // What went out before can be read, and then the connection ends.
    assert_eq!(next_frame(&mut still), br#"{"notice":{"notice":"changed","generation":0}}"#);
    heard(&mut still);
    assert!(ask(&served.client(), Request::PortMissing).is_ok());
}

/// The real engine behind the real socket: a write by one command is heard by a window of another process.
/// Sabotage: let `Engine::subscribe` keep nobody, or say nothing to who begins to listen.
#[test]
fn a_write_by_a_command_is_heard_by_a_listener_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let passphrase = || SecretText::new("custody words".to_owned());
    let config =
        Config { data_dir: data_dir.clone(), custody_passphrase: Some(passphrase()), interactive: false };
    let service = Service::start(config, Some("127.0.0.1:0".to_owned())).unwrap();
    let client = Client::connect(&data_dir).unwrap().unwrap();
    let (hear, heard) = listener();
    client.subscribe(&hear).unwrap();
    let next = || heard.recv_timeout(DEADLINE).expect("a notice");
    assert!(matches!(next(), Notice::State { state: NodeState::NoSystem }));
    let custody = CustodyChoice::Passphrase { passphrase: passphrase() };
    let init = Request::Init { name: "Hub".to_owned(), custody, backup: FirstBackup::Later };
    let Response::Status(status) = ask(&client, init).unwrap() else { panic!("not a status") };
    let node = status.node.unwrap().id.to_string();
    let begun = Instant::now();
    ask(&client, Request::NodeRename { node, name: "HUB-1".to_owned() }).unwrap();
    // The missing backup is an alert, which the watch tells in its own time and over the same way.
    let (mut changed, mut alerted) = (false, false);
    while !(changed && alerted) {
        match next() {
            Notice::Changed { .. } if !changed => {
                changed = true;
                println!("heard {:?} after the write was asked for", begun.elapsed());
            }
            Notice::Alert { raised: true, alert, notify: true } => alerted |= alert.id == "no_proven_backup",
            _ => {}
        }
    }
    drop(service);
}

fn slow_import() -> Vec<u8> {
    let request = import(1);
    serde_json::to_vec(&serde_json::json!({ "actor": "slow", "request": request })).unwrap()
}
