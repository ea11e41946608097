//! Declares the commands of the window, so that each needs a permission, and hands the page to the bundler.

/// The same set stands in `src/commands.rs`, `capabilities/main.json` and `ui/src/platform/tauri.ts`; `tests/tidy.rs`
/// holds them together.
const COMMANDS: &[&str] = &[
    "about",
    "call",
    "cancel",
    "choose",
    "close",
    "copy_secret",
    "explore",
    "fill_csv",
    "import_files",
    "leave_sample",
    "open_folder",
    "unsaved",
];

fn main() {
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={error:#}");
    }
}
