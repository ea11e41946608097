//! `cargo xtask bundle`: packages for Linux, by the bundler that npm brings.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    setup::{self, Part},
    tool::{self, Done, Stop},
};

/// Builds a .deb and an .rpm and names the files.
pub fn bundle() -> Done {
    if !cfg!(target_os = "linux") {
        return Err(Stop::new(
            "packages are made on Linux only",
            "elsewhere `cargo xtask run --release` builds the application",
        ));
    }
    setup::system(&[Part::Build])?;
    setup::page()?;
    // Called by its path: `npx` would fetch it from the network where it is missing.
    let bundler = tool::root().join("ui/node_modules/.bin/tauri");
    if !bundler.is_file() {
        return Err(Stop::new(
            "the bundler is missing in ui/node_modules",
            "add @tauri-apps/cli to ui/package.json",
        ));
    }
    // The packages hold the command beside the window; the bundler builds the window itself.
    tool::run(&mut tool::cargo(&[
        "build",
        "--locked",
        "--release",
        "-p",
        "sealport-node",
        "--bin",
        "sealport",
    ]))?;
    let started = std::time::SystemTime::now();
    let words = ["build", "--bundles", "deb,rpm", "--ci"];
    tool::run(Command::new(bundler).args(words).current_dir(tool::root().join("src-tauri")))?;
    let made = made_since(started);
    if made.is_empty() {
        return Err(Stop::new("the bundler wrote no package", "look at its output above"));
    }
    for (file, bytes) in made {
        println!("{}  {:.1} MB", file.display(), bytes as f64 / 1e6);
    }
    Ok(())
}

/// Packages that were written after `started`, with their size in bytes.
fn made_since(started: std::time::SystemTime) -> Vec<(PathBuf, u64)> {
    let folders = ["deb", "rpm"].map(|kind| (kind, tool::target().join("release/bundle").join(kind)));
    let mut made = Vec::new();
    for (kind, folder) in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let fresh =
                entry.metadata().ok().filter(|meta| meta.modified().is_ok_and(|time| time >= started));
            if let Some(meta) = fresh.filter(|_| entry.path().extension().is_some_and(|end| end == kind)) {
                made.push((entry.path(), meta.len()));
            }
        }
    }
    made
}
