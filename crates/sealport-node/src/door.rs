//! The one door to a data directory: through the process that has it open, or by opening it here.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sealport_core::{Code, Error};

use crate::{call::Handle, config::Config, local::Client};

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
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(client) = Client::connect(data_dir)? {
            return Ok(Arc::new(client));
        }
        match opener(config()?) {
            // Another command, which ends soon, or a service that doesn't listen yet.
            Err(error) if error.code == Code::Busy && Instant::now() < end => thread::sleep(PAUSE),
            result => return result,
        }
    }
}
