//! The fewest items by exchanges from the fractional solution: for many values that are close to
//! each other or have nothing in common, where a search would go through too many counts.
//!
//! # The idea
//! Paid fractionally, the largest values are used up, one pile (the pivot, of value `v`) is used in
//! part, and smaller ones are not touched. Any other set of items differs from that by items of
//! larger values that are missing and items of smaller values that are added, the pivot making up
//! the difference. Say that an item `w` away from the pivot's value, missing or added, costs `w`.
//! Then a set of items for the amount that has `k` items more than the larger values and the
//! pivot's whole items together costs `k·v - remainder` exactly, whatever it consists of,
//! `remainder` being what those leave of the amount. So the fewest items belong to the least cost
//! of that form that items can have: a question of reachable sums of the `w`, far smaller than the
//! amount, in which neither the size of the amount nor the pivot appears.
//!
//! # The table
//! Which costs are reachable at all is found with a bit for each, and so the least of that form. A
//! table then says for every pile and every cost up to that one how many added items less missing
//! ones (their net) it takes at least of this pile and those after it. Larger values come first, so
//! the answer that the tie rule wants is read off the table, pile by pile: as few missing items as
//! possible of the largest value, then of the next; then as few added items as possible, which is as
//! many of the pivot as possible; then of the added ones as many as possible of the largest value.
//!
//! If the least cost of that form is high, a table that wide is not needed: a set of items that has it has the least cost
//! of all that leave as much when divided by `v`, and so have all its parts. A row of as many cells as `v` has units
//! tells how often `v` goes into that cost, and the least number of added items with it ([`super::remainder_table`]).
//!
//! What the pivot gives follows from the net. If that is more than it holds, or less than nothing,
//! a table tells all nets that each cost can have ([`super::net_sets`]). Where those are too many, a second table gives
//! the greatest net, too, and a search that keeps between the two goes through the answers in the order of the tie rule.
//!
//! # How far the table must go
//! If the pivot's stock does not matter: of any `v` items some cost a multiple of `v` together (two
//! of their partial sums agree modulo `v`), and exchanging them for items of the pivot saves items.
//! So if no cost up to `(v - 1)·w` is reachable, `w` being the largest of its kind, none is.
//!
//! If it does: take a best set of items that differs least from the fractional one, and line up the
//! items of the difference so that what they are worth, missing ones counting negative, keeps
//! between `-V` and `V`, the largest value: always take one of the sign that leads back. Were there
//! more than `2·V + 2` of them, two partial sums would agree, and the items between them could be
//! left out of the difference: they are worth nothing together, and save no items, the fractional
//! solution being the best. So no cost above `(2·V + 2)·w` matters.
//!
//! Both give a table whose size depends on the values alone, not on amounts or stocks.

use arrayvec::ArrayVec;

use super::memory::Memory;
use super::net_sets::NetSets;
use super::remainder_table::RemainderTable;
use super::remainders::Remainders;
use super::sums::{Items, Reached, Table};
use super::verdict::Verdict;
use super::{MAX_UNITS, OutOfWork, Work};

/// Costs that are looked at, at most: 2 MB of bits.
const MOST_COSTS: u64 = 1 << 24;
/// Costs that are nearby: some words of bits.
const NEARBY: u64 = 1 << 12;

/// Costs that are looked at together, once the first has not done.
const FEW_COSTS: u64 = 4;

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Costs of some items.
    Some,
    /// All costs that matter.
    All,
}

/// The fewest items where what must be exchanged costs little: within so many cells of a table.
///
/// Also gives a number of items below which there are none.
pub fn nearby(
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    cells: usize,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<(Verdict, u64), OutOfWork> {
    let exchange = Exchange::new(amount, piles);
    let (value, mut least) = (exchange.value, exchange.least);
    let mut cost = (value - exchange.remainder) % value;
    if exchange.remainder > 0 {
        least += 1;
    }
    let mut top = cost;
    while least <= budget && top < NEARBY {
        let reached = Reached::new(&exchange.others, top as usize, work)?;
        while least <= budget && cost <= top {
            if reached.has(cost as usize) {
                let small = cost as usize * piles.len() <= cells;
                let found = small && exchange.least_cost(cost as usize, least, counts, work)?;
                let verdict = match found {
                    true => Verdict::Fewest(least),
                    false => Verdict::Unknown,
                };
                return Ok((verdict, least));
            }
            cost += value;
            least += 1;
        }
        top = cost + 2 * value;
    }
    Ok((Verdict::Unknown, least))
}

/// The fewest items by the least cost for each remainder by the pivot's value, whatever that cost is.
///
/// Unknown if the pivot's stock is in the way, or its value too large for a table. Also gives a number of items below
/// which there are none.
pub fn by_remainders(
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<(Verdict, u64), OutOfWork> {
    let mut exchange = Exchange::new(amount, piles);
    let (value, remainder) = (exchange.value, exchange.remainder);
    if value > Remainders::MOST {
        return Ok((Verdict::Unknown, exchange.least));
    }
    let Some(cost) = exchange.least_for_remainder(work)? else {
        return Ok((Verdict::Never, 0));
    };
    let least = exchange.least + (cost + remainder) / value;
    if least > budget {
        return Ok((Verdict::Never, least));
    }
    // What costs more has no part in it.
    exchange.others.retain(|other| other.worth as u64 <= cost);
    let mut moved = [0u64; MAX_UNITS];
    let verdict = match RemainderTable::new(exchange.others.clone(), value, cost, work)? {
        Some(table) => {
            let net = table.read(cost, &mut moved);
            let gives = (exchange.whole + least - exchange.least) as i64 - net;
            match exchange.set(&moved, gives, counts) {
                true => Verdict::Fewest(least),
                false => Verdict::Unknown,
            }
        }
        None => Verdict::Unknown,
    };
    Ok((verdict, least))
}

/// The fewest items for an amount from piles of falling value, at most `budget` of them.
///
/// `piles` are values and counts; together they are worth the amount at least, and what each is
/// worth fits.
pub fn fewest(
    amount: u64,
    piles: &[(u64, u64)],
    budget: u64,
    effort: Effort,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Verdict, OutOfWork> {
    let exchange = Exchange::new(amount, piles);
    let (value, remainder) = (exchange.value, exchange.remainder);
    if exchange.least > budget {
        return Ok(Verdict::Never);
    }
    let there = exchange
        .others
        .iter()
        .map(|other| other.worth as u128 * u128::from(other.count))
        .fold(0, u128::saturating_add)
        .min(u128::from(budget - exchange.least) * u128::from(value));
    let farthest = exchange
        .others
        .iter()
        .map(|other| other.worth as u128)
        .max();
    let farthest = farthest.unwrap_or(0);
    let with_stock = there.min((2 * u128::from(piles[0].0) + 2).saturating_mul(farthest));
    let mut roof = there.min(u128::from(value - 1).saturating_mul(farthest));
    let mut cost = (value - remainder) % value;
    let mut top = u128::from(cost) + 2 * u128::from(value);
    let most = match effort {
        Effort::All => u128::from(MOST_COSTS),
        Effort::Some => u128::from(MOST_COSTS).min(16 * u128::from(value)),
    };
    let (mut stock_matters, mut nets, mut covered, mut ahead) = (false, None, 0, 0);
    while u128::from(cost) <= roof {
        top = top.min(roof);
        if top > most {
            return Ok(Verdict::Unknown);
        }
        let reached = Reached::new(&exchange.others, top as usize, work)?;
        while u128::from(cost) <= top {
            if reached.has(cost as usize) {
                let more = (cost + remainder) / value;
                if !stock_matters {
                    let items = exchange.least + more;
                    if exchange.least_cost(cost as usize, items, counts, work)? {
                        return Ok(Verdict::Fewest(items));
                    }
                    // The pivot's stock is in the way, so the smaller roof does not hold.
                    (stock_matters, roof) = (true, with_stock);
                }
                if nets.is_none() || covered < cost {
                    // The first cost is the one, as a rule.
                    covered = cost + ahead * value;
                    ahead = 2 * ahead + FEW_COSTS;
                    nets = Nets::new(&exchange.others, covered as usize, work)?;
                }
                let Some(nets) = &mut nets else {
                    return Ok(Verdict::Unknown);
                };
                if exchange.take_within(nets, cost as usize, more, counts, work)? {
                    return Ok(Verdict::Fewest(exchange.least + more));
                }
            }
            cost += value;
        }
        top *= 4;
    }
    Ok(Verdict::Never)
}

/// The fractional solution, and what can be exchanged.
pub(super) struct Exchange<'a> {
    piles: &'a [(u64, u64)],
    /// All piles but the pivot.
    pub(super) others: Vec<Items>,
    /// The pivot's place, value and stock.
    pub(super) pivot: usize,
    pub(super) value: u64,
    held: u64,
    /// Items of the pivot that are no more than its part.
    pub(super) whole: u64,
    /// What those leave of the amount.
    pub(super) remainder: u64,
    /// Items of larger values, and those of the pivot.
    pub(super) least: u64,
    /// What the items of larger values are worth.
    above: u64,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(amount: u64, piles: &'a [(u64, u64)]) -> Self {
        let (mut rest, mut larger, mut pivot) = (amount, 0u64, 0);
        for (place, (value, count)) in piles.iter().enumerate() {
            pivot = place;
            if rest <= value * count {
                break;
            }
            rest -= value * count;
            larger += count;
        }
        let (value, held) = piles[pivot];
        let whole = rest / value;
        let others = piles
            .iter()
            .enumerate()
            .map(|(place, &(other, count))| Items {
                place,
                worth: usize::try_from(other.abs_diff(value)).unwrap_or(usize::MAX),
                count,
                sign: if place > pivot { 1 } else { -1 },
            });
        Self {
            piles,
            others: others
                .filter(|other| other.place != pivot && other.count > 0)
                .collect(),
            pivot,
            value,
            held,
            whole,
            remainder: rest % value,
            least: larger + whole,
            above: amount - rest,
        }
    }

    /// Turn to another amount; false if another pile is the pivot for that.
    pub(super) fn turn_to(&mut self, amount: u64) -> bool {
        let Some(rest) = amount.checked_sub(self.above) else {
            return false;
        };
        let whole = rest / self.value;
        if rest == 0 && self.above > 0 {
            return false;
        }
        if whole > self.held || whole == self.held && !rest.is_multiple_of(self.value) {
            return false;
        }
        self.least = self.least - self.whole + whole;
        (self.whole, self.remainder) = (whole, rest % self.value);
        true
    }

    /// The least cost that would make a whole number of items, the pivot's stock aside.
    fn least_for_remainder(&self, work: &mut Work) -> Result<Option<u64>, OutOfWork> {
        let wanted = (self.value - self.remainder) % self.value;
        let mut others: ArrayVec<(u64, u64), MAX_UNITS> = self
            .others
            .iter()
            .map(|other| (other.worth as u64, other.count))
            .collect();
        others.sort_unstable();
        let farthest = others.last().map_or(0, |(worth, _)| *worth);
        let mut remainders = Remainders::by(self.value, farthest);
        for (worth, count) in others {
            let useful = match remainders.least(wanted) {
                Some(least) => least / worth,
                None => self.value,
            };
            if useful == 0 {
                break;
            }
            remainders.add(worth, count.min(useful), work)?;
        }
        Ok(remainders.least(wanted))
    }

    /// Set the counts; false if the pivot cannot give its part.
    pub(super) fn set(&self, moved: &[u64], gives: i64, counts: &mut [u64]) -> bool {
        if !(0..=self.held as i64).contains(&gives) {
            return false;
        }
        for (count, pile) in counts[..self.pivot].iter_mut().zip(self.piles) {
            *count = pile.1;
        }
        counts[self.pivot..].fill(0);
        for (other, moved) in self.others.iter().zip(moved) {
            let count = &mut counts[other.place];
            *count = if other.sign < 0 {
                *count - moved
            } else {
                *moved
            };
        }
        counts[self.pivot] = gives as u64;
        true
    }

    /// Take the first answer by the tie rule with so many items, which have the least cost that can be
    /// reached; false if the table would be too large, or the pivot's stock is in the way.
    fn least_cost(
        &self,
        cost: usize,
        items: u64,
        counts: &mut [u64],
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        let Some(table) = Table::new(&self.others, cost, 1, work)? else {
            return Ok(false);
        };
        let mut moved = [0u64; MAX_UNITS];
        let net = table.read(&self.others, cost, false, &mut moved);
        let more = items - self.least;
        Ok(self.set(&moved, (self.whole + more) as i64 - net, counts))
    }

    /// Take the first answer by the tie rule for which the pivot's stock suffices.
    fn take_within(
        &self,
        nets: &mut Nets,
        cost: usize,
        more: u64,
        counts: &mut [u64],
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        let mut moved = [0u64; MAX_UNITS];
        let most = (self.whole + more) as i64;
        let within = (most - self.held as i64, most);
        Ok(match nets.read(cost, within, &mut moved, work)? {
            Some(net) => self.set(&moved, most - net, counts),
            None => false,
        })
    }
}

/// The nets of every cost.
enum Nets<'a> {
    /// All of them.
    Narrow(NetSets<'a, u64>),
    Wide(NetSets<'a, u128>),
    /// Where they are too many, what is between the least and the greatest.
    Between(Between<'a>),
}

impl<'a> Nets<'a> {
    fn new(others: &'a [Items], top: usize, work: &mut Work) -> Result<Option<Self>, OutOfWork> {
        if let Some(sets) = NetSets::new(others, top, work)? {
            return Ok(Some(Self::Narrow(sets)));
        }
        if let Some(sets) = NetSets::new(others, top, work)? {
            return Ok(Some(Self::Wide(sets)));
        }
        Ok(Between::new(others, top, work)?.map(Self::Between))
    }

    /// The first answer by the tie rule whose net is within bounds; gives its net.
    fn read(
        &mut self,
        cost: usize,
        within: (i64, i64),
        moved: &mut [u64],
        work: &mut Work,
    ) -> Result<Option<i64>, OutOfWork> {
        match self {
            Self::Narrow(sets) => Ok(sets.read(cost, within, moved)),
            Self::Wide(sets) => Ok(sets.read(cost, within, moved)),
            Self::Between(between) => between.search(0, cost, within, moved, work),
        }
    }
}

/// The least and the greatest net of every cost.
struct Between<'a> {
    others: &'a [Items],
    lowest: Table,
    /// Negated.
    highest: Table,
    /// What was searched in vain: by row, for cost and net.
    memory: Memory,
}

impl<'a> Between<'a> {
    fn new(others: &'a [Items], top: usize, work: &mut Work) -> Result<Option<Self>, OutOfWork> {
        let (Some(lowest), Some(highest)) = (
            Table::new(others, top, 1, work)?,
            Table::new(others, top, -1, work)?,
        ) else {
            return Ok(None);
        };
        Ok(Some(Self {
            others,
            lowest,
            highest,
            memory: Memory::new(),
        }))
    }

    /// Nets from a row on.
    fn range(&self, row: usize, cost: usize) -> Option<(i64, i64)> {
        let low = self.lowest.at(row, cost)?;
        Some((low, -self.highest.at(row, cost)?))
    }

    /// The first answer by the tie rule from a row on whose net is `within`; gives its net.
    fn search(
        &mut self,
        row: usize,
        cost: usize,
        within: (i64, i64),
        moved: &mut [u64],
        work: &mut Work,
    ) -> Result<Option<i64>, OutOfWork> {
        work.step()?;
        let Some((low, high)) = self.range(row, cost) else {
            return Ok(None);
        };
        let (low, high) = (low.max(within.0), high.min(within.1));
        if low > high {
            return Ok(None);
        }
        let Some(&other) = self.others.get(row) else {
            return Ok(Some(0));
        };
        if other.sign > 0 {
            // Of the added ones as few as possible: number by number.
            for net in low..=high {
                if self.exactly(row, cost, net, moved, work)? {
                    return Ok(Some(net));
                }
            }
            return Ok(None);
        }
        // How often a row is asked for one lower end with several upper ones does not matter.
        let key = key(cost, low);
        let reach = (high - low) as u64 + 1;
        if self.memory.least(row, key) > reach {
            return Ok(None);
        }
        for items in 0..=other.count.min((cost / other.worth) as u64) {
            let after = cost - items as usize * other.worth;
            let within = (low + items as i64, high + items as i64);
            if let Some(net) = self.search(row + 1, after, within, moved, work)? {
                moved[row] = items;
                return Ok(Some(net - items as i64));
            }
        }
        self.memory.note(row, key, reach + 1);
        Ok(None)
    }

    /// Whether so many added items from a row on can have this cost; sets the first by the tie rule.
    fn exactly(
        &mut self,
        row: usize,
        cost: usize,
        net: i64,
        moved: &mut [u64],
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        work.step()?;
        let Some(&other) = self.others.get(row) else {
            return Ok(cost == 0 && net == 0);
        };
        let key = key(cost, net);
        if self.memory.least(row, key) > 0 {
            return Ok(false);
        }
        for items in (0..=other.count.min((cost / other.worth) as u64)).rev() {
            let (after, left) = (cost - items as usize * other.worth, net - items as i64);
            if let Some((low, high)) = self.range(row + 1, after)
                && (low..=high).contains(&left)
                && self.exactly(row + 1, after, left, moved, work)?
            {
                moved[row] = items;
                return Ok(true);
            }
        }
        self.memory.note(row, key, 1);
        Ok(false)
    }
}

/// One number of a cost and a net.
fn key(cost: usize, net: i64) -> u64 {
    (cost as u64) << 32 | u64::from(net as u32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_of, problems};
    use super::super::{outright, two_pivots};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn tables_say_what_trying_all_says((piles, amount, budget) in problems()) {
            let best = best_of(amount, &piles).filter(|(items, _)| *items <= budget);
            let work = &mut Work::new(1 << 40);
            let mut counts = vec![0; piles.len()];
            let verdict = exchange_or_panic(amount, &piles, budget, &mut counts, work);
            prop_assert_eq!(&found(verdict, &counts), &best);
            let verdict = outright::fewest(amount, &piles, budget, 1 << 30, &mut counts, work).unwrap();
            prop_assert_eq!(&found(verdict, &counts), &best);
            let (verdict, least) = by_remainders(amount, &piles, budget, &mut counts, work).unwrap();
            if verdict != Verdict::Unknown {
                prop_assert_eq!(&found(verdict, &counts), &best);
            }
            prop_assert!(best.as_ref().is_none_or(|(items, _)| least <= *items));
            let verdict = two_pivots::fewest(amount, &piles, budget, &mut counts, work).unwrap();
            if verdict != Verdict::Unknown {
                prop_assert_eq!(&found(verdict, &counts), &best);
            }
            // With little effort it may say nothing, but nothing wrong.
            let verdict = fewest(amount, &piles, budget, Effort::Some, &mut counts, work).unwrap();
            if verdict != Verdict::Unknown {
                prop_assert_eq!(&found(verdict, &counts), &best);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Sets of nets, and what is between the least and the greatest of them.
        #[test]
        fn sets_say_what_a_search_between_nets_says(
            (piles, amount, _) in problems(),
            cost in 0usize..60,
            (low, more) in (-6i64..6, 0i64..8),
        ) {
            let exchange = Exchange::new(amount, &piles);
            let work = &mut Work::new(1 << 40);
            let within = (low, low + more);
            let (mut of_sets, mut of_search) = ([0; MAX_UNITS], [0; MAX_UNITS]);
            let mut between = Between::new(&exchange.others, 60, work).unwrap().unwrap();
            let expected = between.search(0, cost, within, &mut of_search, work).unwrap();
            let sets: NetSets<u128> = NetSets::new(&exchange.others, 60, work).unwrap().unwrap();
            prop_assert_eq!(sets.read(cost, within, &mut of_sets), expected);
            if expected.is_some() {
                prop_assert_eq!(of_sets, of_search);
            }
        }
    }

    fn exchange_or_panic(
        amount: u64,
        piles: &[(u64, u64)],
        budget: u64,
        counts: &mut [u64],
        work: &mut Work,
    ) -> Verdict {
        let verdict = fewest(amount, piles, budget, Effort::All, counts, work).unwrap();
        assert_ne!(verdict, Verdict::Unknown);
        verdict
    }

    fn found(verdict: Verdict, counts: &[u64]) -> Option<(u64, Vec<u64>)> {
        match verdict {
            Verdict::Fewest(items) => Some((items, counts.to_vec())),
            _ => None,
        }
    }
}
