//! One unit of one currency, as the mixes see it.

use arrayvec::ArrayVec;

use super::MAX_UNITS;

/// What one unit may give.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its place among the units of the request.
    pub unit: usize,
    /// The pile it belongs to.
    pub pile: usize,
    /// Items that it holds.
    pub count: u64,
    /// Items that must come from it.
    pub low: u64,
    /// Items that may come from it.
    pub high: u64,
}

/// The units of one currency.
pub type Sources = ArrayVec<Source, MAX_UNITS>;
