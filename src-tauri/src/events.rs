//! What the shell tells the page of its own accord: notices of the engine, files over or on the window,
//! and that it is to be closed.

use std::time::Instant;

use sealport_core::api::Notice;
use tauri::{AppHandle, DragDropEvent, Emitter, EventTarget, Manager, Window, WindowEvent};

use crate::{
    chosen::{Chosen, Table, Use},
    closing::Unsaved,
    single,
};

/// Hands a notice to the page. A page that is gone needs none.
pub fn notice(app: &AppHandle, notice: Notice) {
    let _ = app.emit_to(page(), "notice", &notice);
}

/// What befalls the window.
pub fn window(window: &Window, event: &WindowEvent) {
    dragged(window, event);
    closing(window, event);
}

/// Lets the page ask before the window is closed over what is not saved.
fn closing(window: &Window, event: &WindowEvent) {
    let WindowEvent::CloseRequested { api, .. } = event else { return };
    if window.state::<Unsaved>().keeps(Instant::now()) {
        api.prevent_close();
        single::show(window.app_handle());
        let _ = window.emit_to(page(), "closing", ());
    }
}

/// Tells the page of files that hover over the window, and gives it tokens for those that are dropped.
fn dragged(window: &Window, event: &WindowEvent) {
    let WindowEvent::DragDrop(event) = event else { return };
    let over = matches!(event, DragDropEvent::Enter { .. } | DragDropEvent::Over { .. });
    // It hears of the hovering once, not for every move.
    if !matches!(event, DragDropEvent::Over { .. }) {
        let _ = window.emit_to(page(), "dragging", over);
    }
    if let DragDropEvent::Drop { paths, .. } = event {
        let table = window.state::<Table>();
        let files: Vec<Chosen> = paths.iter().map(|path| table.add(Use::Read, path.clone())).collect();
        let _ = window.emit_to(page(), "dropped", &files);
    }
}

fn page() -> EventTarget {
    EventTarget::webview_window("main")
}
