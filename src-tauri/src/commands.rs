//! What the page may ask, each in a few lines: tokens become paths, the engine does the work on a thread of its own,
//! and an error crosses as it is.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{ImportFile, Request, Response},
    secret::SecretText,
};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager, State, WebviewWindow, async_runtime};

use crate::{
    chosen::{Chosen, Table, Use},
    clipboard::Clipboard,
    closing::Unsaved,
    dialogs::{self, Choice},
    door::Door,
    engine, events,
    tray::Tray,
};

/// Longest binding file and fill list, in bytes; real ones have some megabytes.
const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// What the shell itself can say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    version: &'static str,
    /// The sample system is open, and nothing is kept.
    sample: bool,
    data_dir: String,
}

/// Folders that can be opened in the system's file manager.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folder {
    /// The data directory.
    Data,
    /// Where the last export of this run went.
    Export,
}

/// A request of the contract; its paths are tokens.
#[tauri::command]
pub async fn call(app: AppHandle, request: Request) -> Result<Response, Error> {
    let request = app.state::<Table>().resolve(request)?;
    send(app, move || Ok(request)).await
}

/// Opens a native dialog; empty when it was cancelled.
#[tauri::command]
pub async fn choose(
    window: WebviewWindow,
    what: Choice,
    suggested: Option<String>,
) -> Result<Vec<Chosen>, Error> {
    let paths = dialogs::choose(&window, what, suggested).await?;
    Ok(paths.into_iter().map(|path| window.state::<Table>().add(what.meant(), path)).collect())
}

/// `PortImport` of chosen files.
#[tauri::command]
pub async fn import_files(app: AppHandle, tokens: Vec<String>, dry_run: bool) -> Result<Response, Error> {
    let paths = read_paths(&app, &tokens)?;
    send(app, move || {
        let files = paths.iter().map(|path| import_file(path)).collect::<Result<_, _>>()?;
        Ok(Request::PortImport { files, dry_run })
    })
    .await
}

/// `PortFill` with the rows of a chosen file.
#[tauri::command]
pub async fn fill_csv(app: AppHandle, token: String, dry_run: bool) -> Result<Response, Error> {
    let path = app.state::<Table>().path(&token, Use::Read)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    send(app, move || {
        let rows = engine::read_rows(&engine::read_limited(&path, LONGEST_FILE)?, &name)?;
        Ok(Request::PortFill { rows, dry_run })
    })
    .await
}

/// Cancels the work that runs.
#[tauri::command]
pub fn cancel(door: State<'_, Arc<Door>>) {
    door.cancel();
}

/// Closes the window as its own button does: the page is asked first where something would be lost.
#[tauri::command]
pub fn close(window: WebviewWindow) -> Result<(), Error> {
    window.close().map_err(|e| Error::new(Code::Internal, "the window can't be closed").because(e))
}

/// The page says whether anything typed in it would be lost with it.
#[tauri::command]
pub fn unsaved(unsaved: State<'_, Unsaved>, any: bool) {
    unsaved.told(any);
}

/// Opens the sample system, in memory only.
#[tauri::command]
pub async fn explore(app: AppHandle) -> Result<(), Error> {
    let door = app.state::<Arc<Door>>().inner().clone();
    on_a_thread(move || door.explore()).await
}

/// Goes back to the own system.
#[tauri::command]
pub async fn leave_sample(app: AppHandle) -> Result<(), Error> {
    let door = app.state::<Arc<Door>>().inner().clone();
    on_a_thread(move || {
        door.leave_sample();
        Ok(())
    })
    .await
}

/// Opens a folder in the system's file manager.
#[tauri::command]
pub fn open_folder(door: State<'_, Arc<Door>>, which: Folder) -> Result<(), Error> {
    let folder = match which {
        Folder::Data => Some(door.data_dir().to_owned()),
        Folder::Export => door.last_export(),
    };
    let folder = folder.ok_or_else(|| Error::new(Code::NotFound, "nothing was exported in this run"))?;
    open::that_detached(&folder).map_err(|e| {
        Error::new(Code::Unavailable, format!("no file manager opens {}: {e}", folder.display())).because(e)
    })
}

/// What the shell itself can say.
#[tauri::command]
pub fn about(door: State<'_, Arc<Door>>) -> About {
    About {
        version: env!("CARGO_PKG_VERSION"),
        sample: door.is_sample(),
        data_dir: door.data_dir().display().to_string(),
    }
}

/// Puts a secret on the clipboard without showing it to the page. Revealing it leaves its audit entry.
#[tauri::command]
pub async fn copy_secret(app: AppHandle, port: String, path: String) -> Result<(), Error> {
    let clipboard = app.state::<Clipboard>().inner().clone();
    match send(app, move || Ok(Request::PortReveal { port, path })).await? {
        Response::Revealed(view) => clipboard.put(view.value),
        _ => Err(Error::new(Code::Internal, "the engine answered something else than a secret")),
    }
}

/// Makes the request and has it done on a thread where waiting is allowed; notices go to the page meanwhile.
async fn send(
    app: AppHandle,
    make_request: impl FnOnce() -> Result<Request, Error> + Send + 'static,
) -> Result<Response, Error> {
    let door = app.state::<Arc<Door>>().inner().clone();
    on_a_thread(move || {
        let answer = door.call(make_request()?, &|notice| events::notice(&app, notice));
        app.state::<Tray>().heard(&answer, door.is_sample());
        answer
    })
    .await
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let ended = async_runtime::spawn_blocking(work).await;
    ended.unwrap_or_else(|e| {
        Err(Error::new(Code::Internal, "the work broke off").hint("Try it again.").because(e.to_string()))
    })
}

fn read_paths(app: &AppHandle, tokens: &[String]) -> Result<Vec<PathBuf>, Error> {
    tokens.iter().map(|token| app.state::<Table>().path(token, Use::Read)).collect()
}

fn import_file(path: &std::path::Path) -> Result<ImportFile, Error> {
    let bytes = engine::read_limited(path, LONGEST_FILE)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ImportFile { name, content: SecretText::new(STANDARD.encode(&*bytes)) })
}
