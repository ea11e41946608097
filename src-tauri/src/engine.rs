//! What the shell uses of `sealport-node`, and nothing else of it: one place to see how thick the arrow is.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use sealport_node::{
    call::{Call, Handle, Hear, Origin, actor},
    cli::protect_memory,
    files::read_limited,
    fill::read_rows,
};

use sealport_core::Error;
use sealport_node::{config, door, engine::Engine, files, local, service::Service};

/// What is open: the engine, or the way to the process that holds the directory, with what must live as long.
pub type Opened = Arc<dyn Handle>;

/// Opens the data directory and runs its service as long as the handle lives: the local socket, and the network. Where a
/// service has it open already, talks to that. `changed` hears of every write, also of those that commands make.
pub fn open(data_dir: &Path, changed: &Hear) -> Result<Opened, Error> {
    let config = || {
        let file = config::custody_passphrase_file(None);
        let passphrase = file.map(|(file, _)| files::read_passphrase(&file)).transpose()?;
        Ok(config::Config {
            data_dir: data_dir.to_owned(),
            custody_passphrase: passphrase.map(|(passphrase, _)| passphrase),
            interactive: true,
        })
    };
    let opened = door::open(data_dir, config, |config| {
        let service = Service::start(config, None)?;
        // Metrics are off here unless the setting says where; a port that is taken must not keep the window shut.
        let _ = service.serve_ops(None, None);
        Ok(Arc::new(service))
    })?;
    // A service of an older version says nothing of its own accord; the page asks every few seconds all the same.
    let _ = opened.subscribe(changed);
    Ok(opened)
}

/// Opens the sample system, in memory only.
pub fn explore(changed: &Hear) -> Result<Opened, Error> {
    let engine = Engine::explore()?;
    engine.subscribe(changed)?;
    Ok(Arc::new(engine))
}

/// The data directory: the flag, the variable, or the user's own.
pub fn locate(flag: Option<PathBuf>) -> Result<PathBuf, Error> {
    config::locate(flag).map(|(data_dir, _)| data_dir)
}

/// Where the window of a data directory is asked to show itself: beside the socket of its engine. Makes the directory
/// where there is none.
pub fn window_socket(data_dir: &Path) -> Result<PathBuf, Error> {
    files::make_private_folder(data_dir)?;
    local::socket_path(data_dir).map(|path| path.with_extension("window"))
}
