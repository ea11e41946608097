//! A way to a master that counts what passes, and can go wrong: silent, slow, or broken off.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything passes.
    Open,
    /// Connections are taken, and nothing passes: a cut that nobody is told of.
    Silent,
    /// Answers come a byte a second.
    Slow,
    /// Answers end after 200 bytes, with a reset.
    Reset,
    /// Long answers stop after 40,000 bytes, and nothing comes on their connection any more, however the way is then.
    #[allow(dead_code, reason = "a benchmark has no use for it")]
    Stuck,
}

struct Shared {
    way: Mutex<Way>,
    /// Bytes of both directions.
    bytes: AtomicU64,
    /// How often the node began to speak after the master had spoken: requests.
    turns: AtomicU64,
    connections: AtomicU64,
    stuck: AtomicBool,
    ended: AtomicBool,
    to: SocketAddr,
}

/// A way, until it is dropped.
pub struct Proxy {
    /// Where a node finds it.
    pub at: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A way to the master at `to`.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Open),
            bytes: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            to,
        });
        let passing = shared.clone();
        thread::spawn(move || {
            while let Ok((node, _)) = listener.accept() {
                if passing.ended.load(Ordering::Relaxed) {
                    return;
                }
                passing.connections.fetch_add(1, Ordering::Relaxed);
                let passing = passing.clone();
                thread::spawn(move || pass(node, &passing));
            }
        });
        Self { at, shared }
    }

    /// From now on the way is like this.
    pub fn set(&self, way: Way) {
        *self.shared.way.lock().expect("nobody panics") = way;
    }

    /// Bytes and requests that passed so far.
    pub fn passed(&self) -> (u64, u64) {
        (self.shared.bytes.load(Ordering::Relaxed), self.shared.turns.load(Ordering::Relaxed))
    }

    /// Connections that were begun so far.
    #[allow(dead_code, reason = "a benchmark counts none")]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Whether an answer is stuck.
    #[allow(dead_code, reason = "a benchmark has no use for it")]
    pub fn stuck(&self) -> bool {
        self.shared.stuck.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.at);
    }
}

fn pass(node: TcpStream, shared: &Arc<Shared>) {
    let Ok(master) = TcpStream::connect(shared.to) else { return };
    // Who spoke last on this connection.
    let asked = Arc::new(AtomicBool::new(false));
    let (from, to) =
        (node.try_clone().expect("a second handle"), master.try_clone().expect("a second handle"));
    let back = (shared.clone(), asked.clone());
    let up = thread::spawn(move || carry(from, to, &back.0, &back.1, true));
    carry(master, node, shared, &asked, false);
    let _ = up.join();
}

fn carry(mut from: TcpStream, mut to: TcpStream, shared: &Shared, asked: &AtomicBool, up: bool) {
    from.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let mut buffer = [0; 16 << 10];
    let mut answered = 0;
    while !shared.ended.load(Ordering::Relaxed) {
        let way = *shared.way.lock().expect("nobody panics");
        if way == Way::Silent {
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        let slow = way == Way::Slow && !up;
        let part = if slow { 1 } else { buffer.len() };
        match from.read(&mut buffer[..part]) {
            Ok(0) => break,
            Ok(length) => {
                shared.bytes.fetch_add(length as u64, Ordering::Relaxed);
                if up && !asked.swap(true, Ordering::Relaxed) {
                    shared.turns.fetch_add(1, Ordering::Relaxed);
                }
                if !up {
                    answered = if asked.swap(false, Ordering::Relaxed) { length } else { answered + length };
                }
                if slow {
                    thread::sleep(Duration::from_secs(1));
                }
                while way == Way::Stuck && answered > 40_000 && !shared.ended.load(Ordering::Relaxed) {
                    shared.stuck.store(true, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(50));
                }
                let cut = way == Way::Reset && answered > 200;
                if to.write_all(&buffer[..if cut { length / 2 } else { length }]).is_err() || cut {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
