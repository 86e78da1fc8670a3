//! The dispensable amounts next to one that is asked for.

use super::cash::Grouped;
use super::divisor::gcd;
use super::pile::UNBOUNDED;
use super::{Currency, Failure, MAX_UNITS, Unit, Work};

/// The largest dispensable amount not above `amount`, and the smallest not below it.
///
/// `None` where there is none above 0. Amounts are in smallest units.
pub fn nearest(
    currency: Currency,
    amount: u128,
    units: &[Unit],
    max_items: Option<u64>,
    work: &mut Work,
) -> Result<(Option<u128>, Option<u128>), Failure> {
    if units.len() > MAX_UNITS {
        return Err(Failure::TooManyUnits);
    }
    let mut reach = Reach::new(currency, units, max_items.unwrap_or(UNBOUNDED))?;
    let below = reach.next(amount.min(reach.most), false, work)?;
    let above = reach.next(amount.max(reach.least), true, work)?;
    Ok((below, above))
}

struct Reach<'a> {
    currency: Currency,
    units: &'a [Unit],
    budget: u64,
    /// Smallest amount above 0 that could be dispensed.
    least: u128,
    /// Largest amount with the items allowed.
    most: u128,
    /// What must be contained, and the step from it.
    contained: u128,
    step: u128,
}

impl<'a> Reach<'a> {
    fn new(currency: Currency, units: &'a [Unit], budget: u64) -> Result<Self, Failure> {
        let mut own: Vec<&Unit> = units
            .iter()
            .filter(|unit| unit.currency == currency)
            .collect();
        if own.is_empty() {
            return Err(Failure::InvalidCurrency(currency));
        }
        own.sort_by_key(|unit| std::cmp::Reverse(unit.value));
        let (mut contained, mut must) = (0u128, 0u64);
        for unit in &own {
            contained = contained
                .saturating_add(u128::from(unit.value).saturating_mul(u128::from(unit.minimum)));
            must = must.saturating_add(unit.minimum);
        }
        let (mut most, mut items) = (contained, budget.saturating_sub(must));
        let (mut step, mut smallest) = (0, 0);
        for unit in &own {
            let more = unit.count.min(unit.maximum).saturating_sub(unit.minimum);
            if more > 0 {
                step = gcd(step, unit.value);
                smallest = unit.value;
            }
            let taken = more.min(items);
            most = most.saturating_add(u128::from(unit.value).saturating_mul(u128::from(taken)));
            items -= taken;
        }
        if must > budget {
            return Err(Failure::TooManyItems(must));
        }
        let least = if contained > 0 {
            contained
        } else {
            u128::from(smallest)
        };
        Ok(Self {
            currency,
            units,
            budget,
            least,
            most,
            contained,
            step: u128::from(step.max(1)),
        })
    }

    /// The dispensable amount next to `from`, itself included.
    fn next(
        &mut self,
        from: u128,
        upwards: bool,
        work: &mut Work,
    ) -> Result<Option<u128>, Failure> {
        if from < self.least || from > self.most || self.most == 0 {
            return Ok(None);
        }
        let over = (from - self.contained) % self.step;
        let mut amount = from - over;
        if upwards && over > 0 {
            amount += self.step;
        }
        while amount >= self.least && amount <= self.most {
            work.step()?;
            if self.payable(amount, work)? {
                return Ok(Some(amount));
            }
            if upwards {
                amount += self.step;
            } else if amount < self.step {
                break;
            } else {
                amount -= self.step;
            }
        }
        Ok(None)
    }

    fn payable(&self, amount: u128, work: &mut Work) -> Result<bool, Failure> {
        let mut counts = [0; MAX_UNITS];
        let mut grouped = Grouped::none();
        let cash = match grouped.gather(self.currency, amount, self.units) {
            Ok(cash) => cash,
            Err(Failure::NotDispensable(_) | Failure::ContainedAboveAmount(_)) => return Ok(false),
            Err(other) => return Err(other),
        };
        Ok(cash
            .fewest(cash.sources, cash.amount, self.budget, &mut counts, work)?
            .is_some())
    }
}
