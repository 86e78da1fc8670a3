//! All items of one value, whichever units hold them: what the searches work on.

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
