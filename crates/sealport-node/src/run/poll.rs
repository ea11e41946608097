//! One poll: the ask, the head, and the body, which is gathered as it comes and taken over as a whole.

use std::{sync::Arc, time::Duration};

use sealport_core::{
    Code, Error,
    bundle::Bundle,
    machine::{Ask, Body, Event, Failure, Head, Marks, event::PollId},
};

use super::Follower;
use crate::{
    engine::{KEY_CHECK, System, TIME},
    net::{
        client::{DEADLINE, Refused},
        wire::{SecretAnswer, SyncAsk, SyncLine},
    },
    store::{Arrival, Former, NodeRow, Piece, Row},
};

/// Lines that are put aside at a time.
const BATCH: usize = 256;
/// Bytes of them: what a body holds in memory.
const BATCH_BYTES: usize = 4 << 20;
/// The longest line: a record of 64 MiB in base64.
const LINE_LIMIT: usize = 96 << 20;
/// A body of which nothing comes for this long is given up.
const STALL: Duration = Duration::from_secs(10);

/// So long before the machine gives a poll up its request ends, and says why.
const SAYS_WHY: Duration = Duration::from_millis(250);

/// Sends a poll and tells the loop what came of it.
pub async fn poll(follower: Arc<Follower>, poll: PollId, ask: Ask, deadline: Duration) {
    let Some(engine) = follower.engine() else { return };
    let Ok(system) = engine.system() else { return };
    let state = tokio::task::block_in_place(|| engine.node_state());
    drop(engine);
    let client = match follower.way(&system) {
        Ok(client) => client,
        Err(error) => return follower.failed(poll, not_applied(error)),
    };
    let from = ask.at;
    let ask = SyncAsk { ask, state };
    let response = match client.stream("/v1/sync", &ask, deadline.saturating_sub(SAYS_WHY)).await {
        Ok(response) => response,
        Err(refused) => {
            system.meters.count("sealport_polls_total", &[("result", "failed")]);
            return follower.failed(poll, refused);
        }
    };
    system.meters.count("sealport_polls_total", &[("result", "answered")]);
    let said = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let versions = tokio::task::block_in_place(|| system.known())
        .map(|unlocked| unlocked.versions.clone())
        .unwrap_or_default();
    system.heard.take(said(TIME), said(KEY_CHECK), &versions);
    let mut lines = Lines { response, buffer: Vec::new(), from: 0 };
    let head = match lines.next().await {
        Ok(Some(SyncLine::Head(head))) => head,
        Ok(Some(SyncLine::Grant(grant))) => {
            let proven = tokio::task::block_in_place(|| system.prove(grant));
            return match proven {
                Some(grant) => follower.tell(Event::Granted(grant)),
                None => follower.failed(poll, broken("its grant is not signed by this system's key")),
            };
        }
        Ok(_) => return follower.failed(poll, broken("it does not begin with its head")),
        Err(refused) => return follower.failed(poll, refused),
    };
    let judged = follower.judge(poll);
    follower.tell(Event::Head { poll, head: head.clone() });
    if judged.await != Ok(true) {
        return;
    }
    let held = || tokio::task::block_in_place(|| system.machine_held());
    let event = match take_over(&follower, &system, from, &head, &mut lines).await {
        Ok(()) => held().map(|held| Event::Applied { poll, held }),
        Err(refused) if refused.failure == Failure::Revoked => return follower.failed(poll, refused),
        Err(refused) => {
            follower.note(refused.why);
            held().map(|held| Event::ApplyFailed { poll, held })
        }
    };
    match event {
        Ok(event) => follower.tell(event),
        Err(error) => follower.failed(poll, not_applied(error)),
    }
}

async fn take_over(
    follower: &Follower,
    system: &Arc<System>,
    from: Marks,
    head: &Head,
    lines: &mut Lines,
) -> Result<(), Refused> {
    let continues = (head.body != Body::Full).then_some(from);
    let here = not_applied;
    tokio::task::block_in_place(|| system.begin_body()).map_err(here)?;
    // The secret first: what comes under a new version can then be opened as it comes.
    if !tokio::task::block_in_place(|| system.has_keys(head.version, head.keys)) {
        let answer: SecretAnswer = follower.client().post("/v1/secret", &(), DEADLINE).await?;
        // Opened to be parsed into the bundle's own secret types.
        let bundle = Bundle::from_text(answer.bundle.expose()).map_err(here)?;
        if bundle.system() != head.system || !bundle.holds(head.version) {
            return Err(broken("it brings another secret than its head says"));
        }
        tokio::task::block_in_place(|| system.take_secret(bundle)).map_err(here)?;
    }
    let mut batch = Vec::new();
    let mut bytes = 0;
    let (master, grant_key) = loop {
        match lines.next().await? {
            Some(SyncLine::End { master, grant_key }) => break (master, grant_key),
            Some(line) => drop(piece(line).ok_or_else(|| broken("a line in it is not one of ours"))?),
            None => return Err(broken("it is cut off")),
        }
        bytes += lines.last().len();
        batch.push(lines.last().to_vec());
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            let gathered = std::mem::take(&mut batch);
            tokio::task::block_in_place(|| system.gather(&gathered)).map_err(here)?;
            bytes = 0;
        }
    };
    let to = Arrival { at: head.at, active: head.version, master, continues };
    tokio::task::block_in_place(|| {
        system.gather(&batch)?;
        system.arrive(&to, |line| serde_json::from_slice(line).ok().and_then(piece))?;
        system.learn_grant_key(grant_key.as_deref())?;
        system.forget_unneeded()
    })
    .map_err(here)?;
    if let Some(engine) = follower.engine() {
        engine.changed(head.at.generation);
    }
    Ok(())
}

/// What a line brings; `None` where it brings nothing that a body may hold.
fn piece(line: SyncLine) -> Option<Piece> {
    match line {
        SyncLine::Head(_) | SyncLine::Grant(_) | SyncLine::End { .. } => None,
        SyncLine::Stranded(line) => line.row().map(Piece::Stranded),
        SyncLine::Record(line) => Row::from_line(line).map(Piece::Record),
        SyncLine::Revision(line) => Former::from_line(line).map(Piece::Former),
        SyncLine::Node(line) => NodeRow::from_line(line).map(Piece::Node),
        SyncLine::Audit(line) => Some(Piece::Audit(line)),
        SyncLine::Backup(line) => Some(Piece::Backup(line.row())),
        SyncLine::Rotation(row) => Some(Piece::Rotation(row)),
        SyncLine::Destroyed(row) => Some(Piece::Destroyed(row)),
    }
}

/// The lines of an answer, as they come.
struct Lines {
    response: reqwest::Response,
    /// What came and was not read yet.
    buffer: Vec<u8>,
    from: usize,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<SyncLine>, Refused> {
        self.buffer.drain(..self.from);
        self.from = 0;
        let mut looked = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[looked..]) {
                self.from = looked + at + 1;
                let line = serde_json::from_slice(&self.buffer[..self.from - 1]);
                return line.map(Some).map_err(|_| broken("a line in it is not one of ours"));
            }
            looked = self.buffer.len();
            if looked > LINE_LIMIT {
                return Err(broken("a line in it has no end"));
            }
            let chunk = tokio::time::timeout(STALL, self.response.chunk()).await;
            match chunk {
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
                Ok(Ok(None)) if self.buffer.is_empty() => return Ok(None),
                Ok(Ok(None) | Err(_)) => return Err(broken("it is cut off")),
                Err(_) => return Err(broken("nothing came for 10 s")),
            }
        }
    }

    /// The line that was read last, without its end.
    fn last(&self) -> &[u8] {
        &self.buffer[..self.from.saturating_sub(1)]
    }
}

/// The answer is good, but could not be written down here.
fn not_applied(error: Error) -> Refused {
    Refused { why: error.message.clone(), error, failure: Failure::NotApplied, answered: false }
}

fn broken(what: &str) -> Refused {
    Refused {
        why: format!("its answer can't be used: {what}"),
        error: Error::new(Code::Unavailable, format!("The master's answer can't be used: {what}."))
            .hint("It is asked for again by itself."),
        failure: Failure::Unreachable,
        answered: false,
    }
}
