//! Sharing items of one value out to the units that hold it.
//!
//! The rule: every next item comes from the unit whose share of what it holds is then the
//! smallest, the first listed of several such. So units of one value run empty together, and a
//! few items come from the fullest. The limits of each unit are kept.
//!
//! By the rule, unit `u` gives `floor(s·count[u])` items (within its limits) once all shares up to
//! `s` are handed out; so `s` is found first and the less than one item for each unit that is
//! then left follows the rule literally.

use super::source::Source;

/// Give `items` to the units of `pile`; their limits must allow it.
pub fn share(pile: &[Source], items: u64, result: &mut [u64]) {
    if let [source] = pile {
        result[source.unit] = items;
        return;
    }
    let whole: u128 = pile.iter().map(|source| u128::from(source.count)).sum();
    let given = |part: u128| -> u128 {
        pile.iter()
            .map(|source| u128::from(at(source, part, whole)))
            .sum()
    };
    let items = u128::from(items);
    let mut part = items;
    if pile.iter().any(|source| {
        let fair = at(source, part, whole);
        fair == source.low && fair > 0 || fair == source.high
    }) {
        // Limits may hold: the largest part with no more than `items` given.
        let (mut below, mut above) = (0, whole + 1);
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if given(middle) <= items {
                below = middle
            } else {
                above = middle
            }
        }
        part = below;
    }
    let mut left = items;
    for source in pile {
        let count = at(source, part, whole);
        result[source.unit] = count;
        left = left.saturating_sub(u128::from(count));
    }
    while left > 0 {
        let next = pile
            .iter()
            .filter(|source| result[source.unit] < source.high)
            .min_by(|a, b| {
                let share_a = u128::from(result[a.unit] + 1) * u128::from(b.count);
                let share_b = u128::from(result[b.unit] + 1) * u128::from(a.count);
                share_a.cmp(&share_b)
            });
        let Some(next) = next else { break };
        result[next.unit] += 1;
        left -= 1;
    }
}

/// Items of a unit when every unit gives `part` of `whole`, within its limits.
fn at(source: &Source, part: u128, whole: u128) -> u64 {
    if part >= whole {
        return source.high;
    }
    // Below `count`: fits.
    let fair = (u128::from(source.count) * part / whole) as u64;
    fair.clamp(source.low, source.high)
}
