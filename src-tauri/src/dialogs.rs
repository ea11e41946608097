//! Native open and save dialogs. The page names what it wants a file for; what is chosen stays here.

use std::path::PathBuf;

use rfd::{AsyncFileDialog, FileHandle};
use sealport_core::{Code, Error};
use serde::Deserialize;
use tauri::{WebviewWindow, async_runtime};

use crate::chosen::Use;

/// What a file is wanted for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Binding files to import; several at once.
    Import,
    /// Where a new backup goes.
    BackupSave,
    /// A backup to inspect, drill or restore.
    BackupOpen,
    /// Where exported binding files go.
    ExportFolder,
    /// A fill list.
    FillCsv,
}

impl Choice {
    /// What the chosen file may be used for.
    pub fn meant(self) -> Use {
        match self {
            Choice::Import | Choice::BackupOpen | Choice::FillCsv => Use::Read,
            Choice::BackupSave => Use::Write,
            Choice::ExportFolder => Use::Folder,
        }
    }
}

/// Shows the dialog over the window and waits; empty when it was cancelled. `suggested` is a file name for saving.
pub async fn choose(
    window: &WebviewWindow,
    what: Choice,
    suggested: Option<String>,
) -> Result<Vec<PathBuf>, Error> {
    let (answer, mut answered) = async_runtime::channel(1);
    let parent = window.clone();
    let failed =
        |e: tauri::Error| Error::new(Code::Internal, format!("the dialog can't be opened: {e}")).because(e);
    // Dialogs must be made on the main thread, and waited for on another, or the window stands still.
    window
        .run_on_main_thread(move || {
            let files = show(AsyncFileDialog::new().set_parent(&parent), what, suggested);
            async_runtime::spawn(async move { answer.send(files.await).await });
        })
        .map_err(failed)?;
    Ok(answered.recv().await.unwrap_or_default())
}

/// Makes the dialog at once; the future gives what was chosen.
fn show(
    dialog: AsyncFileDialog,
    what: Choice,
    suggested: Option<String>,
) -> impl Future<Output = Vec<PathBuf>> + Send + 'static {
    let backups = ["sealport"];
    let several: std::pin::Pin<Box<dyn Future<Output = Option<Vec<FileHandle>>> + Send>> = match what {
        Choice::Import => {
            let dialog = dialog.set_title("Import binding files").add_filter("Binding files", &["xml"]);
            Box::pin(dialog.add_filter("All files", &["*"]).pick_files())
        }
        Choice::BackupSave => {
            let name = suggested.as_deref().map_or("master-secret.sealport", file_name);
            let dialog = dialog
                .set_title("Write the backup")
                .add_filter("Sealport backups", &backups)
                .set_file_name(name);
            one(dialog.save_file())
        }
        Choice::BackupOpen => {
            let dialog = dialog.set_title("Open a backup").add_filter("Sealport backups", &backups);
            one(dialog.add_filter("All files", &["*"]).pick_file())
        }
        Choice::ExportFolder => one(dialog.set_title("Export binding files into a folder").pick_folder()),
        Choice::FillCsv => one(dialog
            .set_title("Fill missing secrets")
            .add_filter("Comma-separated values", &["csv"])
            .pick_file()),
    };
    async move { several.await.unwrap_or_default().iter().map(|file| file.path().to_owned()).collect() }
}

fn one(
    file: impl Future<Output = Option<FileHandle>> + Send + 'static,
) -> std::pin::Pin<Box<dyn Future<Output = Option<Vec<FileHandle>>> + Send>> {
    Box::pin(async move { file.await.map(|file| vec![file]) })
}

/// A suggestion of the page is a name and never leads into another folder.
fn file_name(suggested: &str) -> &str {
    suggested.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_name_has_no_folders() {
        assert_eq!(file_name("hub.sealport"), "hub.sealport");
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("C:\\Windows\\x"), "x");
    }

    #[test]
    fn the_pages_words_for_choices_are_known() {
        for word in ["import", "backup_save", "backup_open", "export_folder", "fill_csv"] {
            serde_json::from_str::<Choice>(&format!("\"{word}\"")).unwrap();
        }
        assert!(serde_json::from_str::<Choice>("\"anything\"").is_err());
    }
}
