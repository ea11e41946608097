//! The local socket: how commands and the window reach the process that has the data directory open.
//!
//! A connection carries one request. Frames are a length (u32, big-endian) and that many bytes of JSON, at most 128 MiB.
//! The client sends `{"actor","request"}`; the server says `"taken"` or `{"refused":error}`, and after "taken" notices,
//! then one response or error. Another frame from the client, or its end, means "cancel". Both ends look at the user of
//! the other one before they say anything.
//!
//! With `{"actor","listen":true}` in the request's place, notices come until one of the two ends the connection: how it is
//! now, then what the service says of its own accord. A listener that does not keep up is hung up on; it comes again.
//!
//! Nothing is done before "taken" went out, so a request without it may be sent again, also one that writes.
//!
//! Not run yet: the named pipe of Windows. It has no peer check but the pipe's own access list, and reads there have no deadline.

use std::{
    io,
    path::{Path, PathBuf},
};

use interprocess::local_socket::{Name, Stream, traits::StreamCommon as _};
use sealport_core::{Code, Error};
use serde::{Deserialize, Serialize};

mod client;
mod frame;
mod server;

pub use client::{Client, Taken};
pub use frame::FRAME_LIMIT;
pub use server::{CONNECTION_LIMIT, Server};

/// What a server says first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    /// The whole request was read; what comes next are notices and the answer.
    Taken,
    /// It will not be worked on.
    Refused(Error),
}

/// Name of the socket in a data directory.
pub const SOCKET_FILE: &str = "sealport.sock";

// The address of a Unix socket holds 108 bytes on Linux and 104 on macOS.
#[cfg(unix)]
const PATH_LIMIT: usize = 100;

/// Where the socket of a data directory is: in it, or under a short name where its path is too long for a socket.
#[cfg(unix)]
pub fn socket_path(data_dir: &Path) -> Result<PathBuf, Error> {
    use std::os::unix::ffi::OsStrExt;
    let data_dir = crate::files::absolute(data_dir);
    let path = data_dir.join(SOCKET_FILE);
    if path.as_os_str().len() <= PATH_LIMIT {
        return Ok(path);
    }
    let name = format!("sealport-{}.sock", short_hash(data_dir.as_os_str().as_bytes()));
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(folder) = runtime.filter(|folder| folder.is_absolute() && is_own_private(folder)) {
        let path = folder.join(&name);
        if path.as_os_str().len() <= PATH_LIMIT {
            return Ok(path);
        }
    }
    let folder = PathBuf::from(format!("/tmp/sealport-{}", own_user()));
    match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(crate::files::unavailable("make", &folder, error));
        }
        _ => {}
    }
    // Anyone may make folders in /tmp: one that another user made first could hold another user's socket.
    if is_own_private(&folder) {
        Ok(folder.join(name))
    } else {
        Err(Error::new(Code::NotPermitted, format!("{} does not belong to you alone", folder.display()))
            .hint("Delete it, or set XDG_RUNTIME_DIR, or use a data directory with a shorter path."))
    }
}

/// Where the pipe of a data directory is.
#[cfg(windows)]
pub fn socket_path(data_dir: &Path) -> Result<PathBuf, Error> {
    let data_dir = crate::files::absolute(data_dir);
    let hash = short_hash(data_dir.as_os_str().as_encoded_bytes());
    Ok(PathBuf::from(format!(r"\\.\pipe\sealport-{hash}")))
}

fn socket_name(path: &Path) -> io::Result<Name<'static>> {
    use interprocess::local_socket::{GenericFilePath, ToFsName as _};
    path.to_owned().into_os_string().to_fs_name::<GenericFilePath>()
}

fn short_hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the process at the other end runs as this user or as root.
#[cfg(unix)]
fn check_peer(stream: &Stream) -> Result<(), Error> {
    let peer = stream.peer_creds().ok().and_then(|peer| peer.euid());
    if may_talk(peer, own_user()) {
        return Ok(());
    }
    Err(Error::new(Code::NotPermitted, "the local socket of a data directory serves only its own user")
        .hint("Run the command as the user who runs Sealport."))
}

#[cfg(unix)]
fn may_talk(peer: Option<u32>, own: u32) -> bool {
    peer.is_some_and(|peer| peer == own || peer == 0)
}

#[cfg(windows)]
fn check_peer(_: &Stream) -> Result<(), Error> {
    // The pipe's default access list lets only its owner and administrators write to it.
    Ok(())
}

#[cfg(unix)]
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(unix)]
fn is_own_private(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // Not following links: a link in /tmp could lead anywhere.
    std::fs::symlink_metadata(folder)
        .is_ok_and(|about| about.is_dir() && about.uid() == own_user() && about.mode() & 0o077 == 0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_and_root_may_talk() {
        // Sabotage: `peer.is_some()` lets 1001 in.
        assert!(may_talk(Some(1000), 1000));
        assert!(may_talk(Some(0), 1000));
        assert!(!may_talk(Some(1001), 1000));
        assert!(!may_talk(Some(1000), 0));
        assert!(!may_talk(None, 0));
    }

    #[test]
    fn a_long_path_gets_a_short_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let short = socket_path(folder.path()).unwrap();
        assert!(short.ends_with(SOCKET_FILE));
        let deep = |last: &str| folder.path().join("d".repeat(90)).join(last);
        let (one, two) = (socket_path(&deep("one")).unwrap(), socket_path(&deep("two")).unwrap());
        assert!(one.as_os_str().len() <= PATH_LIMIT);
        assert_ne!(one, two);
    }

    #[test]
    fn a_folder_of_others_is_not_trusted() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        crate::files::make_private_folder(&own).unwrap();
        assert!(is_own_private(&own));
        symlink(&own, folder.path().join("link")).unwrap();
        assert!(!is_own_private(&folder.path().join("link")));
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o770)).unwrap();
        assert!(!is_own_private(&own));
    }
}
