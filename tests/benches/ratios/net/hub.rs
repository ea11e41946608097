//! A real master, and identities of as many nodes as are wanted. Their certificates are signed by the system's own authority,
//! and they stand in its registry, written there before the master starts: what a join does, without its password hashing.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustls::ClientConfig;
use sealport_core::{
    api::CustodyChoice,
    bundle::{Bundle, Kept},
    id::{KeyVersion, NodeId, SystemId},
    machine::{Held, Standing, rotation::derive_key_set_mark},
    time::Timestamp,
};
use sealport_node::{
    custody::Custody,
    net::{authority, authority::Leaf, tls},
    store::{self, Act, Change, NodeChange, NodeRow, Store},
};

use super::super::{
    start::ROLE,
    system::{self, PASSPHRASE, passphrase},
};

/// A system whose first node serves as its master.
pub struct Hub {
    pub folder: PathBuf,
    pub system: SystemId,
    pub ca: Vec<u8>,
    pub at: SocketAddr,
    bundle: Bundle,
    child: Option<Child>,
}

/// What a node shows when it connects.
pub struct Identity {
    pub config: Arc<ClientConfig>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Hub {
    /// A new system in this folder, with these files imported; it is not served yet.
    pub fn make(folder: &Path, files: &[(String, String)]) -> Self {
        let folder = folder.join("hub");
        let engine = system::open(&folder);
        system::init(&engine, CustodyChoice::Passphrase { passphrase: passphrase() });
        for (name, text) in files {
            system::import(&engine, name, text, false);
        }
        drop(engine);
        let custody = Custody::Passphrase { file: folder.join("custody.age"), passphrase: passphrase() };
        let text = custody.load().expect("the custody opens");
        let Ok(Kept::Secret(bundle)) = Kept::from_text(std::str::from_utf8(&text).expect("text")) else {
            panic!("a master keeps the secret")
        };
        let row = Store::open(&folder.join(store::FILE)).and_then(|store| store.system()).expect("a system");
        let ca = row.ca.expect("it has an authority");
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { folder, system: row.id, ca, at, bundle, child: None }
    }

    /// Identities of `count` nodes, registered.
    pub fn register(&self, count: usize) -> Vec<Identity> {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let now = now();
        let mut nodes = Vec::with_capacity(count);
        let identities = (0..count)
            .map(|number| {
                let id = NodeId::make_new(&mut rng);
                let (identity, signed) = self.sign(id, Leaf::Client);
                let node = NodeRow {
                    id,
                    name: format!("node-{number}"),
                    standby: false,
                    administrator: false,
                    revoked: false,
                    key_hash: signed.key_hash,
                    address: None,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    joined: now,
                    certificate_expires: signed.expires,
                    spooled: 0,
                    generation: sealport_core::id::Generation(0),
                };
                nodes.push(NodeChange::Add { node, invite: None });
                identity
            })
            .collect();
        let mut store = self.store();
        let entry = Act {
            at: now,
            who: "bench".to_owned(),
            origin: "service".to_owned(),
            act: "node.join".into(),
            object: format!("{} nodes", nodes.len()),
            detail: String::new(),
        };
        store
            .write(&Change { acts: vec![entry], nodes, ..Change::default() })
            .expect("the registry takes them");
        identities
    }

    /// A certificate for a new key, and the key in PKCS #8.
    pub fn signed(&self, id: NodeId, leaf: Leaf) -> (authority::Signed, sealport_core::secret::SecretBytes) {
        let key = authority::make_key().expect("a key");
        let request = authority::request(&key).expect("a request");
        let keys = self.bundle.authority.as_ref().expect("a master holds the authority");
        let signed = authority::sign(keys, &self.ca, self.system, id, leaf, &request, now());
        (signed.expect("a certificate"), key)
    }

    fn sign(&self, id: NodeId, leaf: Leaf) -> (Identity, authority::Signed) {
        let (signed, key) = self.signed(id, leaf);
        let config = tls::member(&self.ca, signed.certificate.clone(), &key).expect("a configuration");
        (Identity { config: Arc::new(config) }, signed)
    }

    pub fn store(&self) -> Store {
        Store::open(&self.folder.join(store::FILE)).expect("a database")
    }

    /// What a node holds that has everything.
    pub fn held(&self) -> Held {
        let store = self.store();
        let position = store.position().expect("a position");
        Held {
            system: self.system,
            // Of a node that reads and writes nothing here, who it is does not matter.
            node: NodeId::from_bytes([0; 16]),
            grant: None,
            seen: position.at,
            at: position.at,
            audit: position.audit,
            version: Some(KeyVersion(1)),
            keys: Some(derive_key_set_mark(self.bundle.checks())),
            counts: position.counts,
            nodes: store.members().expect("a registry"),
            damaged: false,
            standing: Standing::Member,
        }
    }

    /// Begins to serve, at the address that it had before.
    pub fn serve(&mut self) {
        let listen = self.at.to_string();
        let (child, at) = serve(&self.folder, &["--listen", &listen]);
        self.child = Some(child);
        self.at = at.expect("a master listens").parse().expect("an address");
    }

    /// Ends the master as a power cut would.
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
}

/// The command `sealport` on a data directory, played by this program.
pub fn command(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    let secret = data.with_extension("passphrase");
    system::private(&secret, PASSPHRASE);
    command.env(ROLE, "command").env("SEALPORT_CUSTODY_PASSPHRASE_FILE", secret);
    command.arg("--data-dir").arg(data).arg("--json").args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// Runs one to its end; its answer.
pub fn run(data: &Path, words: &[&str]) -> serde_json::Value {
    let output = command(data, words).output().expect("this program starts again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {text}");
    serde_json::from_str(&text).expect("an answer in JSON")
}

/// Serves a data directory, and waits until it is ready; where it listens, on a master.
pub fn serve(data: &Path, more: &[&str]) -> (Child, Option<String>) {
    let words: Vec<&str> = ["serve", "--metrics", "off"].iter().chain(more).copied().collect();
    // Alerts that it tells are not for the table.
    let mut child = command(data, &words).stderr(Stdio::null()).spawn().expect("this program starts again");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).expect("a line");
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    assert_eq!(ready["ready"], true, "it does not serve: {line}");
    (child, ready["listen"].as_str().map(str::to_owned))
}

fn now() -> Timestamp {
    sealport_node::clock::wall()
}
