//! The fewest items by trying all sets of them: what the searches are held against.

use proptest::prelude::*;

use super::swaps::Choosable;

/// Fewest items, then most items of the largest value, then of the next: by trying all.
pub fn best_of(amount: u64, piles: &[(u64, u64)]) -> Option<(u64, Vec<u64>)> {
    let Some((&(value, count), smaller)) = piles.split_first() else {
        return (amount == 0).then(|| (0, Vec::new()));
    };
    let mut best: Option<(u64, Vec<u64>)> = None;
    for taken in (0..=count.min(amount / value)).rev() {
        if let Some((items, mut counts)) = best_of(amount - taken * value, smaller)
            && best
                .as_ref()
                .is_none_or(|(least, _)| items + taken < *least)
        {
            counts.insert(0, taken);
            best = Some((items + taken, counts));
        }
    }
    best
}

/// A few piles of falling value: values and counts.
fn piles() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let values = prop::collection::btree_set(1u64..30, 1..6);
    (values, prop::collection::vec(1u64..7, 6))
        .prop_map(|(values, counts)| values.into_iter().rev().zip(counts).collect())
}

/// Piles, an amount that is not above what they are worth, and a budget.
pub fn problems() -> impl Strategy<Value = (Vec<(u64, u64)>, u64, u64)> {
    let budget = prop::option::of(0u64..30);
    (piles(), 0u64..=100, budget).prop_map(|(piles, share, budget)| {
        let held: u64 = piles.iter().map(|(value, count)| value * count).sum();
        (
            piles,
            (held * share / 100).max(1),
            budget.unwrap_or(1 << 60),
        )
    })
}

/// All sets of items by pile that so many units can give for an amount.
fn with_units(amount: u64, piles: &[Choosable], units: u64) -> Vec<Vec<u64>> {
    let Some((pile, rest)) = piles.split_first() else {
        return match (amount, units) {
            (0, 0) => vec![vec![]],
            _ => vec![],
        };
    };
    let mut found = Vec::new();
    for items in 0..=(pile.first + pile.then).min(amount / pile.value) {
        let Some(units) = units.checked_sub(items.min(pile.first)) else {
            break;
        };
        for mut set in with_units(amount - items * pile.value, rest, units) {
            set.insert(0, items);
            found.push(set);
        }
    }
    found
}

/// Fewest items from so many units, then most items of the largest value, then of the next: by trying all.
pub(super) fn best_with_units(amount: u64, piles: &[Choosable], units: u64) -> Option<Vec<u64>> {
    let items = |set: &Vec<u64>| set.iter().sum::<u64>();
    with_units(amount, piles, units)
        .into_iter()
        .min_by(|a, b| items(a).cmp(&items(b)).then_with(|| b.cmp(a)))
}

/// Piles of units, some of values near to each other, and two amounts, of which one can often be made up.
pub(super) fn choosable() -> impl Strategy<Value = (Vec<Choosable>, [u64; 2])> {
    let values = prop::collection::btree_set(1u64..60, 1..6);
    let stocks = prop::collection::vec((0u64..4, 0u64..5), 6);
    (values, stocks, prop::bool::ANY, 0u64..=100).prop_map(|(values, stocks, near, share)| {
        let above = if near { 300 } else { 0 };
        let piles: Vec<Choosable> = values
            .iter()
            .rev()
            .zip(stocks)
            .map(|(value, (first, then))| Choosable {
                value: value + above,
                first,
                then: if first > 0 { then } else { 0 },
            })
            .collect();
        let all = |pile: &Choosable| pile.first + pile.then;
        let held: u64 = piles.iter().map(|pile| pile.value * all(pile)).sum();
        let picked = piles
            .iter()
            .enumerate()
            .map(|(place, pile)| pile.value * (all(pile) * share / 100).min(place as u64 + 2));
        let picked = picked.sum();
        (piles, [held * share / 100, picked])
    })
}
