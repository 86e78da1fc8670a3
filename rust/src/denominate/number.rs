//! The fewest items by their number: exactly as many as the bound says, then one more, and so on.
//!
//! With the number of items given, a count of the largest value is hemmed in from both sides: what
//! it leaves must be more than the rest of the items are worth at least, and less than they are
//! worth at most. For values that are near to each other, or many, little is left between the two; the
//! most that there can be of a value is found by a division, and of the last two values both.
//!
//! A pile's values above the smallest value have common divisors, too: a number of items with which
//! the amount, less as many of the smallest value, is no multiple of theirs is passed over.
//!
//! The first items found for a number are those that the tie rule wants, as counts are tried from
//! the most down, the largest value first. If there are none for any number up to the most items
//! that the amount can take, there are none.

use std::cmp::Ordering;

use super::divisor::gcd;
use super::pile::{Pile, Usable};
use super::verdict::Verdict;
use super::{MAX_UNITS, OutOfWork, Work};

/// A pile and those after it.
#[derive(Clone, Copy)]
struct Level {
    value: u64,
    count: u64,
    /// What this pile is worth, saturating.
    worth: u64,
    /// Items of this pile and all smaller ones, saturating.
    stock: u64,
    /// What one item is worth more than one of the smallest value.
    over: u64,
    /// Greatest common divisor of `over` here and of all smaller piles; 0 for the last.
    divisor: u64,
}

struct Numbered<'a> {
    levels: &'a [Level],
    /// The smallest value.
    smallest: u64,
    counts: &'a mut [u64],
    work: &'a mut Work,
}

/// The fewest items, at least `floor` and at most `budget`, from piles whose values are at most the
/// amount.
pub(super) fn fewest<const N: usize>(
    amount: u64,
    piles: &[Pile],
    (floor, budget): (u64, u64),
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let mut levels = [Level {
        value: 1,
        count: 0,
        worth: 0,
        stock: 0,
        over: 0,
        divisor: 0,
    }; N];
    let levels = &mut levels[..piles.len()];
    let smallest = piles.last().map_or(1, |pile| pile.value);
    let (mut stock, mut divisor) = (0u64, 0);
    for (level, pile) in levels.iter_mut().zip(piles).rev() {
        stock = stock.saturating_add(pile.count);
        let over = pile.value - smallest;
        if divisor != 1 {
            divisor = gcd(divisor, over);
        }
        *level = Level {
            value: pile.value,
            count: pile.count,
            worth: pile.value.saturating_mul(pile.count),
            stock,
            over,
            divisor,
        };
    }
    let mut numbered = Numbered {
        levels,
        smallest,
        counts,
        work,
    };
    numbered.search(amount, floor, budget)
}

/// Whether exactly so many items pay the amount; sets their counts.
pub(super) fn exactly(
    amount: u64,
    piles: &[Pile],
    items: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<bool, OutOfWork> {
    let usable = Usable::<MAX_UNITS>::new(amount, piles.iter().copied());
    if usable.piles.is_empty() {
        counts.fill(0);
        return Ok(amount == 0 && items == 0);
    }
    let mut found = [0; MAX_UNITS];
    let found = &mut found[..usable.piles.len()];
    let range = (items, items);
    let verdict = fewest::<MAX_UNITS>(amount, &usable.piles, range, found, work)?;
    usable.set(found, counts);
    Ok(verdict == Verdict::Fewest(items))
}

impl Numbered<'_> {
    fn search(&mut self, amount: u64, floor: u64, budget: u64) -> Result<Verdict, OutOfWork> {
        let (least, most) = (self.least(amount).max(floor), self.most(amount));
        // With so many items, none of the sums below overflows.
        let countable = u64::MAX / self.levels[0].value;
        let divisor = self.levels[0].divisor;
        for number in least..=most.min(budget) {
            if number > countable {
                return Ok(Verdict::Unknown);
            }
            self.work.step()?;
            if divisor > 1 && !(amount - number * self.smallest).is_multiple_of(divisor) {
                continue;
            }
            if self.enough(0, amount, number)
                && self.little(0, amount, number)
                && self.pay(0, amount, number)?
            {
                return Ok(Verdict::Fewest(number));
            }
        }
        Ok(Verdict::Never)
    }

    /// Least number of items that could pay the amount, if they could be divided.
    fn least(&self, mut amount: u64) -> u64 {
        let mut items = 0;
        for level in self.levels {
            if amount <= level.worth {
                return items + amount.div_ceil(level.value);
            }
            items += level.count;
            amount -= level.worth;
        }
        items
    }

    /// Largest number of items that could pay the amount, if they could be divided.
    fn most(&self, mut amount: u64) -> u64 {
        let mut items = 0;
        for level in self.levels.iter().rev() {
            if amount <= level.worth {
                return items + amount / level.value;
            }
            items += level.count;
            amount -= level.worth;
        }
        items
    }

    /// Whether the largest `items` from level `i` on are worth at least `rest`.
    fn enough(&self, i: usize, mut rest: u64, mut items: u64) -> bool {
        for level in &self.levels[i..] {
            if items <= level.count {
                return rest <= level.value * items;
            }
            if rest <= level.worth {
                return true;
            }
            rest -= level.worth;
            items -= level.count;
        }
        rest == 0
    }

    /// Whether the smallest `items` from level `i` on are worth at most `rest`.
    fn little(&self, i: usize, mut rest: u64, mut items: u64) -> bool {
        for level in self.levels[i..].iter().rev() {
            if items <= level.count {
                return level.value * items <= rest;
            }
            if rest < level.worth {
                return false;
            }
            rest -= level.worth;
            items -= level.count;
        }
        true
    }

    /// Pay `rest`, which [`Self::enough`] and [`Self::little`] allow, with so many items from level
    /// `i` on; sets their counts.
    fn pay(&mut self, mut i: usize, rest: u64, items: u64) -> Result<bool, OutOfWork> {
        self.work.step()?;
        let over = rest - items * self.smallest;
        // Values of which not even one fits.
        while self.levels[i].over > over {
            self.counts[i] = 0;
            i += 1;
        }
        match items {
            0 | 1 => return Ok(self.pay_one(i, rest, items)),
            2 => return Ok(self.pay_two(i, rest)),
            _ => {}
        }
        let level = self.levels[i];
        let Some(&next) = self.levels.get(i + 1) else {
            self.counts[i] = items;
            return Ok(items <= level.count && over == 0);
        };
        let most = over / level.over;
        if i + 2 == self.levels.len() {
            if most * level.over != over
                || most > level.count.min(items)
                || items - most > next.count
            {
                return Ok(false);
            }
            (self.counts[i], self.counts[i + 1]) = (most, items - most);
            return Ok(true);
        }
        let most = level.count.min(items).min(most);
        let Some(mut count) = self.most_that_leave_enough(i, rest, items, most) else {
            return Ok(false);
        };
        loop {
            let (left, others) = (rest - count * level.value, items - count);
            if others > next.stock || !self.enough(i + 1, left, others) {
                // Fewer of this value leave still more to the smaller ones.
                return Ok(false);
            }
            let possible =
                next.divisor <= 1 || (left - others * self.smallest).is_multiple_of(next.divisor);
            if possible && self.pay(i + 1, left, others)? {
                self.counts[i] = count;
                return Ok(true);
            }
            if count == 0 {
                return Ok(false);
            }
            count -= 1;
            self.work.step()?;
        }
    }

    /// Pay `rest` with one item or none from level `i` on.
    fn pay_one(&mut self, i: usize, rest: u64, items: u64) -> bool {
        self.counts[i..].fill(0);
        if items == 0 {
            return rest == 0;
        }
        let from = &self.levels[i..];
        let place = from.partition_point(|level| level.value > rest);
        let found = from
            .get(place)
            .is_some_and(|level| level.value == rest && level.count > 0);
        if found {
            self.counts[i + place] = 1;
        }
        found
    }

    /// Pay `rest` with two items from level `i` on: the one from the largest value down, the other
    /// from the smallest up, until they meet.
    fn pay_two(&mut self, i: usize, rest: u64) -> bool {
        self.counts[i..].fill(0);
        let (mut large, mut small) = (i, self.levels.len() - 1);
        while large < small {
            match (self.levels[large].value + self.levels[small].value).cmp(&rest) {
                Ordering::Greater => large += 1,
                Ordering::Less => small -= 1,
                Ordering::Equal => {
                    (self.counts[large], self.counts[small]) = (1, 1);
                    return true;
                }
            }
        }
        let found = self.levels[large].value * 2 == rest && self.levels[large].count > 1;
        if found {
            self.counts[large] = 2;
        }
        found
    }

    /// The most items of level `i`, up to `most`, that leave what the others are worth at least.
    fn most_that_leave_enough(&self, i: usize, rest: u64, items: u64, most: u64) -> Option<u64> {
        let value = self.levels[i].value;
        let leaves = |count: u64| self.little(i + 1, rest - count * value, items - count);
        if leaves(most) {
            return Some(most);
        }
        if most == 0 || !leaves(0) {
            return None;
        }
        let (mut fits, mut exceeds) = (0, most);
        while exceeds - fits > 1 {
            let middle = fits + (exceeds - fits) / 2;
            if leaves(middle) {
                fits = middle
            } else {
                exceeds = middle
            }
        }
        Some(fits)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_of, problems};
    use super::super::divisor::common_divisor;
    use super::super::{plain, residues};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn quick_ways_say_what_trying_all_says((pairs, amount, budget) in problems()) {
            let all: Vec<Pile> = pairs.iter().map(|&(value, count)| Pile { value, count }).collect();
            let best = best_of(amount, &pairs).filter(|(items, _)| *items <= budget);

            let mut counts = vec![0; all.len()];
            let mut levels = vec![plain::Level::NONE; all.len()];
            plain::Level::lay_out(&all, &mut levels);
            if let Ok(found) = plain::fewest(amount, &levels, budget, &mut counts) {
                prop_assert_eq!(found.map(|items| (items, counts.clone())), best.clone());
            }
            let usable: Vec<Pile> = all.iter().copied().filter(|pile| pile.value <= amount).collect();
            if usable.is_empty() {
                return Ok(());
            }
            let common = common_divisor(usable.iter().map(|pile| pile.value));
            if !amount.is_multiple_of(common) || residues::forbid(amount, &usable, common) {
                prop_assert_eq!(best_of(amount, &pairs), None);
            }
            let skipped = all.len() - usable.len();
            let counts = &mut counts[..usable.len()];
            let work = &mut Work::new(1 << 40);
            let verdict = fewest::<8>(amount, &usable, (0, budget), counts, work).unwrap();
            let found = verdict.decided().unwrap();
            prop_assert_eq!(found, best.as_ref().map(|(items, _)| *items));
            if let Some((items, wanted)) = best {
                prop_assert_eq!(&counts[..], &wanted[skipped..]);
                prop_assert!(exactly(amount, &all, items, &mut [0; 8][..all.len()], work).unwrap());
            }
        }
    }
}
