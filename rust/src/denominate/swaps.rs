//! The most units where not all can take part: by swaps with those of the smallest values.
//!
//! # The idea
//! So many units are to take part, not more, not fewer. Those of the smallest values, with one item each, are worth
//! the least; what is missing of the amount is less than a few items are worth. Any other choice swaps
//! units of these for others, and some units give more than one item. Say that with `p`, the largest value of
//! those that take part at first, a unit that no longer takes part costs what its value is below `p`, one that
//! does so instead what its value is above `p`, and every further item what it is worth. Then a choice makes up
//! the amount if and only if its costs are what is missing, and as many units have come as have gone: neither the
//! amount nor the stocks appear in the size of that question.
//!
//! # The table
//! For every pile, every cost and every balance of units that have come and gone: the fewest further items of this
//! pile and those after it. Of one pile's items the first bring a unit each, and only when all its units take part
//! there are further ones. Balances are hemmed in by what so many units cost at least.
//!
//! Where few further items have room, as with values that are near to each other, a cell has a bit for each number
//! of them instead. Then one of them costs only what it is worth more than the smallest, and there must be
//! as many as the swaps alone fall short of.

use super::cell::{Cell, Least, Numbers, merge};
use super::pile::parts;
use super::{OutOfWork, Work};

/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: usize = 256;

/// What one pile may give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choosable {
    pub(super) value: u64,
    /// Items that bring a unit each.
    pub(super) first: u64,
    /// Items after those.
    pub(super) then: u64,
}

/// Whether so many units can pay an amount.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// These are the fewest items, by pile.
    Fewest(Vec<u64>),
    /// They cannot.
    Never,
    /// It would take too much to say.
    Unknown,
}

struct Kind {
    value: usize,
    first: isize,
    then: u64,
    /// Units of it that take part at first.
    at_first: isize,
    /// What it costs to have a unit of it come, or go.
    swap: usize,
}

/// The fewest items for an amount from so many units, by a table of so many cells at most.
///
/// The piles are in falling order of value; of several sets the one with most items of the largest value,
/// then of the next.
pub(super) fn fewest(
    amount: u64,
    piles: &[Choosable],
    units: u64,
    cells: usize,
    work: &mut Work,
) -> Result<Chosen, OutOfWork> {
    let Some(mut swaps) = Swaps::new(amount, piles, units) else {
        return Ok(Chosen::Never);
    };
    // So that a product below has room.
    if swaps.missing >= cells as u64 {
        return Ok(Chosen::Unknown);
    }
    if !swaps.hem_in() {
        return Ok(Chosen::Never);
    }
    if swaps.row().saturating_mul(piles.len() + 1) > cells {
        return Ok(Chosen::Unknown);
    }
    match swaps.told {
        Told::FewNumbers => swaps.fewest::<Numbers<u8>>(work),
        Told::Numbers => swaps.fewest::<Numbers<u32>>(work),
        Told::Least => swaps.fewest::<Least<u8>>(work),
    }
}

/// Bytes that the table takes for so many units; 0 if none is needed.
pub(super) fn bytes(amount: u64, piles: &[Choosable], units: u64) -> usize {
    let Some(mut swaps) = Swaps::new(amount, piles, units) else {
        return 0;
    };
    if usize::try_from(swaps.missing).is_err() {
        return usize::MAX;
    }
    if !swaps.hem_in() {
        return 0;
    }
    let cell = match swaps.told {
        Told::Numbers => size_of::<u32>(),
        _ => 1,
    };
    swaps.row().saturating_mul((piles.len() + 1) * cell)
}

/// What a cell tells of further items: their numbers, or the least.
#[derive(Clone, Copy)]
enum Told {
    FewNumbers,
    Numbers,
    Least,
}

struct Swaps {
    kinds: Vec<Kind>,
    /// What is missing of the amount.
    missing: u64,
    /// Further items, at least and at most.
    least: u64,
    most: u64,
    /// The smallest value of those.
    smallest: u64,
    /// What cells tell of them.
    told: Told,
    /// Costs that are looked at.
    top: usize,
    /// Units that can have gone, at most, and columns of balances.
    gone: usize,
    columns: usize,
}

impl Swaps {
    /// `None` if so many units are worth more than the amount, or are not there.
    fn new(amount: u64, piles: &[Choosable], units: u64) -> Option<Self> {
        let (mut missing, mut left, mut largest) = (amount, units, 0);
        let mut kinds: Vec<Kind> = Vec::with_capacity(piles.len());
        for pile in piles.iter().rev() {
            let at_first = left.min(pile.first);
            left -= at_first;
            if at_first > 0 {
                largest = pile.value;
            }
            missing = missing.checked_sub(at_first.checked_mul(pile.value)?)?;
            kinds.push(Kind {
                value: pile.value as usize,
                first: pile.first as isize,
                then: pile.then,
                at_first: at_first as isize,
                swap: 0,
            });
        }
        if left > 0 {
            return None;
        }
        kinds.reverse();
        for kind in &mut kinds {
            kind.swap = kind.value.abs_diff(largest as usize);
        }
        Some(Self {
            kinds,
            missing,
            least: 0,
            most: 0,
            smallest: 0,
            told: Told::Least,
            top: 0,
            gone: 0,
            columns: 0,
        })
    }

    /// Find how many further items there can be, and how many units can have come and gone; false if none can.
    fn hem_in(&mut self) -> bool {
        let further = || self.kinds.iter().filter(|kind| kind.then > 0);
        let largest = further().next().map_or(0, |kind| kind.value as u64);
        self.smallest = further().next_back().map_or(0, |kind| kind.value as u64);
        self.most = self.further();
        let short = self.missing.saturating_sub(self.all_swapped());
        self.least = match largest {
            0 if short > 0 => return false,
            0 => 0,
            largest => short.div_ceil(largest),
        };
        if self.least > self.most {
            return false;
        }
        // What so many further items cost at least, whichever they are.
        let sure = self.least * self.smallest;
        self.told = if self.most < u64::from(u8::BITS) {
            Told::FewNumbers
        } else if self.most < u64::from(u32::BITS) && sure > self.missing / 4 * 3 {
            Told::Numbers
        } else {
            Told::Least
        };
        self.top = match self.told {
            Told::Least => self.missing as usize,
            _ => (self.missing - sure) as usize,
        };
        self.gone = self.units(|kind| kind.at_first);
        let come = self.units(|kind| kind.first - kind.at_first);
        let widest = self.kinds.iter().map(|kind| kind.first).max().unwrap_or(0) as usize;
        // What costs too much falls beyond the last row, or into columns that nothing leads out of.
        self.columns = self.gone + come + 1 + 2 * widest;
        true
    }

    /// Units, of so many of each kind, whose swaps cost no more than what is looked at, at most.
    fn units(&self, of: fn(&Kind) -> isize) -> usize {
        let kinds = self.kinds.iter();
        let mut swaps: Vec<(usize, usize)> =
            kinds.map(|kind| (kind.swap, of(kind) as usize)).collect();
        swaps.sort_unstable();
        let (mut left, mut all) = (self.top, 0);
        for (swap, units) in swaps {
            let units = units.min(left.checked_div(swap).unwrap_or(units));
            left -= units * swap;
            all += units;
        }
        all
    }

    /// What it costs to have the largest values take part instead of the smallest.
    fn all_swapped(&self) -> u64 {
        let mut left: isize = self.kinds.iter().map(|kind| kind.at_first).sum();
        let mut cost = 0;
        for kind in &self.kinds {
            let units = left.min(kind.first);
            left -= units;
            cost += (units - kind.at_first).unsigned_abs() as u64 * kind.swap as u64;
        }
        cost
    }

    /// Cells of one pile.
    fn row(&self) -> usize {
        (self.top + 1).saturating_mul(self.columns)
    }

    /// Further items that there is room for, at most.
    fn further(&self) -> u64 {
        let (mut left, mut all) = (self.missing, 0);
        for kind in self.kinds.iter().rev() {
            let items = kind.then.min(left / kind.value as u64);
            left -= items * kind.value as u64;
            all += items;
        }
        all
    }

    /// How far off a cell is when so many of a pile's units take part.
    fn offset(&self, kind: &Kind, units: isize) -> isize {
        let come = units - kind.at_first;
        (kind.swap * self.columns) as isize * come.abs() + come
    }

    /// Further items of a kind that have room within such a cost, at most.
    fn fitting<C: Cell>(&self, kind: &Kind, cost: usize) -> u64 {
        let fitting = (cost as u64).checked_div(self.costs::<C>(kind) as u64);
        kind.then.min(self.most).min(fitting.unwrap_or(u64::MAX))
    }

    /// What a further item of a kind costs.
    fn costs<C: Cell>(&self, kind: &Kind) -> usize {
        match C::NUMBERS {
            // Of a pile without further items it does not matter.
            true => kind.value.saturating_sub(self.smallest as usize),
            false => kind.value,
        }
    }

    fn fewest<C: Cell>(&self, work: &mut Work) -> Result<Chosen, OutOfWork> {
        let row = self.row();
        let mut rows: Vec<C> = Vec::with_capacity(row * (self.kinds.len() + 1));
        rows.resize(row, C::NONE);
        rows[self.gone] = C::NO_ITEMS;
        let (mut all, mut before) = (vec![C::NONE; row], vec![C::NONE; row]);
        for kind in self.kinds.iter().rev() {
            let last = rows.len() - row;
            all.fill(C::NONE);
            merge::<C>(&mut all, &rows[last..], self.offset(kind, kind.first), 0);
            let mut passes = kind.first as usize + 1;
            if kind.then > 0 {
                let further = self.fitting::<C>(kind, self.top);
                for part in parts(further.min(C::END - 1)) {
                    before.copy_from_slice(&all);
                    let offset = part as usize * self.costs::<C>(kind) * self.columns;
                    merge::<C>(&mut all, &before, offset as isize, part);
                    passes += 1;
                }
            }
            rows.extend_from_slice(&all);
            let (old, new) = rows.split_at_mut(last + row);
            for units in 0..kind.first {
                merge::<C>(new, &old[last..], self.offset(kind, units), 0);
            }
            work.steps((1 + passes * row / CELLS_A_STEP) as u64)?;
        }
        let whole = &rows[rows.len() - row..];
        let of = |further: u64| {
            let less = if C::NUMBERS {
                further * self.smallest
            } else {
                0
            };
            let cost = self.missing.checked_sub(less)? as usize;
            (cost <= self.top && whole[cost * self.columns + self.gone].has(further))
                .then_some((cost, further))
        };
        let most = self.most.min(C::END - 1);
        Ok(match (self.least..=most).find_map(of) {
            None if most < self.most => Chosen::Unknown,
            None => Chosen::Never,
            Some((cost, further)) => Chosen::Fewest(self.read::<C>(&rows, cost, further)),
        })
    }

    /// The first set of items by the tie rule.
    fn read<C: Cell>(&self, rows: &[C], mut cost: usize, mut further: u64) -> Vec<u64> {
        let row = self.row();
        let mut moved = vec![0; self.kinds.len()];
        let mut column = self.gone as isize;
        for (place, kind) in self.kinds.iter().enumerate() {
            let first = (self.kinds.len() - place - 1) * row;
            let after = &rows[first..first + row];
            let leads_to = |items: u64| {
                let units = (items as isize).min(kind.first);
                let more = items - units as u64;
                let come = units - kind.at_first;
                let costs = come.unsigned_abs() * kind.swap + more as usize * self.costs::<C>(kind);
                let (cost, further) = (cost.checked_sub(costs)?, further.checked_sub(more)?);
                let column = column - come;
                let within = (0..self.columns as isize).contains(&column);
                let fits = within && after[cost * self.columns + column as usize].has(further);
                fits.then_some((items, cost, column, further))
            };
            let most = kind.first as u64 + self.fitting::<C>(kind, cost);
            let Some(next) = (0..=most).rev().find_map(leads_to) else {
                break;
            };
            (moved[place], cost, column, further) = next;
        }
        moved
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_with_units, choosable};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]

        #[test]
        fn swaps_say_what_trying_all_says((piles, amounts) in choosable(), units in 0u64..10) {
            for amount in amounts {
                let work = &mut Work::new(1 << 40);
                match fewest(amount, &piles, units, 1 << 30, work).unwrap() {
                    Chosen::Fewest(moved) => {
                        prop_assert_eq!(Some(moved), best_with_units(amount, &piles, units));
                    }
                    Chosen::Never => prop_assert_eq!(best_with_units(amount, &piles, units), None),
                    Chosen::Unknown => prop_assert!(false),
                }
            }
        }
    }
}
