//! The units of one currency, as the mixes see them: grouped into piles of one value.

use arrayvec::ArrayVec;

use super::divisor::common_divisor;
use super::fewest;
use super::payable::{self, FEW_WORDS};
use super::pile::{FEW, Pile, SOME, UNBOUNDED};
use super::plain::Level;
use super::source::{Source, Sources};
use super::{Currency, Failure, MAX_UNITS, OutOfWork, SCALE, Unit, Work, share};

/// Steps in which items that pay an amount are mostly found.
const QUICK_STEPS: u64 = 64;
/// Smallest units in one of a currency.
const WHOLE: u64 = SCALE as u64;

/// Units of one currency, grouped into piles.
#[derive(Debug)]
pub struct Grouped {
    /// Values of the piles, largest first.
    pub values: ArrayVec<u64, MAX_UNITS>,
    /// The units, pile by pile, in the order of the request.
    pub sources: Sources,
}

impl Grouped {
    /// No units; to be filled in place, as it is large to be moved.
    pub fn none() -> Self {
        Self {
            values: ArrayVec::new(),
            sources: ArrayVec::new(),
        }
    }

    /// Take the units of `currency` among `units`, for an amount in smallest units.
    pub fn gather(
        &mut self,
        currency: Currency,
        amount: u128,
        units: &[Unit],
    ) -> Result<Cash<'_>, Failure> {
        let sources = &mut self.sources;
        sources.clear();
        // What no item can be worth, if the amount is more than that.
        let roof = u64::try_from(amount).unwrap_or(u64::MAX);
        let mut any = false;
        let (mut held, mut contained) = (0u64, 0u64);
        // Whole money, as nearly always, is reckoned in whole money: small numbers divide faster.
        let mut whole = roof.is_multiple_of(WHOLE);
        let (mut falling, mut rising, mut last) = (true, true, 0);
        for (place, unit) in units.iter().enumerate() {
            if unit.currency != currency {
                continue;
            }
            any = true;
            let high = unit.count.min(unit.maximum).min(UNBOUNDED);
            if unit.minimum > high {
                return Err(Failure::MinimumAboveMaximum(place));
            }
            held = held.saturating_add(unit.value.saturating_mul(high));
            if unit.minimum > 0 {
                contained = contained.saturating_add(unit.value.saturating_mul(unit.minimum));
            }
            if high > 0 && unit.value <= roof {
                whole &= unit.value.is_multiple_of(WHOLE);
                falling &= last >= unit.value || last == 0;
                rising &= last < unit.value;
                last = unit.value;
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
        if contained > roof {
            return Err(Failure::ContainedAboveAmount(currency));
        }
        // Sums are exact up to the roof, which only an amount that is out of reach exceeds.
        if held < roof || u128::from(roof) < amount && all_there_is(units, currency) < amount {
            return Err(Failure::NotDispensable(currency));
        }
        if falling {
        } else if rising {
            sources.reverse();
        } else {
            sources.sort_by(|a, b| units[b.unit].value.cmp(&units[a.unit].value));
        }
        let measure = if roof > UNBOUNDED {
            common_measure(currency, amount, sources, units)?
        } else if whole {
            WHOLE
        } else {
            1
        };
        self.values.clear();
        let mut last = 0;
        for source in sources {
            let value = match measure {
                1 => units[source.unit].value,
                WHOLE => units[source.unit].value / WHOLE,
                measure => units[source.unit].value / measure,
            };
            if value != last {
                self.values.push(value);
                last = value;
            }
            source.pile = self.values.len() - 1;
        }
        let amount = match measure {
            WHOLE if roof <= UNBOUNDED => roof / WHOLE,
            _ => (amount / u128::from(measure)) as u64,
        };
        Ok(self.cash(currency, amount, measure))
    }

    /// Its cash, and an amount in the same measure as `values`.
    pub fn cash(&self, currency: Currency, amount: u64, measure: u64) -> Cash<'_> {
        Cash {
            currency,
            amount,
            measure,
            values: &self.values,
            sources: &self.sources,
            levels: &[],
        }
    }
}

/// Cash of one currency, and the amount to be made up from it.
#[derive(Clone, Copy, Debug)]
pub struct Cash<'a> {
    /// The currency.
    pub currency: Currency,
    /// The amount; in the same measure as `values`.
    pub amount: u64,
    /// What one of `amount` is in smallest units.
    pub measure: u64,
    /// Values of the piles, largest first.
    pub values: &'a [u64],
    /// The units, pile by pile, in the order of the request.
    pub sources: &'a [Source],
    /// The piles as [`super::plain`] has them, if they were laid out before.
    pub levels: &'a [Level],
}

impl Cash<'_> {
    /// The piles as [`super::plain`] has them; none if some items must be contained.
    pub fn laid_out(&self) -> Vec<Level> {
        let mut piles = vec![Pile::NONE; self.values.len()];
        if self.fill(self.sources, &mut piles) != (0, 0) {
            return Vec::new();
        }
        let mut levels = vec![Level::NONE; piles.len()];
        Level::lay_out(&piles, &mut levels);
        levels
    }

    /// The sources once more, to be limited further.
    pub fn own_sources(&self) -> Sources {
        self.sources.iter().copied().collect()
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
            n if n <= FEW => self.fewest_of::<FEW>(sources, amount, budget, counts, work),
            n if n <= SOME => self.fewest_of::<SOME>(sources, amount, budget, counts, work),
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
        let (contained, items) = self.fill(sources, piles);
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

    /// The piles, each with what its sources may give beyond what they must; gives what they must, its worth and items.
    fn fill(&self, sources: &[Source], piles: &mut [Pile]) -> (u128, u64) {
        for (pile, value) in piles.iter_mut().zip(self.values) {
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
        (contained, items)
    }

    /// Whether any items within the sources' limits pay the amount, at most `budget`.
    pub fn payable(
        &self,
        sources: &[Source],
        budget: u64,
        work: &mut Work,
    ) -> Result<bool, OutOfWork> {
        let mut piles: ArrayVec<(u64, u64), MAX_UNITS> =
            self.values.iter().map(|value| (*value, 0)).collect();
        let (mut contained, mut most) = (0u128, 0u64);
        for source in sources {
            let (value, count) = &mut piles[source.pile];
            *count = count.saturating_add(source.high - source.low);
            most = most.saturating_add(source.high);
            contained += u128::from(source.low) * u128::from(*value);
        }
        let Some(rest) = u128::from(self.amount).checked_sub(contained) else {
            return Ok(false);
        };
        let room: u128 = piles
            .iter()
            .map(|&(value, count)| u128::from(value) * u128::from(count))
            .sum();
        if room < rest {
            return Ok(false);
        }
        let mut counts = [0; MAX_UNITS];
        let found = work.within(QUICK_STEPS, |work| {
            self.fewest(sources, self.amount, budget, &mut counts, work)
        })?;
        if let Some(found) = found {
            return Ok(found.is_some());
        }
        // Where the number of items matters, the fewest are looked for.
        if most <= budget {
            let said = payable::payable(rest as u64, piles.iter().copied(), FEW_WORDS, work)?;
            if let Some(said) = said {
                return Ok(said);
            }
        }
        let found = self.fewest(sources, self.amount, budget, &mut counts, work)?;
        Ok(found.is_some())
    }

    /// The fewest items for the amount.
    pub fn need(&self, work: &mut Work) -> Result<u64, Failure> {
        let mut counts = [0; MAX_UNITS];
        self.fewest(self.sources, self.amount, UNBOUNDED, &mut counts, work)?
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
            n if n <= FEW => self.fewest_handed_out::<FEW>(budget, result, work),
            n if n <= SOME => self.fewest_handed_out::<SOME>(budget, result, work),
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
        let found = match self.levels {
            [] => self.fewest_of::<N>(self.sources, self.amount, UNBOUNDED, &mut counts, work)?,
            levels => {
                let counts = &mut counts[..levels.len()];
                fewest::by_levels::<N>(self.amount, levels, UNBOUNDED, counts, work)?
            }
        };
        let items = found.ok_or(Failure::NotDispensable(self.currency))?;
        if items > budget {
            return Err(Failure::TooManyItems(items));
        }
        self.hand_out(self.sources, &counts, result);
        Ok(items)
    }

    /// Share items of piles out to units.
    pub fn hand_out(&self, sources: &[Source], counts: &[u64], result: &mut [u64]) {
        if sources.len() == self.values.len() {
            // One unit of each value, as nearly always.
            for source in sources {
                result[source.unit] = counts[source.pile];
            }
            return;
        }
        for pile in sources.chunk_by(|a, b| a.pile == b.pile) {
            share::share(pile, counts[pile[0].pile], result);
        }
    }
}

/// What all units of a currency may give together.
pub fn all_there_is(units: &[Unit], currency: Currency) -> u128 {
    units
        .iter()
        .filter(|unit| unit.currency == currency)
        .map(|unit| u128::from(unit.value) * u128::from(unit.count.min(unit.maximum)))
        .fold(0, u128::saturating_add)
}

/// What an amount beyond [`UNBOUNDED`] is measured in: the common divisor of the values.
fn common_measure(
    currency: Currency,
    amount: u128,
    sources: &[Source],
    units: &[Unit],
) -> Result<u64, Failure> {
    let divisor = common_divisor(sources.iter().map(|source| units[source.unit].value));
    if divisor == 0 || !amount.is_multiple_of(u128::from(divisor)) {
        return Err(Failure::NotDispensable(currency));
    }
    if amount / u128::from(divisor) > u128::from(UNBOUNDED) {
        return Err(Failure::TooLarge(currency));
    }
    Ok(divisor)
}
