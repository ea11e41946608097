//! The exclusive lock of a data directory: one process at a time has it open.
//!
//! The lock is the operating system's on the file `lock`, so it ends with its process, however that ends. The number
//! of the process stands in the file, for people.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sealport_core::{Code, Error};

use crate::files;

// A process may open a data directory once: on some systems a second lock by the same process would succeed.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Holds a data directory for as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock {
    data_dir: PathBuf,
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock at once or says `Code::Busy`. Makes the directory (0700) where there is none.
    pub fn take(data_dir: &Path) -> Result<Self, Error> {
        files::make_private_folder(data_dir)?;
        let data_dir = files::absolute(data_dir);
        let path = data_dir.join("lock");
        let failed = |error| files::unavailable("lock", &path, error);
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(&data_dir) {
            return Err(busy(&data_dir, "this process"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Windows keeps others from reading a locked file; then the number is left out.
                let _ = (&file).take(20).read_to_string(&mut holder);
                let holder = holder.trim();
                let named = if holder.is_empty() || !holder.bytes().all(|byte| byte.is_ascii_digit()) {
                    "another process".to_owned()
                } else {
                    format!("process {holder}")
                };
                return Err(busy(&data_dir, &named));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        held.insert(data_dir.clone());
        Ok(Self { data_dir, _file: file })
    }

    /// Whether this process holds the lock of that data directory.
    pub fn is_held_here(data_dir: &Path) -> bool {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).contains(&files::absolute(data_dir))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.data_dir);
    }
}

fn busy(data_dir: &Path, holder: &str) -> Error {
    Error::new(Code::Busy, format!("{holder} has the data directory {} open", data_dir.display()))
        .hint("Wait until it is done, or end it; `--data-dir` names another directory.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_the_first_one_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let lock = DirectoryLock::take(&data_dir).unwrap();
        assert!(DirectoryLock::is_held_here(&data_dir));
        // Sabotage: without HELD and without try_lock the second one is taken, and this fails.
        assert_eq!(DirectoryLock::take(&data_dir).unwrap_err().code, Code::Busy);
        drop(lock);
        assert!(!DirectoryLock::is_held_here(&data_dir));
        drop(DirectoryLock::take(&data_dir).unwrap());
    }

    #[test]
    fn another_holder_of_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "4711\n").unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let refused = DirectoryLock::take(folder.path()).unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        if cfg!(unix) {
            assert!(refused.message.contains("process 4711"), "{}", refused.message);
        }
    }
}
