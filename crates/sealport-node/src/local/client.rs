//! The asking end of the local socket.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use interprocess::local_socket::{ConnectOptions, Stream, traits::Stream as _};
use sealport_core::{
    Code, Error,
    api::{Reply, Request, Response},
};
use serde::Serialize;

use super::{FRAME_LIMIT, First, check_peer, frame, socket_name, socket_path};
use crate::call::{Call, Handle, Hear, actor};

// For the server to take the request's bytes, and then to say that it has them.
const TAKE_DEADLINE: Duration = Duration::from_secs(30);
// Between tries to listen again after the server went.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
// How soon a cancel goes out.
const CANCEL_LOOK: Duration = Duration::from_millis(50);

/// Talks to the process that serves a data directory. Each request is a connection of its own.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
}

#[derive(Serialize)]
struct Ask<'a> {
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    listen: bool,
}

impl Client {
    /// `None` where no process serves the data directory. Refuses (`NotPermitted`) a server of another user.
    pub fn connect(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path = socket_path(data_dir)?;
        match connect(&path)? {
            Some(_) => Ok(Some(Self { path })),
            None => Ok(None),
        }
    }
}

/// A request that the server works on: it must not be sent again.
#[derive(Debug)]
pub struct Taken(Stream);

impl Client {
    /// Sends a request and waits until the server has taken it. Where it fails nothing was done; `Busy` says that it
    /// may be tried again: the server is closing, or has its hands full.
    pub fn send(&self, actor: &str, request: &Request) -> Result<Taken, Error> {
        send(&self.path, &Ask { actor, request: Some(request), listen: false }).map(Taken)
    }
}

impl Handle for Client {
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error> {
        let taken = self.send(&call.actor, &request)?;
        drop(request);
        taken.answer(call)
    }

    /// Listens on a thread of its own. Where the server goes, it is waited for, and listened to again.
    fn subscribe(&self, hear: &Hear) -> Result<(), Error> {
        let mut stream = listen(&self.path)?;
        let (path, hear) = (self.path.clone(), Arc::downgrade(hear));
        let listening = move || {
            loop {
                while let Ok(Some(Reply::Notice(notice))) = frame::read(&stream, None) {
                    let Some(hear) = hear.upgrade() else { return };
                    hear(notice);
                }
                stream = loop {
                    thread::sleep(LISTEN_AGAIN);
                    if hear.strong_count() == 0 {
                        return;
                    }
                    if let Ok(again) = listen(&path) {
                        break again;
                    }
                };
            }
        };
        let spawned = thread::Builder::new().name("local notices".to_owned()).spawn(listening);
        spawned
            .map(drop)
            .map_err(|e| Error::new(Code::Unavailable, "can't start a thread for notices").because(e))
    }
}

fn listen(path: &Path) -> Result<Stream, Error> {
    send(path, &Ask { actor: &actor(), request: None, listen: true })
}

fn send(path: &Path, ask: &Ask<'_>) -> Result<Stream, Error> {
    // Made before the server is kept waiting for it.
    let request = frame::frame(ask).map_err(|error| {
        Error::new(Code::Refused, format!("the request is longer than {} MiB", FRAME_LIMIT / 1024 / 1024))
            .hint("Send fewer files at a time.")
            .because(error)
    })?;
    let stream = connect(path)?.ok_or_else(closing)?;
    match (&stream).write_all(&request) {
        // The server may have said why it hung up: that is read below.
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
        Err(error) => return Err(silent().because(error)),
    }
    drop(request);
    match frame::read(&stream, Some(Instant::now() + TAKE_DEADLINE)) {
        Ok(Some(First::Taken)) => Ok(stream),
        Ok(Some(First::Refused(error))) => Err(error),
        Ok(None) => Err(closing()),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => closing().because(error),
            io::ErrorKind::TimedOut => silent().because(error),
            _ => broken("says what this version does not understand").because(error),
        }),
    }
}

impl Taken {
    /// Waits for the answer, hands on notices, and tells the server when the caller gives up.
    pub fn answer(self, call: &Call<'_>) -> Result<Response, Error> {
        let stream = &self.0;
        thread::scope(|scope| {
            let (done, is_done) = mpsc::channel::<()>();
            scope.spawn(move || {
                while is_done.recv_timeout(CANCEL_LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                    if call.cancel.load(Ordering::SeqCst) {
                        let _ = frame::write(stream, &serde_json::json!({ "cancel": true }));
                        return;
                    }
                }
            });
            let answer = answer(stream, call);
            drop(done);
            answer
        })
    }
}

fn answer(stream: &Stream, call: &Call<'_>) -> Result<Response, Error> {
    loop {
        match frame::read(stream, None) {
            Ok(Some(Reply::Notice(notice))) => (call.notify)(notice),
            Ok(Some(Reply::Response(response))) => return Ok(*response),
            Ok(Some(Reply::Error(error))) => return Err(error),
            Ok(None) => return Err(broken("ended before it answered")),
            Err(error) => return Err(broken("broke off").because(error)),
        }
    }
}

fn connect(path: &Path) -> Result<Option<Stream>, Error> {
    let failed = |error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => Code::NotPermitted,
            _ => Code::Unavailable,
        };
        Error::new(code, format!("can't reach the local socket {}: {error}", path.display())).because(error)
    };
    let stream = match ConnectOptions::new().name(socket_name(path).map_err(failed)?).connect_sync() {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    check_peer(&stream)?;
    match stream.set_send_timeout(Some(TAKE_DEADLINE)) {
        Err(error) if !cfg!(windows) => Err(failed(error)),
        _ => Ok(Some(stream)),
    }
}

const SERVER: &str = "the process that has the data directory open";

fn closing() -> Error {
    Error::new(Code::Busy, format!("{SERVER} is closing")).hint("Try again in a moment; nothing was done.")
}

fn silent() -> Error {
    Error::new(Code::Unavailable, format!("{SERVER} took no request within {} s", TAKE_DEADLINE.as_secs()))
        .hint("Nothing was done. See whether it hangs, end it, and try again.")
}

fn broken(what: &str) -> Error {
    Error::new(Code::Unavailable, format!("{SERVER} {what}"))
        .hint("Look at what was done before you try again: `sealport status`, `sealport audit list`.")
}
