//! The least sum that items can have for each remainder by some number: as many cells as that number has
//! units, however large sums and stocks are.

use std::ops::Add;

use super::divisor::gcd;
use super::pile::parts;
use super::wide::take_up;
use super::{OutOfWork, Work};

/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: u64 = 32;
/// What sums in small cells are below.
const SMALL: u64 = 1 << 30;

/// The least sum for each remainder.
pub enum Remainders {
    /// In 32 bits each, which are gone over several at a time.
    Small(Sums<i32>),
    /// In 64 bits each.
    Large(Sums<i64>),
}

impl Remainders {
    /// Numbers to divide by, at most.
    pub const MOST: u64 = 1 << 16;

    /// By `number`, of no items yet; none will be worth more than `largest`.
    pub fn by(number: u64, largest: u64) -> Self {
        // Of so many items some leave nothing together, so the least sums have fewer.
        match number.saturating_mul(largest) {
            most if most < SMALL => Self::Small(Sums::by(number, SMALL)),
            _ => Self::Large(Sums::by(number, i64::MAX as u64 / 2)),
        }
    }

    /// The least sum with this remainder.
    pub fn least(&self, remainder: u64) -> Option<u64> {
        match self {
            Self::Small(sums) => sums.least(remainder),
            Self::Large(sums) => sums.least(remainder),
        }
    }

    /// Add so many items of one worth; their sum must fit.
    pub fn add(&mut self, worth: u64, count: u64, work: &mut Work) -> Result<(), OutOfWork> {
        match self {
            Self::Small(sums) => sums.add(worth, count, work),
            Self::Large(sums) => sums.add(worth, count, work),
        }
    }
}

/// A cell for each remainder.
pub struct Sums<C> {
    least: Vec<C>,
    before: Vec<C>,
    /// Stands for a remainder that nothing leaves, and is more than sums that matter.
    never: u64,
}

impl<C: Copy + Ord + Add<Output = C> + TryFrom<u64> + Into<i64>> Sums<C> {
    fn cell(sum: u64) -> C {
        match C::try_from(sum) {
            Ok(cell) => cell,
            Err(_) => unreachable!("sums are below what stands for none"),
        }
    }

    fn by(number: u64, never: u64) -> Self {
        let mut least = vec![Self::cell(never); number as usize];
        least[0] = Self::cell(0);
        Self {
            before: least.clone(),
            least,
            never,
        }
    }

    fn least(&self, remainder: u64) -> Option<u64> {
        let sum: i64 = self.least[remainder as usize].into();
        (sum < self.never as i64).then_some(sum as u64)
    }

    fn add(&mut self, worth: u64, count: u64, work: &mut Work) -> Result<(), OutOfWork> {
        let number = self.least.len() as u64;
        // More of them than that leave the same remainders again.
        let count = count.min(number / gcd(worth, number) - 1);
        for part in parts(count) {
            let (sum, shift) = (
                part.saturating_mul(worth),
                (part * (worth % number) % number) as usize,
            );
            if sum >= self.never {
                break;
            }
            let more = Self::cell(sum);
            self.before.copy_from_slice(&self.least);
            let (low, high) = self.before.split_at(self.before.len() - shift);
            let (first, second) = self.least.split_at_mut(shift);
            // Two loops, each over neighbours.
            take_up(second, low, |cell, from| *cell = (*cell).min(from + more));
            take_up(first, high, |cell, from| *cell = (*cell).min(from + more));
            work.steps(1 + number / CELLS_A_STEP)?;
        }
        Ok(())
    }
}
