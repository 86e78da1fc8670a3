//! What is asked for: read from Python, solved, and its failures told.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};

use smallvec::SmallVec;

use super::errors::error;
use super::mix_table::MixTable;
use super::money::{count_of, currency_of, money, name, written};
use super::unit::Unit;
use crate::denominate::fewest::FEW;
use crate::denominate::{self, Currency, Failure, MAX_UNITS, Mix, WORK_LIMIT, Work};

/// Steps that are taken without giving other threads a chance: a few microseconds.
const TINY: u64 = 256;

/// Units as the solver has them, and as Python has them.
pub(super) type Units<'py> = (
    SmallVec<[denominate::Unit; FEW]>,
    SmallVec<[Bound<'py, Unit>; FEW]>,
);

/// What is asked for, read.
pub(super) struct Asked<'py> {
    pub(super) units: SmallVec<[denominate::Unit; FEW]>,
    pub(super) objects: SmallVec<[Bound<'py, Unit>; FEW]>,
    pub(super) amounts: SmallVec<[(Currency, u128); 1]>,
    pub(super) max_items: Option<u64>,
    work_limit: u64,
}

impl<'py> Asked<'py> {
    pub(super) fn read(
        amounts: &Bound<'py, PyAny>,
        units: &Bound<'py, PyAny>,
        max_items: Option<&Bound<'py, PyAny>>,
        partial: Option<&Bound<'py, PyAny>>,
        work_limit: Option<u64>,
    ) -> PyResult<Self> {
        let (plain, objects) = read_units(units)?;
        let mut asked = Self {
            units: plain,
            objects,
            amounts: SmallVec::new(),
            max_items: max_items
                .map(|given| count_of(given, "max_items"))
                .transpose()?,
            work_limit: work_limit.unwrap_or(WORK_LIMIT),
        };
        asked.read_amounts(amounts)?;
        if let Some(partial) = partial {
            asked.read_partial(partial)?;
        }
        Ok(asked)
    }

    fn read_amounts(&mut self, amounts: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = amounts.py();
        if let Ok(amounts) = amounts.cast_exact::<PyDict>() {
            for (currency, amount) in amounts.iter() {
                self.amounts
                    .push((currency_of(&currency)?, money(&amount, "the amount")?));
            }
        } else if let Ok(amounts) = amounts.cast::<PyMapping>() {
            for pair in amounts.items()?.iter() {
                let (currency, amount): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
                self.amounts
                    .push((currency_of(&currency)?, money(&amount, "the amount")?));
            }
        } else {
            let amount = money(amounts, "the amount")?;
            let Some(first) = self.units.first() else {
                return Err(error(
                    py,
                    "InvalidCurrency",
                    "there are no units".to_owned(),
                ));
            };
            if let Some(other) = self
                .units
                .iter()
                .find(|unit| unit.currency != first.currency)
            {
                return Err(error(
                    py,
                    "NoCurrencyMix",
                    format!(
                        "the units hold {} and {}; give amounts by currency",
                        name(first.currency),
                        name(other.currency)
                    ),
                ));
            }
            self.amounts.push((first.currency, amount));
        }
        Ok(())
    }

    fn read_partial(&mut self, partial: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = partial.py();
        for pair in partial.cast::<PyMapping>()?.items()?.iter() {
            let (id, count): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let count = count_of(&count, "a partial count")?;
            let mut place = None;
            for (at, object) in self.objects.iter().enumerate() {
                if object.get().id.bind(py).as_any().eq(&id)? {
                    place = Some(at);
                }
            }
            let Some(place) = place else {
                return Err(error(
                    py,
                    "NotDispensable",
                    format!("{count} items are to come from {id:?}, but there is no such unit"),
                ));
            };
            let unit = &mut self.units[place];
            if count > 0
                && !self
                    .amounts
                    .iter()
                    .any(|(currency, _)| *currency == unit.currency)
            {
                return Err(error(
                    py,
                    "InvalidCurrency",
                    format!(
                        "items are to come from {id:?}, but no amount of {} is asked for",
                        name(unit.currency)
                    ),
                ));
            }
            unit.minimum = unit.minimum.max(count);
        }
        Ok(())
    }

    /// Run `search` on a few steps at once, and if that does not do, with the interpreter released.
    pub(super) fn solve<T: Send>(
        &self,
        py: Python<'py>,
        search: impl Fn(&mut Work) -> Result<T, Failure> + Sync + Send,
    ) -> PyResult<T> {
        let mut outcome = search(&mut Work::new(self.work_limit.min(TINY)));
        if matches!(outcome, Err(Failure::WorkLimit)) && self.work_limit > TINY {
            let limit = self.work_limit;
            outcome = py.detach(|| search(&mut Work::new(limit)));
        }
        outcome.map_err(|failure| self.failed(py, failure))
    }

    fn failed(&self, py: Python<'py>, failure: Failure) -> PyErr {
        let amount = |currency: Currency| {
            let amount = self.amounts.iter().find(|(known, _)| *known == currency);
            format!(
                "{} {}",
                written(amount.map_or(0, |(_, amount)| *amount)),
                name(currency)
            )
        };
        let id = |unit: usize| {
            self.objects
                .get(unit)
                .map_or_else(String::new, |unit| unit.get().id.bind(py).to_string())
        };
        match failure {
            Failure::NotDispensable(currency) => {
                let held: u128 = self
                    .units
                    .iter()
                    .filter(|unit| unit.currency == currency)
                    .map(|unit| {
                        unit.value
                            .saturating_mul(u128::from(unit.count.min(unit.maximum)))
                    })
                    .fold(0, u128::saturating_add);
                error(
                    py,
                    "NotDispensable",
                    format!(
                        "{} cannot be made up exactly from the units, which can give {} {}; ask for another amount",
                        amount(currency),
                        written(held),
                        name(currency)
                    ),
                )
            }
            Failure::InvalidCurrency(currency) => error(
                py,
                "InvalidCurrency",
                format!(
                    "{} is asked for, but no unit holds {}",
                    amount(currency),
                    name(currency)
                ),
            ),
            Failure::ContainedAboveAmount(currency) => error(
                py,
                "NotDispensable",
                format!(
                    "the items that must be contained are worth more than {}",
                    amount(currency)
                ),
            ),
            Failure::MinimumAboveMaximum(unit) => {
                let limits = &self.units[unit];
                error(
                    py,
                    "NotDispensable",
                    format!(
                        "{} items are to come from unit {:?}, which can give {}",
                        limits.minimum,
                        id(unit),
                        limits.count.min(limits.maximum)
                    ),
                )
            }
            Failure::TooManyItems(needed) => error(
                py,
                "TooManyItems",
                format!(
                    "it takes {needed} items, and {} are allowed at once",
                    self.max_items.unwrap_or(0)
                ),
            ),
            Failure::AmountNotInMixTable(currency) => error(
                py,
                "AmountNotInMixTable",
                format!("the mix table has no row for {}", amount(currency)),
            ),
            Failure::WorkLimit => error(
                py,
                "WorkLimit",
                format!(
                    "no answer within {} steps; raise work_limit, or use fewer units",
                    self.work_limit
                ),
            ),
            Failure::TooManyUnits => error(
                py,
                "InvalidDenomination",
                format!(
                    "there are {} units; at most {MAX_UNITS} can take part",
                    self.units.len()
                ),
            ),
        }
    }
}

pub(super) fn read_units<'py>(given: &Bound<'py, PyAny>) -> PyResult<Units<'py>> {
    let mut objects: SmallVec<[Bound<'py, Unit>; FEW]> = SmallVec::new();
    let mut add = |unit: Bound<'py, PyAny>| -> PyResult<()> {
        objects.push(
            unit.cast_into::<Unit>()
                .map_err(|_| PyTypeError::new_err("units are of type Unit"))?,
        );
        Ok(())
    };
    if let Ok(list) = given.cast::<PyList>() {
        list.iter().try_for_each(&mut add)?;
    } else if let Ok(tuple) = given.cast::<PyTuple>() {
        tuple.iter().try_for_each(&mut add)?;
    } else {
        for unit in given.try_iter()? {
            add(unit?)?;
        }
    }
    let mut units = SmallVec::new();
    for (place, object) in objects.iter().enumerate() {
        let unit = object.get();
        for earlier in &objects[..place] {
            let earlier = earlier.get();
            if earlier.hash == unit.hash && earlier.id.bind(given.py()).as_any().eq(&unit.id)? {
                let id = unit.id.bind(given.py());
                return Err(error(
                    given.py(),
                    "InvalidDenomination",
                    format!("two units are called {id:?}"),
                ));
            }
        }
        units.push(unit.unit);
    }
    Ok((units, objects))
}

pub(super) fn read_mix<'a>(mix: Option<&'a Bound<'_, PyAny>>) -> PyResult<Mix<'a>> {
    let Some(given) = mix else {
        return Ok(Mix::MinimumBills);
    };
    if let Ok(table) = given.cast::<MixTable>() {
        return Ok(Mix::Table(&table.get().rows));
    }
    let named = given
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("a mix is a name or a MixTable"))?;
    match named.to_str()? {
        "minimumBills" => Ok(Mix::MinimumBills),
        "equalEmptying" => Ok(Mix::EqualEmptying),
        "maxCashUnits" => Ok(Mix::MaxCashUnits),
        other => Err(PyValueError::new_err(format!(
            "there is no mix {other:?}; minimumBills, equalEmptying, maxCashUnits or a MixTable"
        ))),
    }
}
