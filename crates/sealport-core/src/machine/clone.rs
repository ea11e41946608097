//! Whether two processes are one node: a data directory that was copied, and is at work beside its original.
//!
//! Promises: two are told only where both were alive at once, so neither a restart nor a directory that was moved, nor an
//! answer that came late, ever counts as two; of two it is always the one that began later that ends.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// Lives of one node that are remembered. One that spoke longest ago is forgotten first.
const REMEMBERED: usize = 8;
/// Two that began within this time (milliseconds) began at once, as far as two clocks and the way between them can tell.
const AT_ONCE: u64 = 2_000;

/// Names one process of a node, from its start to its end. Drawn at each start and written down nowhere, so a copy of a data
/// directory never has the one of its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Life(u32);

impl Life {
    /// A new one.
    pub fn make_new(rng: &mut impl CryptoRng) -> Self {
        Self(rng.next_u32())
    }

    /// The number of one, as it travels.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What a request of a node shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoke {
    /// The life that asks began later than another one that is alive: it is the copy, and gets nothing.
    pub cloned: bool,
    /// Another life of the same node is to be heard soon: what it waits for is to be answered now.
    pub wake: bool,
}

/// What a master has seen of the lives of its nodes. Volatile.
///
/// Each request counts one on, and each answer carries the count ([`Lives::beat`]); the next request brings it back. A life
/// that brings back a count of after the first word of another one got an answer when that one had begun: both were alive. A
/// request that was on its way while its sender died can't do that.
#[derive(Clone, Debug)]
pub struct Lives {
    beat: u64,
    nodes: BTreeMap<NodeId, Vec<Lived>>,
}

#[derive(Clone, Copy, Debug)]
struct Lived {
    life: Life,
    /// The count of its first word, and of its last.
    began: u64,
    last: u64,
    cloned: bool,
}

impl Lives {
    /// None yet. The count begins anywhere, so that what another master counted is not taken for it; low, since each poll and its
    /// answer carry it.
    pub fn make_new(rng: &mut impl CryptoRng) -> Self {
        Self { beat: u64::from(rng.next_u32() >> 1), nodes: BTreeMap::new() }
    }

    /// The count that an answer carries.
    pub fn beat(&self) -> u64 {
        self.beat
    }

    /// A member asks something. `heard` is the count of the last answer that it got from here.
    pub fn spoke(&mut self, node: NodeId, life: Life, heard: Option<u64>) -> Spoke {
        self.beat += 1;
        let now = self.beat;
        let lives = self.nodes.entry(node).or_default();
        let Some(own) = lives.iter_mut().find(|lived| lived.life == life) else {
            if lives.len() == REMEMBERED
                && let Some((oldest, _)) = lives.iter().enumerate().min_by_key(|(_, lived)| lived.last)
            {
                lives.remove(oldest);
            }
            lives.push(Lived { life, began: now, last: now, cloned: false });
            // The one before may be alive: if it is, it is to say so now.
            return Spoke { cloned: false, wake: lives.len() > 1 };
        };
        own.last = now;
        let Lived { began, cloned, .. } = *own;
        let mut wake = false;
        let heard = heard.filter(|heard| !cloned && *heard <= now);
        for later in lives.iter_mut().filter(|other| other.began > began && !other.cloned) {
            if heard.is_some_and(|heard| heard >= later.began) {
                later.cloned = true;
                wake = true;
            }
        }
        Spoke { cloned, wake }
    }

    /// Whether a life was found to be a copy.
    pub fn is_cloned(&self, node: NodeId, life: Life) -> bool {
        let lives = self.nodes.get(&node).map(Vec::as_slice).unwrap_or_default();
        lives.iter().any(|lived| lived.life == life && lived.cloned)
    }

    /// Whether another life of the node has spoken since the count was this.
    pub fn other_since(&self, node: NodeId, life: Life, beat: u64) -> bool {
        let lives = self.nodes.get(&node).map(Vec::as_slice).unwrap_or_default();
        lives.iter().any(|lived| lived.life != life && lived.last > beat && !lived.cloned)
    }
}

/// One of two lives of a node that met, as it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Which.
    pub life: Life,
    /// How long it has been alive, in milliseconds.
    pub up: u64,
}

/// Two that hold one node's key met, both alive: whether `one` is the copy, and not `other`. Only one of the two asks this, so
/// that they never think differently. `None` where both are one process.
pub fn is_copy(one: Began, other: Began) -> Option<bool> {
    if one.life == other.life {
        return None;
    }
    Some(if one.up.abs_diff(other.up) < AT_ONCE { one.life > other.life } else { one.up < other.up })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;

    impl rand_core::TryRng for Zero {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(0);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Zero {}

    const NODE: NodeId = NodeId::from_bytes([1; 16]);
    const OTHER: NodeId = NodeId::from_bytes([2; 16]);
    const A: Life = Life(10);
    const B: Life = Life(20);
    const C: Life = Life(30);

    /// A master, and what each life last heard from it.
    struct Bench {
        lives: Lives,
        heard: BTreeMap<Life, u64>,
    }

    impl Bench {
        fn new() -> Self {
            Self { lives: Lives::make_new(&mut Zero), heard: BTreeMap::new() }
        }

        /// A request that is answered.
        fn ask(&mut self, node: NodeId, life: Life) -> Spoke {
            let spoke = self.lost(node, life);
            self.heard.insert(life, self.lives.beat());
            spoke
        }

        /// One whose answer nobody gets.
        fn lost(&mut self, node: NodeId, life: Life) -> Spoke {
            self.lives.spoke(node, life, self.heard.get(&life).copied())
        }
    }

    const FINE: Spoke = Spoke { cloned: false, wake: false };

    /// Sabotage: let `spoke` mark the earlier one.
    #[test]
    fn of_two_that_are_alive_the_later_one_is_the_copy() {
        let mut bench = Bench::new();
        assert_eq!(bench.ask(NODE, A), FINE);
        assert_eq!(bench.ask(NODE, B), Spoke { cloned: false, wake: true });
        // The first word after it proves nothing yet; the one that brings back its answer does.
        assert_eq!(bench.ask(NODE, A), FINE);
        assert!(!bench.lives.is_cloned(NODE, B));
        assert_eq!(bench.ask(NODE, A), Spoke { cloned: false, wake: true });
        assert!(bench.lives.is_cloned(NODE, B) && !bench.lives.is_cloned(NODE, A));
        for _ in 0..3 {
            assert_eq!(bench.ask(NODE, B), Spoke { cloned: true, wake: false });
            assert_eq!(bench.ask(NODE, A), FINE);
        }
        // A third copy goes the same way; another node has nothing to do with it.
        bench.ask(NODE, C);
        assert_eq!(bench.ask(OTHER, B), FINE);
        bench.ask(NODE, A);
        bench.ask(NODE, A);
        assert!(bench.lives.is_cloned(NODE, C) && !bench.lives.is_cloned(OTHER, B));
    }

    /// Sabotage: let any word after the later one's first count, whatever it brings back.
    #[test]
    fn a_restart_is_never_two_however_late_the_last_words_come() {
        let mut bench = Bench::new();
        bench.ask(NODE, A);
        let known = bench.heard[&A];
        bench.ask(NODE, B);
        // What A had sent before it died, several of it at once.
        for _ in 0..3 {
            assert!(!bench.lives.spoke(NODE, A, Some(known)).cloned);
            assert_eq!(bench.ask(NODE, B), FINE);
        }
        bench.ask(NODE, C);
        bench.lost(NODE, B);
        assert!([A, B, C].iter().all(|life| !bench.lives.is_cloned(NODE, *life)));
        // What another master counted is none of ours.
        for strange in [0, bench.lives.beat() + 1_000, u64::MAX] {
            bench.lives.spoke(NODE, A, Some(strange));
            bench.lives.spoke(NODE, A, None);
        }
        assert!([B, C].iter().all(|life| !bench.lives.is_cloned(NODE, *life)));
    }

    /// Sabotage: forget the first, and not the one that is silent for longest.
    #[test]
    fn the_original_is_remembered_however_often_its_copy_starts() {
        let mut bench = Bench::new();
        for round in 0..40 {
            bench.ask(NODE, A);
            bench.ask(NODE, Life(100 + round));
        }
        bench.ask(NODE, A);
        bench.ask(NODE, A);
        assert!(bench.lives.is_cloned(NODE, Life(139)));
        assert!(bench.lives.nodes[&NODE].len() <= REMEMBERED);
    }

    #[test]
    fn who_waits_is_told_that_another_one_spoke() {
        let mut bench = Bench::new();
        bench.ask(NODE, A);
        let begun = bench.lives.beat();
        assert!(!bench.lives.other_since(NODE, A, begun));
        bench.ask(NODE, B);
        assert!(bench.lives.other_since(NODE, A, begun));
        assert!(!bench.lives.other_since(NODE, A, bench.lives.beat()));
    }

    /// Sabotage: compare lives alone.
    #[test]
    fn of_two_that_meet_one_alone_is_the_copy() {
        let began = |life, up| Began { life, up };
        assert_eq!(is_copy(began(A, 5), began(A, 9_000)), None);
        for (one, other) in [
            (began(A, 60_000), began(B, 5)),
            (began(B, 60_000), began(A, 5)),
            (began(A, 10_000), began(B, 10_900)),
            (began(B, 10_000), began(A, 10_900)),
        ] {
            let copy = is_copy(one, other).unwrap();
            assert_eq!(is_copy(other, one), Some(!copy), "{one:?} {other:?}");
            if one.up.abs_diff(other.up) >= AT_ONCE {
                assert_eq!(copy, one.up < other.up);
            }
        }
    }
}
