//! The first attempt at the fewest items: largest value first, without a look at the values.
//!
//! Depth first, from the most items of a value down, which pays everyday amounts at once: what is
//! then left to prove is that one item less of some value cannot be made up for within the number
//! of items found. It needs no division but one for each pile, and no preparation. It gives up after a few
//! steps, or when it has been at a dead end twice: then a look at the values is worth its time.

use super::OutOfWork;
use super::pile::Pile;

/// Steps of the attempt.
const STEPS: u32 = 24;
/// Dead ends of the attempt.
const DEAD_ENDS: u32 = 2;

/// A pile and those after it.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    value: u64,
    count: u64,
    /// What this pile is worth, saturating.
    worth: u64,
    /// What this pile and all smaller ones are worth, saturating.
    total: u64,
    /// Items of this pile and all smaller ones, saturating.
    stock: u64,
}

impl Level {
    pub(super) const NONE: Level = Level {
        value: 1,
        count: 0,
        worth: 0,
        total: 0,
        stock: 0,
    };

    pub(super) fn pile(&self) -> Pile {
        Pile {
            value: self.value,
            count: self.count,
        }
    }

    /// As many as there are piles.
    pub(super) fn lay_out(piles: &[Pile], levels: &mut [Level]) {
        let (mut total, mut stock) = (0u64, 0u64);
        for (level, pile) in levels.iter_mut().zip(piles).rev() {
            let worth = pile.value.saturating_mul(pile.count);
            total = total.saturating_add(worth);
            stock = stock.saturating_add(pile.count);
            *level = Level {
                value: pile.value,
                count: pile.count,
                worth,
                total,
                stock,
            };
        }
    }
}

struct Plain<'a> {
    levels: &'a [Level],
    counts: &'a mut [u64],
    steps: u32,
    dead_ends: u32,
}

/// The fewest items, at most `budget`; sets `counts`, of every pile.
///
/// An error means that the attempt was given up: then the piles are worth the amount at least.
pub(super) fn fewest(
    amount: u64,
    levels: &[Level],
    budget: u64,
    counts: &mut [u64],
) -> Result<Option<u64>, OutOfWork> {
    let all = levels.first().unwrap_or(&Level::NONE);
    if all.total <= amount {
        if all.total < amount || all.stock > budget {
            return Ok(None);
        }
        for (count, level) in counts.iter_mut().zip(levels) {
            *count = level.count;
        }
        return Ok(Some(all.stock));
    }
    let mut plain = Plain {
        levels,
        counts,
        steps: 0,
        dead_ends: 0,
    };
    if !plain.fits(0, amount, budget) {
        return Ok(None);
    }
    plain.pay(0, amount, budget)
}

impl Plain<'_> {
    fn step(&mut self) -> Result<(), OutOfWork> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(OutOfWork);
        }
        Ok(())
    }

    /// Whether `items` could be worth `rest` from level `i` on, if they could be divided; all of them
    /// are worth it.
    fn fits(&self, i: usize, mut rest: u64, mut items: u64) -> bool {
        if self.levels[i].stock <= items {
            return true;
        }
        for level in &self.levels[i..] {
            if rest <= level.worth {
                return rest <= level.value.saturating_mul(items);
            }
            if items < level.count {
                return false;
            }
            rest -= level.worth;
            items -= level.count;
        }
        rest == 0
    }

    /// Fewest items for `rest` from level `i` on, if at most `budget`; sets their counts.
    fn pay(&mut self, i: usize, rest: u64, mut budget: u64) -> Result<Option<u64>, OutOfWork> {
        self.step()?;
        let level = self.levels[i];
        let mut count = level.count.min(rest / level.value);
        let mut left = rest - count * level.value;
        if left == 0 {
            // Fewer items of this value would cost more of the smaller ones.
            if count > budget {
                return Ok(None);
            }
            self.counts[i] = count;
            self.counts[i + 1..].fill(0);
            return Ok(Some(count));
        }
        let mut best = None;
        let Some(smaller) = self.levels.get(i + 1).map(|next| next.total) else {
            return self.dead_end();
        };
        while left <= smaller && count <= budget && self.fits(i + 1, left, budget - count) {
            if let Some(items) = self.pay(i + 1, left, budget - count)? {
                self.counts[i] = count;
                best = Some(count + items);
                budget = count + items - 1;
            }
            if count == 0 {
                break;
            }
            count -= 1;
            left += level.value;
            self.step()?;
        }
        Ok(best)
    }

    fn dead_end(&mut self) -> Result<Option<u64>, OutOfWork> {
        self.dead_ends += 1;
        if self.dead_ends >= DEAD_ENDS {
            return Err(OutOfWork);
        }
        Ok(None)
    }
}
