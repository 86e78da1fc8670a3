//! Mix tables: a house's own rows, each an amount and the items that pay it.
//!
//! Rows for one amount are tried in the table's order; a row counts if the units, those of one
//! value together, can give its items within their limits.

use super::cash::Cash;
use super::source::Source;
use super::{Failure, MAX_UNITS};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The amount in smallest units.
    pub amount: u128,
    /// Value of an item in smallest units, and number of items; each value once.
    pub items: Vec<(u128, u64)>,
}

/// Items by the first row that can be paid with at most `budget` items; gives their number.
pub fn solve(cash: &Cash, rows: &[Row], budget: u64, result: &mut [u64]) -> Result<u64, Failure> {
    let mut counts = [0; MAX_UNITS];
    for row in rows_for(cash, rows) {
        if let Some(items) = counts_of(cash, row, &mut counts)
            && items <= budget
        {
            cash.hand_out(cash.sources, &counts, result);
            return Ok(items);
        }
    }
    Err(Failure::TooManyItems(fewest(cash, rows)?))
}

/// Items of the payable row with the fewest.
pub fn fewest(cash: &Cash, rows: &[Row]) -> Result<u64, Failure> {
    let mut counts = [0; MAX_UNITS];
    let mut rows = rows_for(cash, rows).peekable();
    if rows.peek().is_none() {
        return Err(Failure::AmountNotInMixTable(cash.currency));
    }
    rows.filter_map(|row| counts_of(cash, row, &mut counts))
        .min()
        .ok_or(Failure::NotDispensable(cash.currency))
}

fn rows_for<'a>(cash: &Cash, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
    let amount = u128::from(cash.amount) * u128::from(cash.measure);
    rows.iter().filter(move |row| row.amount == amount)
}

/// Items by pile, if the units can give them.
fn counts_of(cash: &Cash, row: &Row, counts: &mut [u64; MAX_UNITS]) -> Option<u64> {
    counts.fill(0);
    let mut items = 0u64;
    for &(value, count) in &row.items {
        let pile = cash
            .values
            .iter()
            .position(|have| u128::from(*have) * u128::from(cash.measure) == value)?;
        counts[pile] = count;
        items = items.saturating_add(count);
    }
    let within = cash.piles().all(|pile| {
        let sum = |limit: fn(&Source) -> u64| {
            pile.iter()
                .map(|source| u128::from(limit(source)))
                .sum::<u128>()
        };
        let count = u128::from(counts[pile[0].pile]);
        sum(|source| source.low) <= count && count <= sum(|source| source.high)
    });
    within.then_some(items)
}
