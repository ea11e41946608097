//! A data directory that is served: its lock, its local socket, and behind it a handle that a test made.
//!
//! Tests of the package that makes the binary take this file by its path.

use std::{
    io::Read,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use sealport_core::{
    api::{PortKind, PortView},
    id::{RecordId, Revision},
    time::Timestamp,
};
use sealport_node::{call::Handle, local::Server, lock::DirectoryLock};
use tempfile::TempDir;

/// How long a test waits for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A served data directory. The order of the fields is the order in which they end.
pub struct Served<H> {
    /// Its server, until a test takes it away.
    pub server: Option<Server>,
    /// What answers.
    pub fake: Arc<H>,
    /// Its lock, until a test takes it away.
    pub lock: Option<DirectoryLock>,
    folder: TempDir,
}

impl<H: Handle + 'static> Served<H> {
    /// Serves a new data directory.
    pub fn start(fake: H) -> Self {
        Self::start_with(fake, DEADLINE)
    }

    /// As `start`, with the time that a client has to send its request.
    pub fn start_with(fake: H, request_deadline: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let lock = DirectoryLock::take(&data_dir).unwrap();
        let fake = Arc::new(fake);
        let handle: Arc<dyn Handle> = fake.clone();
        let server = Server::start_with(handle, &data_dir, request_deadline).unwrap();
        Self { server: Some(server), fake, lock: Some(lock), folder }
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// A place beside it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A port to answer with.
pub fn a_port(name: &str) -> PortView {
    PortView {
        id: RecordId::from_bytes([1; 16]),
        kind: PortKind::SendPort,
        application: "Orders".to_owned(),
        name: name.to_owned(),
        revision: Revision(3),
        imprint: None,
        deleted: false,
        changed_at: Timestamp::from_millis(0),
        changed_by: "somebody".to_owned(),
        description: String::new(),
        missing_secrets: 0,
        document: "Orders.xml".to_owned(),
        transports: vec![],
        properties: vec![],
    }
}

/// Waits for it, up to the deadline.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come true in {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A frame of the local socket with this content.
pub fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&length.to_be_bytes(), content].concat()
}

/// All that comes until the end.
pub fn heard(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The next frame, without its length.
pub fn next_frame(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}
