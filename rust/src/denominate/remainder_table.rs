//! For every remainder by some number: the least sum that items can have, and how many of them it takes at least.
//!
//! As [`super::remainders`], with which items they are: a row for every pile and those after it, from which the
//! first items by the tie rule are read. So a table has as many columns as the number has units, however
//! large sums and stocks are.

use super::divisor::gcd;
use super::pile::parts;
use super::sums::Items;
use super::{OutOfWork, Work};

/// Bits of a cell for the number of items; above them is how often the number goes into the sum.
const BITS: u32 = 15;
/// What both are below.
const END: u64 = 1 << BITS;
/// Numbers to divide by, at most; two of the least sums have fewer items than both are below.
pub(super) const MOST: u64 = END / 2;
/// Stands for a remainder that nothing leaves.
const NEVER: i32 = 1 << (2 * BITS);
/// Cells of a table, at most: 8 MB.
const MOST_CELLS: u64 = 1 << 21;
/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: u64 = 32;

/// Rows for the piles, the first pile's last.
pub(super) struct RemainderTable<'a> {
    items: &'a [Items],
    number: usize,
    cells: Vec<i32>,
}

impl<'a> RemainderTable<'a> {
    /// By `number`, for sums up to `top`; `None` if it would be too large.
    ///
    /// Items with the sign 1 count, and stand behind those with the sign -1, which do not.
    pub(super) fn new(
        items: &'a [Items],
        number: u64,
        top: u64,
        work: &mut Work,
    ) -> Result<Option<Self>, OutOfWork> {
        let cells = number.saturating_mul(items.len() as u64 + 1);
        // Of as many items as the number has units some leave nothing, so the least sums have fewer.
        if cells > MOST_CELLS || number > MOST || top / number + 3 >= END {
            return Ok(None);
        }
        let width = number as usize;
        let mut cells = Vec::with_capacity(cells as usize);
        cells.resize(width, NEVER);
        cells[0] = 0;
        let mut before = vec![NEVER; width];
        for item in items.iter().rev() {
            let last = cells.len() - width;
            cells.extend_from_within(last..);
            let row = &mut cells[last + width..];
            let worth = item.worth as u64;
            let useful = (number / gcd(worth, number) - 1).min(top / worth);
            let mut passes = 1;
            for part in parts(item.count.min(useful)) {
                let sum = part * worth;
                let more = ((sum / number) << BITS) as i32 + counted(item, part);
                let shift = (sum % number) as usize;
                before.copy_from_slice(row);
                let (low, high) = before.split_at(width - shift);
                let (first, second) = row.split_at_mut(shift);
                add(second, low, more);
                add(first, high, more + END as i32);
                passes += 1;
            }
            work.steps(1 + passes * number / CELLS_A_STEP)?;
        }
        Ok(Some(Self {
            items,
            number: width,
            cells,
        }))
    }

    fn at(&self, row: usize, remainder: usize) -> i32 {
        self.cells[(self.items.len() - row) * self.number + remainder]
    }

    /// The least sum with this remainder, if there is one.
    pub(super) fn least(&self, remainder: u64) -> Option<u64> {
        let cell = self.at(0, remainder as usize);
        (cell < NEVER).then(|| (cell >> BITS) as u64 * self.number as u64 + remainder)
    }

    /// The first items by the tie rule that have a sum, which must be the least with its remainder; gives their net.
    ///
    /// Of items that do not count as few as possible; then of those that do as few as possible altogether, and of
    /// such sets as many as possible of the first piles.
    pub(super) fn read(&self, mut sum: u64, moved: &mut [u64]) -> i64 {
        let number = self.number as u64;
        let mut net = 0;
        for (row, item) in self.items.iter().enumerate() {
            let worth = item.worth as u64;
            let most = item.count.min(sum / worth).min(number);
            let here = self.at(row, (sum % number) as usize);
            let fits = |taken: &u64| {
                let rest = sum - taken * worth;
                let after = self.at(row + 1, (rest % number) as usize);
                match item.sign < 0 {
                    true => i64::from(after >> BITS) == (rest / number) as i64,
                    false => {
                        let more = (rest / number) << BITS;
                        let counts = (here as u64 & (END - 1)).checked_sub(*taken);
                        counts.is_some_and(|counts| i64::from(after) == (more | counts) as i64)
                    }
                }
            };
            let taken = match item.sign < 0 {
                true => (0..=most).find(fits),
                false => (0..=most).rev().find(fits),
            };
            let taken = taken.unwrap_or(0);
            moved[row] = taken;
            net += i64::from(item.sign) * taken as i64;
            sum -= taken * worth;
        }
        net
    }
}

/// What so many items add to the number of those that count.
fn counted(item: &Items, items: u64) -> i32 {
    if item.sign > 0 { items as i32 } else { 0 }
}

/// What each cell, or the one beside it with so much more, tells.
fn add(cells: &mut [i32], from: &[i32], more: i32) {
    for (cell, from) in cells.iter_mut().zip(from) {
        *cell = (*cell).min(*from + more);
    }
}
