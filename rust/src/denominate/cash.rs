//! The units of one currency, as the mixes see them: grouped into piles of one value.

use smallvec::SmallVec;

use super::fewest::{self, Pile, UNBOUNDED};
use super::source::{Source, Sources};
use super::{Currency, Failure, MAX_UNITS, OutOfWork, Unit, Work, share};

/// Cash of one currency, and the amount to be made up from it.
#[derive(Debug)]
pub struct Cash {
    /// The currency.
    pub currency: Currency,
    /// The amount; in the same measure as `values`.
    pub amount: u64,
    /// What one of `amount` is in smallest units.
    pub measure: u128,
    /// Values of the piles, largest first.
    pub values: SmallVec<[u64; fewest::FEW]>,
    /// The units, pile by pile, in the order of the request.
    pub sources: Sources,
}

impl Cash {
    /// The units of `currency` among `units`.
    pub fn new(currency: Currency, amount: u128, units: &[Unit]) -> Result<Self, Failure> {
        let mut any = false;
        let (mut held, mut contained) = (0u128, 0u128);
        let mut sources = Sources::new();
        for (place, unit) in units.iter().enumerate() {
            if unit.currency != currency {
                continue;
            }
            any = true;
            let high = unit.count.min(unit.maximum).min(UNBOUNDED);
            if unit.minimum > high {
                return Err(Failure::MinimumAboveMaximum(place));
            }
            held = held.saturating_add(unit.value.saturating_mul(u128::from(high)));
            contained =
                contained.saturating_add(unit.value.saturating_mul(u128::from(unit.minimum)));
            if high > 0 && unit.value <= amount {
                sources.push(Source {
                    unit: place,
                    pile: 0,
                    count: unit.count,
                    low: unit.minimum,
                    high,
                });
            }
        }
        if !any {
            return Err(Failure::InvalidCurrency(currency));
        }
        if contained > amount {
            return Err(Failure::ContainedAboveAmount(currency));
        }
        if held < amount {
            return Err(Failure::NotDispensable(currency));
        }
        sources.sort_by(|a, b| units[b.unit].value.cmp(&units[a.unit].value));
        let measure = if amount <= u128::from(UNBOUNDED) {
            1
        } else {
            let divisor = sources
                .iter()
                .fold(0, |divisor, source| gcd(divisor, units[source.unit].value));
            if divisor == 0 || !amount.is_multiple_of(divisor) {
                return Err(Failure::NotDispensable(currency));
            }
            if amount / divisor > u128::from(UNBOUNDED) {
                return Err(Failure::WorkLimit);
            }
            divisor
        };
        let mut values = SmallVec::new();
        for source in &mut sources {
            // No larger than the amount, which fits.
            let value = units[source.unit].value;
            let value = if measure == 1 {
                value as u64
            } else {
                (value / measure) as u64
            };
            if values.last() != Some(&value) {
                values.push(value);
            }
            source.pile = values.len() - 1;
        }
        Ok(Self {
            currency,
            amount: if measure == 1 {
                amount as u64
            } else {
                (amount / measure) as u64
            },
            measure,
            values,
            sources,
        })
    }

    /// The sources of each pile.
    pub fn piles(&self) -> impl Iterator<Item = &[Source]> {
        self.sources.chunk_by(|a, b| a.pile == b.pile)
    }

    /// Fewest items within the sources' limits, at most `budget`; `counts` by pile.
    pub fn fewest(
        &self,
        sources: &[Source],
        amount: u64,
        budget: u64,
        counts: &mut [u64],
        work: &mut Work,
    ) -> Result<Option<u64>, OutOfWork> {
        if self.values.len() <= fewest::FEW {
            self.fewest_of::<{ fewest::FEW }>(sources, amount, budget, counts, work)
        } else {
            self.fewest_of::<MAX_UNITS>(sources, amount, budget, counts, work)
        }
    }

    fn fewest_of<const N: usize>(
        &self,
        sources: &[Source],
        amount: u64,
        budget: u64,
        counts: &mut [u64],
        work: &mut Work,
    ) -> Result<Option<u64>, OutOfWork> {
        let mut piles = [Pile { value: 0, count: 0 }; N];
        let mut lows = [0u64; N];
        let n = self.values.len();
        for (pile, value) in piles.iter_mut().zip(&self.values) {
            pile.value = *value;
        }
        let (mut contained, mut items) = (0u128, 0u64);
        for source in sources {
            piles[source.pile].count = piles[source.pile]
                .count
                .saturating_add(source.high - source.low);
            if source.low > 0 {
                lows[source.pile] += source.low;
                items = items.saturating_add(source.low);
                contained += u128::from(source.low) * u128::from(self.values[source.pile]);
            }
        }
        if contained > u128::from(amount) || items > budget {
            return Ok(None);
        }
        let rest = amount - contained as u64;
        let found = fewest::fewest(rest, &piles[..n], budget - items, &mut counts[..n], work)?;
        Ok(found.map(|more| {
            for (count, low) in counts.iter_mut().zip(&lows[..n]) {
                *count += low;
            }
            more + items
        }))
    }

    /// The fewest items for the amount.
    pub fn need(&self, work: &mut Work) -> Result<u64, Failure> {
        let mut counts = [0; MAX_UNITS];
        self.fewest(&self.sources, self.amount, UNBOUNDED, &mut counts, work)?
            .ok_or(Failure::NotDispensable(self.currency))
    }

    /// The mix `minimumBills`.
    pub fn minimum_bills(
        &self,
        budget: u64,
        result: &mut [u64],
        work: &mut Work,
    ) -> Result<u64, Failure> {
        let mut counts = [0; MAX_UNITS];
        let items = self
            .fewest(&self.sources, self.amount, UNBOUNDED, &mut counts, work)?
            .ok_or(Failure::NotDispensable(self.currency))?;
        if items > budget {
            return Err(Failure::TooManyItems(items));
        }
        self.hand_out(&self.sources, &counts, result);
        Ok(items)
    }

    /// Share items of piles out to units.
    pub fn hand_out(&self, sources: &[Source], counts: &[u64], result: &mut [u64]) {
        for pile in sources.chunk_by(|a, b| a.pile == b.pile) {
            share::share(pile, counts[pile[0].pile], result);
        }
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
