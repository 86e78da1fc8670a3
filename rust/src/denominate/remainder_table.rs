//! For every remainder by some number: the least sum that items can have, and how many of them it takes at least.
//!
//! As [`super::remainders`], with which items they are: a row for every pile and those after it, from which the
//! first items by the tie rule are read. So a table has as many columns as the number has units, however
//! large sums and stocks are.

use super::divisor::gcd;
use super::pile::parts;
use super::sums::Items;
use super::wide::take_up;
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
pub(super) struct RemainderTable {
    items: Vec<Items>,
    number: usize,
    cells: Vec<i32>,
}

impl RemainderTable {
    /// By `number`, for sums up to `top`; `None` if it would be too large.
    ///
    /// Items with the sign 1 count, and stand behind those with the sign -1, which do not.
    pub(super) fn new(
        items: Vec<Items>,
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

    /// Whether it is for these items, by this number.
    pub(super) fn is_for(&self, items: &[Items], number: u64) -> bool {
        self.number as u64 == number && self.items == items
    }

    /// How many cells it has.
    pub(super) fn cells(&self) -> usize {
        self.cells.len()
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
            let counts = here as u64 & (END - 1);
            // What is left, as how often the number goes into it and a remainder: few items are moved one by one.
            let (by, apart) = (worth / number, worth % number);
            let after = |(whole, remainder): (u64, u64)| {
                let cell = self.at(row + 1, remainder as usize) as u64;
                (cell >> BITS == whole).then_some(cell & (END - 1))
            };
            let taken = if row + 1 == self.items.len() {
                Some(sum / worth)
            } else if item.sign < 0 {
                let mut left = (sum / number, sum % number);
                (0..=most).find(|_| {
                    let fits = after(left).is_some();
                    let carry = u64::from(left.1 < apart);
                    left.0 = left.0.wrapping_sub(by + carry);
                    left.1 = left.1 + carry * number - apart;
                    fits
                })
            } else {
                let most = most.min(counts);
                let rest = sum - most * worth;
                let mut left = (rest / number, rest % number);
                (0..=most).rev().find(|taken| {
                    let fits = after(left) == Some(counts - taken);
                    let carry = u64::from(left.1 + apart >= number);
                    left.0 += by + carry;
                    left.1 = left.1 + apart - carry * number;
                    fits
                })
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
    take_up(cells, from, |cell, from| *cell = (*cell).min(from + more));
}
