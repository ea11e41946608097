//! The window is closed over what is not saved: by its own button and by Ctrl+Q it asks first, and stays where it is wanted.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sealport_tests::{
    keyring::{Keyring, Start},
    window::Window,
};

use crate::{answer, command, failed::system};

const PORT: &str = "Ticketing.Events.ToServiceBus";
const RETRY: &str = "PrimaryTransport/RetryCount";
const QUESTION: &str = "Close Sealport with unsaved changes?";
/// Presses the button by this name a little later: the window may be gone before the driver could answer.
const LATER: &str = "
    const [name, done] = arguments;
    const fits = (one) => one.textContent.trim() === name;
    setTimeout(() => [...document.querySelectorAll('button')].find(fits).click(), 300);
    done(true);";

/// Sabotage: leave `events::closing` out of the window's events, or `hearUnsaved` out of the page: it closes at once.
#[tokio::test]
async fn what_is_not_saved_is_asked_about_however_the_window_is_closed() {
    let place = tempfile::tempdir().unwrap();
    let keyring = Keyring::start(Start::Unlocked);
    let data = system(&keyring, place.path());
    let window = Window::open_in(&data, |driver| keyring.give_beside_screen(driver)).await;
    window.go("Ports").await;
    window.open_row(PORT).await;
    window.sees("Details").await;
    window.replace_at(RETRY, "9").await;
    window.sees("Review 1 change").await;
    for way in [Window::press_close as fn(), || Window::press_keys("ctrl+q")] {
        way();
        window.sees(QUESTION).await;
        window.sees("Changes to a port are not saved yet.").await;
        window.picture("closing").await;
        window.press("Keep open").await;
        window.is_gone(QUESTION).await;
        window.sees("Review 1 change").await;
    }
    Window::press_close();
    window.sees(QUESTION).await;
    window.run(LATER, &["Close without saving".into()]).await;
    is_free(&data).await;
    window.close().await;
    // Nothing of it was written.
    let mut show = command(&data, &["port", "show", PORT]);
    keyring.give(&mut show);
    let shown = answer(&mut show);
    let properties = shown["properties"].as_array().unwrap();
    let retry = properties.iter().find(|one| one["path"] == RETRY).unwrap();
    assert_ne!(retry["value"], "9", "{retry}");

    // With nothing to lose it closes at once.
    let window = Window::open_in(&data, |driver| keyring.give_beside_screen(driver)).await;
    window.go("Ports").await;
    window.sees(PORT).await;
    Window::press_close();
    is_free(&data).await;
    window.close().await;
}

/// Waits until the window of a data directory has ended.
async fn is_free(data: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while sealport_node::lock::DirectoryLock::take(data).is_err() {
        assert!(Instant::now() < end, "the window does not close");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
