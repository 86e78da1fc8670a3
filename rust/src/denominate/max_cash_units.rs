//! The mix `maxCashUnits`: the most units give something; then the fewest items, of several such
//! sets the one with most items of the largest value, then of the next.
//!
//! Every unit that takes part gives one item at least, which leaves a search for the fewest items
//! for the rest. So the question is which units to leave out: none if that pays, else one, else
//! two, and so on, every choice of that many being tried; of units of one value those with the
//! least to give are left out first, since it is only together that they matter. The smallest
//! values that fit into the amount bound from below how many units must be left out, and what the items
//! that are allowed can be worth ends choices early.
//!
//! Mostly, as many as could take part at all can, with one item each. Where not all can, choices are tried if they are
//! few, and the table over all sums below if they are small; then choices again if they take less than a table. Else a
//! table says whether so many units can pay, or one fewer, and so on: [`super::unit_tables`], whose size has in it how
//! many units are left out or take part, whichever are fewer, or [`super::swaps`], in which neither that nor the amount
//! appears. Where the congruence of the values says how many items a pile gives, that pile is decided first.
//!
//! What is left are choices for large amounts. They are tried, or, where the amount is not much more than one
//! item of each unit is worth, or is nearly all the cash, a table over all sums does it: in a pile with `f`
//! units, each of which may give something or not, the first `f` items bring a unit each, and the others none. An
//! item costs 1, and one that brings a unit so much less that no number of items makes up for it. By what is left
//! of all the cash it is the same the other way round: the last `f` items that are left leave a unit out each.
//! Where the limit of items rules that answer out, the choices are tried after all.

use arrayvec::ArrayVec;

use super::cash::{Cash, Grouped};
use super::congruent::{self, Congruent};
use super::divisor::common_divisor;
use super::pile::{Pile, UNBOUNDED, parts};
use super::source::{Source, Sources};
use super::swaps::{self, Choosable, Chosen};
use super::unit_tables::UnitTables;
use super::wide::take_up;
use super::{Failure, MAX_UNITS, OutOfWork, Work, number, share};

/// Steps in which the fewest items are looked for, before those with all units are.
const QUICK_STEPS: u64 = 4096;
/// Steps in which as many units as can be are looked for, with one item each.
const ONE_EACH_STEPS: u64 = 8192;
/// Cells of a table of swaps, at most: 16 MB.
const SWAP_CELLS: usize = 1 << 24;
/// Bytes of a table of numbers of units, at most.
const TABLE_BYTES: usize = 1 << 24;
/// Steps in which choices of so many units are tried before tables are.
const CHOICE_STEPS: u64 = 1024;
/// Bytes of a table that take about as long as one step of a search: each is gone over several times.
const BYTES_A_STEP: usize = 128;
/// Steps in which choices are tried before a table is, and before a large one is.
const SOME_STEPS: u64 = 1024;
const MORE_STEPS: u64 = 1 << 16;
/// Steps of a search that take about as long as setting up a choice.
const STEPS_A_CHOICE: u64 = 48;
/// Piles that a bound goes over in about the time of one step.
const PILES_A_STEP: u64 = 4;
/// Cells of a table, at most: 64 MB.
const MOST_CELLS: u64 = 1 << 24;
/// Cells that are gone over in all, at first and at most: some 100 µs, and some 40 ms.
const LITTLE_WORK: u64 = 1 << 19;
const MOST_WORK: u64 = 1 << 27;
/// Cells that take about as long as one step of a search.
const CELLS_A_STEP: u64 = 64;
/// What a unit is worth in items: more than there can be.
const UNIT: i32 = 1 << 22;
/// Stands for a sum that cannot be made up.
const NEVER: i32 = i32::MAX / 2;
/// Below it is what can be made up: units bring less than the rest up to `NEVER`.
const POSSIBLE: i32 = NEVER / 2;

/// Items by this mix, at most `budget`; gives their number.
pub fn solve(
    cash: &Cash,
    budget: u64,
    result: &mut [u64],
    work: &mut Work,
) -> Result<u64, Failure> {
    let quick = work.within(QUICK_STEPS, |work| {
        let mut counts = [0; MAX_UNITS];
        cash.fewest(cash.sources, cash.amount, UNBOUNDED, &mut counts, work)
    })?;
    // Where the fewest items are hard to find, they are found once, if all units can take part.
    let mut not_all = false;
    if quick.is_none() && least_left_out(cash, &free_units(cash), budget) == 0 {
        if let Some(Some((_, sources, counts))) = tried(cash, 0, budget, u64::MAX, work)? {
            cash.hand_out(&sources, &counts, result);
            return Ok(counts.iter().sum());
        }
        not_all = true;
    }
    let need = match quick {
        Some(need) => need.ok_or(Failure::NotDispensable(cash.currency))?,
        None => cash.need(work)?,
    };
    if need > budget {
        return Err(Failure::TooManyItems(need));
    }
    if let Some((others, amount, mut pile, items)) = sure_pile(cash) {
        let others = others.cash(cash.currency, amount, cash.measure);
        let more = solve(&others, budget - items, result, work)?;
        let contained: u64 = pile.iter().map(|source| source.low).sum();
        let free = pile.iter().filter(|source| source.low == 0).count();
        leave_out(&mut pile, free - free.min((items - contained) as usize));
        share::share(&pile, items, result);
        return Ok(items + more);
    }
    let free = free_units(cash);
    let mut left_out = least_left_out(cash, &free, budget).max(usize::from(not_all));
    let mut found = ever_fewer(cash, &free, &mut left_out, budget, work)?;
    let by_trying = |work: &mut Work| Choice::new(cash, budget, work).best(left_out);
    if found.is_none() {
        found = work.within(SOME_STEPS, by_trying)?;
    }
    if found.is_none() {
        found = by_table(cash, budget, LITTLE_WORK, work)?;
    }
    if found.is_none() {
        found = work.within(MORE_STEPS, by_trying)?;
    }
    if found.is_none() {
        found = by_table(cash, budget, MOST_WORK, work)?;
    }
    let (items, sources, counts) = match found {
        Some(found) => found,
        None => Choice::new(cash, budget, work).best(left_out)?,
    };
    cash.hand_out(&sources, &counts, result);
    Ok(items)
}

/// The answer by ever fewer units, as long as that takes little work; no more than `all` less `left_out` can take part, and
/// if there is no answer, no more than `all` less what that is then.
fn ever_fewer(
    cash: &Cash,
    free: &[usize],
    left_out: &mut usize,
    budget: u64,
    work: &mut Work,
) -> Result<Option<Found>, OutOfWork> {
    let all = free.iter().sum::<usize>();
    let divisor = common_divisor(cash.values.iter().copied());
    let rest = (cash.amount - contained(cash)) / divisor;
    let piles = choosable(&Choice::new(cash, budget, work), divisor);
    let (mut few_choices, mut at_once) = (true, 2);
    while *left_out <= all {
        let taking_part = (all - *left_out) as u64;
        work.steps(1 + piles.len() as u64 / PILES_A_STEP)?;
        let alone = UnitTables::new(rest, &piles, taking_part..=taking_part);
        if alone.never() {
            *left_out += 1;
            continue;
        }
        let one_each = work.within(ONE_EACH_STEPS, |work| {
            one_item_each(cash, taking_part as usize, budget, work)
        })?;
        if let Some(Some(found)) = one_each {
            return Ok(Some(found));
        }
        if few_choices {
            let steps = if *left_out == 0 {
                u64::MAX
            } else {
                CHOICE_STEPS
            };
            match tried(cash, *left_out, budget, steps, work)? {
                Some(None) => {
                    *left_out += 1;
                    continue;
                }
                Some(found) => return Ok(found),
                None => few_choices = false,
            }
            // Where little is added to one item each, or little is left of all the cash.
            if let Some(found) = by_table(cash, budget, LITTLE_WORK, work)? {
                return Ok(Some(found));
            }
        }
        let swapped = swaps::bytes(rest, &piles, taking_part);
        // So few choices may take less than a table does.
        let steps = (swapped.min(alone.bytes()) / BYTES_A_STEP) as u64;
        if choices(all, *left_out).saturating_mul(STEPS_A_CHOICE) <= steps {
            match tried(cash, *left_out, budget, steps, work)? {
                Some(None) => {
                    *left_out += 1;
                    continue;
                }
                Some(found) => return Ok(found),
                None => {}
            }
        }
        let (chosen, numbers) = if swapped < alone.bytes() {
            let chosen = swaps::fewest(rest, &piles, taking_part, SWAP_CELLS, work)?;
            (chosen, 1)
        } else {
            // One table for several numbers of units takes little more than that for one.
            let fewest = taking_part.saturating_sub(at_once - 1);
            let several = UnitTables::new(rest, &piles, fewest..=taking_part);
            let table = if several.bytes() <= TABLE_BYTES {
                several
            } else {
                alone
            };
            if table.bytes() > TABLE_BYTES {
                return Ok(None);
            }
            at_once *= 2;
            (table.most_units(work)?, table.numbers())
        };
        match chosen {
            Chosen::Unknown => return Ok(None),
            Chosen::Never => *left_out += numbers,
            Chosen::Fewest(moved) => {
                let chosen = taking(cash, &moved, free);
                if chosen.0 <= budget {
                    return Ok(Some(chosen));
                }
                let units = moved
                    .iter()
                    .zip(free)
                    .map(|(moved, free)| *free.min(&(*moved as usize)));
                *left_out = all - units.sum::<usize>() + 1;
            }
        }
    }
    Ok(None)
}

/// The answer with so many units left out, by trying all choices of them, if that takes no more than so many steps.
fn tried(
    cash: &Cash,
    left_out: usize,
    budget: u64,
    steps: u64,
    work: &mut Work,
) -> Result<Option<Option<Found>>, OutOfWork> {
    work.within(steps, |work| {
        let mut choice = Choice::new(cash, budget, work);
        choice.try_all(0, left_out)?;
        Ok(choice.found)
    })
}

/// In how many ways so many of all can be chosen.
fn choices(all: usize, some: usize) -> u64 {
    let some = some.min(all - some) as u64;
    (0..some).fold(1u64, |ways, place| {
        ways.saturating_mul(all as u64 - place) / (place + 1)
    })
}

/// A pile of which the remainder that the others cannot have says how many items it gives: the other piles, their
/// part of the amount, its units, and their items.
fn sure_pile(cash: &Cash) -> Option<(Grouped, u64, Sources, u64)> {
    let high = |pile: &[Source]| {
        let items = pile.iter().map(|source| source.high);
        items.fold(0, u64::saturating_add)
    };
    let held: ArrayVec<(u64, u64), MAX_UNITS> = cash
        .piles()
        .map(|pile| (cash.values[pile[0].pile], high(pile)))
        .collect();
    let divisor = common_divisor(cash.values.iter().copied());
    let Congruent { place, first, step } = congruent::find(cash.amount, &held, divisor)?;
    let (value, count) = held[place];
    if count >= first + step {
        return None;
    }
    let mut others = Grouped {
        values: cash.values.iter().copied().collect(),
        sources: cash.own_sources(),
    };
    others.values.remove(place);
    others.sources.retain(|source| source.pile != place);
    for source in &mut others.sources {
        source.pile -= usize::from(source.pile > place);
    }
    let pile = cash.sources.iter().filter(|source| source.pile == place);
    let amount = cash.amount - first * value;
    Some((others, amount, pile.copied().collect(), first))
}

/// Number of items, units that take part, items by pile.
type Found = (u64, Sources, [u64; MAX_UNITS]);

/// The answer if as many units take part as can, each with one item: then no other has more
/// units, nor fewer items with as many. `None` if there is none of that kind.
fn one_item_each(
    cash: &Cash,
    taking_part: usize,
    budget: u64,
    work: &mut Work,
) -> Result<Option<Found>, OutOfWork> {
    let free = free_units(cash);
    let (mut rest, mut items) = (cash.amount, taking_part as u64);
    let mut counts = [0; MAX_UNITS];
    for source in cash.sources {
        // What must be contained is not worth more than the amount.
        rest -= source.low * cash.values[source.pile];
        items += source.low;
        counts[source.pile] += source.low;
    }
    let piles: ArrayVec<Pile, MAX_UNITS> = cash
        .values
        .iter()
        .zip(&free)
        .map(|(&value, &free)| Pile {
            value,
            count: free as u64,
        })
        .collect();
    let mut brought = [0; MAX_UNITS];
    let brought = &mut brought[..piles.len()];
    if items > budget || !number::exactly(rest, &piles, taking_part as u64, brought, work)? {
        return Ok(None);
    }
    let mut sources = cash.own_sources();
    for pile in sources.chunk_by_mut(|a, b| a.pile == b.pile) {
        let place = pile[0].pile;
        counts[place] += brought[place];
        leave_out(pile, free[place] - brought[place] as usize);
    }
    Ok(Some((items, sources, counts)))
}

/// What the items are worth that must be contained.
fn contained(cash: &Cash) -> u64 {
    let worth = |source: &Source| source.low * cash.values[source.pile];
    cash.sources.iter().map(worth).sum()
}

/// What each pile may give besides, its value over a divisor of all.
fn choosable(choice: &Choice, divisor: u64) -> ArrayVec<Choosable, MAX_UNITS> {
    let piles = choice.cash.values.iter().enumerate();
    piles
        .map(|(place, &value)| Choosable {
            value: value / divisor,
            first: choice.free[place] as u64,
            then: choice.stock[place] - choice.contained[place] - choice.free[place] as u64,
        })
        .collect()
}

/// The answer of so many items of each pile besides those that must be contained.
fn taking(cash: &Cash, moved: &[u64], free: &[usize]) -> Found {
    let mut sources = cash.own_sources();
    let mut counts = [0; MAX_UNITS];
    for pile in sources.chunk_by_mut(|a, b| a.pile == b.pile) {
        let place = pile[0].pile;
        counts[place] = moved[place] + pile.iter().map(|source| source.low).sum::<u64>();
        leave_out(
            pile,
            free[place] - moved[place].min(free[place] as u64) as usize,
        );
    }
    (counts.iter().sum(), sources, counts)
}

/// The answer by a table; `None` if that is too large, or the answer has too many items.
///
/// The table is over the sums up to what must be added to the items that must be contained, or up to what
/// must be left of all the cash, whichever is less.
fn by_table(
    cash: &Cash,
    budget: u64,
    most: u64,
    work: &mut Work,
) -> Result<Option<Found>, OutOfWork> {
    let worth = |limit: fn(&Source) -> u64| -> u128 {
        let sources = cash.sources.iter();
        sources
            .map(|source| u128::from(limit(source)) * u128::from(cash.values[source.pile]))
            .sum()
    };
    let amount = u128::from(cash.amount);
    let divisor = u128::from(common_divisor(cash.values.iter().copied()));
    // What must be contained is not worth more than the amount, which is dispensable.
    let added = (amount - worth(|source| source.low)) / divisor;
    let left = (worth(|source| source.high) - amount) / divisor;
    let leaving = left < added;
    let sum = added.min(left);
    if (sum + 1) * (cash.values.len() as u128 + 1) > u128::from(MOST_CELLS) {
        return Ok(None);
    }
    let kinds = kinds(cash, sum as u64, divisor as u64, leaving);
    let passes = kinds.iter().map(Kind::passes).sum::<u64>();
    if passes * (sum as u64 + 1) > most {
        return Ok(None);
    }
    let Some(moved) = best_of_table(&kinds, sum as usize, leaving, work)? else {
        return Ok(None);
    };
    let mut sources = cash.own_sources();
    let mut counts = [0; MAX_UNITS];
    for pile in sources.chunk_by_mut(|a, b| a.pile == b.pile) {
        let place = pile[0].pile;
        let sum = |limit: fn(&Source) -> u64| pile.iter().map(limit).fold(0, u64::saturating_add);
        let contained = sum(|source| source.low);
        counts[place] = match leaving {
            true => sum(|source| source.high) - moved[place],
            false => contained + moved[place],
        };
        let free = pile.iter().filter(|source| source.low == 0).count();
        let brought = (counts[place] - contained).min(free as u64);
        leave_out(pile, free - brought as usize);
    }
    let items = counts.iter().sum();
    Ok((items <= budget).then_some((items, sources, counts)))
}

/// Items of one pile in a table: those that are moved first, and those after them.
struct Kind {
    value: usize,
    /// How many, and what each costs.
    first: (u64, i32),
    then: (u64, i32),
}

impl Kind {
    fn passes(&self) -> u64 {
        1 + (parts(self.first.0).count() + parts(self.then.0).count()) as u64
    }

    /// What it costs to move so many.
    fn cost(&self, items: u64) -> i32 {
        let first = items.min(self.first.0);
        first as i32 * self.first.1 + (items - first) as i32 * self.then.1
    }
}

/// Each pile's items that have a place in the sum. Added items bring a unit each, until all take part; of those
/// left the last leave a unit out each.
fn kinds(cash: &Cash, sum: u64, divisor: u64, leaving: bool) -> Vec<Kind> {
    cash.piles()
        .map(|pile| {
            let value = cash.values[pile[0].pile] / divisor;
            let free = pile.iter().filter(|source| source.low == 0).count() as u64;
            let all = pile.iter().map(|source| source.high - source.low);
            let all = all.fold(0, u64::saturating_add);
            let fitting = all.min(sum / value);
            let first = fitting.min(match leaving {
                true => all - free,
                false => free,
            });
            let (first_cost, then_cost) = match leaving {
                true => (-1, UNIT - 1),
                false => (1 - UNIT, 1),
            };
            Kind {
                value: value as usize,
                first: (first, first_cost),
                then: (fitting - first, then_cost),
            }
        })
        .collect()
}

/// How many of each kind are moved at the least cost that has the sum; of several such, as the tie rule wants:
/// most items of the first kinds added, or fewest of them left. `None`: the sum cannot be made up.
fn best_of_table(
    kinds: &[Kind],
    sum: usize,
    leaving: bool,
    work: &mut Work,
) -> Result<Option<[u64; MAX_UNITS]>, OutOfWork> {
    let width = sum + 1;
    let mut rows = vec![NEVER; width * (kinds.len() + 1)];
    rows[width * kinds.len()] = 0;
    let mut before = vec![NEVER; width];
    for (place, kind) in kinds.iter().enumerate().rev() {
        let (head, tail) = rows.split_at_mut(width * (place + 1));
        let row = &mut head[width * place..];
        row.copy_from_slice(&tail[..width]);
        for (count, cost) in [kind.first, kind.then] {
            for part in parts(count) {
                before.copy_from_slice(row);
                let more = part as i32 * cost;
                let shift = (part as usize * kind.value).min(width);
                take_up(&mut row[shift..], &before, |cell, from| {
                    *cell = (*cell).min(from + more);
                });
            }
        }
        work.steps(kind.passes() * width as u64 / CELLS_A_STEP)?;
    }
    let mut rest = sum;
    let mut moved = [0; MAX_UNITS];
    for (place, kind) in kinds.iter().enumerate() {
        let here = rows[place * width + rest];
        let fits = |items: &u64| {
            let after = rows[(place + 1) * width + rest - *items as usize * kind.value];
            after < POSSIBLE && after + kind.cost(*items) == here
        };
        let most = (kind.first.0 + kind.then.0).min((rest / kind.value) as u64);
        let found = match leaving {
            true => (0..=most).find(fits),
            false => (0..=most).rev().find(fits),
        };
        let Some(items) = found else {
            return Ok(None);
        };
        rest -= items as usize * kind.value;
        moved[place] = items;
    }
    Ok(Some(moved))
}

/// Leave out so many units of a pile, and have every other one give something.
fn leave_out(pile: &mut [Source], out: usize) {
    let mut free: Vec<&mut Source> = pile.iter_mut().filter(|source| source.low == 0).collect();
    // Stable, so that of equal ones the later is left out first.
    free.sort_by_key(|source| std::cmp::Reverse(source.high));
    let kept = free.len() - out;
    for (place, source) in free.into_iter().enumerate() {
        if place < kept {
            source.low = 1
        } else {
            source.high = 0
        }
    }
}

/// Units of each pile that need not give anything.
fn free_units(cash: &Cash) -> Vec<usize> {
    cash.piles()
        .map(|pile| pile.iter().filter(|source| source.low == 0).count())
        .collect()
}

/// Units that cannot all take part, for want of amount or of items; `free` of each pile need not.
fn least_left_out(cash: &Cash, free: &[usize], budget: u64) -> usize {
    let (mut rest, mut items) = (u128::from(cash.amount), budget);
    for source in cash.sources {
        rest = rest.saturating_sub(u128::from(source.low) * u128::from(cash.values[source.pile]));
        items = items.saturating_sub(source.low);
    }
    let mut taking_part = 0;
    for (value, free) in cash.values.iter().zip(free).rev() {
        let fitting = (rest / u128::from(*value)).min(*free as u128);
        rest -= fitting * u128::from(*value);
        taking_part += fitting as usize;
    }
    let taking_part = taking_part.min(usize::try_from(items).unwrap_or(usize::MAX));
    free.iter().sum::<usize>() - taking_part
}

struct Choice<'a> {
    cash: &'a Cash<'a>,
    budget: u64,
    work: &'a mut Work,
    /// Units of each pile that need not give anything.
    free: Vec<usize>,
    /// Units of each pile that are left out.
    out: Vec<usize>,
    /// Items of each pile that must be contained, and that there are.
    contained: Vec<u64>,
    stock: Vec<u64>,
    found: Option<Found>,
}

impl<'a> Choice<'a> {
    fn new(cash: &'a Cash, budget: u64, work: &'a mut Work) -> Self {
        let free = free_units(cash);
        let out = vec![0; free.len()];
        let sum = |limit: fn(&Source) -> u64| {
            cash.piles()
                .map(|pile| pile.iter().map(limit).fold(0, u64::saturating_add))
                .collect()
        };
        Self {
            cash,
            budget,
            work,
            free,
            out,
            contained: sum(|source| source.low),
            stock: sum(|source| source.high),
            found: None,
        }
    }

    /// The answer, by trying.
    ///
    /// Fewer than `left_out` units cannot be left out.
    fn best(mut self, mut left_out: usize) -> Result<Found, OutOfWork> {
        let free = self.free.iter().sum::<usize>();
        loop {
            self.try_all(0, left_out)?;
            if let Some(found) = self.found.take() {
                return Ok(found);
            }
            debug_assert!(left_out < free, "the amount can be made up");
            left_out += 1;
            if left_out > free {
                return Err(OutOfWork);
            }
        }
    }

    /// Try every choice of `left_out` units among the piles from `pile` on.
    fn try_all(&mut self, pile: usize, left_out: usize) -> Result<(), OutOfWork> {
        self.work.steps(1 + self.free.len() as u64 / PILES_A_STEP)?;
        if self.hopeless(pile, left_out) {
            return Ok(());
        }
        if pile == self.free.len() {
            return self.try_one();
        }
        let later: usize = self.free[pile + 1..].iter().sum();
        for out in left_out.saturating_sub(later)..=left_out.min(self.free[pile]) {
            self.out[pile] = out;
            self.try_all(pile + 1, left_out - out)?;
        }
        Ok(())
    }

    /// Items that an answer may have: no more than the best so far.
    fn allowed(&self) -> u64 {
        let best = self.found.as_ref().map(|(items, ..)| *items);
        best.unwrap_or(self.budget).min(UNBOUNDED)
    }

    /// Whether no choice can pay the amount that goes on from those for the piles before `pile`, with
    /// `left_out` units still to be left out: one item of each unit that takes part is worth too
    /// much, whichever the others are, or with the best use of all items that may still come it is
    /// worth too little.
    fn hopeless(&self, pile: usize, left_out: usize) -> bool {
        let later: usize = self.free[pile..].iter().sum();
        let mut to_come = later - left_out;
        let (mut least_to_come, mut least, mut items) = (to_come, 0u128, 0u64);
        for (place, value) in self.cash.values.iter().enumerate().rev() {
            let units = match place < pile {
                true => self.free[place] - self.out[place],
                false => self.free[place].min(least_to_come),
            };
            if place >= pile {
                least_to_come -= units;
            }
            let units = units as u64 + self.contained[place];
            least += u128::from(units) * u128::from(*value);
            items = items.saturating_add(units);
        }
        let amount = u128::from(self.cash.amount);
        if least > amount || items > self.allowed() {
            return true;
        }
        let mut more = self.allowed() - items;
        let mut most = 0u128;
        for (place, value) in self.cash.values.iter().enumerate() {
            let units = match place < pile {
                true => self.free[place] - self.out[place],
                false => self.free[place].min(to_come),
            };
            if place >= pile {
                to_come -= units;
            }
            let sure = units as u64 + self.contained[place];
            let room = match sure == 0 && place < pile {
                true => 0,
                false => self.stock[place].saturating_sub(sure).min(more),
            };
            more -= room;
            most += u128::from(sure.saturating_add(room)) * u128::from(*value);
        }
        most < amount
    }

    fn try_one(&mut self) -> Result<(), OutOfWork> {
        self.work.steps(STEPS_A_CHOICE)?;
        let mut sources = self.cash.own_sources();
        for pile in sources.chunk_by_mut(|a, b| a.pile == b.pile) {
            leave_out(pile, self.out[pile[0].pile]);
        }
        let budget = self.allowed();
        let mut counts = [0; MAX_UNITS];
        if let Some(items) =
            self.cash
                .fewest(&sources, self.cash.amount, budget, &mut counts, self.work)?
            && self
                .found
                .as_ref()
                .is_none_or(|(least, _, best)| items < *least || counts > *best)
        {
            self.found = Some((items, sources, counts));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::problems;
    use super::super::{Currency, Unit};
    use super::*;

    const EUR: Currency = Currency(*b"EUR");

    /// Sums of such values do not fit into 64 bits.
    #[test]
    fn values_of_eighteen_digits_do_not_overflow() {
        let value = |place: u64| 1_000_000_000_000_000_001 + place * place;
        let unit = |place| Unit {
            currency: EUR,
            value: value(place),
            count: 3,
            minimum: 0,
            maximum: u64::MAX,
        };
        let units: Vec<Unit> = (0..64).map(unit).collect();
        let amount = value(3) + value(40) + value(61);
        let mut grouped = Grouped::none();
        let cash = grouped.gather(EUR, amount.into(), &units).unwrap();
        let work = &mut Work::new(crate::denominate::WORK_LIMIT);
        assert_eq!(solve(&cash, UNBOUNDED, &mut [0; MAX_UNITS], work), Ok(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// By what is added and by what is left, with units of one value and items that must be contained.
        #[test]
        fn a_table_says_what_trying_choices_says(
            (pairs, amount, budget) in problems(),
            again in prop::collection::vec((0u64..4, 0u64..2), 8),
        ) {
            let unit = |value, count, minimum: u64| Unit {
                currency: EUR,
                value,
                count,
                minimum: minimum.min(count),
                maximum: u64::MAX,
            };
            let units: Vec<Unit> = pairs
                .iter()
                .zip(again)
                .flat_map(|(&(value, count), (more, low))| [unit(value, count, low), unit(value, more, 0)])
                .collect();
            let mut grouped = Grouped::none();
            let Ok(cash) = grouped.gather(EUR, amount.into(), &units) else {
                return Ok(());
            };
            if amount == 0 {
                return Ok(());
            }
            let work = &mut Work::new(1 << 40);
            if cash.need(work).map_or(true, |need| need > budget) {
                return Ok(());
            }
            let least = least_left_out(&cash, &free_units(&cash), UNBOUNDED);
            let (items, sources, counts) = Choice::new(&cash, UNBOUNDED, work).best(least).unwrap();
            let limits = |sources: &Sources| -> Vec<(u64, u64)> {
                sources.iter().map(|source| (source.low, source.high)).collect()
            };
            let table = by_table(&cash, UNBOUNDED, u64::MAX, work).unwrap().unwrap();
            prop_assert_eq!(table.0, items);
            prop_assert_eq!(table.2, counts);
            prop_assert_eq!(limits(&table.1), limits(&sources));
            let allowed = by_table(&cash, budget, u64::MAX, work).unwrap();
            prop_assert_eq!(allowed.is_some(), items <= budget);
        }
    }
}
