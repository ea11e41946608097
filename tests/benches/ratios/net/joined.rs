//! Real nodes: processes on data directories of their own, which joined with a token.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use sealport_core::{
    Error,
    api::{Assignment, Request, Response},
};
use sealport_node::local::Client;

use super::{
    super::system,
    hub::{self, Hub},
};

/// How most nodes are invited.
pub const PROCESSING: &[&str] = &["processing"];
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(600);

/// A node that joined, and its process while it runs.
pub struct Joined {
    pub name: String,
    folder: PathBuf,
    /// Where it listens, if it does.
    listen: String,
    child: Option<Child>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Joined {
    /// Lets a node join over `at`, invited with these words. It does not follow yet.
    pub fn new(hub: &Hub, folder: &Path, name: &str, invite: &[&str], at: SocketAddr) -> Self {
        let words: Vec<&str> =
            ["node", "invite", "--name", name, "--role"].iter().chain(invite).copied().collect();
        let invited = hub::run(&hub.folder, &words);
        let data = folder.join(name);
        let token = folder.join(format!("{name}.token"));
        system::private(&token, invited["token"].as_str().expect("a token"));
        let secret = folder.join("words");
        system::private(&secret, system::PASSPHRASE);
        let (url, token, secret) = (format!("https://{at}"), token.display(), secret.display());
        let (token, secret) = (token.to_string(), secret.to_string());
        let custody = ["--custody", "passphrase", "--custody-passphrase-file", &secret];
        let words: Vec<&str> = ["join", &url, "--token-file", &token].into_iter().chain(custody).collect();
        hub::run(&data, &words);
        Self { name: name.to_owned(), folder: data, listen: "127.0.0.1:0".to_owned(), child: None }
    }

    /// The first master, which ends here: a node like the others from now on.
    pub fn first(mut hub: Hub) -> Self {
        hub.kill();
        let status = hub::run(&hub.folder, &["status"]);
        let name = status["node"]["name"].as_str().expect("a node has a name").to_owned();
        Self { name, folder: hub.folder.clone(), listen: hub.at.to_string(), child: None }
    }

    pub fn serve(&mut self) {
        let (child, at) = hub::serve(&self.folder, &["--listen", &self.listen]);
        self.child = Some(child);
        self.listen = at.unwrap_or_else(|| self.listen.clone());
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.as_ref().expect("it serves").id()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn database(&self) -> Connection {
        let database =
            Connection::open(self.folder.join(sealport_node::store::FILE)).expect("the node's database");
        database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        database
    }
}

/// The way to a process that serves.
pub fn service(folder: &Path) -> Client {
    Client::connect(folder).expect("the local socket").expect("it serves")
}

/// Where a database is: epoch and generation.
pub fn place(database: &Connection) -> (u64, u64) {
    let mut query =
        database.prepare_cached("SELECT epoch, generation FROM system").expect("the table is there");
    query.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).expect("a row")
}

/// A change of a port of `binding_file(_, "Saves")`.
pub fn save(service: &Client, number: usize) -> Result<Response, Error> {
    let value = sealport_core::secret::SecretText::new((1 + number).to_string());
    let change = Assignment { path: "PrimaryTransport/RetryCount".to_owned(), value };
    let request = Request::PortSet {
        port: "Saves.0.Sales.ToLedger".to_owned(),
        changes: vec![change],
        if_revision: None,
        if_imprint: None,
        note: None,
        dry_run: false,
    };
    system::try_ask(service, request)
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}
