//! Callers of the network's port that are not known yet: silent, in a handshake, waiting for a place in one, or without a
//! certificate. They are bounded in number, so that they never fill the places of those who are known.

use std::{collections::VecDeque, convert::Infallible};

use tokio::sync::oneshot;

/// The most of them at a time.
const CROWD_LIMIT: usize = 8_000;

/// Those who are not known yet, in the order in which they came. One too many, and the first of them has to go: who really
/// wants in is known long before it is the first.
#[derive(Default)]
pub(super) struct Crowd(VecDeque<oneshot::Sender<Infallible>>);

/// Ends when its caller has to go. To drop it is to leave the crowd.
pub(super) type PutOut = oneshot::Receiver<Infallible>;

impl Crowd {
    /// Takes one more in.
    pub(super) fn enter(&mut self) -> PutOut {
        if self.0.len() >= CROWD_LIMIT {
            self.0.retain(|one| !one.is_closed());
        }
        while self.0.len() >= CROWD_LIMIT {
            self.0.pop_front();
        }
        let (stays, put_out) = oneshot::channel();
        self.0.push_back(stays);
        put_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::server::CONNECTION_LIMIT;

    /// Sabotage: put the newest out; count those who are known already; bound nothing.
    #[test]
    fn strangers_make_room_for_one_another_and_never_take_all_places() {
        const { assert!(CROWD_LIMIT * 2 < CONNECTION_LIMIT) };
        let mut crowd = Crowd::default();
        let mut inside: VecDeque<PutOut> = (0..CROWD_LIMIT).map(|_| crowd.enter()).collect();
        let is_out = |one: &mut PutOut| one.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert!(!inside.iter_mut().any(is_out));
        // Ten are known now, and take nobody's place among those who are not.
        inside.drain(5..15);
        inside.extend((0..10).map(|_| crowd.enter()));
        assert!(!inside.iter_mut().any(is_out));
        inside.extend((0..3).map(|_| crowd.enter()));
        let out: Vec<bool> = inside.iter_mut().map(is_out).collect();
        assert_eq!(out.iter().position(|out| !out), Some(3), "the three that came first have to go");
        assert_eq!(out.iter().filter(|out| **out).count(), 3);
        assert_eq!(crowd.0.len(), CROWD_LIMIT);
    }
}
