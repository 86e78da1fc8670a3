//! The fewest items that make up an amount exactly: the one search that every mix rests on.
//!
//! # The problem
//! Piles of items, one pile for each value, largest value first: `value[0] > value[1] > …`, with
//! `count[i]` items each. Wanted: `x[i] <= count[i]` with `Σ x[i]·value[i] = amount` and `Σ x[i]`
//! least; of several such, the one with most items of the largest value, then of the next.
//!
//! # The search
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
//!
//! # Worst case
//! With `v` the largest value divided by the common divisor and `n` piles, dominance leaves every
//! pile either within `v` items of being used up or with a rest below `v²`. So at most
//! `(n + 1)·v²` different rests reach a pile, whatever the amount and the stocks. That is few for
//! money (`v` is 100 for notes of 5 to 500), but not for many values that are close to each other.
//! So the search gets some hundred steps, and then tables take over, which need no luck:
//!
//! * [`super::outright`] for small amounts and for those near to all the cash: words of bits, or
//!   cells, for every sum up to the smaller of the amount and what it leaves;
//! * [`super::exchange`] for all others: for every sum up to a roof that follows from the values
//!   alone, `(2·V + 2)·w` with `V` the largest value and `w` the largest difference of two, and is
//!   mostly not reached: twice `V` is the rule.
//!
//! So time is bounded by a polynomial in the number of units and the size of the values, whatever
//! amounts, stocks and limits are. With values below some thousands that is below a millisecond or
//! little more; with values of six digits and more that have nothing in common the problem is as
//! hard as a knapsack's, and the tables would be too large. Then the search goes on until it is
//! complete or the limit of work ends it, which is said as what it is.

use smallvec::SmallVec;

use super::memory::Memory;
use super::sums::Verdict;
use super::{MAX_UNITS, OutOfWork, Work, exchange, outright};

/// More items than there can be.
pub const UNBOUNDED: u64 = u64::MAX >> 2;

/// All items of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pile {
    /// What one item is worth; above 0.
    pub value: u64,
    /// How many there are.
    pub count: u64,
}

/// A pile as the search sees it, with what is known of it and all smaller ones.
#[derive(Clone, Copy, Debug)]
struct Level {
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

/// Steps of the first attempt, which looks for no structure in the values.
const PLAIN_STEPS: u64 = 24;

/// Steps of the second, with all its means, before exchanges are tried.
const SOME_STEPS: u64 = 512;
/// Steps of the third, before larger tables are.
const MORE_STEPS: u64 = 4096;
/// Cells of a table of sums that are filled before exchanges are tried, and after.
const FEW_CELLS: usize = 1 << 15;
const MANY_CELLS: usize = 1 << 21;
/// Items above the bound up to which the budget is raised step by step.
const DEEPENED: u64 = 1 << 10;

/// Piles of an everyday cash dispenser.
pub const FEW: usize = 8;

/// The fewest items for an amount, at most `budget` of them.
///
/// `counts[i]` becomes the number of items from `piles[i]`; the piles are in falling order of
/// value, each value once. `None`: there is no such set of items.
pub fn fewest(
    amount: u64,
    piles: &[Pile],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    if piles.len() <= FEW {
        solve::<FEW>(amount, piles, budget, counts, work)
    } else {
        solve::<{ super::MAX_UNITS }>(amount, piles, budget, counts, work)
    }
}

/// `fewest` for at most `N` piles: laying out room for the most would cost more than most searches.
fn solve<const N: usize>(
    amount: u64,
    piles: &[Pile],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    debug_assert!(piles.windows(2).all(|pair| pair[0].value > pair[1].value));
    counts.fill(0);
    if amount == 0 {
        return Ok(Some(0));
    }
    let mut levels = [Level::NONE; N];
    let mut places = [0u8; N];
    let mut n = 0;
    for (place, pile) in piles.iter().enumerate() {
        if pile.count == 0 || pile.value > amount {
            continue;
        }
        levels[n] = Level {
            value: pile.value,
            count: pile.count.min(amount / pile.value),
            held: pile.count.min(UNBOUNDED),
            ..Level::NONE
        };
        places[n] = place as u8;
        n += 1;
    }
    let levels = &mut levels[..n];
    let mut total = 0u64;
    for level in levels.iter_mut().rev() {
        total = total.saturating_add(level.count * level.value);
        level.total = total;
    }
    if total < amount {
        return Ok(None);
    }
    let mut found = [0u64; N];
    let mut attempt = Search {
        levels,
        counts: &mut found[..n],
        work: Work::new(PLAIN_STEPS),
        memory: Memory::none(),
    };
    let outcome = match attempt.within(amount, budget) {
        Ok(items) => items,
        Err(OutOfWork) => search(amount, levels, budget, &mut found[..n], work)?,
    };
    if outcome.is_some() {
        for (place, count) in places.iter().zip(&found[..n]) {
            counts[*place as usize] = *count;
        }
    }
    Ok(outcome)
}

/// The search with all its means.
fn search(
    mut amount: u64,
    levels: &mut [Level],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let divisor = levels
        .iter()
        .fold(0, |divisor, level| gcd(divisor, level.value));
    if !amount.is_multiple_of(divisor) {
        return Ok(None);
    }
    amount /= divisor;
    for level in levels.iter_mut() {
        level.value /= divisor;
        if level.total != u64::MAX {
            level.total /= divisor;
        }
    }
    examine(levels);
    let attempt = |budget: u64, steps: u64, counts: &mut [u64], work: &mut Work| {
        let steps = steps.min(work.left());
        let mut search = Search {
            levels,
            counts,
            work: Work::new(steps),
            memory: Memory::new(),
        };
        let outcome = search.deepening(amount, budget);
        work.steps(steps - search.work.left())?;
        match outcome {
            Ok(outcome) => Ok(Some(outcome)),
            Err(OutOfWork) if work.left() == 0 => Err(OutOfWork),
            Err(OutOfWork) => Ok(None),
        }
    };
    if let Some(outcome) = attempt(budget, SOME_STEPS, counts, work)? {
        return Ok(outcome);
    }
    // One more than fits, so that a pile which could pay all but a remainder can be the pivot.
    let piles: SmallVec<[(u64, u64); MAX_UNITS]> = levels
        .iter()
        .map(|level| (level.value, level.held.min(amount / level.value + 1)))
        .collect();
    let mut verdict = outright::fewest(amount, &piles, budget, FEW_CELLS, counts, work)?;
    if verdict == Verdict::Unknown {
        verdict = exchange::fewest(amount, &piles, budget, false, counts, work)?;
    }
    if verdict == Verdict::Unknown
        && let Some(outcome) = attempt(budget, MORE_STEPS, counts, work)?
    {
        return Ok(outcome);
    }
    if verdict == Verdict::Unknown && outright::payable(amount, &piles, work)? == Some(false) {
        verdict = Verdict::Never;
    }
    if verdict == Verdict::Unknown {
        verdict = outright::fewest(amount, &piles, budget, MANY_CELLS, counts, work)?;
    }
    if verdict == Verdict::Unknown {
        verdict = exchange::fewest(amount, &piles, budget, true, counts, work)?;
    }
    match verdict {
        Verdict::Fewest(items) => Ok(Some(items)),
        Verdict::Never => Ok(None),
        Verdict::Unknown => attempt(budget, u64::MAX, counts, work)?.ok_or(OutOfWork),
    }
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
    const NONE: Level = Level {
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
    work: Work,
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

/// Greatest common divisor; `gcd(0, b)` is `b`.
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    loop {
        b >>= b.trailing_zeros();
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
        if b == 0 {
            return a << shift;
        }
    }
}

/// `a·b` modulo `modulus`.
fn multiply(a: u64, b: u64, modulus: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product % modulus,
        None => (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64,
    }
}

/// Inverse of `a` modulo `modulus`, to which it is prime.
fn inverse(a: u64, modulus: u64) -> u64 {
    let (mut r, mut next_r) = (i128::from(modulus), i128::from(a % modulus));
    let (mut t, mut next_t) = (0i128, 1i128);
    while next_r != 0 {
        let quotient = r / next_r;
        (r, next_r) = (next_r, r - quotient * next_r);
        (t, next_t) = (next_t, t - quotient * next_t);
    }
    t.rem_euclid(i128::from(modulus)) as u64
}
