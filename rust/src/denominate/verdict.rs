//! What a way of looking for items has found.

/// What one way of looking says of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These are the fewest items; their counts are set.
    Fewest(u64),
    /// It takes more items than the budget, or cannot be done at all.
    Never,
    /// It would take too much to say.
    Unknown,
}

impl Verdict {
    /// The number of items, or none; `None` if that is not known.
    pub fn decided(self) -> Option<Option<u64>> {
        match self {
            Verdict::Fewest(items) => Some(Some(items)),
            Verdict::Never => Some(None),
            Verdict::Unknown => None,
        }
    }
}
