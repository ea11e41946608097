//! A machine beside the window: `sealport serve` in a process of its own, on a free port of loopback, its data directory
//! kept under a passphrase. It ends when its owner is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{answer, command, folder};

/// How long a machine may take to be ready.
const READY: Duration = Duration::from_secs(60);

pub struct Machine {
    place: PathBuf,
    name: String,
    /// Where others reach it.
    pub address: String,
    running: Option<Child>,
}

impl Machine {
    fn at(place: &Path, name: &str) -> Self {
        for (file, words) in
            [("custody", "custody words for the hub\n"), ("backup", "backup words for the hub\n")]
        {
            fs::write(place.join(file), words).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { place: place.to_owned(), name: name.to_owned(), address: port.to_string(), running: None }
    }

    /// The master of a new system with ports and a proven backup, serving.
    pub fn master(place: &Path) -> Self {
        let mut master = Self::at(place, "hub");
        let (custody, backup, file) =
            (place.join("custody"), place.join("backup"), place.join("hub.sealport"));
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

    /// A node that joins where `invited` leads, serving.
    pub fn join(place: &Path, name: &str, invited: &Value, address: &str) -> Self {
        let mut node = Self::at(place, name);
        let (token, custody) = (place.join(format!("{name}.token")), place.join("custody"));
        fs::write(&token, invited["token"].as_str().expect("a token")).unwrap();
        let (token, custody) = (token.to_string_lossy(), custody.to_string_lossy());
        let url = format!("https://{address}");
        #[rustfmt::skip]
        node.says(&["join", &url, "--token-file", &token, "--custody", "passphrase", "--custody-passphrase-file", &custody]);
        node.plug_in();
        node
    }

    pub fn data(&self) -> PathBuf {
        self.place.join(&self.name)
    }

    /// A command on its data directory that must succeed.
    pub fn says(&self, args: &[&str]) -> Value {
        answer(
            command(&self.data(), args).env("SEALPORT_CUSTODY_PASSPHRASE_FILE", self.place.join("custody")),
        )
    }

    /// Serves, and waits until it says that it is ready.
    pub fn plug_in(&mut self) {
        let log = self.place.join(format!("{}.log", self.name));
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
            assert!(
                Instant::now() < end,
                "{} is not ready: {}",
                self.name,
                fs::read_to_string(&log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pulls the plug: nothing is said to anybody.
    pub fn pull_plug(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A value of a port, as this machine has it.
    pub fn property(&self, port: &str, path: &str) -> String {
        let shown = self.says(&["port", "show", port]);
        let properties = shown["properties"].as_array().expect("properties");
        let property = properties.iter().find(|property| property["path"] == path).expect("the property");
        property["value"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.pull_plug();
    }
}
