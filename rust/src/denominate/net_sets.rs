//! For every pile and every sum: which nets items of this pile and those after it can have, a bit for each.
//!
//! Where the number of items is hemmed in from both sides, as by a pile that has too few or would have to give less than
//! none, this says at once which items there are, and the first of them by the tie rule is read off pile by pile.

use std::ops::{BitAnd, BitOrAssign, Shl, Shr};

use super::sums::{Items, VECTOR, most, move_up};
use super::{OutOfWork, Work};

/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: usize = 16;
/// Bytes of sets, at most.
const MOST_BYTES: usize = 1 << 23;

/// Some nets: a bit for each.
pub(super) trait Nets:
    Copy + BitAnd<Output = Self> + BitOrAssign + Shl<u32, Output = Self> + Shr<u32, Output = Self>
{
    const NONE: Self;
    const ONE: Self;
    const BITS: u32;
    fn lowest(self) -> Option<u32>;
}

macro_rules! nets {
    ($($word:ty),*) => {$(
        impl Nets for $word {
            const NONE: Self = 0;
            const ONE: Self = 1;
            const BITS: u32 = <$word>::BITS;
            fn lowest(self) -> Option<u32> {
                (self > 0).then(|| self.trailing_zeros())
            }
        }
    )*};
}
nets!(u64, u128);

/// Rows for the piles, the first pile's last.
pub(super) struct NetSets<'a, N> {
    items: &'a [Items],
    cells: Vec<N>,
    width: usize,
    /// Where the net 0 is.
    zero: u32,
}

/// Items that are missing and items that are added, of which sums up to `top` consist at most.
pub(super) fn widest(items: &[Items], top: usize) -> (u64, u64) {
    let added = items.partition_point(|item| item.sign < 0);
    (most(&items[..added], top), most(&items[added..], top))
}

impl<'a, N: Nets> NetSets<'a, N> {
    /// For sums up to `top`; `None` if the sets would be too large.
    ///
    /// Items with the sign 1 stand behind those with the sign -1.
    pub(super) fn new(
        items: &'a [Items],
        top: usize,
        work: &mut Work,
    ) -> Result<Option<Self>, OutOfWork> {
        let width = top + 1;
        let (missing, added) = widest(items, top);
        let bytes = (items.len() + 1).saturating_mul(width * size_of::<N>());
        if missing + added >= u64::from(N::BITS) || bytes > MOST_BYTES {
            return Ok(None);
        }
        let zero = missing as u32;
        let passes = |item: &Items| 1 + item.passes(top, VECTOR).count();
        let passes: usize = items.iter().map(passes).sum();
        work.steps((passes * width * size_of::<N>() / size_of::<u64>() / CELLS_A_STEP) as u64)?;
        let mut cells = Vec::with_capacity(width * (items.len() + 1));
        cells.resize(width, N::NONE);
        cells[0] = N::ONE << zero;
        let mut before = vec![N::NONE; width];
        for item in items.iter().rev() {
            let last = cells.len() - width;
            cells.extend_from_within(last..);
            let row = &mut cells[last + width..];
            for (part, again) in item.passes(top, VECTOR) {
                let (apart, moved) = (part as usize * item.worth, part as u32);
                match item.sign < 0 {
                    true => move_up(row, &mut before, apart, again, |cell, from| {
                        *cell |= from >> moved
                    }),
                    false => move_up(row, &mut before, apart, again, |cell, from| {
                        *cell |= from << moved
                    }),
                }
            }
        }
        Ok(Some(Self {
            items,
            cells,
            width,
            zero,
        }))
    }

    /// The least net of those within bounds that items from a row on can have with a sum.
    fn least(&self, row: usize, sum: usize, (low, high): (i64, i64)) -> Option<i64> {
        let (zero, last) = (i64::from(self.zero), i64::from(N::BITS) - 1);
        let (low, high) = ((low + zero).max(0), (high + zero).min(last));
        if low > high {
            return None;
        }
        let nets = self.cells[(self.items.len() - row) * self.width + sum];
        let net = low + i64::from((nets >> low as u32).lowest()?);
        (net <= high).then_some(net - zero)
    }

    /// The first items by the tie rule that have a sum, and a net within bounds; gives their net.
    ///
    /// Of items with the sign -1 as few as possible; then the least net, and of items with the sign 1 as many as
    /// possible of the first piles.
    pub(super) fn read(
        &self,
        mut sum: usize,
        mut within: (i64, i64),
        moved: &mut [u64],
    ) -> Option<i64> {
        let mut exact = self.least(0, sum, within)?;
        let mut net = 0;
        for (row, item) in self.items.iter().enumerate() {
            let sign = i64::from(item.sign);
            let left = |taken: u64| {
                let rest = sum - taken as usize * item.worth;
                let by = sign * taken as i64;
                let within = match item.sign < 0 {
                    true => (within.0 - by, within.1 - by),
                    false => (exact - by, exact - by),
                };
                let least = self.least(row + 1, rest, within)?;
                Some((taken, rest, within, least))
            };
            let mut numbers = 0..=item.fitting(sum);
            let found = match item.sign < 0 {
                true => numbers.find_map(left),
                false => numbers.rev().find_map(left),
            };
            let taken;
            (taken, sum, within, exact) = found?;
            moved[row] = taken;
            net += sign * taken as i64;
        }
        Some(net)
    }
}
