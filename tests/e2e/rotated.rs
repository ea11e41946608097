//! A quiet day: the master secret is rotated in the window, with a backup that is proven, while another node follows; what
//! was sealed before opens after, and the old version is destroyed with its name typed.

use std::{fs, path::Path};

use sealport_tests::window::{Screen, Window};

use crate::{PASSPHRASE, machine::Machine, sealport};

const PORT: &str = "Ticketing.Events.ToServiceBus";
const PROPERTY: &str = "SharedAccessKey";
const PASSWORD: &str = "Kiosk-North-2026!";

#[tokio::test]
async fn the_master_secret_is_rotated_and_watched() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let (passphrase, first) = (place.path().join("passphrase"), place.path().join("first.sealport"));
    fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (passphrase, backup) = (passphrase.to_string_lossy(), first.to_string_lossy());
    sealport(
        &data,
        &["init", "--name", "Northwind Rail", "--backup", &backup, "--passphrase-file", &passphrase],
    );
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/NorthwindRail.Ticketing.BindingInfo.xml");
    sealport(&data, &["port", "import", &sample.to_string_lossy()]);
    sealport(&data, &["config", "set", "listen", &listen]);

    let window = Window::open(&data).await;
    window.sees("Northwind Rail").await;
    let invited = sealport(&data, &["node", "invite", "--name", "EDGE-1", "--role", "standby"]);
    let node = Machine::join(place.path(), "edge-1", &invited, &listen);
    window.go("Missing secrets").await;
    window.write(&format!("Shared access key of {PORT}"), PASSWORD).await;
    window.press("Review 1 secret").await;
    window.press("Save").await;
    window.sees("1 secret filled").await;

    let second = place.path().join("second.sealport");
    window.go("Master secret").await;
    window.press("Rotate…").await;
    window.press("Choose backup file…").await;
    window.answer_dialog("Write the backup", &second).await;
    window.write("Backup passphrase", PASSPHRASE).await;
    window.write("Backup passphrase again", PASSPHRASE).await;
    window.write("Reminder", "the words on the harbour wall").await;
    window.picture("rotate").await;
    window.press("Back up and rotate").await;
    window.sees("Rotation to version 2").await;
    window.picture("rotating").await;
    window.sees("Version 2 seals everything").await;
    for theme in ["Light", "Dark"] {
        window.go("Settings").await;
        window.press(theme).await;
        window.go("Master secret").await;
        window.sees("Version 2 seals everything").await;
        window.picture(&format!("rotated-{}-{}", Screen::Master.file(), theme.to_lowercase())).await;
        window.check_accessibility("rotated", theme).await;
    }
    assert!(second.exists(), "the backup is where it was chosen");
    let listed = sealport(&data, &["secret", "list"]);
    let versions: Vec<_> = listed["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .map(|version| (version["version"].as_u64().unwrap(), version["state"].as_str().unwrap()))
        .collect();
    assert_eq!(versions, [(2, "active"), (1, "retired")]);
    for revealed in
        [sealport(&data, &["port", "reveal", PORT, PROPERTY]), node.says(&["port", "reveal", PORT, PROPERTY])]
    {
        assert_eq!(revealed["value"], PASSWORD);
    }

    window.press("Destroy version 1").await;
    window.sees("first.sealport").await;
    window.write("Type Northwind Rail to destroy version 1", "Northwind Rail").await;
    window.picture("destroy").await;
    window.press("Destroy it").await;
    window.sees("Version 1 is destroyed.").await;
    window.close().await;
    assert_eq!(sealport(&data, &["port", "reveal", PORT, PROPERTY])["value"], PASSWORD);
}
