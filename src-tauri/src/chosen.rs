//! Files that the administrator chose: the page gets a token and a name, never a path.
//!
//! Promises: a token that was not given out in this run is refused, and so is a use that the choice did not mean: what
//! was chosen to be read is never written over.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sealport_core::{
    Code, Error,
    api::{FirstBackup, LocalPath, Request},
};
use serde::Serialize;

/// What a choice was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A file to read.
    Read,
    /// A file to write; what was written may be read again.
    Write,
    /// A folder to write files into.
    Folder,
}

/// What the page learns of a choice.
#[derive(Debug, Serialize)]
pub struct Chosen {
    /// Stands for the path, in this run only.
    pub token: String,
    /// File name without folders.
    pub name: String,
    /// Size; 0 for a folder, and for a file that is not there yet.
    pub bytes: u64,
}

/// The choices of this run. The number in a token is the place in the table.
#[derive(Default)]
pub struct Table(Mutex<Vec<(Use, PathBuf)>>);

impl Table {
    /// Gives out a token for a path.
    pub fn add(&self, meant: Use, path: PathBuf) -> Chosen {
        let name = name_of(&path);
        let bytes = path.metadata().ok().filter(|about| about.is_file()).map_or(0, |about| about.len());
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.push((meant, path));
        Chosen { token: format!("chosen:{}", table.len()), name, bytes }
    }

    /// The path of a token that was chosen for this use.
    pub fn path(&self, token: &str, wanted: Use) -> Result<PathBuf, Error> {
        let unknown = || {
            Error::new(Code::Usage, format!("no file was chosen as {token} in this run"))
                .hint("Choose it again.")
        };
        let place = token
            .strip_prefix("chosen:")
            .and_then(|number| number.parse::<usize>().ok())
            .ok_or_else(unknown)?;
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (meant, path) = place.checked_sub(1).and_then(|index| table.get(index)).ok_or_else(unknown)?;
        if *meant == wanted || (*meant, wanted) == (Use::Write, Use::Read) {
            return Ok(path.clone());
        }
        Err(Error::new(Code::NotPermitted, format!("{} was not chosen for this", name_of(path)))
            .hint("Choose a place for it."))
    }

    /// The request with the paths in the place of its tokens.
    pub fn resolve(&self, request: Request) -> Result<Request, Error> {
        let wanted = match &request {
            Request::Init { backup: FirstBackup::Now { .. }, .. }
            | Request::BackupCreate { .. }
            | Request::SecretRotate { .. } => Use::Write,
            Request::PortExport { .. } => Use::Folder,
            // Whatever else names a file reads it.
            _ => Use::Read,
        };
        request.map_paths(|token| as_local(&self.path(&token.0, wanted)?))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn as_local(path: &Path) -> Result<LocalPath, Error> {
    let text = path.to_str().ok_or_else(|| {
        Error::new(Code::Usage, format!("the path of {} is not Unicode text", name_of(path)))
            .hint("Rename the file or its folder.")
    })?;
    Ok(LocalPath(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use sealport_core::{
        api::{BackupSource, PromotionMode},
        secret::SecretText,
    };

    use super::*;

    fn inspected(table: &Table, token: &str) -> Result<String, Error> {
        match table.resolve(Request::BackupInspect { file: LocalPath(token.to_owned()) })? {
            Request::BackupInspect { file } => Ok(file.0),
            other => panic!("another request came back: {other:?}"),
        }
    }

    fn exported(table: &Table, token: &str) -> Result<(), Error> {
        let out = LocalPath(token.to_owned());
        table.resolve(Request::PortExport { out, secrets: Default::default(), document: None }).map(drop)
    }

    /// Sabotage: let `path` give back the text itself where it is no token.
    #[test]
    fn a_path_from_the_page_is_refused() {
        let table = Table::default();
        let chosen = table.add(Use::Read, "/safe/hub.sealport".into());
        assert_eq!((chosen.token.as_str(), chosen.name.as_str()), ("chosen:1", "hub.sealport"));
        assert_eq!(inspected(&table, &chosen.token).unwrap(), "/safe/hub.sealport");
        for token in ["/safe/hub.sealport", "chosen:0", "chosen:2", "chosen:-1", "chosen:", "", "1"] {
            assert_eq!(inspected(&table, token).unwrap_err().code, Code::Usage, "{token}");
        }
    }

    /// Sabotage: drop the comparison of uses.
    #[test]
    fn what_was_chosen_to_be_read_is_never_written() {
        let table = Table::default();
        let read = table.add(Use::Read, "/safe/bindings.xml".into()).token;
        let write = table.add(Use::Write, "/safe/new.sealport".into()).token;
        let folder = table.add(Use::Folder, "/safe".into()).token;
        assert_eq!(exported(&table, &read).unwrap_err().code, Code::NotPermitted);
        assert_eq!(
            table.path(&read, Use::Write).unwrap_err().message,
            "bindings.xml was not chosen for this"
        );
        assert_eq!(exported(&table, &write).unwrap_err().code, Code::NotPermitted);
        exported(&table, &folder).unwrap();
        assert_eq!(inspected(&table, &write).unwrap(), "/safe/new.sealport");
        assert_eq!(inspected(&table, &folder).unwrap_err().code, Code::NotPermitted);
    }

    #[test]
    fn a_rotation_writes_its_backup_and_a_promotion_reads_one() {
        let table = Table::default();
        let read = table.add(Use::Read, "/safe/hub.sealport".into()).token;
        let write = table.add(Use::Write, "/safe/new.sealport".into()).token;
        let passphrase = || SecretText::new("long river stone".to_owned());
        let rotate = |token: &str| {
            let (file, passphrase) = (LocalPath(token.to_owned()), passphrase());
            table.resolve(Request::SecretRotate { file, passphrase, reminder: None })
        };
        let promote = |token: &str| {
            let source = BackupSource { file: LocalPath(token.to_owned()), passphrase: passphrase() };
            table.resolve(Request::Promote {
                node: "self".to_owned(),
                mode: PromotionMode::Emergency,
                expect_epoch: None,
                from_backup: Some(source),
                leave_unreadable: false,
            })
        };
        assert_eq!(rotate(&read).unwrap_err().code, Code::NotPermitted);
        assert!(
            matches!(rotate(&write), Ok(Request::SecretRotate { file, .. }) if file.0 == "/safe/new.sealport")
        );
        assert!(matches!(promote(&read), Ok(Request::Promote { from_backup: Some(source), .. })
            if source.file.0 == "/safe/hub.sealport"));
        assert_eq!(promote("/safe/hub.sealport").unwrap_err().code, Code::Usage);
    }

    #[test]
    fn a_request_without_a_path_passes() {
        assert!(matches!(Table::default().resolve(Request::Status), Ok(Request::Status)));
    }
}
