//! The fewest items where the pivot's stock is in the way of [`super::exchange::by_remainders`]: each number of items
//! that the pivot may give, the rest being paid by the others with a pivot of their own.
//!
//! For most of those numbers the second pivot is the same, and what the others' exchanges cost is read off one
//! [`super::remainder_table`]. So a number takes next to no time. Each says how many items there are at least, and they
//! are looked at in that order until none can be better than what was found: mostly a few numbers of hundreds. Where
//! the second pivot's stock is in the way as well, the rest is paid in the same manner, mostly by tables that are
//! there already.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrayvec::ArrayVec;

use super::exchange::Exchange;
use super::remainder_table::RemainderTable;
use super::verdict::Verdict;
use super::{MAX_UNITS, OutOfWork, Work};

/// Numbers of items of the pivot, at most.
const MOST_NUMBERS: u64 = 1 << 12;
/// Numbers of which the rest is paid in the same manner, at most, and how deep that goes.
const MOST_UNSURE: usize = 64;
const DEEPEST: u32 = 4;
/// Steps that take about as long as reading a set of items.
const SET_STEPS: u64 = 24;
/// Cells of all tables that are kept, at most: 4 MB.
const MOST_CELLS: usize = 1 << 20;

/// The fewest items for an amount from piles of falling value, at most `budget` of them.
///
/// The values are no more than the amount; together the piles are worth it at least.
pub(super) fn fewest(
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let mut tables = Tables::default();
    below(0, amount, piles, budget, counts, &mut tables, work)
}

/// Tables that were made, of which the same are wanted again: numbers of a pile that leave the same pivot to the
/// others differ in what is read.
#[derive(Default)]
struct Tables {
    kept: Vec<RemainderTable>,
    cells: usize,
}

impl Tables {
    /// The one for what can be exchanged; `None` if it would be too large.
    fn of(
        &mut self,
        exchange: &Exchange,
        work: &mut Work,
    ) -> Result<Option<&RemainderTable>, OutOfWork> {
        let (items, number) = (&exchange.others, exchange.value);
        let known = self
            .kept
            .iter()
            .position(|table| table.is_for(items, number));
        let place = match known {
            Some(place) => place,
            None => {
                let farthest = items.iter().map(|other| other.worth as u64).max();
                let top = number.saturating_mul(farthest.unwrap_or(0));
                let Some(table) = RemainderTable::new(items.clone(), number, top, work)? else {
                    return Ok(None);
                };
                self.cells += table.cells();
                if self.cells > MOST_CELLS {
                    self.cells = table.cells();
                    self.kept.clear();
                }
                self.kept.push(table);
                self.kept.len() - 1
            }
        };
        Ok(self.kept.get(place))
    }
}

fn below(
    depth: u32,
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    counts: &mut [u64],
    tables: &mut Tables,
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let whole = Exchange::new(amount, piles);
    let (place, middle) = (whole.pivot, whole.whole);
    let (value, held) = piles[place];
    let mut others: ArrayVec<(u64, u64), MAX_UNITS> = piles.iter().copied().collect();
    others.remove(place);
    let least = amount.saturating_sub(worth(&others)).div_ceil(value);
    let most = held.min(amount / value);
    if most.saturating_sub(least) >= MOST_NUMBERS {
        return Ok(Verdict::Unknown);
    }
    let mut best = Best {
        place,
        items: budget,
        found: false,
        counts,
    };
    if amount == most * value {
        best.take(most, most, &[0; MAX_UNITS][..others.len()]);
    }
    let mut numbers = Numbers {
        amount,
        value,
        others: &others,
        hopeful: Vec::new(),
        limit: best.items,
    };
    // Away from what the pivot would give if items could be divided.
    let known = numbers.look_at((least..=middle.min(most)).rev(), tables, work)?
        && numbers.look_at(least.max(middle + 1)..=most, tables, work)?;
    if !known {
        return Ok(Verdict::Unknown);
    }
    let mut hopeful: BinaryHeap<_> = numbers.hopeful.into_iter().map(Reverse).collect();
    // Those with the second pivot in the way.
    let mut unsure: Vec<(u64, u64, usize)> = Vec::new();
    while let Some(Reverse((items, taken, from))) = hopeful.pop() {
        if items > best.items || unsure.len() > MOST_UNSURE {
            break;
        }
        work.steps(SET_STEPS)?;
        let exchange = Exchange::new(amount - taken * value, &others[from..]);
        let Some(table) = tables.of(&exchange, work)? else {
            return Ok(Verdict::Unknown);
        };
        let Some((cost, number)) = exchanged(&exchange, table) else {
            continue;
        };
        let (mut moved, mut found) = ([0u64; MAX_UNITS], [0u64; MAX_UNITS]);
        let net = table.read(cost, &mut moved);
        let gives = (exchange.whole + number - exchange.least) as i64 - net;
        if exchange.set(&moved, gives, &mut found[from..others.len()]) {
            best.take(items, taken, &found[..others.len()]);
        } else {
            unsure.push((items, taken, from));
        }
    }
    for (place, (items, taken, from)) in unsure.into_iter().enumerate() {
        if items > best.items {
            break;
        }
        if depth == DEEPEST || place == MOST_UNSURE {
            return Ok(Verdict::Unknown);
        }
        let (rest, allowed) = (amount - taken * value, best.items - taken);
        let mut found = [0u64; MAX_UNITS];
        let set = &mut found[from..others.len()];
        match below(depth + 1, rest, &others[from..], allowed, set, tables, work)? {
            Verdict::Fewest(more) => best.take(taken + more, taken, &found[..others.len()]),
            Verdict::Never => {}
            Verdict::Unknown => return Ok(Verdict::Unknown),
        }
    }
    Ok(match best.found {
        true => Verdict::Fewest(best.items),
        false => Verdict::Never,
    })
}

/// Numbers of the pivot's items, and what may pay the rest.
struct Numbers<'a> {
    amount: u64,
    value: u64,
    others: &'a [(u64, u64)],
    /// How many items each takes at least, the number, and from where on others may pay the rest.
    hopeful: Vec<(u64, u64, usize)>,
    /// What takes more is of no use.
    limit: u64,
}

impl Numbers<'_> {
    /// Look at some, each farther away from what would be best if items could be divided; false if a table would be
    /// too large.
    fn look_at(
        &mut self,
        numbers: impl Iterator<Item = u64>,
        tables: &mut Tables,
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        let (amount, value, others) = (self.amount, self.value, self.others);
        let mut numbers = numbers.peekable();
        while let Some(&next) = numbers.peek() {
            let rest = amount - next * value;
            // What is worth more has no part in the rest.
            let from = others.partition_point(|(value, _)| *value > rest);
            let paying = &others[from..];
            if worth(paying) < rest || paying.is_empty() {
                numbers.next();
                work.step()?;
                continue;
            }
            let mut exchange = Exchange::new(rest, paying);
            let Some(table) = tables.of(&exchange, work)? else {
                return Ok(false);
            };
            while let Some(&next) = numbers.peek() {
                let rest = amount - next * value;
                let too_large = |(value, _): &(u64, u64)| *value > rest;
                let same = others[..from].last().is_none_or(too_large) && !too_large(&paying[0]);
                if !(same && exchange.turn_to(rest)) {
                    break;
                }
                numbers.next();
                work.step()?;
                if next + exchange.least > self.limit {
                    if from == 0 {
                        return Ok(true);
                    }
                } else if let Some((_, number)) = exchanged(&exchange, table) {
                    self.take(next + number, next, from);
                }
            }
        }
        Ok(true)
    }

    fn take(&mut self, items: u64, number: u64, from: usize) {
        if items > self.limit {
            return;
        }
        self.hopeful.push((items, number, from));
        // No more sets than so many are read, but for those of as many items.
        if self.hopeful.len().is_power_of_two() && self.hopeful.len() > MOST_UNSURE {
            self.limit = self.hopeful.select_nth_unstable(MOST_UNSURE).1.0;
            let limit = self.limit;
            self.hopeful.retain(|(items, ..)| *items <= limit);
        }
    }
}

/// What all items of some piles are worth.
fn worth(piles: &[(u64, u64)]) -> u64 {
    piles.iter().map(|(value, count)| value * count).sum()
}

/// The least cost for what an exchange leaves, and the items with it; the pivot's stock aside.
fn exchanged(exchange: &Exchange, table: &RemainderTable) -> Option<(u64, u64)> {
    let missing = (exchange.value - exchange.remainder) % exchange.value;
    let cost = table.least(missing)?;
    let more = (cost + exchange.remainder) / exchange.value;
    Some((cost, exchange.least + more))
}

/// The best answer so far.
struct Best<'a> {
    /// Where the pivot stands among the piles.
    place: usize,
    /// How many items it has; or may have, if there is none yet.
    items: u64,
    found: bool,
    counts: &'a mut [u64],
}

impl Best<'_> {
    /// Take an answer of no more items, if it is better: so many of the pivot, and those of the others.
    fn take(&mut self, items: u64, pivot: u64, others: &[u64]) {
        let (larger, smaller) = others.split_at(self.place);
        let taken = || larger.iter().chain([&pivot]).chain(smaller);
        let worse = self.found && items == self.items && taken().le(self.counts.iter());
        if items > self.items || worse {
            return;
        }
        (self.items, self.found) = (items, true);
        for (count, taken) in self.counts.iter_mut().zip(taken()) {
            *count = *taken;
        }
    }
}
