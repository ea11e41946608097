//! Sealport's decisions. Nothing here reads a clock, a file, a socket, the environment or the system's randomness:
//! the node passes those in. `FORMATS.md` beside this crate gives every byte that is written; `PROTOCOL.md` says how the
//! nodes of a system keep to one master.

pub mod api;
pub mod backup;
pub mod bundle;
pub mod error;
pub mod id;
pub mod machine;
pub mod port;
pub mod record;
pub mod seal;
pub mod secret;
pub mod time;

pub use error::{Code, Error};
