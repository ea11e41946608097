//! What the shell uses of `sealport-node`, and nothing else of it: one place to see how thick the arrow is.
//!
//! The engine has not landed in `sealport-node`; the names and shapes are its own, so that they become `pub use` lines
//! here. Until then every request answers, truthfully, that there is no engine.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use sealport_core::{
    Code, Error,
    api::{FillRow, Notice, Request, Response},
};
use zeroize::Zeroizing;

/// `sealport_node::call::Handle`.
pub trait Handle: Send + Sync {
    /// Does what the request asks.
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error>;
}

/// `sealport_node::call::Call`.
#[allow(dead_code, reason = "the engine reads it")]
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

/// `sealport_node::call::Origin`.
pub enum Origin {
    /// The desktop window.
    Window,
}

/// What is open: the engine, or the way to the process that holds the directory, with what must live as long.
pub type Opened = Arc<dyn Handle>;

/// Opens the data directory, and serves its local socket as long as the handle lives.
pub fn open(_data_dir: &Path) -> Result<Opened, Error> {
    Err(no_engine())
}

/// Opens the sample system, in memory only.
pub fn explore() -> Result<Opened, Error> {
    Err(no_engine())
}

/// The data directory: the flag, the variable, or the user's own.
pub fn locate(flag: Option<PathBuf>) -> Result<PathBuf, Error> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own =
        || Some(var("XDG_DATA_HOME").or_else(|| Some(var("HOME")?.join(".local/share")))?.join("sealport"));
    flag.or_else(|| var("SEALPORT_DATA_DIR")).or_else(own).ok_or_else(|| {
        Error::new(Code::Usage, "there is no home directory to keep data in").hint("Give --data-dir DIR.")
    })
}

/// The rows of a fill list.
pub fn read_csv(_bytes: &[u8]) -> Result<Vec<FillRow>, Error> {
    Err(no_engine())
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_limited(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed =
        |e: std::io::Error| Error::new(Code::Unavailable, format!("can't read {}: {e}", path.display()));
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > limit {
        true => Err(Error::new(Code::Refused, format!("{} is longer than {limit} bytes", path.display()))),
        false => Ok(bytes),
    }
}

fn no_engine() -> Error {
    Error::new(Code::Unavailable, "this build has no engine")
        .hint("Build the whole repository at one commit.")
}
