//! All items of one value, whichever units hold them: what the searches work on.

use arrayvec::ArrayVec;

/// More items than there can be.
pub const UNBOUNDED: u64 = u64::MAX >> 2;

/// Piles of an everyday cash dispenser.
pub const FEW: usize = 8;
/// Piles of one that has many values, such as those of coins.
pub const SOME: usize = 24;

/// All items of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pile {
    /// What one item is worth; above 0.
    pub value: u64,
    /// How many there are.
    pub count: u64,
}

impl Pile {
    pub(super) const NONE: Pile = Pile { value: 1, count: 0 };
}

/// The piles that can give something for an amount, and their places among all.
pub(super) struct Usable<const N: usize> {
    pub(super) piles: ArrayVec<Pile, N>,
    places: ArrayVec<usize, N>,
}

impl<const N: usize> Usable<N> {
    pub(super) fn new(amount: u64, piles: impl Iterator<Item = Pile>) -> Self {
        let mut usable = Self {
            piles: ArrayVec::new(),
            places: ArrayVec::new(),
        };
        for (place, pile) in piles.enumerate() {
            if pile.count > 0 && pile.value <= amount {
                usable.piles.push(pile);
                usable.places.push(place);
            }
        }
        usable
    }

    /// Set the counts of all piles from those of the usable ones.
    pub(super) fn set(&self, found: &[u64], counts: &mut [u64]) {
        counts.fill(0);
        for (place, count) in self.places.iter().zip(found) {
            counts[*place] = *count;
        }
    }
}

/// Numbers of items whose sums are all the numbers up to `count`: powers of two and a rest.
pub(super) fn parts(count: u64) -> impl Iterator<Item = u64> {
    let (mut left, mut part) = (count, 1);
    std::iter::from_fn(move || {
        let next = part.min(left);
        left -= next;
        part *= 2;
        (next > 0).then_some(next)
    })
}
