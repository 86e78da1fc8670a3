//! The mix `equalEmptying`: every unit gives, as nearly as can be, the same share of its items.
//!
//! # The objective
//! A unit's share is what it gives of what it holds before. In this order:
//!
//! 1. the largest share of any unit that gives more than it must is as small as possible;
//! 2. the smallest share is as large as possible, where units that give all that 1 lets them, and
//!    units whose items are worth more than the amount, do not count;
//! 3. the fewest items, then most items of the largest value, then of the next.
//!
//! Units of one value share their items out by the rule of [`super::share`].
//!
//! # The solution
//! A largest share `s` gives each unit an upper limit, `floor(s·count)`; whether the amount can be
//! paid within limits is asked of [`super::fewest`], which is exact. More room never makes an
//! amount unpayable, so the least `s` is found by bisection; the same holds for the smallest share
//! and lower limits. Only fractions with a unit's count below them change a limit. The unit with
//! the most items has the finest grid; the search gallops along it from the even share, amount
//! over cash, which is near the answer, and between its last two points every other unit has one
//! fraction at most. So a denomination is some tens of searches for the fewest items.

use super::cash::Cash;
use super::source::{Source, Sources};
use super::{Failure, MAX_UNITS, OutOfWork, Work};

/// Items by this mix, at most `budget`; gives their number.
pub fn solve(
    cash: &Cash,
    budget: u64,
    result: &mut [u64],
    work: &mut Work,
) -> Result<u64, Failure> {
    let mut counts = [0; MAX_UNITS];
    let all = cash.sources.iter().map(|source| source.high);
    if all.fold(0, u64::saturating_add) > budget {
        let need = cash.need(work)?;
        if need > budget {
            return Err(Failure::TooManyItems(need));
        }
    } else if !cash.payable(cash.sources, budget, work)? {
        return Err(Failure::NotDispensable(cash.currency));
    }
    let mut even = Even {
        cash,
        budget,
        sources: cash.own_sources(),
        work,
    };
    let most = even.least_upper()?;
    even.sources = even.limited(most, Bound::Upper);
    let least = even.greatest_lower(most)?;
    even.sources = even.limited(least, Bound::Lower);
    let sources = even.sources;
    let items = cash
        .fewest(&sources, cash.amount, budget, &mut counts, work)?
        .ok_or(Failure::NotDispensable(cash.currency))?;
    cash.hand_out(&sources, &counts, result);
    Ok(items)
}

/// A share: `part` of `whole`.
#[derive(Clone, Copy, Debug)]
struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    fn cmp(self, other: Share) -> std::cmp::Ordering {
        let left = u128::from(self.part) * u128::from(other.whole);
        left.cmp(&(u128::from(other.part) * u128::from(self.whole)))
    }

    /// Items of `count` that are at most this share.
    fn floor(self, count: u64) -> u64 {
        (u128::from(count) * u128::from(self.part) / u128::from(self.whole)) as u64
    }

    /// Items of `count` that are at least this share.
    fn ceil(self, count: u64) -> u64 {
        (u128::from(count) * u128::from(self.part)).div_ceil(u128::from(self.whole)) as u64
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Upper,
    Lower,
}

struct Even<'a> {
    cash: &'a Cash<'a>,
    budget: u64,
    sources: Sources,
    work: &'a mut Work,
}

impl Even<'_> {
    /// The sources with one more limit.
    fn limited(&self, share: Share, bound: Bound) -> Sources {
        let mut sources = self.sources.clone();
        for source in &mut sources {
            match bound {
                Bound::Upper => {
                    source.high = share.floor(source.count).clamp(source.low, source.high)
                }
                Bound::Lower => {
                    source.low = share.ceil(source.count).clamp(source.low, source.high)
                }
            }
        }
        sources
    }

    fn payable(&mut self, share: Share, bound: Bound) -> Result<bool, OutOfWork> {
        let sources = self.limited(share, bound);
        self.cash.payable(&sources, self.budget, self.work)
    }

    /// Items of the unit with the most.
    fn finest(&self) -> u64 {
        self.sources
            .iter()
            .map(|source| source.count)
            .max()
            .unwrap_or(1)
            .max(1)
    }

    /// The even share on the finest grid, rounded down.
    fn start(&self, finest: u64) -> u64 {
        let worth =
            |source: &Source| u128::from(source.count) * u128::from(self.cash.values[source.pile]);
        let whole: u128 = self
            .sources
            .iter()
            .map(worth)
            .fold(0, u128::saturating_add)
            .max(1);
        let (mut amount, mut whole) = (u128::from(self.cash.amount), whole);
        while amount.leading_zeros() < 64 || whole.leading_zeros() < 1 {
            (amount, whole) = (amount >> 1, whole >> 1);
        }
        ((amount * u128::from(finest) / whole.max(1)) as u64).min(finest)
    }

    /// Other units' fractions strictly between two neighbouring points of the finest grid, rising.
    fn between(&self, point: u64, finest: u64) -> Vec<Share> {
        let (low, high) = (
            Share {
                part: point,
                whole: finest,
            },
            Share {
                part: point + 1,
                whole: finest,
            },
        );
        let mut shares: Vec<Share> = self
            .sources
            .iter()
            .filter(|source| source.count > 0)
            .map(|source| Share {
                part: low.floor(source.count) + 1,
                whole: source.count,
            })
            .filter(|share| share.cmp(high).is_lt())
            .collect();
        shares.sort_by(|a, b| a.cmp(*b));
        shares.dedup_by(|a, b| a.cmp(*b).is_eq());
        shares
    }

    /// The smallest share that, as the largest, lets the amount be paid; the whole lets it.
    fn least_upper(&mut self) -> Result<Share, OutOfWork> {
        let finest = self.finest();
        let start = self.start(finest);
        let (mut below, mut above, mut stride) = (None, finest, 1);
        let mut point = start;
        // Gallop up to a payable point.
        while point < finest {
            if self.payable(
                Share {
                    part: point,
                    whole: finest,
                },
                Bound::Upper,
            )? {
                above = point;
                break;
            }
            below = Some(point);
            point = point.saturating_add(stride).min(finest);
            stride *= 2;
        }
        if below.is_none() {
            // The start itself is payable, or the grid ends there: rounding may hide lower ones.
            below = if above == 0 {
                None
            } else {
                self.unpayable_below(above)?
            };
        }
        let Some(mut below) = below else {
            return Ok(Share {
                part: 0,
                whole: finest,
            });
        };
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if self.payable(
                Share {
                    part: middle,
                    whole: finest,
                },
                Bound::Upper,
            )? {
                above = middle;
            } else {
                below = middle;
            }
        }
        let shares = self.between(below, finest);
        let (mut from, mut to) = (0, shares.len());
        while from < to {
            let middle = (from + to) / 2;
            if self.payable(shares[middle], Bound::Upper)? {
                to = middle
            } else {
                from = middle + 1
            }
        }
        Ok(shares.get(to).copied().unwrap_or(Share {
            part: above,
            whole: finest,
        }))
    }

    /// A point of the finest grid below `above` that is not payable; `None` if even 0 is payable.
    fn unpayable_below(&mut self, above: u64) -> Result<Option<u64>, OutOfWork> {
        let finest = self.finest();
        let (mut point, mut stride) = (above, 1u64);
        loop {
            if point == 0 {
                return Ok(None);
            }
            point = point.saturating_sub(stride);
            stride = stride.saturating_mul(2);
            if !self.payable(
                Share {
                    part: point,
                    whole: finest,
                },
                Bound::Upper,
            )? {
                return Ok(Some(point));
            }
        }
    }

    /// The largest share that, as the smallest, lets the amount be paid; 0 lets it.
    fn greatest_lower(&mut self, most: Share) -> Result<Share, OutOfWork> {
        let finest = self.finest();
        let mut above = most.floor(finest).saturating_add(1).min(finest);
        let mut below = 0;
        let mut point = self.start(finest).min(above.saturating_sub(1));
        let mut stride = 1u64;
        // The share 0 is always payable.
        if point == 0
            || self.payable(
                Share {
                    part: point,
                    whole: finest,
                },
                Bound::Lower,
            )?
        {
            // Gallop up to a point that is too much.
            below = point;
            while below < above {
                point = below.saturating_add(stride).min(above);
                stride *= 2;
                if self.payable(
                    Share {
                        part: point,
                        whole: finest,
                    },
                    Bound::Lower,
                )? {
                    below = point;
                } else {
                    above = point;
                    break;
                }
            }
        } else {
            above = point.max(1);
            while point > 0 {
                point = point.saturating_sub(stride);
                stride *= 2;
                if point == 0
                    || self.payable(
                        Share {
                            part: point,
                            whole: finest,
                        },
                        Bound::Lower,
                    )?
                {
                    below = point;
                    break;
                }
                above = point;
            }
        }
        while above > below && above - below > 1 {
            let middle = below + (above - below) / 2;
            if self.payable(
                Share {
                    part: middle,
                    whole: finest,
                },
                Bound::Lower,
            )? {
                below = middle;
            } else {
                above = middle;
            }
        }
        if below >= finest {
            return Ok(Share {
                part: finest,
                whole: finest,
            });
        }
        let shares = self.between(below, finest);
        let (mut from, mut to) = (0, shares.len());
        while from < to {
            let middle = (from + to) / 2;
            if self.payable(shares[middle], Bound::Lower)? {
                from = middle + 1
            } else {
                to = middle
            }
        }
        Ok(if from == 0 {
            Share {
                part: below,
                whole: finest,
            }
        } else {
            shares[from - 1]
        })
    }
}
