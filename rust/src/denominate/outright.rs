//! The fewest items for small amounts, and for amounts near to all the cash: by a table of all sums.
//!
//! A set of items for an amount leaves one for all the rest of the cash, so the smaller of the two
//! is looked for: the fewest items for the amount, or the most items for what is to be left. That
//! says for any stock whether there is one, so it has the last word for amounts that a bit for each
//! sum is not too much for, whatever the values.

use super::sums::{Items, Table, VECTOR};
use super::verdict::Verdict;
use super::{MAX_UNITS, OutOfWork, Work};

/// Amounts that are looked at, at most: 512 KB of bits.
const MOST: u128 = 1 << 22;

/// The fewest items for an amount from piles of falling value, at most `budget` of them, if no more than so many cells
/// of a table are gone over.
///
/// `piles` are values and counts; together they are worth the amount at least.
pub fn fewest(
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    cells: usize,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let Some((left_over, sum, items)) = smaller(amount, piles) else {
        return Ok(Verdict::Unknown);
    };
    let passes = items
        .iter()
        .map(|item| 1 + item.passes(sum, VECTOR).count());
    if (sum + 1).saturating_mul(passes.sum()) > cells {
        return Ok(Verdict::Unknown);
    }
    let Some(table) = Table::new(&items, sum, 1, work)? else {
        return Ok(Verdict::Unknown);
    };
    if table.at(0, sum).is_none() {
        return Ok(Verdict::Never);
    }
    let mut moved = [0u64; MAX_UNITS];
    table.read(&items, sum, true, &mut moved);
    for (count, pile) in counts.iter_mut().zip(piles) {
        *count = if left_over { pile.1 } else { 0 };
    }
    for (item, moved) in items.iter().zip(moved) {
        let count = &mut counts[item.place];
        *count = if left_over { *count - moved } else { moved };
    }
    let total = counts.iter().sum();
    Ok(if total <= budget {
        Verdict::Fewest(total)
    } else {
        Verdict::Never
    })
}

/// The amount or what it leaves of the cash, whichever is less: whether it is the latter, how much,
/// and the items for it.
fn smaller(amount: u64, piles: &[(u64, u64)]) -> Option<(bool, usize, Vec<Items>)> {
    let all: u128 = piles
        .iter()
        .map(|&(value, count)| u128::from(value) * u128::from(count))
        .sum();
    let rest = all - u128::from(amount);
    let left_over = rest < u128::from(amount);
    let sum = rest.min(u128::from(amount));
    if sum > MOST {
        return None;
    }
    let items = piles
        .iter()
        .enumerate()
        .filter_map(|(place, &(value, count))| {
            let count = count.min(sum as u64 / value);
            (count > 0).then_some(Items {
                place,
                worth: value as usize,
                count,
                sign: if left_over { -1 } else { 1 },
            })
        });
    Some((left_over, sum as usize, items.collect()))
}
