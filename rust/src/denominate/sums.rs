//! The sums that items of several piles can have, and how few items they take.
//!
//! A pile with `c` items is taken for items of 1, 2, 4, … of its own and a rest, each there once,
//! whose sums are the same. So a pile costs some passes over all sums, each of which runs over
//! words or vectors of them; and a pile that is ample costs one, which adds to each sum what those below
//! it have become.

use arrayvec::ArrayVec;

use super::pile::parts;
use super::wide::take_up;
use super::{MAX_UNITS, OutOfWork, Work};

/// Items of one pile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items {
    /// Its place among all piles.
    pub place: usize,
    /// What one adds to a sum; above 0.
    pub worth: usize,
    /// How many there are.
    pub count: u64,
    /// What one adds to the net: 1, or -1.
    pub sign: i16,
}

impl Items {
    /// How many have a place in a sum up to `top`.
    pub(super) fn fitting(&self, top: usize) -> u64 {
        self.count.min((top / self.worth) as u64)
    }

    /// The passes over all sums up to `top`, of which so many are gone over at once: items that each moves, and
    /// whether any number of times.
    pub(super) fn passes(&self, top: usize, at_once: u64) -> impl Iterator<Item = (u64, bool)> {
        let most = (top / self.worth) as u64;
        let ample = self.count >= most;
        // What is moved any number of times is moved by no less than is gone over at once.
        let last = at_once.div_ceil(self.worth as u64).next_power_of_two();
        let once = if ample {
            most.min(last - 1)
        } else {
            self.count
        };
        let again = (ample && most >= last).then_some((last, true));
        parts(once).map(|part| (part, false)).chain(again)
    }
}

/// Have each cell take up what the one `apart` cells below it says: of what that was, or `again` of what it has become.
///
/// `before` is room for as many cells.
pub(super) fn move_up<C: Copy>(
    row: &mut [C],
    before: &mut [C],
    apart: usize,
    again: bool,
    take: impl Fn(&mut C, C),
) {
    if !again {
        before.copy_from_slice(row);
        take_up(&mut row[apart..], before, take);
        return;
    }
    // Blocks of as many cells, none of which takes up what its own block says.
    for start in (apart..row.len()).step_by(apart) {
        let (low, high) = row.split_at_mut(start);
        take_up(high, &low[start - apart..], &take);
    }
}

/// Cells that are gone over at once.
pub(super) const VECTOR: u64 = 128;
/// Cells of a table, at most: 16 MB.
const MOST_CELLS: usize = 1 << 23;
/// Words of sums that take about as long as one step of a search.
const WORDS_A_STEP: usize = 16;
/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: usize = 64;

/// The sums that items can have: a bit for each.
pub struct Reached {
    words: Vec<u64>,
}

impl Reached {
    /// Up to `top`.
    pub fn new(items: &[Items], top: usize, work: &mut Work) -> Result<Self, OutOfWork> {
        let mut words = vec![0u64; top / 64 + 1];
        words[0] = 1;
        let mut highest = 0;
        for item in items {
            for (part, again) in item.passes(top, u64::from(u64::BITS)) {
                let shift = part as usize * item.worth;
                highest = if again { top } else { top.min(highest + shift) };
                let (whole, bits) = (shift / 64, shift % 64);
                let last = highest / 64;
                // No shift is by all 64 bits.
                let moved = |words: &[u64], place: usize| {
                    words[place - whole] << bits | words[place - whole - 1] >> 1 >> (63 - bits)
                };
                let lowest = words[0] << bits;
                if again {
                    words[whole] |= lowest;
                    for place in whole + 1..=last {
                        words[place] |= moved(&words, place);
                    }
                } else {
                    for place in (whole + 1..=last).rev() {
                        words[place] |= moved(&words, place);
                    }
                    words[whole] |= lowest;
                }
                work.steps((last / WORDS_A_STEP) as u64)?;
            }
        }
        Ok(Self { words })
    }

    /// Whether the sum, which is not above `top`, is one of them.
    pub fn has(&self, cost: usize) -> bool {
        self.words[cost / 64] >> (cost % 64) & 1 == 1
    }
}

/// For every pile and every sum: the least net of items of this pile and those after it.
pub struct Table {
    nets: Nets,
    width: usize,
    last: usize,
}

/// Nets, in bytes where they fit.
enum Nets {
    Small(Vec<u8>),
    Large(Vec<i16>),
}

/// A cell for the net of some items, or for a sum that items cannot have.
trait Net: Copy + Ord {
    /// Items, added or missing, at most.
    const MOST: u64;
    /// No items.
    const NONE: Self;
    /// Stands for a sum that items cannot have, and does so with [`Self::MOST`] more or fewer.
    const NEVER: Self;
    /// With so many more, or fewer.
    fn plus(self, more: i16) -> Self;
    /// The net, if items can have the sum.
    fn net(self) -> Option<i64>;
}

impl Net for i16 {
    const MOST: u64 = i16::MAX as u64 / 2;
    const NONE: Self = 0;
    const NEVER: Self = i16::MAX;

    #[inline]
    fn plus(self, more: i16) -> Self {
        self.saturating_add(more)
    }

    fn net(self) -> Option<i64> {
        (self <= i16::MAX / 2).then_some(i64::from(self))
    }
}

/// All machines have vectors that tell the lesser of two bytes, if those have no sign.
impl Net for u8 {
    const MOST: u64 = 63;
    const NONE: Self = 64;
    const NEVER: Self = 192;

    #[inline]
    fn plus(self, more: i16) -> Self {
        self.wrapping_add(more as u8)
    }

    fn net(self) -> Option<i64> {
        (self < 128).then(|| i64::from(self) - i64::from(Self::NONE))
    }
}

impl Table {
    /// For sums up to `top`; with a `sense` of -1 the least of the net's negative. `None` if that
    /// takes too many cells, or so many items that their number is no `i16`.
    pub fn new(
        items: &[Items],
        top: usize,
        sense: i16,
        work: &mut Work,
    ) -> Result<Option<Self>, OutOfWork> {
        let most = most(items, top);
        if (items.len() + 1) * (top + 1) > MOST_CELLS || most > i16::MOST {
            return Ok(None);
        }
        let nets = match most <= u8::MOST {
            true => Nets::Small(least_nets(items, top, sense, work)?),
            false => Nets::Large(least_nets(items, top, sense, work)?),
        };
        Ok(Some(Self {
            nets,
            width: top + 1,
            last: items.len(),
        }))
    }

    /// From a pile on, if they can have the sum.
    pub fn at(&self, row: usize, sum: usize) -> Option<i64> {
        let place = (self.last - row) * self.width + sum;
        match &self.nets {
            Nets::Small(nets) => nets[place].net(),
            Nets::Large(nets) => nets[place].net(),
        }
    }

    /// The first items by the tie rule that have a sum, which must be possible; gives their net.
    ///
    /// Of items with the sign 1 as many as possible of the first piles, the net being the least; of
    /// those with the sign -1 as few as possible, of any net unless `least` is set.
    pub fn read(&self, items: &[Items], mut sum: usize, least: bool, moved: &mut [u64]) -> i64 {
        let mut total = 0;
        for (row, item) in items.iter().enumerate() {
            let most = item.fitting(sum);
            let after = |taken: u64| self.at(row + 1, sum - taken as usize * item.worth);
            let here = self.at(row, sum);
            let sign = i64::from(item.sign);
            let fits = |taken: &u64| after(*taken).map(|net| net + sign * *taken as i64) == here;
            let taken = match (item.sign < 0, least) {
                (true, false) => (0..=most).find(|taken| after(*taken).is_some()),
                (true, true) => (0..=most).find(fits),
                _ => (0..=most).rev().find(fits),
            };
            let taken = taken.unwrap_or(0);
            moved[row] = taken;
            total += sign * taken as i64;
            sum -= taken as usize * item.worth;
        }
        total
    }
}

/// Rows of nets, the last pile's first, so that each is laid out as a copy of the one after it.
fn least_nets<N: Net>(
    items: &[Items],
    top: usize,
    sense: i16,
    work: &mut Work,
) -> Result<Vec<N>, OutOfWork> {
    let width = top + 1;
    let mut cells = Vec::with_capacity(width * (items.len() + 1));
    cells.resize(width, N::NEVER);
    cells[0] = N::NONE;
    let mut before = vec![N::NEVER; width];
    for item in items.iter().rev() {
        let last = cells.len() - width;
        cells.extend_from_within(last..);
        let row = &mut cells[last + width..];
        let mut passes = 1;
        for (part, again) in item.passes(top, VECTOR) {
            // Parts, and what they come to, are no more than a cell has room for.
            let more = sense * item.sign * part as i16;
            let apart = part as usize * item.worth;
            move_up(row, &mut before, apart, again, |cell, from: N| {
                *cell = (*cell).min(from.plus(more));
            });
            passes += 1;
        }
        work.steps((passes * width / CELLS_A_STEP) as u64)?;
    }
    Ok(cells)
}

/// Items whose sum is not above `top`, at most.
pub(super) fn most(items: &[Items], top: usize) -> u64 {
    let mut cheap: ArrayVec<(usize, u64), MAX_UNITS> =
        items.iter().map(|item| (item.worth, item.count)).collect();
    cheap.sort_unstable();
    let (mut room, mut most) = (top, 0u64);
    for (worth, count) in cheap {
        let fitting = count.min((room / worth) as u64);
        most += fitting;
        room -= fitting as usize * worth;
    }
    most
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Bytes tell what words tell, with as many items as bytes have room for.
        #[test]
        fn small_nets_say_what_large_ones_say(
            given in prop::collection::vec((1usize..400, 0u64..30, any::<bool>()), 0..9),
            sense in prop::sample::select(vec![1i16, -1]),
            top in 0usize..2500,
        ) {
            let items: Vec<Items> = given
                .into_iter()
                .map(|(worth, count, added)| Items {
                    place: 0,
                    worth,
                    count,
                    sign: if added { 1 } else { -1 },
                })
                .collect();
            prop_assume!(most(&items, top) <= u8::MOST);
            let work = &mut Work::new(1 << 40);
            let small = least_nets::<u8>(&items, top, sense, work).unwrap();
            let large = least_nets::<i16>(&items, top, sense, work).unwrap();
            let told: Vec<_> = small.into_iter().map(Net::net).collect();
            let expected: Vec<_> = large.into_iter().map(Net::net).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
