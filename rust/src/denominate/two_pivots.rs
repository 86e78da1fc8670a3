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
    let place = Exchange::new(amount, piles).pivot;
    let (value, held) = piles[place];
    let mut others: ArrayVec<(u64, u64), MAX_UNITS> = piles.iter().copied().collect();
    others.remove(place);
    let worth = |piles: &[(u64, u64)]| piles.iter().map(|(value, count)| value * count).sum();
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
    // What each number takes at least, and from where on others may pay the rest.
    let mut hopeful: Vec<Reverse<(u64, u64, usize)>> = Vec::new();
    let mut next = most + 1;
    while next > least {
        let rest = amount - (next - 1) * value;
        // What is worth more has no part in the rest.
        let from = others.partition_point(|(value, _)| *value > rest);
        let paying = &others[from..];
        if worth(paying) < rest || paying.is_empty() {
            next -= 1;
            work.step()?;
            if rest == 0 {
                best.take(next, next, &[0; MAX_UNITS][..others.len()]);
            }
            continue;
        }
        let mut exchange = Exchange::new(rest, paying);
        let Some(table) = tables.of(&exchange, work)? else {
            return Ok(Verdict::Unknown);
        };
        while next > least {
            let rest = amount - (next - 1) * value;
            if from > 0 && others[from - 1].0 <= rest || !exchange.turn_to(rest) {
                break;
            }
            next -= 1;
            work.step()?;
            if let Some((_, number)) = exchanged(&exchange, table)
                && next + number <= best.items
            {
                hopeful.push(Reverse((next + number, next, from)));
            }
        }
    }
    let mut hopeful = BinaryHeap::from(hopeful);
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
