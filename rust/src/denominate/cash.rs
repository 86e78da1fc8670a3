//! The units of one currency, as the mixes see them: grouped into piles of one value.

use smallvec::SmallVec;

use super::fewest::{self, FEW, Pile, SOME, UNBOUNDED, gcd};
use super::source::{Source, Sources};
use super::{Currency, Failure, MAX_UNITS, OutOfWork, SCALE, Unit, Work, share};

/// Smallest units in one of a currency.
const WHOLE: u64 = SCALE as u64;

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
    pub values: SmallVec<[u64; SOME]>,
    /// The units, pile by pile, in the order of the request.
    pub sources: Sources,
}

impl Cash {
    /// None of any currency; to be filled in place, as it is large to be moved.
    pub fn none() -> Self {
        Self {
            currency: Currency([0; 3]),
            amount: 0,
            measure: 1,
            values: SmallVec::new(),
            sources: SmallVec::new(),
        }
    }

    /// Take the units of `currency` among `units`.
    pub fn gather(
        &mut self,
        currency: Currency,
        amount: u128,
        units: &[Unit],
    ) -> Result<(), Failure> {
        self.currency = currency;
        let sources = &mut self.sources;
        sources.clear();
        let mut any = false;
        let (mut held, mut contained) = (0u128, 0u128);
        // Whole money, as nearly always, is reckoned in whole money: small numbers divide faster.
        let mut whole = amount.is_multiple_of(SCALE);
        let (mut falling, mut rising) = (true, true);
        for (place, unit) in units.iter().enumerate() {
            if unit.currency != currency {
                continue;
            }
            any = true;
            let high = unit.count.min(unit.maximum).min(UNBOUNDED);
            if unit.minimum > high {
                return Err(Failure::MinimumAboveMaximum(place));
            }
            let value = u128::from(unit.value);
            held = held.saturating_add(value * u128::from(high));
            if unit.minimum > 0 {
                contained = contained.saturating_add(value * u128::from(unit.minimum));
            }
            if high > 0 && value <= amount {
                whole &= unit.value.is_multiple_of(WHOLE);
                if let Some(last) = sources.last() {
                    let last = units[last.unit].value;
                    falling &= last >= unit.value;
                    rising &= last < unit.value;
                }
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
        if falling {
        } else if rising {
            sources.reverse();
        } else {
            sources.sort_by(|a, b| units[b.unit].value.cmp(&units[a.unit].value));
        }
        let measure = if amount > u128::from(UNBOUNDED) {
            common_measure(currency, amount, sources, units)?
        } else if whole {
            WHOLE
        } else {
            1
        };
        self.values.clear();
        for source in sources {
            let value = match measure {
                1 => units[source.unit].value,
                WHOLE => units[source.unit].value / WHOLE,
                measure => units[source.unit].value / measure,
            };
            if self.values.last() != Some(&value) {
                self.values.push(value);
            }
            source.pile = self.values.len() - 1;
        }
        self.measure = u128::from(measure);
        self.amount = match u64::try_from(amount) {
            Ok(amount) if measure == 1 => amount,
            Ok(amount) if measure == WHOLE => amount / WHOLE,
            _ => (amount / self.measure) as u64,
        };
        Ok(())
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
        match self.values.len() {
            ..=FEW => self.fewest_of::<FEW>(sources, amount, budget, counts, work),
            ..=SOME => self.fewest_of::<SOME>(sources, amount, budget, counts, work),
            _ => self.fewest_of::<MAX_UNITS>(sources, amount, budget, counts, work),
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
        let mut piles = [Pile::NONE; N];
        let piles = &mut piles[..self.values.len()];
        let counts = &mut counts[..piles.len()];
        for (pile, value) in piles.iter_mut().zip(&self.values) {
            pile.value = *value;
        }
        let (mut contained, mut items) = (0u128, 0u64);
        for source in sources {
            let pile = &mut piles[source.pile];
            pile.count = pile.count.saturating_add(source.high - source.low);
            if source.low > 0 {
                items = items.saturating_add(source.low);
                contained += u128::from(source.low) * u128::from(pile.value);
            }
        }
        if contained > u128::from(amount) || items > budget {
            return Ok(None);
        }
        let rest = amount - contained as u64;
        let Some(more) = fewest::fewest::<N>(rest, piles, budget - items, counts, work)? else {
            return Ok(None);
        };
        if items > 0 {
            for source in sources {
                counts[source.pile] += source.low;
            }
        }
        Ok(Some(more + items))
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
        match self.values.len() {
            ..=FEW => self.fewest_handed_out::<FEW>(budget, result, work),
            ..=SOME => self.fewest_handed_out::<SOME>(budget, result, work),
            _ => self.fewest_handed_out::<MAX_UNITS>(budget, result, work),
        }
    }

    fn fewest_handed_out<const N: usize>(
        &self,
        budget: u64,
        result: &mut [u64],
        work: &mut Work,
    ) -> Result<u64, Failure> {
        let mut counts = [0; N];
        let items = self
            .fewest_of::<N>(&self.sources, self.amount, UNBOUNDED, &mut counts, work)?
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

/// What an amount beyond [`UNBOUNDED`] is measured in: the common divisor of the values.
fn common_measure(
    currency: Currency,
    amount: u128,
    sources: &[Source],
    units: &[Unit],
) -> Result<u64, Failure> {
    let divisor = sources
        .iter()
        .fold(0, |divisor, source| gcd(divisor, units[source.unit].value));
    if divisor == 0 || !amount.is_multiple_of(u128::from(divisor)) {
        return Err(Failure::NotDispensable(currency));
    }
    if amount / u128::from(divisor) > u128::from(UNBOUNDED) {
        return Err(Failure::WorkLimit);
    }
    Ok(divisor)
}
