//! The one door to a data directory: through the process that has it open, or by opening it here.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{Request, Response},
};

use crate::{
    call::{Call, Handle},
    config::Config,
    local::{Client, Taken},
};

/// Opens the engine on a data directory: takes its lock, so fails with `Code::Busy` where another process holds it.
pub type Opener = fn(Config) -> Result<Arc<dyn Handle>, Error>;

/// How long another command may take before this one gives up with `Code::Busy`.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// A way to the data directory. `config` is asked for only where it is opened here: it may ask for a passphrase, and
/// is asked again for each attempt while another command has the directory open.
pub fn open(
    data_dir: &Path,
    mut config: impl FnMut() -> Result<Config, Error>,
    opener: impl Fn(Config) -> Result<Arc<dyn Handle>, Error>,
) -> Result<Arc<dyn Handle>, Error> {
    patiently(|| match Client::connect(data_dir)? {
        Some(client) => Ok(Arc::new(client) as Arc<dyn Handle>),
        None => opener(config()?),
    })
}

/// One request by such a way. A process that closes before it took the request costs only time: this one waits for
/// the lock and opens the directory itself. What was taken is never sent again.
pub fn ask(
    data_dir: &Path,
    mut config: impl FnMut() -> Result<Config, Error>,
    opener: impl Fn(Config) -> Result<Arc<dyn Handle>, Error>,
    request: Request,
    call: &Call<'_>,
) -> Result<Response, Error> {
    enum Way {
        Taken(Taken),
        Opened(Arc<dyn Handle>),
    }
    let way = patiently(|| {
        if call.cancel.load(Ordering::SeqCst) {
            return Err(Error::new(Code::Cancelled, "Cancelled. Nothing was changed."));
        }
        match Client::connect(data_dir)? {
            Some(client) => client.send(&call.actor, &request).map(Way::Taken),
            None => opener(config()?).map(Way::Opened),
        }
    })?;
    match way {
        Way::Taken(taken) => {
            drop(request);
            taken.answer(call)
        }
        Way::Opened(engine) => engine.handle(request, call),
    }
}

/// Tries again while it is `Busy`: another command, which ends soon, or a service that doesn't listen yet.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(error) if error.code == Code::Busy && Instant::now() < end => thread::sleep(PAUSE),
            result => return result,
        }
    }
}
