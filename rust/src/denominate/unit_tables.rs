//! The most units where not all can take part: a table of sums for every number of units that are left out, or
//! that take part, whichever are fewer.
//!
//! # The idea
//! Say that a unit which is left out costs what its value is below the largest of all, and a further item, beside
//! one of each unit that takes part, what it is worth. If `l` units are left out, the amount is made up if and only
//! if the costs are the amount, less one item of every unit, plus `l` times the largest value: what each unit that is
//! left out takes away is that value less its cost. It is the same with units that take part, which cost what
//! their value is above the smallest: then the costs are the amount less as many of the smallest value. So
//! with `l` units counted, one sum of costs is asked for, of costs that are not below zero.
//!
//! # The table
//! For every pile, every number of counted units and every sum of costs: the fewest further items of this pile and
//! those after it. Of a pile's units all must take part before it gives further items: any other set has
//! fewer units with as many items. A number of units that the piles after one cannot have, or to which those before
//! it cannot add enough, has no cells.
//!
//! Where few further items have room, a cell has a bit for each number of them instead ([`super::cell`]). Then one of
//! them costs what it is worth more than the smallest.
//!
//! A table is as wide as the costs that are asked for, and one does for several numbers of units. [`super::swaps`] is the
//! better one where many units take part and many are left out.

use std::ops::RangeInclusive;

use super::cell::{Cell, Least, Numbers, merge};
use super::pile::parts;
use super::swaps::{Choosable, Chosen};
use super::{OutOfWork, Work};

/// Bytes that are gone over in about the time of one step.
const BYTES_A_STEP: usize = 256;

/// What a cell of a table tells.
#[derive(Clone, Copy)]
enum Told {
    Numbers8,
    Numbers16,
    Numbers32,
    Numbers64,
    Least8,
    Least16,
}

impl Told {
    fn bytes(self) -> usize {
        match self {
            Told::Numbers8 | Told::Least8 => 1,
            Told::Numbers16 | Told::Least16 => 2,
            Told::Numbers32 => 4,
            Told::Numbers64 => 8,
        }
    }

    fn numbers(self) -> bool {
        !matches!(self, Told::Least8 | Told::Least16)
    }
}

/// One number of units, and what is asked for it.
#[derive(Clone, Copy)]
struct Wanted {
    /// Units that are counted.
    counted: usize,
    /// The sum of costs, further items costing what they are worth.
    cost: u64,
    /// Further items, at least and at most.
    least: u64,
    most: u64,
}

/// Tables for some numbers of units that are to take part.
pub(super) struct UnitTables<'a> {
    piles: &'a [Choosable],
    /// How many numbers of units were asked for.
    numbers: usize,
    /// Those that may be possible, the largest first.
    wanted: Vec<Wanted>,
    /// Whether units that take part are counted, and not those that are left out.
    taking_part: bool,
    /// The value that costs of units are told from.
    base: u64,
    /// The smallest value of further items.
    smallest: u64,
    told: Told,
    /// Cells for one number of units.
    width: usize,
    /// Numbers of units that have cells.
    planes: usize,
}

impl<'a> UnitTables<'a> {
    /// For the piles, in falling order of value, and these numbers of units; only those that can be at all.
    pub(super) fn new(amount: u64, piles: &'a [Choosable], units: RangeInclusive<u64>) -> Self {
        let free: u64 = piles.iter().map(|pile| pile.first).sum();
        let taking_part = *units.end() <= free.saturating_sub(*units.start());
        let mut with_units = piles.iter().filter(|pile| pile.first > 0);
        let base = match taking_part {
            true => with_units.next_back(),
            false => with_units.next(),
        };
        let base = base.map_or(0, |pile| pile.value);
        let mut further = piles.iter().filter(|pile| pile.then > 0);
        let smallest = further.next_back().map_or(0, |pile| pile.value);
        let all: u128 = worth(piles);
        let mut tables = Self {
            piles,
            numbers: (*units.end() - *units.start() + 1) as usize,
            wanted: Vec::new(),
            taking_part,
            base,
            smallest,
            told: Told::Least16,
            width: 0,
            planes: 0,
        };
        for units in units.rev() {
            let Some(left_out) = free.checked_sub(units) else {
                continue;
            };
            let counted = if taking_part { units } else { left_out };
            let (had, owed) = match taking_part {
                true => (amount.into(), u128::from(units) * u128::from(base)),
                false => {
                    let had = u128::from(left_out) * u128::from(base);
                    (u128::from(amount) + had, all)
                }
            };
            let cost = had
                .checked_sub(owed)
                .and_then(|cost| u64::try_from(cost).ok());
            if let (Some(cost), Some((least, most))) = (cost, further_items(amount, piles, units)) {
                tables.wanted.push(Wanted {
                    counted: counted as usize,
                    cost,
                    least,
                    most,
                });
            }
        }
        tables.choose_cells();
        tables
    }

    fn choose_cells(&mut self) {
        let largest = |of: fn(&Wanted) -> u64| self.wanted.iter().map(of).max().unwrap_or(0);
        let most = largest(|wanted| wanted.most);
        let counted = largest(|wanted| wanted.counted as u64);
        let (numbered, plain) = (self.numbered(), self.widest());
        let numbers = match most {
            0..8 => Some(Told::Numbers8),
            8..16 => Some(Told::Numbers16),
            16..32 => Some(Told::Numbers32),
            32..64 => Some(Told::Numbers64),
            _ => None,
        };
        self.planes = counted as usize + 1;
        (self.told, self.width) = match most {
            0..255 => (Told::Least8, plain),
            _ => (Told::Least16, plain),
        };
        if let Some(numbers) = numbers
            && numbers.bytes().saturating_mul(numbered) < self.told.bytes().saturating_mul(plain)
        {
            (self.told, self.width) = (numbers, numbered);
        }
    }

    /// Cells for all costs that are asked for, if further items cost what they are worth.
    fn widest(&self) -> usize {
        let most = self.wanted.iter().map(|wanted| wanted.cost).max();
        usize::try_from(most.unwrap_or(0)).map_or(usize::MAX, |most| most.saturating_add(1))
    }

    /// Cells for all that is asked for, if they cost what they are worth more than the smallest.
    fn numbered(&self) -> usize {
        // What the fewest further items leave is the most.
        let left = self
            .wanted
            .iter()
            .filter_map(|wanted| self.left(wanted, wanted.least));
        left.max().unwrap_or(0) as usize + 1
    }

    /// What is asked for if further items cost what they are worth more than as many of the smallest value.
    fn left(&self, wanted: &Wanted, further: u64) -> Option<u64> {
        wanted.cost.checked_sub(further.checked_mul(self.smallest)?)
    }

    /// The place of what is asked for with so many further items; `None` if the table does not go that far.
    fn place(&self, wanted: &Wanted, further: u64) -> Option<usize> {
        let cost = match self.told.numbers() {
            true => self.left(wanted, further)?,
            false => wanted.cost,
        };
        usize::try_from(cost).ok().filter(|cost| *cost < self.width)
    }

    /// Bytes of the table.
    pub(super) fn bytes(&self) -> usize {
        let row = self.width.saturating_mul(self.planes);
        row.saturating_mul((self.piles.len() + 1) * self.told.bytes())
    }

    /// How many numbers of units were asked for.
    pub(super) fn numbers(&self) -> usize {
        self.numbers
    }

    /// Whether none of the numbers is possible, without a table.
    pub(super) fn never(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The most units that can pay, with the fewest further items and then as the tie rule wants.
    pub(super) fn most_units(&self, work: &mut Work) -> Result<Chosen, OutOfWork> {
        if self.never() {
            return Ok(Chosen::Never);
        }
        match self.told {
            Told::Numbers8 => self.by::<Numbers<u8>>(work),
            Told::Numbers16 => self.by::<Numbers<u16>>(work),
            Told::Numbers32 => self.by::<Numbers<u32>>(work),
            Told::Numbers64 => self.by::<Numbers<u64>>(work),
            Told::Least8 => self.by::<Least<u8>>(work),
            Told::Least16 => self.by::<Least<i16>>(work),
        }
    }

    /// What each counted unit of a pile costs.
    fn unit_cost(&self, pile: &Choosable) -> usize {
        // Nothing costs more than the table is wide.
        usize::try_from(pile.value.abs_diff(self.base))
            .map_or(self.width, |cost| cost.min(self.width))
    }

    /// What each further item costs.
    fn further_cost(&self, pile: &Choosable) -> usize {
        match self.told.numbers() {
            // Of a pile without further items it does not matter.
            true => pile.value.saturating_sub(self.smallest) as usize,
            false => pile.value as usize,
        }
    }

    /// Further items of a pile that have room within a cost, at most.
    fn fitting<C: Cell>(&self, pile: &Choosable, cost: usize) -> u64 {
        if pile.then == 0 {
            return 0;
        }
        let room = (cost as u64).checked_div(self.further_cost(pile) as u64);
        pile.then.min(room.unwrap_or(u64::MAX)).min(C::END - 1)
    }

    /// Counted units of a pile of which so many take part.
    fn counted(&self, pile: &Choosable, units: u64) -> usize {
        let counted = if self.taking_part {
            units
        } else {
            pile.first - units
        };
        counted as usize
    }

    fn by<C: Cell>(&self, work: &mut Work) -> Result<Chosen, OutOfWork> {
        let row = self.width * self.planes;
        // The last pile first, so that each row follows the one that it is made from.
        let mut rows: Vec<C> = Vec::with_capacity(row * (self.piles.len() + 1));
        rows.resize(row, C::NONE);
        rows[0] = C::NO_ITEMS;
        let mut before = vec![C::NONE; self.width];
        let mut earlier: u64 = self.piles.iter().map(|pile| pile.first).sum();
        let mut later = 0;
        let fewest = self
            .wanted
            .iter()
            .map(|wanted| wanted.counted)
            .min()
            .unwrap_or(0);
        for (place, pile) in self.piles.iter().rev().enumerate() {
            earlier -= pile.first;
            later += pile.first as usize;
            let further = self.fitting::<C>(pile, self.width - 1);
            let all = self.counted(pile, pile.first);
            let possible = fewest.saturating_sub(earlier as usize)..self.planes.min(later + 1);
            // With all its units, at first.
            let costs = (all * self.unit_cost(pile)).min(self.width);
            for counted in 0..self.planes {
                let end = rows.len() + self.width;
                if possible.contains(&counted) && counted >= all {
                    let from = place * row + (counted - all) * self.width;
                    rows.resize(rows.len() + costs, C::NONE);
                    rows.extend_from_within(from..from + self.width - costs);
                }
                rows.resize(end, C::NONE);
            }
            let (old, new) = rows[place * row..].split_at_mut(row);
            let mut passes = 0;
            for counted in possible {
                let plane = &mut new[counted * self.width..][..self.width];
                let mut from = |units: u64, plane: &mut [C]| {
                    let own = self.counted(pile, units);
                    if let Some(others) = counted.checked_sub(own) {
                        let others = &old[others * self.width..][..self.width];
                        merge(plane, others, (own * self.unit_cost(pile)) as isize, 0);
                        passes += 1;
                    }
                };
                if counted >= all {
                    for part in parts(further) {
                        before.copy_from_slice(plane);
                        let cost = part as usize * self.further_cost(pile);
                        merge(plane, &before, cost as isize, part);
                    }
                }
                for units in 0..pile.first {
                    from(units, plane);
                }
                passes += parts(further).count() + usize::from(counted >= all);
            }
            let bytes = passes * self.width * size_of::<C>();
            work.steps((1 + bytes / BYTES_A_STEP) as u64)?;
        }
        let whole = &rows[self.piles.len() * row..];
        for wanted in &self.wanted {
            let has = |further: &u64| {
                let cost = self.place(wanted, *further);
                cost.is_some_and(|cost| whole[wanted.counted * self.width + cost].has(*further))
            };
            let most = wanted.most.min(C::END - 1);
            if let Some(further) = (wanted.least..=most).find(has) {
                return Ok(Chosen::Fewest(self.read(&rows, wanted, further)));
            }
            if most < wanted.most {
                return Ok(Chosen::Unknown);
            }
        }
        Ok(Chosen::Never)
    }

    /// The first set of items by the tie rule.
    fn read<C: Cell>(&self, rows: &[C], wanted: &Wanted, mut further: u64) -> Vec<u64> {
        let row = self.width * self.planes;
        let mut moved = vec![0; self.piles.len()];
        let mut counted = wanted.counted;
        let mut cost = self.place(wanted, further).unwrap_or(0);
        for (place, pile) in self.piles.iter().enumerate() {
            let after = &rows[(self.piles.len() - place - 1) * row..][..row];
            let leads_to = |items: u64| {
                let units = items.min(pile.first);
                let (own, more) = (self.counted(pile, units), items - units);
                let costs = own * self.unit_cost(pile) + more as usize * self.further_cost(pile);
                let (cost, further) = (cost.checked_sub(costs)?, further.checked_sub(more)?);
                let counted = counted.checked_sub(own)?;
                let fits = after[counted * self.width + cost].has(further);
                fits.then_some((items, counted, cost, further))
            };
            let most = pile.first + self.fitting::<C>(pile, cost).min(further);
            let Some(next) = (0..=most).rev().find_map(leads_to) else {
                break;
            };
            (moved[place], counted, cost, further) = next;
        }
        moved
    }
}

/// What one item of every unit is worth.
fn worth(piles: &[Choosable]) -> u128 {
    let worth = |pile: &Choosable| u128::from(pile.first) * u128::from(pile.value);
    piles.iter().map(worth).sum()
}

/// Further items that there can be beside so many units, at least and at most, if items could be divided; `None` if so
/// many units are worth more than the amount, or all items less.
fn further_items(amount: u64, piles: &[Choosable], units: u64) -> Option<(u64, u64)> {
    // The largest units leave the least, of which the largest items make up much.
    let of_largest = after_units(amount, piles.iter(), units);
    let least = fill(of_largest.unwrap_or(0), piles.iter(), u64::div_ceil)?;
    let of_smallest = after_units(amount, piles.iter().rev(), units)?;
    let most = fill(of_smallest, piles.iter().rev(), |rest, value| rest / value);
    let there = piles
        .iter()
        .map(|pile| pile.then)
        .fold(0, u64::saturating_add);
    let most = most.unwrap_or(there);
    (least <= most).then_some((least, most))
}

/// What one item of each of the first so many units leaves of the amount.
fn after_units<'a>(
    amount: u64,
    piles: impl Iterator<Item = &'a Choosable>,
    mut units: u64,
) -> Option<u64> {
    let mut rest = amount;
    for pile in piles {
        let here = units.min(pile.first);
        rest = rest.checked_sub(here.checked_mul(pile.value)?)?;
        units -= here;
    }
    Some(rest)
}

/// Further items for a rest, the first piles' first; `None` if there are not as many.
fn fill<'a>(
    mut rest: u64,
    piles: impl Iterator<Item = &'a Choosable>,
    part: fn(u64, u64) -> u64,
) -> Option<u64> {
    let mut items = 0;
    for pile in piles {
        let whole = pile.then.min(rest / pile.value);
        rest -= whole * pile.value;
        items += whole;
        if whole < pile.then {
            return Some(items + part(rest, pile.value));
        }
    }
    (rest == 0).then_some(items)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_with_units, choosable};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]

        /// One number of units, and several of which the largest that can pay is wanted; whichever are counted, and
        /// whatever cells tell.
        #[test]
        fn tables_say_what_trying_all_says(
            (piles, amounts) in choosable(),
            least in 0u64..10,
            more in 0u64..4,
        ) {
            for amount in amounts {
                let units = least..=least + more;
                let best = units.clone().rev().find_map(|units| best_with_units(amount, &piles, units));
                let tables = UnitTables::new(amount, &piles, units);
                let told = [Told::Least8, Told::Least16];
                let told = told.into_iter().map(|told| (told, tables.widest()));
                let numbered = [(Told::Numbers32, tables.numbered()), (Told::Numbers64, tables.numbered())];
                for (told, width) in told.chain(numbered).chain([(tables.told, tables.width)]) {
                    let tables = UnitTables { told, width, wanted: tables.wanted.clone(), ..tables };
                    match tables.most_units(&mut Work::new(1 << 40)).unwrap() {
                        Chosen::Fewest(moved) => prop_assert_eq!(Some(&moved), best.as_ref()),
                        Chosen::Never => prop_assert_eq!(None, best.as_ref()),
                        Chosen::Unknown => prop_assert!(false),
                    }
                }
            }
        }
    }
}
