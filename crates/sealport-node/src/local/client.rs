//! The asking end of the local socket.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use interprocess::local_socket::{ConnectOptions, Stream, traits::Stream as _};
use sealport_core::{
    Code, Error,
    api::{Reply, Request, Response},
};
use serde::Serialize;

use super::{FRAME_LIMIT, check_peer, frame, socket_name, socket_path};
use crate::call::{Call, Handle};

const SEND_DEADLINE: Duration = Duration::from_secs(30);
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
    request: &'a Request,
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

impl Handle for Client {
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error> {
        let stream = connect(&self.path)?.ok_or_else(|| broken("is gone"))?;
        let sent = frame::write(&stream, &Ask { actor: &call.actor, request: &request });
        drop(request);
        match sent {
            // The server may have said why it hung up: its answer is read below.
            Ok(()) => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Error::new(
                    Code::Refused,
                    format!("the request is longer than {} MiB", FRAME_LIMIT / 1024 / 1024),
                )
                .hint("Send fewer files at a time."));
            }
            Err(error) => return Err(broken("took no request").because(error)),
        }
        thread::scope(|scope| {
            let (done, is_done) = mpsc::channel::<()>();
            scope.spawn({
                let stream = &stream;
                move || {
                    while is_done.recv_timeout(CANCEL_LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                        if call.cancel.load(Ordering::SeqCst) {
                            let _ = frame::write(stream, &serde_json::json!({ "cancel": true }));
                            return;
                        }
                    }
                }
            });
            let answer = answer(&stream, call);
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
    match stream.set_send_timeout(Some(SEND_DEADLINE)) {
        Err(error) if !cfg!(windows) => Err(failed(error)),
        _ => Ok(Some(stream)),
    }
}

fn broken(what: &str) -> Error {
    Error::new(Code::Unavailable, format!("the process that has the data directory open {what}"))
        .hint("Look at what was done before you try again: `sealport status`, `sealport audit list`.")
}
