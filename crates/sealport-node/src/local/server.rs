//! The serving end of the local socket: one thread per connection, bounded in number and in patience.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use interprocess::local_socket::{
    ConnectOptions, Listener, ListenerOptions, Stream,
    traits::{Listener as _, Stream as _},
};
use sealport_core::{
    Code, Error,
    api::{Notice, Reply, Request},
};
use serde::{Deserialize, Serialize};

use super::{First, check_peer, frame, socket_name, socket_path};
use crate::{
    call::{Call, Handle, Hear, Origin},
    lock::DirectoryLock,
};

/// Most connections at a time; another one is told to come back.
pub const CONNECTION_LIMIT: usize = 64;

const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
const SEND_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const ACTOR_LIMIT: usize = 256;
/// Notices that wait for a listener which is slow to take them.
const NOTICE_LIMIT: usize = 256;

/// Serves a data directory until it is dropped; then it cancels what is under way and takes its socket away.
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<thread::JoinHandle<()>>,
}

struct Shared {
    /// Taken out when the server ends: then no request begins any more.
    handle: Mutex<Option<Arc<dyn Handle>>>,
    request_deadline: Duration,
    stopping: AtomicBool,
    connections: Mutex<Vec<Arc<Connection>>>,
    one_less: Condvar,
}

struct Connection {
    stream: Stream,
    cancel: AtomicBool,
    /// Held while a frame is written; false once a write failed, since the peer can't find the next frame then.
    whole: Mutex<bool>,
}

#[derive(Deserialize)]
struct Ask {
    actor: String,
    request: Option<Request>,
    #[serde(default)]
    listen: bool,
}

impl Server {
    /// Starts to serve. This process must hold the directory's lock: only so is a socket that lies there known
    /// to be a dead one.
    pub fn start(handle: Arc<dyn Handle>, data_dir: &Path) -> Result<Self, Error> {
        Self::start_with(handle, data_dir, REQUEST_DEADLINE)
    }

    /// As `start`, with the time that a client has to send its request.
    pub fn start_with(
        handle: Arc<dyn Handle>,
        data_dir: &Path,
        request_deadline: Duration,
    ) -> Result<Self, Error> {
        if !DirectoryLock::is_held_here(data_dir) {
            return Err(Error::new(
                Code::Internal,
                format!("the lock of {} must be held before it is served", data_dir.display()),
            ));
        }
        let path = socket_path(data_dir)?;
        let listener = listen(&path).map_err(|e| {
            Error::new(Code::Unavailable, format!("can't make the local socket {}: {e}", path.display()))
                .because(e)
        })?;
        let shared = Arc::new(Shared {
            handle: Mutex::new(Some(handle)),
            request_deadline,
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
            one_less: Condvar::new(),
        });
        let accepting = thread::Builder::new()
            .name("local socket".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &shared)
            })
            .map_err(|e| Error::new(Code::Unavailable, "can't start the local socket's thread").because(e))?;
        Ok(Self { path, shared, accepting: Some(accepting) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        if let Ok(name) = socket_name(&self.path) {
            let _ = ConnectOptions::new().name(name).connect_sync();
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        drop(self.shared.handle.lock().unwrap_or_else(PoisonError::into_inner).take());
        let connections = self.shared.connections();
        for connection in connections.iter() {
            connection.cancel.store(true, Ordering::SeqCst);
            hang_up_reading(&connection.stream);
        }
        let _ = self.shared.one_less.wait_timeout_while(connections, STOP_DEADLINE, |open| !open.is_empty());
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Sends a frame, unless one before it failed. Whether it went out.
    fn send(&self, said: &impl Serialize) -> bool {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if *whole && frame::write(&self.stream, said).is_err() {
            *whole = false;
            self.cancel.store(true, Ordering::SeqCst);
        }
        *whole
    }

    fn refuse(&self, error: Error) {
        self.send(&First::Refused(error));
    }
}

fn listen(path: &Path) -> io::Result<Listener> {
    let options = ListenerOptions::new()
        .name(socket_name(path)?)
        .try_overwrite(true)
        .max_spin_time(Duration::from_secs(1));
    #[cfg(target_os = "linux")]
    let options = interprocess::os::unix::local_socket::ListenerOptionsExt::mode(options, 0o600);
    let listener = options.create_sync()?;
    // Elsewhere the mode can't be given before; the folder around it is private.
    #[cfg(all(unix, not(target_os = "linux")))]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

fn accept(listener: &Listener, shared: &Arc<Shared>) {
    while !shared.stopping.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok(stream) if !shared.stopping.load(Ordering::SeqCst) => welcome(stream, shared),
            Ok(_) => return,
            // Out of file descriptors, most often: a pause, else this would spin.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn welcome(stream: Stream, shared: &Arc<Shared>) {
    let _ = stream.set_send_timeout(Some(SEND_DEADLINE));
    let connection = Arc::new(Connection { stream, cancel: AtomicBool::new(false), whole: Mutex::new(true) });
    let mut connections = shared.connections();
    if connections.len() >= CONNECTION_LIMIT {
        drop(connections);
        return connection.refuse(
            Error::new(Code::Busy, format!("{CONNECTION_LIMIT} commands are under way already"))
                .hint("Try again in a moment."),
        );
    }
    connections.push(Arc::clone(&connection));
    drop(connections);
    let listed = Listed { connection, shared: Arc::clone(shared) };
    // Where no thread can be had, dropping `listed` closes the connection.
    let _ = thread::Builder::new().name("local request".to_owned()).spawn(move || serve(&listed));
}

fn serve(listed: &Listed) {
    let Listed { connection, shared } = listed;
    if let Err(refused) = check_peer(&connection.stream) {
        return connection.refuse(refused);
    }
    let deadline = Instant::now() + shared.request_deadline;
    let ask: Ask = match frame::read(&connection.stream, Some(deadline)) {
        Ok(Some(ask)) => ask,
        Ok(None) => return,
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::TimedOut => "the request did not come in time".to_owned(),
                _ => format!("the request can't be read: {error}"),
            };
            return connection.refuse(
                Error::new(Code::Usage, message)
                    .hint("Use the `sealport` of the same version as the service."),
            );
        }
    };
    let request = match ask.request {
        Some(request) => request,
        None if ask.listen => return tell(connection, shared),
        None => return connection.refuse(Error::new(Code::Usage, "the request is missing")),
    };
    let watched = Arc::clone(connection);
    let watching = thread::Builder::new().name("local cancel".to_owned()).spawn(move || {
        // Another frame, the end, or nonsense: each means that nobody waits for the answer.
        let _ = frame::read::<serde::de::IgnoredAny>(&watched.stream, None);
        watched.cancel.store(true, Ordering::SeqCst);
    });
    if let Err(error) = watching {
        return connection
            .refuse(Error::new(Code::Unavailable, "can't start a thread for the request").because(error));
    }
    // Let go of before the connection is taken off the list: who waits for that wants to close the engine next.
    let Some(handle) = shared.handle.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return };
    // Who did not hear this may send the request again, here or elsewhere.
    if !connection.send(&First::Taken) {
        return;
    }
    let call = Call {
        actor: ask.actor.chars().filter(|c| !c.is_control()).take(ACTOR_LIMIT).collect(),
        origin: Origin::Socket,
        notify: &|notice: Notice| {
            connection.send(&Reply::Notice(notice));
        },
        cancel: &connection.cancel,
    };
    let reply = match handle.handle(request, &call) {
        Ok(response) => Reply::Response(Box::new(response)),
        Err(error) => Reply::Error(error),
    };
    connection.send(&reply);
}

/// Hands on what the service says of its own accord, until the client goes or does not keep up.
fn tell(connection: &Arc<Connection>, shared: &Shared) {
    let (say, said) = mpsc::sync_channel(NOTICE_LIMIT);
    let slow = Arc::clone(connection);
    let hear: Hear = Arc::new(move |notice| {
        if let Err(mpsc::TrySendError::Full(_)) = say.try_send(notice) {
            hang_up_reading(&slow.stream);
        }
    });
    let Some(handle) = shared.handle.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return };
    let subscribed = handle.subscribe(&hear);
    drop(handle);
    if let Err(error) = subscribed {
        return connection.refuse(error);
    }
    let telling = Arc::clone(connection);
    let writing = thread::Builder::new().name("local notices".to_owned()).spawn(move || {
        // Only after it listens: what happens once the client knows is told.
        let mut heard = telling.send(&First::Taken);
        while let (true, Ok(notice)) = (heard, said.recv()) {
            heard = telling.send(&Reply::Notice(notice));
        }
        hang_up(&telling.stream);
    });
    if let Err(error) = writing {
        return connection
            .refuse(Error::new(Code::Unavailable, "can't start a thread for notices").because(error));
    }
    // Whatever comes, or nothing more: nobody listens. With `hear` goes the thread above.
    let _ = frame::read::<serde::de::IgnoredAny>(&connection.stream, None);
}

/// A connection in the list; dropping it hangs up, also where its request panicked, and takes it off.
struct Listed {
    connection: Arc<Connection>,
    shared: Arc<Shared>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        hang_up(&self.connection.stream);
        self.shared.connections().retain(|other| !Arc::ptr_eq(other, &self.connection));
        self.shared.one_less.notify_all();
    }
}

// Ends the connection also for the thread that watches for a cancel; what was written still arrives.
#[cfg(unix)]
fn hang_up(stream: &Stream) {
    let Stream::UdSocket(stream) = stream;
    let _ = stream.inner().shutdown(std::net::Shutdown::Both);
}

#[cfg(unix)]
fn hang_up_reading(stream: &Stream) {
    let Stream::UdSocket(stream) = stream;
    let _ = stream.inner().shutdown(std::net::Shutdown::Read);
}

// A named pipe ends when the client closes it.
#[cfg(windows)]
fn hang_up(_: &Stream) {}

#[cfg(windows)]
fn hang_up_reading(_: &Stream) {}
