//! A node in the window: it joins a running master by a pasted token, follows it, loses it, is started again without it,
//! opens ports all the same, keeps a draft, and saves it once the master is back. Nobody presses "reload".

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sealport_tests::window::{Screen, Window};
use serde_json::Value;

use crate::{answer, command, folder, property};

const PORT: &str = "Ticketing.Events.ToServiceBus";
const RETRY: &str = "PrimaryTransport/RetryCount";
/// The longest that a node may take to say that its master is gone.
const TOLD: Duration = Duration::from_secs(65);
/// How long a master may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// A master in a process of its own, with its data beside it.
struct Master {
    place: PathBuf,
    address: String,
    running: Option<Child>,
}

impl Master {
    /// A system with ports, kept under a passphrase, served on a free port.
    fn start(place: &Path) -> Self {
        for (name, words) in
            [("custody", "custody words for the hub\n"), ("backup", "backup words for the hub\n")]
        {
            fs::write(place.join(name), words).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut master = Self { place: place.to_owned(), address: port.to_string(), running: None };
        let (custody, backup) = (place.join("custody"), place.join("backup"));
        let file = place.join("hub.sealport");
        let (custody, backup, file) =
            (custody.to_string_lossy(), backup.to_string_lossy(), file.to_string_lossy());
        #[rustfmt::skip]
        master.says(&["init", "--name", "Northwind Rail", "--custody", "passphrase", "--custody-passphrase-file", &custody,
            "--backup", &file, "--passphrase-file", &backup]);
        let sample =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/NorthwindRail.Ticketing.BindingInfo.xml");
        master.says(&["port", "import", &sample.to_string_lossy()]);
        master.plug_in();
        master
    }

    fn data(&self) -> PathBuf {
        self.place.join("hub")
    }

    /// A command on its data directory that must succeed.
    fn says(&self, args: &[&str]) -> Value {
        answer(
            command(&self.data(), args).env("SEALPORT_CUSTODY_PASSPHRASE_FILE", self.place.join("custody")),
        )
    }

    /// Serves, and waits until it says that it is ready.
    fn plug_in(&mut self) {
        let log = self.place.join("hub.log");
        let file = fs::File::create(&log).unwrap();
        let child = Command::new(folder("SEALPORT_BIN_DIR").join("sealport"))
            .arg("--data-dir")
            .arg(self.data())
            .args(["serve", "--metrics", "off", "--listen", &self.address])
            .env("SEALPORT_CUSTODY_PASSPHRASE_FILE", self.place.join("custody"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let end = Instant::now() + READY;
        while !fs::read_to_string(&log).unwrap().contains("ready") {
            assert!(Instant::now() < end, "the master is not ready: {}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pulls the plug: nothing is said to anybody.
    fn pull_plug(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn retry_count(&self) -> String {
        let shown = self.says(&["port", "show", PORT]);
        let properties = shown["properties"].as_array().expect("properties");
        let property = properties.iter().find(|property| property["path"] == RETRY).expect("the property");
        property["value"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.pull_plug();
    }
}

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
    let mut master = Master::start(place.path());
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
    assert_eq!(master.retry_count(), "7");

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
    assert_eq!(master.retry_count(), "9");
    assert_eq!(property(&data, PORT, RETRY), "9");

    // What another writes on the master comes by itself.
    master.says(&["port", "set", PORT, &format!("{RETRY}=4")]);
    window.sees("revision 4,").await;
    window.close().await;
}
