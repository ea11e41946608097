//! The window where the master secret can't be had: for each cause it says what failed and what to do, shows what can be
//! shown without the secret, and "Try again" works as soon as the cause is gone. No restart, nothing made anew.
//!
//! Each cause is real: a keyring of its own whose service is not there, whose collection is locked, whose item was
//! deleted, whose service stands still.

use std::path::{Path, PathBuf};

use sealport_tests::{
    keyring::{Keyring, Start},
    window::{Screen, Window},
};

use crate::{answer, command};

const PORT: &str = "Ticketing.Events.ToServiceBus";

/// A system that is kept in this keyring, with ports, and a backup.
pub(crate) fn system(keyring: &Keyring, place: &Path) -> PathBuf {
    let data = place.join("data");
    let passphrase = place.join("passphrase");
    std::fs::write(&passphrase, "lighthouse barge copper seven\n").unwrap();
    let backup = place.join("first.sealport");
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/NorthwindRail.Ticketing.BindingInfo.xml");
    let (passphrase, backup, file) =
        (passphrase.to_string_lossy(), backup.to_string_lossy(), file.to_string_lossy());
    let init = ["init", "--name", "Northwind Rail", "--backup", &backup, "--passphrase-file", &passphrase];
    for args in [&init[..], &["port", "import", &file]] {
        let mut command = command(&data, args);
        keyring.give(&mut command);
        answer(&mut command);
    }
    data
}

async fn open(data: &Path, keyring: &Keyring) -> Window {
    Window::open_in(data, |driver| keyring.give_beside_screen(driver)).await
}

/// What stands on each screen while the secret is away, in both themes.
async fn look(window: &Window, cause: &str) {
    for theme in ["Light", "Dark"] {
        window.go("Settings").await;
        window.press(theme).await;
        for screen in [Screen::Overview, Screen::Ports, Screen::Missing, Screen::Master] {
            window.go(screen.name()).await;
            window.sees("Try again").await;
            window.settle().await;
            window.picture(&format!("failed-{cause}-{}-{}", screen.file(), theme.to_lowercase())).await;
            window.check_accessibility(&format!("{cause}, {}", screen.name()), theme).await;
        }
    }
}

/// The cause is gone: the window that is open finds everything again.
async fn recovers(window: &Window) {
    window.go("Overview").await;
    window.press("Try again").await;
    works(window).await;
}

async fn works(window: &Window) {
    window.sees("Northwind Rail seals 11 ports").await;
    window.go("Ports").await;
    window.sees(PORT).await;
}

/// Sabotage: keep the first answer of the keyring in the engine, or leave the action out of the banner.
#[tokio::test]
async fn no_service_and_a_locked_keyring_are_told_and_tried_again() {
    let place = tempfile::tempdir().unwrap();
    let mut keyring = Keyring::start(Start::Unlocked);
    let data = system(&keyring, place.path());

    keyring.stop_daemon();
    let window = open(&data, &keyring).await;
    window.sees("No keyring here holds the master secret").await;
    window.sees("nothing answers as Secret Service").await;
    look(&window, "no-service").await;

    // The service comes, and its keyring is still locked.
    keyring.start_daemon(Start::Locked);
    window.go("Overview").await;
    window.press("Try again").await;
    window.sees("The keyring did not open").await;
    look(&window, "locked").await;

    keyring.stop_daemon();
    keyring.start_daemon(Start::Unlocked);
    recovers(&window).await;

    // Locked while the window is open: what has been opened stays open until the window is closed.
    keyring.lock();
    window.go("Overview").await;
    window.sees("Northwind Rail seals 11 ports").await;
    window.close().await;
    let window = open(&data, &keyring).await;
    window.sees("The keyring did not open").await;
    window.close().await;
}

/// Sabotage: make a new secret where the item is missing.
#[tokio::test]
async fn a_deleted_item_is_told_and_comes_back_with_its_keyring() {
    let place = tempfile::tempdir().unwrap();
    let mut keyring = Keyring::start(Start::Unlocked);
    let data = system(&keyring, place.path());
    let kept = place.path().join("keyrings");
    keyring.copy_out(&kept);
    keyring.forget();

    let window = open(&data, &keyring).await;
    window.sees("No keyring here holds the master secret").await;
    window.sees("belongs to system").await;
    look(&window, "no-item").await;

    // The keyring comes back from a copy of the home.
    keyring.stop_daemon();
    keyring.copy_in(&kept);
    keyring.start_daemon(Start::Unlocked);
    recovers(&window).await;
    window.close().await;
}

/// Sabotage: wait for the keyring without a word, or without an end.
#[tokio::test]
async fn a_keyring_that_stands_still_is_waited_for_in_sight() {
    let place = tempfile::tempdir().unwrap();
    let keyring = Keyring::start(Start::Unlocked);
    let data = system(&keyring, place.path());
    keyring.freeze();
    let window = open(&data, &keyring).await;
    window.sees("The keyring is slow to answer").await;
    window.picture("failed-waiting").await;
    window.sees("The keyring did not answer in time").await;
    window.picture("failed-no-answer").await;
    keyring.thaw();
    // What was asked of it while it stood still may be answered now, before anybody presses.
    window.go("Overview").await;
    window.press_until("Try again", "Northwind Rail seals 11 ports").await;
    works(&window).await;
    window.close().await;
}
