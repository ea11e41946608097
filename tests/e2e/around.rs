//! What else an administrator does with a window: looks around in the sample system, drops files on it, starts it twice.

use std::{path::Path, process::Command};

use sealport_tests::{
    drag::{self, Offered},
    window::Window,
};

use crate::{folder, sealport};

/// The process that files are dragged from; see `drag`.
#[test]
fn drag_source() {
    drag::offer_if_asked();
}

/// Sabotage: let the sample system write to the data directory, or leave its banner out.
#[tokio::test]
async fn the_sample_system_is_looked_at_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let window = Window::open(&data).await;
    window.press("Explore with sample data").await;
    window.sees("Sample system:").await;
    window.sees("nothing is kept").await;
    window.picture("explore-overview").await;
    window.go("Ports").await;
    window.sees("Search ports").await;
    window.picture("explore-ports").await;
    window.press("Leave").await;
    window.sees("Welcome to Sealport").await;
    window.close().await;
    let status = sealport(&data, &["status"]);
    assert!(status["system"].is_null(), "the sample system was kept: {status}");
}

/// Sabotage: leave `dragged` out of the window's events, or hand out no token for what is dropped.
#[tokio::test]
async fn a_file_dropped_on_the_window_is_imported() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let passphrase = place.path().join("passphrase");
    std::fs::write(&passphrase, "lighthouse barge copper seven\n").unwrap();
    let backup = place.path().join("first.sealport");
    let (backup, passphrase) = (backup.to_string_lossy(), passphrase.to_string_lossy());
    sealport(&data, &["init", "--name", "Dropped", "--backup", &backup, "--passphrase-file", &passphrase]);

    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").canonicalize().unwrap();
    let names = ["NorthwindRail.Ticketing.BindingInfo.xml", "NorthwindRail.Freight.BindingInfo.xml"];
    let window = Window::open(&data).await;
    window.go("Import").await;
    window.sees("Drop binding files anywhere").await;
    let offered = Offered::start("around::drag_source", &names.map(|name| samples.join(name)));
    window.drop_offered("Drop to read").await;
    window.sees(names[0]).await;
    window.sees(names[1]).await;
    // Not before: whoever takes what is dropped asks its source for it.
    drop(offered);
    window.sees("11 ports: 11 new").await;
    window.sees("12 ports: 12 new").await;
    window.picture("dropped").await;
    window.press("Next").await;
    window.press("Next").await;
    window.press("Import 23 ports").await;
    window.sees("Imported: 23 ports new").await;
    window.close().await;
    let ports = sealport(&data, &["port", "list"]);
    assert_eq!(ports["ports"].as_array().map(Vec::len), Some(23));
}

/// Sabotage: open a window at every start, or answer without showing it.
#[tokio::test]
async fn a_second_start_shows_the_window_that_is_open() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let window = Window::open(&data).await;
    window.sees("Create a new system").await;
    let first = Window::ids();
    assert_eq!(first.len(), 1, "one window is open: {first:?}");

    Window::take_focus_away();
    let second = Command::new(folder("SEALPORT_BIN_DIR").join("sealport-desktop"))
        .arg("--data-dir")
        .arg(&data)
        .output()
        .expect("the window can be started again");
    let said = String::from_utf8_lossy(&second.stdout);
    assert!(second.status.success(), "{said}{}", String::from_utf8_lossy(&second.stderr));
    assert!(said.contains("its window is in front now"), "{said}");
    window.has_focus().await;
    assert_eq!(Window::ids(), first, "no second window opened");

    // Another data directory has a window of its own.
    let other = Window::open(&place.path().join("other")).await;
    other.sees("Create a new system").await;
    assert_eq!(Window::ids().len(), 2);
    other.close().await;
    window.close().await;
}
