//! The units of one currency, grouped once for many amounts.

use std::collections::BTreeSet;

use super::cash::{Cash, Grouped, all_there_is};
use super::pile::UNBOUNDED;
use super::plain::Level;
use super::source::Source;
use super::{Currency, Unit};

/// Units of one currency, grouped as they are for every amount that is not out of the ordinary: all of them take part,
/// and can make it up by what they are worth.
#[derive(Debug)]
pub struct Ready {
    currency: Currency,
    grouped: Grouped,
    /// Units of the currency that can give nothing.
    empty: Vec<usize>,
    /// The piles laid out, if no unit must give something.
    levels: Vec<Level>,
    /// What one of the grouped units' values is in smallest units.
    measure: u64,
    /// The least and the greatest such amount, in smallest units.
    least: u64,
    most: u64,
}

impl Ready {
    /// None if there is no such amount, or it would be none for all mixes.
    fn new(currency: Currency, units: &[Unit]) -> Option<Self> {
        let held = all_there_is(units, currency);
        let most = u64::try_from(held).ok().filter(|most| *most <= UNBOUNDED)?;
        let mut grouped = Grouped::none();
        let cash = grouped.gather(currency, held, units).ok()?;
        let (measure, levels) = (cash.measure, cash.laid_out());
        let gives = |place: usize| cash.sources.iter().any(|source| source.unit == place);
        let of_it = (0..units.len()).filter(|place| units[*place].currency == currency);
        let empty = of_it.filter(|place| !gives(*place)).collect();
        let largest = grouped.values.first()?.checked_mul(measure)?;
        let contained = units
            .iter()
            .filter(|unit| unit.currency == currency)
            .map(|unit| unit.value * unit.minimum)
            .sum();
        Some(Self {
            currency,
            empty,
            grouped,
            levels,
            measure,
            least: largest.max(contained),
            most,
        })
    }

    /// All currencies of the units of which there is such an amount.
    pub fn all(units: &[Unit]) -> Vec<Self> {
        let currencies: BTreeSet<Currency> = units.iter().map(|unit| unit.currency).collect();
        let ready = currencies.into_iter();
        ready.filter_map(|one| Self::new(one, units)).collect()
    }

    /// The currency.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The cash for an amount in smallest units; None if that is out of the ordinary, or as many items must come from
    /// `units`, which are otherwise those that were grouped, as did not then.
    pub fn cash(&self, amount: u128, units: &[Unit]) -> Option<Cash<'_>> {
        let amount = self.measured(amount)?;
        let same = |source: &Source| units[source.unit].minimum == source.low;
        (self.gives_nothing(units) && self.grouped.sources.iter().all(same)).then(|| Cash {
            levels: &self.levels,
            ..self.grouped.cash(self.currency, amount, self.measure)
        })
    }

    /// Group `units` as `cash` has them, with the items that must come from them; gives the amount and its measure.
    pub fn contain(&self, amount: u128, units: &[Unit], room: &mut Grouped) -> Option<(u64, u64)> {
        let amount = self.measured(amount)?;
        room.values.clone_from(&self.grouped.values);
        room.sources.clear();
        let mut contained = 0;
        for source in &self.grouped.sources {
            let low = units[source.unit].minimum;
            if low > source.high {
                return None;
            }
            contained += self.grouped.values[source.pile] * low;
            room.sources.push(Source { low, ..*source });
        }
        (self.gives_nothing(units) && contained <= amount).then_some((amount, self.measure))
    }

    /// An amount in the measure of the grouped values.
    fn measured(&self, amount: u128) -> Option<u64> {
        let amount = u64::try_from(amount).ok()?;
        let ordinary = self.least <= amount && amount <= self.most;
        (ordinary && amount.is_multiple_of(self.measure)).then(|| amount / self.measure)
    }

    /// Whether nothing must come from units that have nothing.
    fn gives_nothing(&self, units: &[Unit]) -> bool {
        self.empty.iter().all(|place| units[*place].minimum == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::table::Row;
    use super::super::{Mix, Request, SCALE, Work, denominate};
    use super::*;

    const CURRENCIES: [Currency; 2] = [Currency(*b"EUR"), Currency(*b"USD")];

    /// A unit, and the items that must come from it besides.
    fn unit() -> impl Strategy<Value = (Unit, u64)> {
        let value = prop::sample::select(vec![1u64, 50_000, 100_000, 200_000, 300_000, 2_000_000]);
        let maximum = prop::sample::select(vec![0, 2, u64::MAX, u64::MAX]);
        let minimum = prop::sample::select(vec![0u64, 0, 0, 0, 1]);
        let parts = (0usize..2, value, 0u64..6, minimum, maximum, 0u64..3);
        parts.prop_map(|(currency, value, count, minimum, maximum, more)| {
            let unit = Unit {
                currency: CURRENCIES[currency],
                value,
                count,
                minimum,
                maximum,
            };
            (unit, more)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_was_grouped_before_has_the_same_answers(
            units in prop::collection::vec(unit(), 1..7),
            amounts in prop::collection::vec((0u64..14, 0u64..3), 1..3),
            limit in prop::option::of(0u64..12),
            containing in any::<bool>(),
        ) {
            let (mut asked, more): (Vec<Unit>, Vec<u64>) = units.into_iter().unzip();
            let ready = Ready::all(&asked);
            if containing {
                for (unit, more) in asked.iter_mut().zip(more) {
                    unit.minimum = more;
                }
            }
            // Some amounts are those of all the cash, or a little off what can be had.
            let amounts: Vec<(Currency, u128)> = CURRENCIES
                .into_iter()
                .zip(amounts)
                .map(|(currency, (whole, off))| {
                    let most = all_there_is(&asked, currency);
                    let amount = if whole == 13 { most } else { u128::from(whole) * SCALE / 2 };
                    (currency, amount + u128::from(off / 2))
                })
                .collect();
            let rows = [Row { amount: SCALE, items: vec![(SCALE / 2, 2)] }];
            for mix in [Mix::MinimumBills, Mix::EqualEmptying, Mix::MaxCashUnits, Mix::Table(&rows)] {
                let request = Request { amounts: &amounts, units: &asked, ready: &[], mix, max_items: limit };
                let (mut expected, mut counts) = (vec![0; asked.len()], vec![0; asked.len()]);
                let without = denominate(&request, &mut expected, &mut Work::new(1 << 40));
                let request = Request { ready: &ready, ..request };
                let with = denominate(&request, &mut counts, &mut Work::new(1 << 40));
                prop_assert_eq!(with, without);
                if with.is_ok() {
                    prop_assert_eq!(&counts, &expected);
                }
            }
        }
    }
}
