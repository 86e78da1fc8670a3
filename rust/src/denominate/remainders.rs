//! The least sum that items can have for each remainder by some number: as many cells as that number has
//! units, however large sums and stocks are.

use super::divisor::gcd;
use super::pile::parts;
use super::{OutOfWork, Work};

/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: u64 = 16;
/// Stands for a remainder that nothing leaves.
const NEVER: u64 = u64::MAX;

/// The least sum for each remainder.
pub struct Remainders {
    least: Vec<u64>,
    before: Vec<u64>,
}

impl Remainders {
    /// Numbers to divide by, at most.
    pub const MOST: u64 = 1 << 16;

    /// By `number`, of no items yet.
    pub fn by(number: u64) -> Self {
        let mut least = vec![NEVER; number as usize];
        least[0] = 0;
        Self {
            before: least.clone(),
            least,
        }
    }

    /// The least sum with this remainder.
    pub fn least(&self, remainder: u64) -> Option<u64> {
        let sum = self.least[remainder as usize];
        (sum != NEVER).then_some(sum)
    }

    /// Add so many items of one worth; their sum must fit.
    pub fn add(&mut self, worth: u64, count: u64, work: &mut Work) -> Result<(), OutOfWork> {
        let number = self.least.len() as u64;
        // More of them than that leave the same remainders again.
        let count = count.min(number / gcd(worth, number) - 1);
        for part in parts(count) {
            let (more, shift) = (part * worth, (part * worth % number) as usize);
            self.before.copy_from_slice(&self.least);
            let (low, high) = self.before.split_at(self.before.len() - shift);
            let (first, second) = self.least.split_at_mut(shift);
            let moved = second.iter_mut().zip(low);
            for (cell, from) in moved.chain(first.iter_mut().zip(high)) {
                *cell = (*cell).min(from.saturating_add(more));
            }
            work.steps(1 + number / CELLS_A_STEP)?;
        }
        Ok(())
    }
}
