//! The tray of Windows and macOS. Written from the manuals, not run yet.

use std::time::Duration;

use tauri::{
    AppHandle, Wry,
    menu::{Menu, MenuBuilder, MenuItemBuilder},
    tray::{MouseButton, TrayIcon, TrayIconBuilder, TrayIconEvent},
};

use super::{App, Look, Newest, open, quit};

/// How often to look whether the application is there.
const LOOK: Duration = Duration::from_millis(50);

/// Shows `look` and then each newer one.
pub(super) fn show(app: App, look: Look, newer: Newest) {
    let handle = loop {
        match app.get() {
            Some(handle) => break handle.clone(),
            None => std::thread::sleep(LOOK),
        }
    };
    let Ok(icon) = make(&handle, &app, &look) else { return };
    for look in newer {
        // A tray that is gone, as after a restart of the shell, comes back by itself.
        let _ = icon.set_icon(Some(look.sign.image()));
        let _ = icon.set_tooltip(Some(&look.sentence));
        if let Ok(menu) = menu(&handle, &look) {
            let _ = icon.set_menu(Some(menu));
        }
    }
}

fn make(handle: &AppHandle, app: &App, look: &Look) -> tauri::Result<TrayIcon<Wry>> {
    let (on_menu, on_icon) = (app.clone(), app.clone());
    TrayIconBuilder::new()
        .icon(look.sign.image())
        .tooltip(&look.sentence)
        .menu(&menu(handle, look)?)
        .show_menu_on_left_click(false)
        .on_menu_event(move |_, event| match event.id().as_ref() {
            "open" => open(&on_menu),
            "quit" => quit(&on_menu),
            _ => {}
        })
        .on_tray_icon_event(move |_, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, .. } = event {
                open(&on_icon);
            }
        })
        .build(handle)
}

fn menu(handle: &AppHandle, look: &Look) -> tauri::Result<Menu<Wry>> {
    let state = MenuItemBuilder::new(&look.sentence).enabled(false).build(handle)?;
    MenuBuilder::new(handle)
        .text("open", "Open Sealport")
        .separator()
        .item(&state)
        .separator()
        .text("quit", "Quit")
        .build()
}
