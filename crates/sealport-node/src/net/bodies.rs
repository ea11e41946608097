//! Bodies of answers to polls. After a change every node asks for the same, so a small body is read from the database once for
//! all of them; and only so many are read at a time, whatever comes back after an outage.

use std::sync::Arc;

use axum::body::Bytes;
use sealport_core::{
    Code, Error,
    machine::{Ask, Body},
};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::{server::put, wire::SyncLine};
use crate::{engine::System, store::Position};

/// The largest body that is kept for others.
const SHARED_LIMIT: usize = 256 << 10;
/// Bodies that are read at a time: each has a connection to the database, and what that holds in memory.
const READ_AT_ONCE: usize = 32;

/// What a body is made of: the same ask at the same place brings the same bytes.
#[derive(PartialEq)]
struct Asked {
    ask: Ask,
    position: Position,
}

/// The bodies of one server.
pub struct Bodies {
    last: Mutex<Option<(Asked, Bytes)>>,
    reading: Arc<Semaphore>,
}

impl Bodies {
    /// None yet.
    pub fn new() -> Self {
        Self { last: Mutex::default(), reading: Arc::new(Semaphore::new(READ_AT_ONCE)) }
    }

    /// A small delta as a whole, which may be the one that was read for another node; `None` where it must be streamed.
    pub async fn shared(
        &self,
        system: &Arc<System>,
        ask: &Ask,
        position: &Position,
        body: Body,
    ) -> Option<Bytes> {
        // Far behind, or anew: nobody else asks for that.
        if body != Body::Delta || position.at.generation.0.saturating_sub(ask.at.generation.0) > 64 {
            return None;
        }
        // How long it may be held changes nothing of what it brings.
        let asked = Asked { ask: Ask { hold: 0, ..ask.clone() }, position: position.clone() };
        // Held while one reads: the others wait for what it finds.
        let mut last = self.last.lock().await;
        if let Some((_, bytes)) = last.as_ref().filter(|(known, _)| *known == asked) {
            return Some(bytes.clone());
        }
        let (system, ask) = (system.clone(), asked.ask.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut page = Vec::new();
            system.tell(&ask, |line: SyncLine| {
                put(&mut page, &line)?;
                if page.len() > SHARED_LIMIT {
                    return Err(Error::new(Code::Cancelled, "It is too long to be shared."));
                }
                Ok(())
            })?;
            Ok::<_, Error>(Bytes::from(page))
        });
        let bytes = read.await.ok()?.ok()?;
        *last = Some((asked, bytes.clone()));
        Some(bytes)
    }

    /// Leave to read a body of its own. Waits for those before.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.reading.clone().acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: leave the position, or the ask, out of what is compared.
    #[test]
    fn a_body_is_for_the_same_ask_at_the_same_place_only() {
        use sealport_core::{
            id::{Epoch, Generation, KeyVersion, NodeId},
            machine::{AuditMark, Counts, Marks},
        };
        let at = |generation| Marks { epoch: Epoch(1), generation: Generation(generation) };
        let ask = |generation| Ask {
            seen: at(generation),
            at: at(generation),
            audit: AuditMark { line: 1, hash: "a".to_owned() },
            version: Some(KeyVersion(1)),
            keys: None,
            full: false,
            hold: 0,
        };
        let position = |generation| Position {
            at: at(generation),
            master: NodeId::from_bytes([1; 16]),
            active_version: KeyVersion(1),
            audit: AuditMark { line: 2, hash: "b".to_owned() },
            counts: Counts::default(),
            withheld: Vec::new(),
        };
        let asked = |from, to| Asked { ask: ask(from), position: position(to) };
        assert!(asked(1, 2) == asked(1, 2));
        assert!(asked(1, 2) != asked(1, 3));
        assert!(asked(0, 2) != asked(1, 2));
    }
}
