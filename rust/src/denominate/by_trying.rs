//! The fewest items by trying all sets of them: what the searches are held against.

use proptest::prelude::*;

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
