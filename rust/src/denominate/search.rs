//! The fewest items by a search with all that is known of such problems.
//!
//! Depth first, the largest value first, at every pile from the most items down to the fewest, so
//! that the first solution met with a number of items is the one that the tie rule wants. What
//! keeps it short:
//!
//! * **Bound.** The rest paid fractionally, largest value first, is the least that the rest can
//!   cost (values are what an item pays, so the largest pay best). It never falls when fewer items
//!   of the present value are taken, so the first hopeless count ends the pile.
//! * **Number.** Paid fractionally, smallest value first, the rest takes the most items that it can
//!   take. If no whole number lies between that and the bound, as with values that are nearly
//!   equal, there is nothing to find.
//! * **Congruence.** All smaller values are multiples of their common divisor, so the rest after
//!   this pile must be one too: counts are tried in steps. For the last two values that leaves one
//!   candidate, a closed form.
//! * **Stock.** What the smaller piles hold together must suffice for the rest.
//! * **Dominance.** If items of smaller values are worth a multiple of this value together, and
//!   that many items of this value are left over, exchanging them saves items; so no best solution
//!   has it. Two values alone meet at their least common multiple; and of any `value[i]/g` items
//!   (`g` the common divisor of this and the smaller values) some are worth a multiple of
//!   `value[i]` (two of their partial sums agree modulo it). Hence: unless this pile is used up to
//!   `spare[i]` items, the rest is at most `window[i]`.
//! * **Memory.** What a pile cannot pay with so many items is remembered for (pile, rest).
//!
//! With few items at first: the bound is raised step by step, so that what is found within it needs
//! no further proof.

use super::divisor::{gcd, inverse, multiply};
use super::memory::Memory;
use super::pile::{Pile, UNBOUNDED};
use super::{OutOfWork, Work};

/// Items above the bound up to which the budget is raised step by step.
const DEEPENED: u64 = 1 << 10;

/// A pile as the search sees it, with what is known of it and all smaller ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    value: u64,
    /// Items that the amount has room for, at most.
    count: u64,
    /// Items there are.
    held: u64,
    /// What this pile and all smaller ones are worth, saturating.
    total: u64,
    /// Greatest common divisor of this value and all smaller ones.
    divisor: u64,
    /// Counts that leave a rest divisible by the smaller values' divisor are this far apart.
    step: u64,
    /// Inverse of `value / divisor` modulo `step`.
    inverse: u64,
    /// With `spare` items of this pile unused, the smaller ones pay at most this.
    window: u64,
    spare: u64,
}

/// Levels for the piles, whose values are multiples of `divisor` and at most the amount times it.
pub(super) fn levels<'a>(
    amount: u64,
    piles: &[Pile],
    divisor: u64,
    room: &'a mut [Level],
) -> &'a [Level] {
    let levels = &mut room[..piles.len()];
    let mut total = 0u64;
    for (level, pile) in levels.iter_mut().zip(piles).rev() {
        let value = pile.value / divisor;
        let count = pile.count.min(amount / value);
        total = total.saturating_add(count * value);
        *level = Level {
            value,
            count,
            held: pile.count.min(UNBOUNDED),
            total,
            ..Level::NONE
        };
    }
    examine(levels);
    levels
}

/// The fewest items, at most `budget`.
pub(super) fn fewest(
    amount: u64,
    levels: &[Level],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let mut search = Search {
        levels,
        counts,
        work,
        memory: Memory::new(),
    };
    search.deepening(amount, budget)
}

/// Find steps and windows of all levels.
fn examine(levels: &mut [Level]) {
    let mut smaller = 0;
    for i in (0..levels.len()).rev() {
        let (head, tail) = levels.split_at_mut(i + 1);
        let level = &mut head[i];
        level.divisor = gcd(smaller, level.value);
        if smaller == 0 {
            level.step = 1;
            level.window = 0;
            level.spare = 0;
        } else {
            level.step = smaller / level.divisor;
            level.inverse = inverse(level.value / level.divisor, level.step);
            let by_sums = (level.value / level.divisor - 1).saturating_mul(tail[0].value);
            let (mut window, mut spare) = (0u64, 0);
            for other in tail.iter() {
                let common = gcd(level.value, other.value);
                let most = other.count.min(level.value / common - 1);
                window = window.saturating_add(most.saturating_mul(other.value));
                spare = spare.max(other.value / common);
                if window >= by_sums {
                    (window, spare) = (by_sums, tail[0].value / level.divisor);
                    break;
                }
            }
            (level.window, level.spare) = (window, spare);
        }
        smaller = level.divisor;
    }
}

impl Level {
    pub(super) const NONE: Level = Level {
        value: 1,
        count: 0,
        held: 0,
        total: 0,
        divisor: 1,
        step: 1,
        inverse: 0,
        window: u64::MAX,
        spare: 0,
    };
}

struct Search<'a> {
    levels: &'a [Level],
    counts: &'a mut [u64],
    work: &'a mut Work,
    memory: Memory,
}

impl Search<'_> {
    /// With few items first: what is found within the bound needs no further proof.
    fn deepening(&mut self, amount: u64, budget: u64) -> Result<Option<u64>, OutOfWork> {
        let bound = self.bound(0, amount);
        let mut more = 0;
        while bound.saturating_add(more) < budget && more < DEEPENED {
            let outcome = self.pay(0, amount, bound + more)?;
            if outcome.is_some() {
                return Ok(outcome);
            }
            more = 8 * more + 7;
        }
        self.within(amount, budget)
    }

    fn within(&mut self, amount: u64, budget: u64) -> Result<Option<u64>, OutOfWork> {
        if self.bound(0, amount) > budget {
            return Ok(None);
        }
        self.pay(0, amount, budget)
    }

    /// Least number of items that could pay `rest` from level `i` on.
    fn bound(&self, i: usize, mut rest: u64) -> u64 {
        let mut items = 0;
        for level in &self.levels[i..] {
            let worth = level.count * level.value;
            if rest <= worth {
                return items + rest.div_ceil(level.value);
            }
            items += level.count;
            rest -= worth;
        }
        if rest == 0 { items } else { u64::MAX }
    }

    /// Whether some number of items could pay `rest` from level `i` on, of which `least` is the
    /// smallest: paid fractionally, smallest value first, it takes the most.
    fn some_number(&self, i: usize, mut rest: u64, mut least: u64) -> bool {
        for level in self.levels[i..].iter().rev() {
            let worth = level.count * level.value;
            if rest <= worth {
                return rest / level.value >= least;
            }
            if level.count >= least {
                return true;
            }
            least -= level.count;
            rest -= worth;
        }
        rest == 0 && least == 0
    }

    /// Fewest items for `rest` from level `i` on, if at most `budget`; sets their counts.
    fn pay(&mut self, i: usize, rest: u64, mut budget: u64) -> Result<Option<u64>, OutOfWork> {
        self.work.step()?;
        let level = self.levels[i];
        let most = level.count.min(rest / level.value);
        if i + 1 == self.levels.len() {
            if most * level.value == rest && most <= budget {
                self.counts[i] = most;
                return Ok(Some(most));
            }
            return Ok(None);
        }
        let mut count = most;
        if level.step > 1 {
            let class = multiply(rest / level.divisor % level.step, level.inverse, level.step);
            if class > most {
                return Ok(None);
            }
            count -= (most - class) % level.step;
        }
        let next = self.levels[i + 1];
        let mut least = rest.saturating_sub(next.total).div_ceil(level.value);
        if level.held >= level.spare {
            let by_window = rest.saturating_sub(level.window).div_ceil(level.value);
            least = least.max(by_window.min(level.held - level.spare + 1));
        }
        if count < least {
            return Ok(None);
        }
        let last = i + 2 == self.levels.len() && level.step == next.value / level.divisor;
        if !last && self.memory.least(i, rest) > budget {
            return Ok(None);
        }
        let mut best = None;
        let started_with = budget;
        loop {
            let left = rest - count * level.value;
            if left == 0 {
                if count <= budget {
                    self.counts[i] = count;
                    self.counts[i + 1..].fill(0);
                    best = Some(count);
                }
                // Fewer items of this value cost more of the smaller ones.
                break;
            }
            let bound = self.bound(i + 1, left);
            if bound > budget.saturating_sub(count) || count > budget {
                break;
            }
            if self.some_number(i + 1, left, bound)
                && let Some(items) = self.pay(i + 1, left, budget - count)?
            {
                self.counts[i] = count;
                best = Some(count + items);
                if count + items == 0 {
                    break;
                }
                budget = count + items - 1;
            }
            if last || count < least + level.step {
                break;
            }
            count -= level.step;
            self.work.step()?;
        }
        if !last {
            self.memory
                .note(i, rest, best.unwrap_or(started_with.saturating_add(1)));
        }
        Ok(best)
    }
}
