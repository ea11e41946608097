//! What every door leads to: one request in, one response or error out. The engine and the client of the local
//! socket both answer it, so the command line and the window need not know which of the two they talk to.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use sealport_core::{
    Error,
    api::{Notice, Request, Response},
};

/// Answers requests.
pub trait Handle: Send + Sync {
    /// Does what the request asks. Notices go to `call.notify` while it works; when `call.cancel` turns true, long work
    /// stops at the next safe place with `Code::Cancelled` and leaves nothing half done.
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error>;

    /// Tells `hear` how it is now, and then of every write, change of state and alert, as long as somebody else holds it.
    /// One that says nothing of its own accord tells nothing.
    fn subscribe(&self, _hear: &Hear) -> Result<(), Error> {
        Ok(())
    }
}

/// Hears what a service says of its own accord. It must not wait: a write waits for it.
pub type Hear = Arc<dyn Fn(Notice) + Send + Sync>;

/// Who asks, from where, and how to reach them while the work goes on.
pub struct Call<'a> {
    /// Name of the person, for the audit trail.
    pub actor: String,
    /// Where the request came in.
    pub origin: Origin,
    /// Takes progress and other notices.
    pub notify: &'a (dyn Fn(Notice) + Sync),
    /// Turns true when the caller gave up.
    pub cancel: &'a AtomicBool,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A command that opened the data directory itself.
    CommandLine,
    /// The desktop window.
    Window,
    /// The local socket.
    Socket,
    /// The service, of its own accord.
    Service,
    /// Another node.
    Network,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::CommandLine => "command line",
            Origin::Window => "window",
            Origin::Socket => "socket",
            Origin::Service => "service",
            Origin::Network => "network",
        })
    }
}

/// The user of this session, for the audit trail: by name, else by number.
pub fn actor() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(user_number)
}

#[cfg(unix)]
fn user_number() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn user_number() -> String {
    "unknown".to_owned()
}
