//! A node in the window: it joins a running master by a pasted token, follows it, loses it, is started again without it,
//! opens ports all the same, keeps a draft, and saves it once the master is back. Nobody presses "reload".

use std::time::{Duration, Instant};

use sealport_tests::window::{Screen, Window};

use crate::{machine::Machine, property};

const PORT: &str = "Ticketing.Events.ToServiceBus";
const RETRY: &str = "PrimaryTransport/RetryCount";
/// The longest that a node may take to say that its master is gone.
const TOLD: Duration = Duration::from_secs(65);
/// Pictures of the screens that show the fleet, in both themes.
async fn look(window: &Window, state: &str) {
    for theme in ["Light", "Dark"] {
        window.go("Settings").await;
        window.press(theme).await;
        for screen in [Screen::Overview, Screen::Nodes] {
            window.go(screen.name()).await;
            window
                .sees(if state == "synced" {
                    "All 2 nodes agree"
                } else {
                    "This is what this node last knew"
                })
                .await;
            window.picture(&format!("node-{state}-{}-{}", screen.file(), theme.to_lowercase())).await;
            window.check_accessibility(&format!("{state}, {}", screen.name()), theme).await;
        }
    }
}

/// Opens the port, and changes one value without saving it.
async fn draft(window: &Window, value: &str) {
    window.go("Ports").await;
    window.write("Search ports", "servicebus").await;
    window.open_row(PORT).await;
    window.sees("Details").await;
    window.replace_at(RETRY, value).await;
}

async fn save(window: &Window) {
    window.press_starting("Review 1 change").await;
    window.sees("RetryCount").await;
    window.press("Save").await;
    window.sees("is saved as revision").await;
}

/// Sabotage: pass no `State` notice on to the page, and the window says nothing when the plug is pulled; take the secret
/// out of the node's custody, and no port opens after the restart.
#[tokio::test]
async fn a_node_joins_loses_its_master_and_finds_it_again() {
    let place = tempfile::tempdir().unwrap();
    let mut master = Machine::master(place.path());
    let invited =
        master.says(&["node", "invite", "--name", "EDGE-1", "--role", "standby", "--administrator"]);
    let (token, fingerprint) = (invited["token"].as_str().unwrap(), invited["fingerprint"].as_str().unwrap());
    let data = place.path().join("edge");

    let window = Window::open(&data).await;
    window.press("Join a master").await;
    window.write("Address of the master", &format!("https://{}", master.address)).await;
    window.write("Token", token).await;
    window.picture("join").await;
    window.press("Next").await;
    window.press("Join").await;
    window.sees("EDGE-1 has joined Northwind Rail").await;
    window.sees(fingerprint).await;
    window.picture("join-done").await;
    window.press("It is the same: go to overview").await;
    window.sees("All 2 nodes agree").await;
    look(&window, "synced").await;

    // What is saved here is on the master when the window says so.
    draft(&window, "7").await;
    save(&window).await;
    assert_eq!(master.property(PORT, RETRY), "7");

    window.is_gone("does not answer").await;
    master.pull_plug();
    let pulled = Instant::now();
    window.sees("does not answer").await;
    let told = pulled.elapsed();
    println!("the window says that the master is away {told:?} after the plug was pulled");
    assert!(told < TOLD, "{told:?}");
    look(&window, "degraded").await;
    window.close().await;

    // Started again without the master: all ports open, and a draft is kept.
    let window = Window::open(&data).await;
    window.sees("does not answer").await;
    draft(&window, "9").await;
    window.press_starting("Review 1 change").await;
    window.sees("kept here as a draft").await;
    window.picture("node-draft").await;
    window.press("Back").await;

    let back = Instant::now();
    master.plug_in();
    window.is_gone("does not answer").await;
    println!("the window seals again {:?} after the master was started", back.elapsed());
    save(&window).await;
    assert_eq!(master.property(PORT, RETRY), "9");
    assert_eq!(property(&data, PORT, RETRY), "9");

    // What another writes on the master comes by itself.
    master.says(&["port", "set", PORT, &format!("{RETRY}=4")]);
    window.sees("revision 4,").await;
    window.close().await;
}
