//! The fewest items of few piles by their number, and whether there are any: three piles at once, or four if the number
//! of items is known.
//!
//! With the number of items given, each is worth what it is worth more than one of the smallest value, and what all are
//! worth more than as many of those is asked for. So the smallest value is gone, and whether the others can have that
//! worth says [`super::lattice`] for three of them: numbers are tried of the other piles only, of which the ones with the
//! fewest items are chosen. No stock is in the way of that, and it is no matter how far the fewest items are from what
//! they would be if they could be divided.
//!
//! Once a number is known, the first set of items by the tie rule is found by trying counts from the most
//! down, the largest value first, as long as the others cannot have the rest.

use arrayvec::ArrayVec;

use super::divisor::{common_divisor, gcd, inverse, multiply};
use super::lattice::Plane;
use super::verdict::Verdict;
use super::{OutOfWork, Work};

/// Piles that are few.
pub(super) const MOST_PILES: usize = 7;
/// Sums that are reckoned with, at most.
const MOST_SUM: u64 = 1 << 40;

/// Values and counts, the largest value first.
type Piles = ArrayVec<(u64, u64), MOST_PILES>;
/// How many items there may be.
type Range = (u64, u64);

/// The fewest items for an amount, at least `floor` and at most `budget` of them, if the piles are few and it takes
/// no more than the work that there is.
///
/// The piles' values are falling, and no more than the amount.
pub(super) fn fewest(
    amount: u64,
    piles: &[(u64, u64)],
    (floor, budget): Range,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let Some(((smallest, held), larger)) = piles.split_last() else {
        return Ok(Verdict::Unknown);
    };
    if !(2..MOST_PILES).contains(&larger.len()) || amount > MOST_SUM {
        return Ok(Verdict::Unknown);
    }
    let (least, most) = (by_largest(amount, piles), by_smallest(amount, piles));
    let above: Piles = larger
        .iter()
        .map(|&(value, count)| (value - smallest, count))
        .collect();
    let divisor = common_divisor(above.iter().map(|(value, _)| *value));
    let Some(suffixes) = suffixes(&above) else {
        return Ok(Verdict::Unknown);
    };
    for number in least.max(floor)..=most.min(budget) {
        work.step()?;
        let Some(over) = amount.checked_sub(number * smallest) else {
            break;
        };
        let range = (number.saturating_sub(*held), number);
        if !over.is_multiple_of(divisor) || !suffixes[0].any(over, range, work)? {
            continue;
        }
        return Ok(match first(over, range, &suffixes, counts, work)? {
            Some(taken) => {
                counts[larger.len()] = number - taken;
                Verdict::Fewest(number)
            }
            None => Verdict::Unknown,
        });
    }
    Ok(Verdict::Never)
}

/// Whether items make up the amount; `None` if the piles are not few.
pub(super) fn payable(
    amount: u64,
    piles: &[(u64, u64)],
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    if !(2..=MOST_PILES).contains(&piles.len()) || amount > MOST_SUM {
        return Ok(None);
    }
    match Sums::new(piles) {
        Some(sums) => sums.any(amount, (0, u64::MAX), work).map(Some),
        None => Ok(None),
    }
}

/// Numbers of items that are tried to see whether the piles make up an amount, at most; no end of them if the piles
/// are not few.
pub(super) fn tried(piles: &[(u64, u64)]) -> u64 {
    if piles.len() > MOST_PILES {
        return u64::MAX;
    }
    let mut counts: ArrayVec<u64, MOST_PILES> = piles.iter().map(|(_, count)| *count).collect();
    counts.sort_unstable();
    let tried = counts.len().saturating_sub(3);
    let numbers = counts[..tried].iter().map(|count| count.saturating_add(1));
    numbers.fold(1, u64::saturating_mul)
}

/// The piles from each place on.
fn suffixes(piles: &[(u64, u64)]) -> Option<ArrayVec<Sums, MOST_PILES>> {
    (0..piles.len())
        .map(|place| Sums::new(&piles[place..]))
        .collect()
}

/// The first counts by the tie rule, which are there; gives their sum.
fn first(
    mut amount: u64,
    mut range: Range,
    suffixes: &[Sums],
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let mut all = 0;
    for (place, sums) in suffixes.iter().enumerate() {
        let (value, count) = sums.piles[0];
        let mut taken = count.min(amount / value).min(range.1);
        loop {
            let (rest, left) = (amount - taken * value, less(range, taken));
            let found = match suffixes.get(place + 1) {
                Some(others) => others.any(rest, left, work)?,
                None => rest == 0 && left.0 == 0,
            };
            if found {
                (amount, range) = (rest, left);
                break;
            }
            if taken == 0 {
                return Ok(None);
            }
            taken -= 1;
            work.step()?;
        }
        counts[place] = taken;
        all += taken;
    }
    Ok(Some(all))
}

/// What is left of a range after so many items.
fn less(range: Range, taken: u64) -> Range {
    (range.0.saturating_sub(taken), range.1 - taken)
}

/// Items if the largest come first and can be divided, rounded up; more than there are if they do not suffice.
fn by_largest(mut amount: u64, piles: &[(u64, u64)]) -> u64 {
    let mut items = 0u64;
    for &(value, count) in piles {
        let whole = count.min(amount / value);
        items = items.saturating_add(whole);
        amount -= whole * value;
        if whole < count {
            return items + u64::from(amount > 0);
        }
    }
    if amount == 0 { items } else { u64::MAX }
}

/// Items if the smallest come first and can be divided, rounded down.
fn by_smallest(mut amount: u64, piles: &[(u64, u64)]) -> u64 {
    let mut items = 0u64;
    for &(value, count) in piles.iter().rev() {
        let whole = count.min(amount / value);
        items = items.saturating_add(whole);
        amount -= whole * value;
        if whole < count {
            break;
        }
    }
    items
}

/// What some piles can be worth.
struct Sums {
    piles: Piles,
    /// Piles of which numbers are tried.
    tried: Piles,
    /// The others, and what is known of them.
    others: Piles,
    known: Known,
    /// What is left when numbers of so many have been tried, the largest value first.
    left: ArrayVec<Piles, MOST_PILES>,
}

enum Known {
    One,
    Two(Line),
    Three(Plane),
}

impl Sums {
    /// `None` if values are too large.
    fn new(piles: &[(u64, u64)]) -> Option<Self> {
        let mut others: Piles = piles.iter().copied().collect();
        let (mut tried, mut left) = (Piles::new(), ArrayVec::new());
        left.push(others.clone());
        while others.len() > 3 {
            let fewest = (0..others.len()).min_by_key(|place| others[*place].1)?;
            tried.push(others.remove(fewest));
            left.push(others.clone());
        }
        let known = match others[..] {
            [_] => Known::One,
            [(a, _), (b, _)] => Known::Two(Line::new(a, b)),
            [(a, _), (b, _), (c, _)] => Known::Three(Plane::new([a, b, c])?),
            _ => return None,
        };
        Some(Self {
            piles: piles.iter().copied().collect(),
            tried,
            others,
            known,
            left,
        })
    }

    /// Whether so many items can have the sum.
    fn any(&self, sum: u64, items: Range, work: &mut Work) -> Result<bool, OutOfWork> {
        Ok(self.hopeful(0, sum, items) && self.try_all(0, sum, items, work)?)
    }

    fn try_all(
        &self,
        place: usize,
        sum: u64,
        items: Range,
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        let Some(&(value, count)) = self.tried.get(place) else {
            return self.known(sum, items, work);
        };
        let mut hopeful = false;
        for taken in 0..=count.min(sum / value).min(items.1) {
            work.step()?;
            let (rest, range) = (sum - taken * value, less(items, taken));
            if hopeful != self.hopeful(place + 1, rest, range) {
                // All numbers for which there is hope are next to each other.
                if hopeful {
                    return Ok(false);
                }
                hopeful = true;
            }
            if hopeful && self.try_all(place + 1, rest, range, work)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the piles that are still to be tried and the others could have the sum if items could be divided.
    fn hopeful(&self, place: usize, sum: u64, items: Range) -> bool {
        let piles = &self.left[place];
        let least = by_largest(sum, piles);
        least < u64::MAX && least <= items.1 && by_smallest(sum, piles) >= items.0
    }

    fn known(&self, sum: u64, items: Range, work: &mut Work) -> Result<bool, OutOfWork> {
        let others = &self.others;
        Ok(match &self.known {
            Known::One => {
                let (value, count) = others[0];
                let taken = sum / value;
                sum.is_multiple_of(value) && taken <= count && (items.0..=items.1).contains(&taken)
            }
            Known::Two(line) => line.has(sum, [others[0].1, others[1].1], items),
            Known::Three(plane) => {
                let most = [others[0].1, others[1].1, others[2].1];
                // No sum is too large for it.
                plane.has(sum, most, items, work)?.unwrap_or(false)
            }
        })
    }
}

/// Numbers of items of two values that are worth as much.
struct Line {
    /// The larger value, and the smaller one.
    large: u64,
    small: u64,
    divisor: u64,
    /// How far numbers of the larger value are apart, and what its inverse is modulo that.
    step: u64,
    inverse: u64,
}

impl Line {
    fn new(large: u64, small: u64) -> Self {
        let divisor = gcd(large, small);
        let step = small / divisor;
        Self {
            large,
            small,
            divisor,
            step,
            inverse: inverse(large / divisor, step),
        }
    }

    /// Whether numbers up to `most`, so many items together, have the sum.
    fn has(&self, sum: u64, most: [u64; 2], items: Range) -> bool {
        if !sum.is_multiple_of(self.divisor) {
            return false;
        }
        // With more of the larger value there are fewer items.
        let differ = self.large - self.small;
        let above = |items: u64| sum.checked_sub(items.saturating_mul(self.small));
        let by_number = above(items.1).map_or(0, |rest| rest.div_ceil(differ));
        let by_stock = above(most[1]).map_or(0, |rest| rest.div_ceil(self.large));
        let least = by_number.max(by_stock);
        let Some(rest) = above(items.0) else {
            return false;
        };
        let most = most[0].min(sum / self.large).min(rest / differ);
        let class = multiply(sum / self.divisor % self.step, self.inverse, self.step);
        // The first of its class that is not too few.
        let first = match least > class {
            true => class + (least - class).div_ceil(self.step) * self.step,
            false => class,
        };
        first <= most
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_of, problems};
    use super::super::exchange::{self, Effort};
    use super::super::two_pivots;
    use super::*;

    /// A few piles of values and counts as cash has them, and an amount.
    fn cash() -> impl Strategy<Value = (Vec<(u64, u64)>, u64)> {
        let values = prop::collection::btree_set(1u64..3000, 3..6);
        let counts = prop::collection::vec((1u64..60, 0u64..=100), 6);
        (values, counts, 1u64..5, 0u64..3).prop_map(|(values, counts, times, over)| {
            let values = values
                .into_iter()
                .rev()
                .map(|value| value.div_ceil(times) * times);
            let mut piles: Vec<(u64, u64)> = Vec::new();
            let mut amount = over * times;
            for (value, (count, share)) in values.zip(counts) {
                amount += value * (count * share / 100);
                match piles.last_mut() {
                    Some((last, held)) if *last == value => *held += count,
                    _ => piles.push((value, count)),
                }
            }
            let held = piles.iter().map(|(value, count)| value * count).sum();
            (piles, amount.clamp(1, held))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Tables of exchanges, for remainders and for all costs, and lattices.
        #[test]
        fn they_say_what_others_say((piles, amount) in cash()) {
            if piles.len() < 3 || piles[0].0 > amount {
                return Ok(());
            }
            let (budget, work) = (1 << 60, &mut Work::new(1 << 40));
            let mut expected = vec![0; piles.len()];
            let effort = Effort::All;
            let verdict = exchange::fewest(amount, &piles, budget, effort, &mut expected, work).unwrap();
            let mut counts = vec![0; piles.len()];
            let found = fewest(amount, &piles, (0, budget), &mut counts, work).unwrap();
            prop_assert_eq!(found, verdict);
            if verdict != Verdict::Never {
                prop_assert_eq!(&counts, &expected);
            }
            let said = payable(amount, &piles, work).unwrap();
            prop_assert_eq!(said, Some(verdict != Verdict::Never));
            let found = two_pivots::fewest(amount, &piles, budget, &mut counts, &mut Work::new(1 << 20));
            if let Ok(found) = found && found != Verdict::Unknown {
                prop_assert_eq!(found, verdict);
                if verdict != Verdict::Never {
                    prop_assert_eq!(&counts, &expected);
                }
            }
            let (found, floor) = exchange::by_remainders(amount, &piles, budget, &mut counts, work).unwrap();
            if found != Verdict::Unknown {
                prop_assert_eq!(found, verdict);
                if verdict != Verdict::Never {
                    prop_assert_eq!(&counts, &expected);
                }
            }
            if let Verdict::Fewest(items) = verdict {
                prop_assert!(floor <= items);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn they_say_what_trying_all_says((piles, amount, budget) in problems()) {
            let best = best_of(amount, &piles);
            let work = &mut Work::new(1 << 40);
            if let Some(said) = payable(amount, &piles, work).unwrap() {
                prop_assert_eq!(said, best.is_some());
            }
            let mut counts = vec![0; piles.len()];
            let verdict = fewest(amount, &piles, (0, budget), &mut counts, work).unwrap();
            if let Some(found) = verdict.decided() {
                let found = found.map(|items| (items, counts));
                prop_assert_eq!(found, best.filter(|(items, _)| *items <= budget));
            } else {
                prop_assert!(piles.len() < 3);
            }
        }
    }
}
