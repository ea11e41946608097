//! Chance, drawn from a seeded generator.

use rand_core::Rng;

/// What the simulator draws.
pub trait Chance: Rng {
    /// A number below `end`; 0 where `end` is.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// True once in `times`.
    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

impl<R: Rng> Chance for R {}

/// One of these.
pub fn pick<T: Copy>(rng: &mut impl Chance, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize]
}
