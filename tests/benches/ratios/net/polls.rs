//! Polls as fast as they go, on connections that are kept and with a handshake for each, beside the bare server; and what a
//! connected node costs in memory.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    super::{
        start::{FOLDER, ROLE},
        system::binding_file,
        table::Table,
    },
    bare,
    caller::{self, Caller},
    crowd,
    hub::{Hub, Identity},
    process,
};

/// Callers at a time.
const CALLERS: usize = 16;
/// Rounds of each, ours and the peer's in turn.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// Connections that memory is measured with.
const CONNECTIONS: usize = 2_000;
/// What a server may cost beside the bare one: 0.6 of its polls.
const LEAST: f64 = 0.6;
/// Memory for each connected node.
const NODE_MEMORY: f64 = 32.0 * 1024.0;

/// A server under load.
struct Target {
    process: u32,
    at: SocketAddr,
    polls: u64,
    seconds: f64,
    processor: f64,
}

impl Target {
    fn new(process: u32, at: SocketAddr) -> Self {
        Self { process, at, polls: 0, seconds: 0.0, processor: 0.0 }
    }

    /// Polls in a second.
    fn rate(&self) -> f64 {
        self.polls as f64 / self.seconds
    }

    /// Seconds of a processor for a poll.
    fn cost(&self) -> f64 {
        self.processor / self.polls as f64
    }
}

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn measure(table: &mut Table, folder: &Path) {
    let mut hub = Hub::make(folder, &[("net.xml".to_owned(), binding_file(100, "Net"))]);
    let identities = hub.register(CONNECTIONS);
    let ask = caller::poll(&hub.held(), 0);
    hub.serve();
    let runtime = crowd::runtime();
    let call = |identity: &Identity, number, at| Caller::new(identity.config.clone(), at, hub.system, number);
    let (status, answer) = runtime.block_on(async {
        let mut line = call(&identities[0], 0, hub.at).connect().await.expect("the master answers");
        caller::ask(&mut line, ask.clone()).await.expect("the master answers")
    });
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    bare::prepare(&hub, folder, &answer);
    let (peer, peer_at) = start_bare(folder);

    for (what, fresh) in [("a poll, connection kept", false), ("a poll with a fresh handshake", true)] {
        let (mut ours, mut bare) = (Target::new(hub.process(), hub.at), Target::new(peer.0.id(), peer_at));
        for round in 0..=ROUNDS {
            for target in [&mut ours, &mut bare] {
                let callers = identities.iter().take(CALLERS).enumerate();
                let callers = callers.map(|(number, one)| call(one, number, target.at)).collect();
                let (before, begun) = (process::processor(target.process), Instant::now());
                let polls = runtime.block_on(load(callers, ask.clone(), fresh));
                // The first round warms both up.
                if round > 0 {
                    target.polls += polls;
                    target.seconds += begun.elapsed().as_secs_f64();
                    target.processor += (process::processor(target.process) - before).as_secs_f64();
                }
            }
        }
        let share = bare.cost() / ours.cost();
        table.line(
            &format!("{what}: processor time of the master"),
            &format!("{:.1} µs", ours.cost() * 1e6),
            &format!("bare server: {:.1} µs", bare.cost() * 1e6),
            Some(ours.cost() / bare.cost()),
            &format!("≥ {LEAST}x of its polls"),
            Some(share >= LEAST),
        );
        table.line(
            &format!("{what}: in a second, callers on the same processors"),
            &format!("{:.0}", ours.rate()),
            &format!("bare server: {:.0}", bare.rate()),
            Some(ours.rate() / bare.rate()),
            &format!("≥ {LEAST}x"),
            Some(ours.rate() / bare.rate() >= LEAST),
        );
        let nodes = |pace: f64| format!("{:.0}", pace * 2.0 / ours.cost());
        table.line(
            &format!("{what}: nodes for two processors, one poll in 60 s; in 21 s as they do"),
            &format!("{}; {}", nodes(60.0), nodes(21.0)),
            "",
            None,
            "",
            None,
        );
    }
    let kept = |at, hold| {
        let callers: Vec<_> =
            identities.iter().enumerate().map(|(number, one)| call(one, number, at)).collect();
        (callers, caller::poll(&hub.held(), 0), hold)
    };
    let ours = memory(&runtime, hub.process(), kept(hub.at, Some(caller::poll(&hub.held(), 20_000))));
    let bare = memory(&runtime, peer.0.id(), kept(peer_at, None));
    table.line(
        &format!("memory for a connected node, over {CONNECTIONS}"),
        &format!("{:.1} KiB", ours / 1024.0),
        &format!("bare server: {:.1} KiB", bare / 1024.0),
        Some(ours / bare),
        "≤ 32 KiB",
        Some(ours <= NODE_MEMORY),
    );
}

fn start_bare(folder: &Path) -> (Peer, SocketAddr) {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.env(ROLE, "bare").env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("this program starts again");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).expect("a line");
    (Peer(child), line.trim().parse().expect("an address"))
}

/// Polls until the round is over; how many were answered.
async fn load(callers: Vec<Caller>, ask: Bytes, fresh: bool) -> u64 {
    let end = Instant::now() + ROUND;
    let mut tasks = JoinSet::new();
    for caller in callers {
        let ask = ask.clone();
        tasks.spawn(async move {
            let (mut polls, mut line) = (0, None);
            while Instant::now() < end {
                if fresh || line.is_none() {
                    line = Some(caller.connect().await.expect("a connection"));
                }
                let line = line.as_mut().expect("it was made above");
                let (status, _) = caller::ask(line, ask.clone()).await.expect("an answer");
                assert_eq!(status, 200);
                polls += 1;
            }
            polls
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// What each of these connections costs a server; each has polled once, and waits in another poll where one is given.
fn memory(
    runtime: &tokio::runtime::Runtime,
    process: u32,
    (callers, first, hold): (Vec<Caller>, Bytes, Option<Bytes>),
) -> f64 {
    let before = process::memory(process);
    let count = callers.len();
    let after = runtime.block_on(async {
        let all = std::sync::Arc::new(Barrier::new(count + 1));
        let mut tasks = JoinSet::new();
        for caller in callers {
            let (all, first, hold) = (all.clone(), first.clone(), hold.clone());
            tasks.spawn(async move {
                // Very many at once: one that is not let in, or not heard in time, tries again.
                let mut line = loop {
                    if let Ok(mut line) = caller.connect().await
                        && caller::ask(&mut line, first.clone()).await.is_ok()
                    {
                        break line;
                    }
                };
                all.wait().await;
                match hold {
                    Some(hold) => drop(caller::ask(&mut line, hold).await),
                    None => tokio::time::sleep(Duration::from_secs(3_600)).await,
                }
            });
        }
        all.wait().await;
        // For the polls that wait to arrive.
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = process::memory(process);
            if now == last {
                break now;
            }
            last = now;
        }
    });
    (after.saturating_sub(before)) as f64 / count as f64
}
