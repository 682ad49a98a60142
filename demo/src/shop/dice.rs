//! Random choices that a seed decides. Every generator of the shop holds one and draws in a fixed order.
//!
//! `ChaCha8` rather than the standard generator, whose algorithm may change with the version of its crate.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// Streams of one seed have nothing in common, so that sales and stock do not mirror each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number under `limit`, which is small enough here for the bias of multiplying (Lemire 2019) not to matter.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    pub(crate) fn one_in(&mut self, limit: u32) -> bool {
        self.below(limit) == 0
    }

    /// True for this share of the calls, from 0 to 1.
    pub(crate) fn share(&mut self, share: f64) -> bool {
        f64::from(self.0.next_u32()) < share * (f64::from(u32::MAX) + 1.0)
    }

    #[expect(clippy::indexing_slicing, reason = "a number under N is an index into N choices")]
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0) };
        choices[self.below(N as u32) as usize]
    }

    /// Fisher and Yates, from the end.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}
