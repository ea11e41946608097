//! The master dies at night: an administrator's workstation promotes the standby by click, edits a port, and decides what
//! becomes of the change that the old master alone had when it comes back. Nobody edits a file or restarts a node.

use std::time::{Duration, Instant};

use sealport_tests::window::{Screen, Window};

use crate::machine::Machine;

const PORT: &str = "Ticketing.Events.ToServiceBus";
const RETRY: &str = "PrimaryTransport/RetryCount";
/// The longest from the confirmation to the sentence that it is done, with room for a machine that does other work: the
/// five seconds of an idle one are measured elsewhere.
const SERVING: Duration = Duration::from_secs(20);

/// A picture of what stands there, in both themes, without an axe violation.
async fn look(window: &Window, state: &str, screen: Screen, text: &str) {
    for theme in ["Light", "Dark"] {
        window.go("Settings").await;
        window.press(theme).await;
        window.go(screen.name()).await;
        window.sees(text).await;
        window.picture(&format!("{state}-{}-{}", screen.file(), theme.to_lowercase())).await;
        window.check_accessibility(&format!("{state}, {}", screen.name()), theme).await;
    }
}

#[tokio::test]
async fn a_standby_is_promoted_by_click_and_the_old_master_brings_a_stranded_change() {
    let place = tempfile::tempdir().unwrap();
    let mut master = Machine::master(place.path());
    let invite = |name: &str, more: &[&str]| {
        let mut args = vec!["node", "invite", "--name", name];
        args.extend(more);
        master.says(&args)
    };
    let standby = invite("HUB-2", &["--role", "standby"]);
    let standby = Machine::join(place.path(), "hub-2", &standby, &master.address);
    let workstation = invite("DESK", &["--role", "processing", "--administrator"]);
    let token = workstation["token"].as_str().unwrap();
    let data = place.path().join("desk");

    let window = Window::open(&data).await;
    window.press("Join a master").await;
    window.write("Address of the master", &format!("https://{}", master.address)).await;
    window.write("Token", token).await;
    window.press("Next").await;
    window.press("Join").await;
    window.sees("DESK has joined Northwind Rail").await;
    window.press("It is the same: go to overview").await;
    window.sees("All 3 nodes agree").await;

    // The master is cut off, writes once more alone, and dies.
    master.pull_plug();
    master.says(&["port", "set", PORT, &format!("{RETRY}=8")]);
    window.sees("does not answer").await;

    window.press("Promote…").await;
    window.sees("Promote HUB-2 to master").await;
    window.sees("What will happen").await;
    window.sees("What could be missing").await;
    window.picture("promote").await;
    window.check_accessibility("promote", "as it is").await;
    window.write("Type HUB-2 to promote it", "HUB-2").await;
    let confirmed = Instant::now();
    window.press("Promote HUB-2 in an emergency").await;
    window.sees("HUB-2 is the master. It took over in").await;
    let took = confirmed.elapsed();
    println!("the window says that the standby is the master {took:?} after the confirmation");
    assert!(took < SERVING, "{took:?}");
    window.picture("promoted").await;
    window.check_accessibility("promoted", "as it is").await;
    window.press("Done").await;

    // Saving works again, on the new master.
    window.is_gone("does not answer").await;
    window.go("Ports").await;
    window.write("Search ports", "servicebus").await;
    window.open_row(PORT).await;
    window.sees("Details").await;
    window.replace_at(RETRY, "7").await;
    window.press_starting("Review 1 change").await;
    window.sees("RetryCount").await;
    window.press("Save").await;
    window.sees("is saved as revision").await;
    assert_eq!(standby.property(PORT, RETRY), "7");

    // The old master stands down by itself, and what it alone had waits for somebody.
    master.plug_in();
    window.go("Overview").await;
    window.sees("1 stranded change.").await;
    look(&window, "stranded", Screen::Overview, "1 stranded change.").await;
    look(&window, "stranded", Screen::Nodes, "Changed here too").await;
    window.sees("All 3 nodes agree: HUB-2 is master, epoch 2").await;
    assert_eq!(standby.property(PORT, RETRY), "7", "nothing changes before somebody decides");
    window.press(&format!("Compare {PORT}")).await;
    window.sees("It was changed here too").await;
    window.picture("stranded-compare").await;
    window.press_starting("Accept as revision").await;
    window.sees("None is left.").await;
    assert_eq!(standby.property(PORT, RETRY), "8");
    assert_eq!(standby.says(&["stranded", "list"])["stranded"].as_array().map(Vec::len), Some(0));
    // The old master follows, and has what was accepted.
    let end = Instant::now() + Duration::from_secs(60);
    while master.property(PORT, RETRY) != "8" {
        assert!(Instant::now() < end, "the old master does not follow");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    window.close().await;
}
