//! A pile whose number of items is known but for multiples.
//!
//! All other values have a common divisor that this one has not, such as a pile of ones among tens. What the
//! amount leaves when divided by it must come from this pile, so its number of items is `first`, or `step` more, or
//! twice that. Mostly few numbers are left, often one; and what is left to the others is a smaller problem, for
//! their values are divided by more.
//!
//! Whether an amount can be made up at all ([`without`]): `first` items are taken, and `step` of those that
//! remain are one item that the divisor of the others divides, too.
//!
//! The fewest items ([`fewest`]): the fractional solution says which number of this pile costs least, and with each
//! step away from it, to either side, the number of items that it takes at least does not fall. So the two sides
//! are tried from there until they are hopeless.

use arrayvec::ArrayVec;

use super::divisor::{common_divisor, gcd, inverse, multiply};
use super::fewest::fewest as fewest_of_all;
use super::pile::Pile;
use super::{OutOfWork, Work};

/// Piles that a bound goes over in about the time of one step.
const PILES_A_STEP: u64 = 4;

/// What is known of one pile's number of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Congruent {
    /// The pile.
    pub(super) place: usize,
    /// The least number of its items.
    pub(super) first: u64,
    /// How far numbers are apart.
    pub(super) step: u64,
}

/// The pile of this kind with the fewest numbers left; all values, and the amount, are multiples of `divisor`.
pub(super) fn find(amount: u64, piles: &[(u64, u64)], divisor: u64) -> Option<Congruent> {
    if piles.len() < 2 {
        return None;
    }
    // Only as many of the first piles as have no more in common than all of them can be of this kind.
    let mut common = 0;
    let mut found: Option<(u64, Congruent)> = None;
    for (place, &(value, count)) in piles.iter().enumerate() {
        let mut others = common;
        for &(other, _) in &piles[place + 1..] {
            others = gcd(others, other);
            if others == divisor {
                break;
            }
        }
        if others > divisor {
            let step = others / divisor;
            let inverse = inverse(value / divisor, step);
            let first = multiply(amount / divisor % step, inverse, step);
            let numbers = match count >= first {
                true => (count - first) / step + 1,
                false => 0,
            };
            if found.is_none_or(|(least, _)| numbers < least) {
                found = Some((numbers, Congruent { place, first, step }));
            }
        }
        common = gcd(common, value);
        if common == divisor {
            break;
        }
    }
    found.map(|(_, congruent)| congruent)
}

impl Congruent {
    /// Whether there is but one number, for a pile of so many.
    pub(super) fn sure(&self, count: u64) -> bool {
        count < self.first + self.step
    }
}

/// Piles and an amount that can be made up if and only if the given one can, with no such pile and no
/// common divisor; `None` if it cannot be made up.
pub(super) fn without<const N: usize>(
    mut amount: u64,
    piles: impl Iterator<Item = (u64, u64)>,
) -> Option<(u64, ArrayVec<(u64, u64), N>)> {
    let mut piles: ArrayVec<(u64, u64), N> = piles
        .filter(|(value, count)| *value <= amount && *count > 0)
        .collect();
    loop {
        let divisor = common_divisor(piles.iter().map(|(value, _)| *value));
        if divisor > 1 {
            if !amount.is_multiple_of(divisor) {
                return None;
            }
            amount /= divisor;
            for (value, _) in &mut piles {
                *value /= divisor;
            }
        }
        let Some(Congruent { place, first, step }) = find(amount, &piles, 1) else {
            return Some((amount, piles));
        };
        let (value, count) = piles[place];
        if first > count {
            return None;
        }
        amount = amount.checked_sub(value.checked_mul(first)?)?;
        // Worth no more than the amount, or not needed.
        match value.checked_mul(step) {
            Some(worth) if worth <= amount && count - first >= step => {
                piles[place] = (worth, (count - first) / step);
            }
            _ => {
                piles.remove(place);
            }
        }
    }
}

/// The fewest items, at most `budget`, with each number of the pile that is not hopeless.
pub(super) fn fewest<const N: usize>(
    amount: u64,
    piles: &[Pile],
    pile: Congruent,
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let Pile { value, count } = piles[pile.place];
    let most = count.min(amount / value);
    if pile.first > most {
        return Ok(None);
    }
    let mut others: ArrayVec<Pile, N> = piles.iter().copied().collect();
    others.remove(pile.place);
    let last = (most - pile.first) / pile.step;
    let number = |at: u64| pile.first + at * pile.step;
    let bound = |at: u64| bound(amount - number(at) * value, &others, number(at));
    // The fractional solution's number of this pile, and the places next to it.
    let mut rest = amount;
    for larger in &piles[..pile.place] {
        rest -= rest.min(larger.value.saturating_mul(larger.count));
    }
    let middle = most.min(rest / value);
    let mut up = match middle >= pile.first {
        true => (middle - pile.first) / pile.step + 1,
        false => 0,
    };
    let mut down = up;
    let (mut best, mut allowed) = (None, budget);
    let mut found = [0; N];
    let found = &mut found[..others.len()];
    loop {
        work.steps(1 + piles.len() as u64 / PILES_A_STEP)?;
        let above = (up <= last).then(|| bound(up));
        let below = (down > 0).then(|| bound(down - 1));
        let (least, at) = match (above, below) {
            (None, None) => break,
            (Some(above), None) => (above, up),
            (None, Some(below)) => (below, down - 1),
            (Some(above), Some(below)) if above < below => (above, up),
            (Some(_), Some(below)) => (below, down - 1),
        };
        if least > allowed {
            break;
        }
        if at == up {
            up += 1
        } else {
            down -= 1
        }
        let taken = number(at);
        let rest = amount - taken * value;
        let Some(more) = fewest_of_all::<N>(rest, &others, allowed - taken, found, work)? else {
            continue;
        };
        let items = taken + more;
        let (larger, smaller) = found.split_at(pile.place);
        let here = larger.iter().chain(std::iter::once(&taken)).chain(smaller);
        if best.is_none_or(|best| items < best) || here.clone().gt(counts.iter()) {
            for (count, here) in counts.iter_mut().zip(here) {
                *count = *here;
            }
            (best, allowed) = (Some(items), items);
        }
    }
    Ok(best)
}

/// Items that it takes at least, if they could be divided, with so many taken already; more than there can be
/// if the piles do not suffice.
fn bound(mut rest: u64, piles: &[Pile], mut items: u64) -> u64 {
    for pile in piles {
        let worth = pile.value.saturating_mul(pile.count);
        if rest <= worth {
            return items + rest.div_ceil(pile.value);
        }
        items += pile.count;
        rest -= worth;
    }
    if rest == 0 { items } else { u64::MAX }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_trying::{best_of, problems};
    use super::*;

    /// Piles of which all but one have a divisor in common.
    fn with_an_odd_one() -> impl Strategy<Value = (Vec<(u64, u64)>, u64, u64)> {
        (problems(), 2u64..7, 1u64..40, 1u64..30).prop_map(
            |((piles, amount, budget), times, value, count)| {
                let mut piles: Vec<(u64, u64)> = piles
                    .iter()
                    .map(|&(value, count)| (value * times, count))
                    .collect();
                if piles.iter().all(|(other, _)| *other != value) {
                    piles.push((value, count));
                }
                piles.sort_unstable_by(|a, b| b.cmp(a));
                let held: u64 = piles.iter().map(|(value, count)| value * count).sum();
                (
                    piles,
                    (amount * times + value * (budget % 7)).min(held),
                    budget,
                )
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn numbers_of_one_pile_say_what_trying_all_says((pairs, amount, budget) in with_an_odd_one()) {
            let best = best_of(amount, &pairs);
            let reduced = without::<8>(amount, pairs.iter().copied());
            let possible = reduced.is_some_and(|(amount, piles)| best_of(amount, &piles).is_some());
            prop_assert_eq!(possible, best.is_some());

            let piles: Vec<Pile> = pairs.iter().map(|&(value, count)| Pile { value, count }).collect();
            let divisor = common_divisor(pairs.iter().map(|(value, _)| *value));
            if !amount.is_multiple_of(divisor) {
                return Ok(());
            }
            if let Some(pile) = find(amount, &pairs, divisor) {
                let work = &mut Work::new(1 << 40);
                let mut counts = vec![0; piles.len()];
                let items = fewest::<8>(amount, &piles, pile, budget, &mut counts, work).unwrap();
                let found = items.map(|items| (items, counts));
                prop_assert_eq!(found, best.filter(|(items, _)| *items <= budget));
            }
        }
    }
}
