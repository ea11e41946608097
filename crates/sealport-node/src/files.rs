//! Private files: written whole or not at all, readable by their owner only, read with a limit.
//!
//! A write goes to a temporary file in the same folder, is synced, renamed, and the folder synced: after a crash there
//! is the old file or the new one, never a piece.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sealport_core::{
    Code, Error,
    secret::{SecretText, Wiped},
};

/// What a write does where a file of that name is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Takes its place.
    Replace,
    /// Refuses with `Code::AlreadyExists`, also when the other file appeared a moment ago.
    Refuse,
}

/// Longest passphrase file, in bytes.
const PASSPHRASE_LIMIT: u64 = 64 * 1024;

/// Writes a file with mode 0600, whole or not at all. Gives back once file and folder are synced.
pub fn write_private(path: &Path, content: &[u8], existing: Existing) -> Result<(), Error> {
    let folder = folder_of(path);
    let failed = |error: io::Error| unavailable("write", path, error);
    let mut file = tempfile::Builder::new().prefix(".sealport-").tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match existing {
        Existing::Replace => file.persist(path).map(drop).map_err(|e| failed(e.error))?,
        Existing::Refuse => {
            file.persist_noclobber(path).map(drop).map_err(|e| match e.error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Error::new(Code::AlreadyExists, format!("{} is there already", path.display()))
                        .hint("Choose another name, or move that file away first.")
                }
                _ => failed(e.error),
            })?;
        }
    }
    sync_folder(folder).map_err(failed)
}

/// Reads a whole file of at most `limit` bytes; a longer one is `Code::Refused`. The buffer is wiped when dropped.
pub fn read_limited(path: &Path, limit: u64) -> Result<Wiped<Vec<u8>>, Error> {
    let file = File::open(path).map_err(|e| unavailable("read", path, e))?;
    let about = file.metadata().map_err(|e| unavailable("read", path, e))?;
    if about.is_dir() {
        return Err(Error::new(Code::Usage, format!("{} is a folder, not a file", path.display())));
    }
    read_all(file, about.len(), limit, &path.display().to_string())
}

/// Reads to the end of a stream that calls itself `name`; more than `limit` bytes are `Code::Refused`.
/// `expected` sizes the buffer, so that a secret isn't left behind where a buffer grew.
pub fn read_all(source: impl Read, expected: u64, limit: u64, name: &str) -> Result<Wiped<Vec<u8>>, Error> {
    let too_long = || Error::new(Code::Refused, format!("{name} is longer than {limit} bytes"));
    if expected > limit {
        return Err(too_long());
    }
    let capacity = usize::try_from(expected.max(4096) + 1).map_err(|_| too_long())?;
    let mut content = Wiped::new(Vec::with_capacity(capacity));
    source
        .take(limit + 1)
        .read_to_end(&mut content)
        .map_err(|e| Error::new(Code::Unavailable, format!("can't read {name}: {e}")).because(e))?;
    if content.len() as u64 > limit { Err(too_long()) } else { Ok(content) }
}

/// A passphrase from a file: its first line without the line end. The second value is a warning where others can read it.
pub fn read_passphrase(path: &Path) -> Result<(SecretText, Option<String>), Error> {
    let content = read_limited(path, PASSPHRASE_LIMIT)?;
    let passphrase = first_line(&content, &path.display().to_string())?;
    let warning = readable_by_others(path)
        .then(|| format!("others can read {}; give it mode 0600 (chmod 600)", path.display()));
    Ok((passphrase, warning))
}

/// A passphrase from a stream, as `read_passphrase`.
pub fn read_passphrase_from(source: impl Read, name: &str) -> Result<SecretText, Error> {
    first_line(&read_all(source, 0, PASSPHRASE_LIMIT, name)?, name)
}

/// Makes a folder that only its owner enters (mode 0700), with the folders above it. One that is there stays as it is
/// if it is private; otherwise it's closed to others.
pub fn make_private_folder(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| unavailable("make", path, error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes a rename in this folder last.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows can't open a folder as a file; there NTFS's journal orders the rename.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// An error of the file system as an error of the contract: `verb` is "read", "write", ...
pub fn unavailable(verb: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound if verb == "read" => Code::NotFound,
        io::ErrorKind::PermissionDenied => Code::NotPermitted,
        _ => Code::Unavailable,
    };
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    Error::new(code, format!("can't {verb} {}: {reason}", path.display())).because(error)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn first_line(content: &[u8], name: &str) -> Result<SecretText, Error> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Error::new(Code::Usage, format!("the first line of {name} is empty"))
            .hint("Put the passphrase on the first line."));
    }
    let line = std::str::from_utf8(line)
        .map_err(|_| Error::new(Code::Usage, format!("the first line of {name} isn't UTF-8 text")))?;
    Ok(SecretText::new(line.to_owned()))
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}

/// The path without `.` and links where it exists, else as absolute as it can be made.
pub fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_or_refuses_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        write_private(&path, b"one", Existing::Refuse).unwrap();
        // Sabotage: `persist` in place of `persist_noclobber` overwrites, and this fails.
        let refused = write_private(&path, b"two", Existing::Refuse).unwrap_err();
        assert_eq!(refused.code, Code::AlreadyExists);
        assert_eq!(read_limited(&path, 3).unwrap().as_slice(), b"one");
        write_private(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(read_limited(&path, 3).unwrap().as_slice(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn files_and_folders_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        make_private_folder(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        make_private_folder(&data).unwrap();
        write_private(&data.join("f"), b"", Existing::Replace).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700);
        assert_eq!(mode(&data.join("f")), 0o600);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read_limited(&path, 10).unwrap_err().code, Code::Refused);
        assert_eq!(read_limited(&path, 11).unwrap().len(), 11);
        assert_eq!(read_all(&[0; 11][..], 0, 10, "a stream").unwrap_err().code, Code::Refused);
        assert_eq!(read_limited(&folder.path().join("none"), 10).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn a_passphrase_is_the_first_line_and_never_empty() {
        let read = |bytes: &[u8]| read_passphrase_from(bytes, "it").map(|p| p.expose().to_owned());
        assert_eq!(read(b"correct horse\r\nsecond").unwrap(), "correct horse");
        assert_eq!(read(b" spaces stay ").unwrap(), " spaces stay ");
        assert_eq!(read(b"\nsecond").unwrap_err().code, Code::Usage);
        assert_eq!(read(b"").unwrap_err().code, Code::Usage);
    }

    #[cfg(unix)]
    #[test]
    fn a_passphrase_file_that_others_read_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        fs::write(&path, "word\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_passphrase(&path).unwrap().1.unwrap().contains("others can read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read_passphrase(&path).unwrap().1.is_none());
    }
}
