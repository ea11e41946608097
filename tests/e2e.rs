//! An administrator's first day in the real window, with a real keyring: create with a backup, import, fill, edit with
//! review, history, revert, back up, drill, and restore into an empty data directory. Ends with a picture of every
//! screen in both themes, each without an axe violation.
//!
//! Runs inside a session of its own (`cargo xtask test` makes one): a display, a message bus, an unlocked keyring.
//! `SEALPORT_BIN_DIR` has the binaries, `SEALPORT_ARTIFACTS` takes the pictures.
//!
//! Sabotage: leave the backup out of `init`; make `PortRevert` write nothing; take a label from an icon button (axe).

#![allow(clippy::unwrap_used, reason = "a test that fails should stop at once")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sealport_tests::window::{Screen, Window};

#[path = "e2e/around.rs"]
mod around;
#[path = "e2e/closing.rs"]
mod closing;
#[path = "e2e/failed.rs"]
mod failed;
#[path = "e2e/joined.rs"]
mod joined;
#[path = "e2e/machine.rs"]
mod machine;
#[path = "e2e/promoted.rs"]
mod promoted;
#[path = "e2e/rotated.rs"]
mod rotated;
#[path = "e2e/speed.rs"]
mod speed;

const PASSPHRASE: &str = "lighthouse barge copper seven";
const PASSWORD: &str = "Kiosk-North-2026!";

fn folder(variable: &str) -> PathBuf {
    PathBuf::from(
        std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`")),
    )
}

/// Runs the command on the data directory and gives what it printed as JSON.
fn sealport(data_dir: &Path, args: &[&str]) -> serde_json::Value {
    answer(&mut command(data_dir, args))
}

/// The command on the data directory.
fn command(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(folder("SEALPORT_BIN_DIR").join("sealport"));
    command.arg("--data-dir").arg(data_dir).arg("--json").args(args);
    command
}

/// What a command that must succeed printed, as JSON.
fn answer(command: &mut Command) -> serde_json::Value {
    let output = command.output().expect("the command runs");
    let failed = || {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{command:?}: {out}{err}")
    };
    assert!(output.status.success(), "{}", failed());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", failed()))
}

#[tokio::test]
async fn a_first_day_in_the_window() {
    let place = tempfile::tempdir().unwrap();
    let samples = place.path().join("from-biztalk");
    fs::create_dir(&samples).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    for file in ["NorthwindRail.Ticketing.BindingInfo.xml", "NorthwindRail.Freight.BindingInfo.xml"] {
        fs::copy(ours.join(file), samples.join(file)).unwrap();
    }
    let data = place.path().join("data");
    let backup = place.path().join("first.sealport");
    let later = place.path().join("evening.sealport");

    let window = Window::open(&data).await;
    create(&window, &backup).await;
    import(&window, &samples.join("NorthwindRail.Ticketing.BindingInfo.xml")).await;
    fill(&window).await;
    edit_and_revert(&window, &data).await;
    import_by_command(&window, &data, &samples.join("NorthwindRail.Freight.BindingInfo.xml")).await;
    back_up_and_drill(&window, &later).await;
    pictures(&window).await;
    let before = everything(&data);
    window.close().await;

    // Another machine: an empty data directory, the file and its passphrase.
    let other = place.path().join("other-machine");
    let window = Window::open(&other).await;
    restore(&window, &later).await;
    let after = everything(&other);
    assert_eq!(before, after, "the restored system differs");
    window.close().await;
    assert_eq!(everything(&other), after, "it is all there without the window too");
}

async fn create(window: &Window, backup: &Path) {
    window.sees("Create a new system").await;
    window.picture("first-run").await;
    window.press("Create a new system").await;
    window.write("Name of the system", "Northwind Rail").await;
    window.press("Next").await;
    window.press("Next").await;
    window.press("Choose backup file…").await;
    window.answer_dialog("Write the backup", backup).await;
    window.write("Backup passphrase", PASSPHRASE).await;
    window.write("Backup passphrase again", PASSPHRASE).await;
    window.write("Reminder", "the words on the harbour wall").await;
    window.picture("first-run-backup").await;
    window.press("Create and back up").await;
    window.sees("Backed up and proven").await;
    window.picture("first-run-done").await;
    assert!(
        fs::read_to_string(backup)
            .unwrap()
            .starts_with("Sealport backup, format 1\nSystem: Northwind Rail\n")
    );
    window.press("Import a binding file").await;
}

async fn import(window: &Window, file: &Path) {
    window.press("Choose files…").await;
    window.answer_dialog("Import binding files", file).await;
    window.sees("NorthwindRail.Ticketing.BindingInfo.xml").await;
    window.picture("import-read").await;
    window.press("Next").await;
    window.sees("secrets will be missing").await;
    window.picture("import-secrets").await;
    window.press("Next").await;
    window.sees("Import 11 ports").await;
    window.picture("import-review").await;
    window.press("Import 11 ports").await;
    window.sees("Imported: 11 ports new").await;
    window.picture("import-done").await;
}

async fn fill(window: &Window) {
    window.press("Fill 9 missing secrets").await;
    let field = "SharedAccessKey of Ticketing.Events.ToServiceBus";
    let field = if window.has_field(field).await {
        field
    } else {
        "Shared access key of Ticketing.Events.ToServiceBus"
    };
    window.write(field, PASSWORD).await;
    window.picture("missing").await;
    window.press("Review 1 secret").await;
    window.press("Save").await;
    window.sees("1 secret filled").await;
}

async fn edit_and_revert(window: &Window, data: &Path) {
    window.go("Ports").await;
    window.write("Search ports", "servicebus").await;
    window.open_row("Ticketing.Events.ToServiceBus").await;
    window.sees("Details").await;
    window.picture("port").await;
    window.replace_at("PrimaryTransport/RetryCount", "7").await;
    window.press_starting("Review 1 change").await;
    window.sees("RetryCount").await;
    window.picture("port-review").await;
    window.press("Save").await;
    window.sees("is saved as revision 3").await;
    let port = "Ticketing.Events.ToServiceBus";
    assert_eq!(
        property(data, port, "PrimaryTransport/RetryCount"),
        "7",
        "the command sees what the window saved"
    );

    window.choose_tab("History").await;
    window.sees("Revisions, newest first").await;
    window.picture("port-history").await;
    window.press("Revert to revision 2").await;
    window.press("Revert").await;
    window.sees("as it was in revision 2").await;
    assert_ne!(property(data, port, "PrimaryTransport/RetryCount"), "7");
    // The secret that was filled in is in revision 2, and only a reveal shows it.
    let shown = sealport(data, &["port", "show", port]);
    assert!(!shown.to_string().contains(PASSWORD), "a view holds a secret");
    let revealed = sealport(data, &["port", "reveal", port, "SharedAccessKey"]);
    assert_eq!(revealed["value"], PASSWORD);
}

/// A command beside the open window: it goes through the window's own engine, and the window hears of it.
async fn import_by_command(window: &Window, data: &Path, file: &Path) {
    window.go("Ports").await;
    let answer = sealport(data, &["port", "import", &file.to_string_lossy()]);
    assert_eq!(answer["created"], 12);
    window.write("Search ports", "Freight.Archive").await;
    window.sees("Freight.Archive.ToShare").await;
}

async fn back_up_and_drill(window: &Window, file: &Path) {
    window.go("Master secret").await;
    window.press("Back up now…").await;
    window.press("Choose backup file…").await;
    window.answer_dialog("Write the backup", file).await;
    window.write("Backup passphrase", PASSPHRASE).await;
    window.write("Backup passphrase again", PASSPHRASE).await;
    window.picture("backup").await;
    window.press("Back up and prove").await;
    window.sees("Backed up and proven").await;
    window.press("Done").await;
    window.press("Drill a backup…").await;
    window.press("Choose backup file…").await;
    window.answer_dialog("Open a backup", file).await;
    window.write("Backup passphrase", PASSPHRASE).await;
    window.press("Drill").await;
    window.sees("This backup restores").await;
    window.picture("drill").await;
    window.press("Done").await;
}

async fn restore(window: &Window, file: &Path) {
    window.press("Restore a backup").await;
    window.press("Choose backup file…").await;
    window.answer_dialog("Open a backup", file).await;
    window.sees("Northwind Rail").await;
    window.write("Backup passphrase", PASSPHRASE).await;
    window.picture("restore").await;
    window.press("Next").await;
    window.press("Restore").await;
    window.sees("is restored").await;
    window.picture("restore-done").await;
    window.press("Go to overview").await;
    window.sees("Northwind Rail").await;
}

async fn pictures(window: &Window) {
    for theme in ["Light", "Dark"] {
        window.go("Settings").await;
        window.press(theme).await;
        for screen in Screen::ALL {
            window.go(screen.name()).await;
            window.settle().await;
            window.picture(&format!("{}-{}", screen.file(), theme.to_lowercase())).await;
            window.check_accessibility(screen.name(), theme).await;
        }
    }
}

fn property(data: &Path, port: &str, path: &str) -> String {
    let shown = sealport(data, &["port", "show", port]);
    let properties = shown["properties"].as_array().expect("properties");
    let property = properties.iter().find(|property| property["path"] == path).expect("the property");
    property["value"].as_str().unwrap_or_default().to_owned()
}

/// Every port with its history and its secrets, to compare two systems by.
fn everything(data: &Path) -> Vec<String> {
    let list = sealport(data, &["port", "list"]);
    let mut all = Vec::new();
    for port in list["ports"].as_array().expect("ports") {
        let id = port["id"].as_str().expect("an id");
        let shown = sealport(data, &["port", "show", id]);
        for property in shown["properties"].as_array().expect("properties") {
            if property["secret"] == "set" {
                let path = property["path"].as_str().expect("a path");
                all.push(sealport(data, &["port", "reveal", id, path]).to_string());
            }
        }
        all.push(shown.to_string());
        all.push(sealport(data, &["port", "history", id]).to_string());
    }
    assert!(all.len() > 40, "only {} things to compare", all.len());
    all
}
