//! The fewest items where the pivot's stock is in the way of [`super::exchange::by_remainders`]: each number of items
//! that the pivot may give, the rest being paid by the others with a pivot of their own.
//!
//! For most of those numbers the second pivot is the same, and what the others' exchanges cost is read off one
//! [`super::remainder_table`]. So a number takes next to no time. Each says how many items there are at least. Where
//! the second pivot's stock is in the way of those as well, the rest is paid in the same manner if that could be better
//! than what was found: mostly a few numbers of hundreds.

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
    below(0, amount, piles, budget, counts, work)
}

fn below(
    depth: u32,
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    counts: &mut [u64],
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
    // Numbers with the second pivot in the way: what they take at least, and what may pay the rest.
    let mut unsure: Vec<(u64, u64, usize)> = Vec::new();
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
        let items = exchange.others.clone();
        let farthest = items.iter().map(|other| other.worth as u64).max();
        let top = exchange.value.saturating_mul(farthest.unwrap_or(0));
        let Some(table) = RemainderTable::new(&items, exchange.value, top, work)? else {
            return Ok(Verdict::Unknown);
        };
        while next > least {
            let rest = amount - (next - 1) * value;
            if from > 0 && others[from - 1].0 <= rest || !exchange.turn_to(rest) {
                break;
            }
            next -= 1;
            work.step()?;
            let missing = (exchange.value - exchange.remainder) % exchange.value;
            let Some(cost) = table.least(missing) else {
                continue;
            };
            let number = exchange.least + (cost + exchange.remainder) / exchange.value;
            if next + number > best.items {
                continue;
            }
            let (mut moved, mut found) = ([0u64; MAX_UNITS], [0u64; MAX_UNITS]);
            let net = table.read(cost, &mut moved);
            let gives = (exchange.whole + number - exchange.least) as i64 - net;
            if exchange.set(&moved, gives, &mut found[from..others.len()]) {
                best.take(next + number, next, &found[..others.len()]);
            } else {
                unsure.push((next + number, next, from));
            }
        }
    }
    unsure.sort_unstable();
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
        match below(depth + 1, rest, &others[from..], allowed, set, work)? {
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
