//! Whether items make up an amount at all, however many it takes.
//!
//! A set of items for the amount leaves one for all the rest of the cash, so the smaller of the two sums is
//! looked for. Often some pile has so many items for that sum that its stock does not matter: then a
//! sum can be made up if and only if the other piles have a sum that is no larger and leaves the same
//! when divided by this pile's value. So it is enough to know the least sum of the others for each
//! remainder: as many cells as the value has units, however large the amounts and the stocks are.
//!
//! Of few piles [`super::few_piles`] says it at once. Where every pile is scarce, the sums themselves are looked at, a bit for each.

use arrayvec::ArrayVec;

use super::congruent;
use super::few_piles::{self, MOST_PILES};
use super::remainders::Remainders;
use super::sums::{Items, Reached};
use super::{MAX_UNITS, OutOfWork, Work};

/// Words of sums that are worth a look, and that are looked at at most: some 50 and 1000 µs.
pub const FEW_WORDS: u64 = 1 << 18;
pub const MANY_WORDS: u64 = 1 << 23;
/// Numbers of items of few piles that are tried.
const FEW_NUMBERS: u64 = 1 << 8;
/// Values by which the least sums for each remainder are found at once.
const SMALL: u64 = 1 << 7;
/// Largest items whose sums are looked at first.
const FEW_ITEMS: u64 = 4;
/// Sums that are looked at, at most: 512 KB of bits.
const MOST_SUMS: u64 = 1 << 22;

/// Whether the amount can be made up; `None` if that takes too much to say.
///
/// `piles` are values and counts; together they are worth the amount at least. Where every pile is scarce,
/// at most so many words of sums are looked at.
pub fn payable(
    amount: u64,
    piles: impl Iterator<Item = (u64, u64)>,
    words: u64,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let Some((amount, piles)) = congruent::without::<MAX_UNITS>(amount, piles) else {
        return Ok(Some(false));
    };
    let all: u128 = piles
        .iter()
        .map(|&(value, count)| u128::from(value) * u128::from(count))
        .sum();
    let Some(left) = all.checked_sub(u128::from(amount)) else {
        return Ok(Some(false));
    };
    let sum = u128::from(amount).min(left) as u64;
    if sum == 0 {
        return Ok(Some(true));
    }
    let fitting = piles
        .iter()
        .map(|&(value, count)| (value, count.min(sum / value)))
        .filter(|(_, count)| *count > 0);
    if piles.len() <= MOST_PILES {
        let few = falling(fitting.clone());
        if few_piles::tried(&few) <= FEW_NUMBERS
            && let Some(said) = few_piles::payable(sum, &few, work)?
        {
            return Ok(Some(said));
        }
    }
    let ample = fitting
        .clone()
        .filter(|&(value, count)| count == sum / value)
        .min();
    match ample {
        // Small values first: they tell remainders apart.
        Some((value, _)) if value <= Remainders::MOST => {
            if value > SMALL
                && let Some(said) = by_few_sums(sum, value, fitting.clone(), work)?
            {
                return Ok(Some(said));
            }
            by_remainders(sum, value, fitting.rev(), work)
        }
        _ => {
            let passes: u64 = fitting
                .clone()
                .map(|(_, count)| u64::from(u64::BITS - count.leading_zeros()))
                .sum();
            if sum > MOST_SUMS || sum / 64 * passes > words {
                return Ok(None);
            }
            by_sums(sum, fitting, work)
        }
    }
}

/// Few piles in falling order of value, each value once.
fn falling(piles: impl Iterator<Item = (u64, u64)>) -> ArrayVec<(u64, u64), MOST_PILES> {
    let mut given: ArrayVec<(u64, u64), MOST_PILES> = piles.collect();
    given.sort_unstable_by(|a, b| b.cmp(a));
    let mut falling: ArrayVec<(u64, u64), MOST_PILES> = ArrayVec::new();
    for (value, count) in given {
        match falling.last_mut() {
            Some((last, held)) if *last == value => *held += count,
            _ => falling.push((value, count)),
        }
    }
    falling
}

/// By a bit for each sum of all others than an ample pile, up to that of a few items; `None` if none of those
/// leaves the remainder, and there are larger ones.
fn by_few_sums(
    sum: u64,
    value: u64,
    piles: impl Iterator<Item = (u64, u64)> + Clone,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let largest = piles.clone().map(|(other, _)| other).max().unwrap_or(0);
    let top = sum.min(FEW_ITEMS * largest.saturating_add(value));
    if top > MOST_SUMS {
        return Ok(None);
    }
    let reached = Reached::new(&items(piles), top as usize, work)?;
    let mut fitting = (0..=top / value).filter_map(|taken| match sum == top {
        true => sum.checked_sub(taken * value),
        false => Some(sum % value + taken * value),
    });
    let found = fitting.any(|rest| rest <= top && reached.has(rest as usize));
    Ok((found || top == sum).then_some(found))
}

/// By the least sums of all others than an ample pile for each remainder.
fn by_remainders(
    sum: u64,
    value: u64,
    piles: impl Iterator<Item = (u64, u64)> + Clone,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let largest = piles.clone().map(|(other, _)| other).max().unwrap_or(0);
    let mut remainders = Remainders::by(value, largest);
    for (other, count) in piles {
        if remainders
            .least(sum % value)
            .is_some_and(|least| least <= sum)
        {
            break;
        }
        remainders.add(other, count, work)?;
    }
    Ok(Some(
        remainders
            .least(sum % value)
            .is_some_and(|least| least <= sum),
    ))
}

/// By a bit for every sum.
fn by_sums(
    sum: u64,
    piles: impl Iterator<Item = (u64, u64)>,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let sum = sum as usize;
    Ok(Some(Reached::new(&items(piles), sum, work)?.has(sum)))
}

fn items(piles: impl Iterator<Item = (u64, u64)>) -> Vec<Items> {
    let item = |(value, count)| Items {
        place: 0,
        worth: value as usize,
        count,
        sign: 1,
    };
    piles.map(item).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_of, problems};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn it_says_what_trying_all_says((piles, amount, _) in problems()) {
            let work = &mut Work::new(1 << 40);
            let expected = best_of(amount, &piles).is_some();
            let said = payable(amount, piles.iter().copied(), MANY_WORDS, work).unwrap();
            prop_assert_eq!(said, Some(expected));
            let all: u64 = piles.iter().map(|(value, count)| value * count).sum();
            for (value, count) in &piles {
                let sum = amount.min(all - amount);
                if *count >= sum / value && sum >= *value {
                    let said = by_remainders(sum, *value, piles.iter().copied(), work).unwrap();
                    prop_assert_eq!(said, Some(expected));
                }
            }
        }
    }
}
