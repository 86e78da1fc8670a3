//! Whether items make up an amount at all, however many it takes.
//!
//! A set of items for the amount leaves one for all the rest of the cash, so the smaller of the two sums is
//! looked for. Often some pile has so many items for that sum that its stock does not matter: then a
//! sum can be made up if and only if the other piles have a sum that is no larger and leaves the same
//! when divided by this pile's value. So it is enough to know the least sum of the others for each
//! remainder: as many cells as the value has units, however large the amounts and the stocks are.
//!
//! Where every pile is scarce, the sums themselves are looked at, a bit for each.

use super::remainders::Remainders;
use super::sums::{Items, Reached};
use super::{OutOfWork, Work};

/// Words of sums that are worth a look, and that are looked at at most: some 50 and 1000 µs.
pub const FEW_WORDS: u64 = 1 << 18;
pub const MANY_WORDS: u64 = 1 << 23;
/// Sums that are looked at, at most: 512 KB of bits.
const MOST_SUMS: u64 = 1 << 22;

/// Whether the amount can be made up; `None` if that takes too much to say.
///
/// `piles` are values and counts; together they are worth the amount at least. Where every pile is scarce,
/// at most so many words of sums are looked at.
pub fn payable(
    amount: u64,
    piles: impl DoubleEndedIterator<Item = (u64, u64)> + Clone,
    words: u64,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let all: u128 = piles
        .clone()
        .map(|(value, count)| u128::from(value) * u128::from(count))
        .sum();
    let sum = u128::from(amount).min(all - u128::from(amount)) as u64;
    if sum == 0 {
        return Ok(Some(true));
    }
    let fitting = piles
        .map(|(value, count)| (value, count.min(sum / value)))
        .filter(|(_, count)| *count > 0);
    let ample = fitting
        .clone()
        .filter(|&(value, count)| count == sum / value)
        .min();
    match ample {
        // Small values first: they tell remainders apart.
        Some((value, _)) if value <= Remainders::MOST => {
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

/// By the least sums of all others than an ample pile for each remainder.
fn by_remainders(
    sum: u64,
    value: u64,
    piles: impl Iterator<Item = (u64, u64)>,
    work: &mut Work,
) -> Result<Option<bool>, OutOfWork> {
    let mut remainders = Remainders::by(value);
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
    let items: Vec<Items> = piles
        .map(|(value, count)| Items {
            place: 0,
            worth: value as usize,
            count,
            sign: 1,
        })
        .collect();
    let sum = sum as usize;
    Ok(Some(Reached::new(&items, sum, work)?.has(sum)))
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
