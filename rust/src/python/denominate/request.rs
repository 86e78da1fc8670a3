//! What is asked for: read from Python, solved, and its failures told.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyMapping, PyString, PyTuple};

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::errors::{Kind, error};
use super::mix_table::MixTable;
use super::money::{BEYOND, count_of, currency_of, decimal_type, money, write};
use super::unit::Unit;
use crate::denominate::cash::all_there_is;
use crate::denominate::pile::UNBOUNDED;
use crate::denominate::ready::Ready;
use crate::denominate::{self, Currency, Failure, MAX_UNITS, Mix, WORK_LIMIT, Work, everyday};

/// Steps that are taken without giving other threads a chance.
const TINY: u64 = everyday::STEPS;

/// Whatever stands for a unit of Python.
pub(super) trait Given: Sync {
    /// The unit.
    fn unit(&self) -> &Unit;
}

impl Given for &Unit {
    fn unit(&self) -> &Unit {
        self
    }
}

impl Given for Py<Unit> {
    fn unit(&self) -> &Unit {
        self.get()
    }
}

/// The units of one call, read.
pub(super) struct Units<'a> {
    pub(super) units: ArrayVec<denominate::Unit, MAX_UNITS>,
    /// The units as Python has them.
    pub(super) objects: ArrayVec<&'a Unit, MAX_UNITS>,
}

impl<'a> Units<'a> {
    /// None yet; to be filled in place, as it is large to be moved.
    pub(super) fn none() -> Self {
        Self {
            units: ArrayVec::new(),
            objects: ArrayVec::new(),
        }
    }

    pub(super) fn read(&mut self, given: &'a Bound<'_, PyTuple>) -> PyResult<()> {
        let py = given.py();
        if given.len() > MAX_UNITS {
            return Err(error(
                py,
                Kind::InvalidDenomination,
                &format!(
                    "there are {} units; at most {MAX_UNITS} can take part",
                    given.len()
                ),
            ));
        }
        for object in given.iter_borrowed() {
            let unit = object
                .cast::<Unit>()
                .map_err(|_| PyTypeError::new_err("units are of type Unit"))?
                .get();
            for earlier in &self.objects {
                if earlier.hash == unit.hash && earlier.id.bind(py).as_any().eq(&unit.id)? {
                    let id = unit.id.bind(py);
                    return Err(error(
                        py,
                        Kind::InvalidDenomination,
                        &format!("two units are called {id:?}"),
                    ));
                }
            }
            self.objects.push(unit);
            self.units.push(unit.unit);
        }
        Ok(())
    }
}

/// What is asked for of units, read.
pub(super) struct Asked<'u, G> {
    units: &'u [denominate::Unit],
    ready: &'u [Ready],
    /// The same with the items that must be contained, if any must.
    containing: Option<ArrayVec<denominate::Unit, MAX_UNITS>>,
    pub(super) objects: &'u [G],
    pub(super) amounts: SmallVec<[(Currency, u128); 1]>,
    pub(super) max_items: Option<u64>,
    /// Whether only a mix table's rows will do.
    pub(super) by_table: bool,
    work_limit: u64,
}

impl<'u, G: Given> Asked<'u, G> {
    /// Nothing yet; to be filled in place, as it is large to be moved.
    pub(super) fn nothing(
        units: &'u [denominate::Unit],
        ready: &'u [Ready],
        objects: &'u [G],
    ) -> Self {
        Self {
            units,
            ready,
            containing: None,
            objects,
            amounts: SmallVec::new(),
            max_items: None,
            by_table: false,
            work_limit: WORK_LIMIT,
        }
    }

    /// The units, with what must be contained.
    pub(super) fn units(&self) -> &[denominate::Unit] {
        self.containing.as_deref().unwrap_or(self.units)
    }

    /// What of them is grouped already.
    pub(super) fn ready(&self) -> &'u [Ready] {
        self.ready
    }

    pub(super) fn read(
        &mut self,
        amounts: &Bound<'_, PyAny>,
        max_items: Option<&Bound<'_, PyAny>>,
        partial: Option<&Bound<'_, PyAny>>,
        work_limit: Option<u64>,
    ) -> PyResult<()> {
        if let Some(given) = max_items {
            self.max_items = Some(count_of(given, "max_items")?);
        }
        if let Some(limit) = work_limit {
            self.work_limit = limit;
        }
        self.read_amounts(amounts)?;
        match partial {
            Some(partial) => self.read_partial(partial),
            None => Ok(()),
        }
    }

    fn read_amounts(&mut self, amounts: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = amounts.py();
        let mapping = for_each_pair(amounts, |currency, amount| {
            let amount = (currency_of(&currency)?, money(&amount, "the amount")?);
            self.amounts.push(amount);
            Ok(())
        })?;
        if !mapping {
            let amount = money(amounts, "the amount")?;
            let Some(first) = self.units.first() else {
                return Err(error(py, Kind::InvalidCurrency, "there are no units"));
            };
            if let Some(other) = self
                .units
                .iter()
                .find(|unit| unit.currency != first.currency)
            {
                return Err(error(
                    py,
                    Kind::NoCurrencyMix,
                    &format!(
                        "the units hold {} and {}; give amounts by currency",
                        first.currency.name(),
                        other.currency.name()
                    ),
                ));
            }
            self.amounts.push((first.currency, amount));
        }
        Ok(())
    }

    fn read_partial(&mut self, partial: &Bound<'_, PyAny>) -> PyResult<()> {
        let mapping = for_each_pair(partial, |id, count| {
            let count = count_of(&count, "a partial count")?;
            self.contain(&id, count)
        })?;
        match mapping {
            true => Ok(()),
            false => Err(PyTypeError::new_err(
                "partial counts are a mapping: items by unit",
            )),
        }
    }

    /// Have so many items come from a unit.
    fn contain(&mut self, id: &Bound<'_, PyAny>, count: u64) -> PyResult<()> {
        let py = id.py();
        let (mut place, hash) = (None, id.hash()?);
        for (at, object) in self.objects.iter().enumerate() {
            let unit = object.unit();
            if unit.hash == hash && unit.id.bind(py).as_any().eq(id)? {
                place = Some(at);
                break;
            }
        }
        let Some(place) = place else {
            return Err(error(
                py,
                Kind::NotDispensable,
                &format!("{count} items are to come from {id:?}, but there is no such unit"),
            ));
        };
        let unit = &self.units()[place];
        let wanted = |(currency, _): &(Currency, u128)| *currency == unit.currency;
        if count > 0 && !self.amounts.iter().any(wanted) {
            return Err(error(
                py,
                Kind::InvalidCurrency,
                &format!(
                    "items are to come from {id:?}, but no amount of {} is asked for",
                    unit.currency.name()
                ),
            ));
        }
        let containing = self
            .containing
            .get_or_insert_with(|| self.units.iter().copied().collect());
        let unit = &mut containing[place];
        unit.minimum = unit.minimum.max(count);
        Ok(())
    }

    /// Run `search` on a few steps at once, and if that does not do, with the interpreter released.
    pub(super) fn solve<T: Send>(
        &self,
        py: Python<'_>,
        mut search: impl FnMut(&mut Work) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        let mut outcome = search(&mut Work::new(self.work_limit.min(TINY)));
        if matches!(outcome, Err(Failure::WorkLimit)) && self.work_limit > TINY {
            let limit = self.work_limit;
            outcome = py.detach(|| search(&mut Work::new(limit)));
        }
        outcome.map_err(|failure| self.failed(py, failure))
    }

    pub(super) fn failed(&self, py: Python<'_>, failure: Failure) -> PyErr {
        let asked = |currency: Currency| {
            let amount = self.amounts.iter().find(|(known, _)| *known == currency);
            amount.map_or(0, |(_, amount)| *amount)
        };
        let amount = |currency: Currency| money_of(asked(currency), currency);
        let id = |unit: usize| {
            self.objects
                .get(unit)
                .map_or_else(String::new, |object| object.unit().id.bind(py).to_string())
        };
        match failure {
            Failure::NotDispensable(currency) => {
                let held = all_there_is(self.units(), currency);
                // Items of another currency are not in the way, and none is where all that there is would not do.
                let mut of_it = self.units().iter().filter(|unit| unit.currency == currency);
                let contains = asked(currency) <= held && of_it.any(|unit| unit.minimum > 0);
                // The one failure that is common enough for its text to be quick: no format.
                let mut text = amount(currency);
                text.push_str(match (self.by_table, contains) {
                    (true, _) => " is in the mix table, but no row for it can be paid from the units, which can give ",
                    (_, true) => " cannot be made up exactly with the items that must be contained from the units, which can give ",
                    _ => " cannot be made up exactly from the units, which can give ",
                });
                write(&mut text, held);
                text.push(' ');
                text.push_str(currency.name());
                text.push_str("; ask for another amount");
                if contains {
                    text.push_str(", or for other items to be contained");
                }
                error(py, Kind::NotDispensable, &text)
            }
            Failure::InvalidCurrency(currency) => error(
                py,
                Kind::InvalidCurrency,
                &format!(
                    "{} is asked for, but no unit holds {}",
                    amount(currency),
                    currency.name()
                ),
            ),
            Failure::ContainedAboveAmount(currency) => error(
                py,
                Kind::NotDispensable,
                &format!(
                    "the items that must be contained are worth more than {}",
                    amount(currency)
                ),
            ),
            Failure::MinimumAboveMaximum(unit) => {
                let limits = &self.units()[unit];
                error(
                    py,
                    Kind::NotDispensable,
                    &format!(
                        "{} items are to come from unit {:?}, which can give {}",
                        limits.minimum,
                        id(unit),
                        limits.count.min(limits.maximum)
                    ),
                )
            }
            Failure::TooManyItems(needed) => error(
                py,
                Kind::TooManyItems,
                &format!(
                    "it takes {needed} items, and {} are allowed at once",
                    self.max_items.unwrap_or(0)
                ),
            ),
            Failure::AmountNotInMixTable(currency) => error(
                py,
                Kind::AmountNotInMixTable,
                &format!("the mix table has no row for {}", amount(currency)),
            ),
            // Not known, and not known with more work, either.
            Failure::TooLarge(currency) => error(
                py,
                Kind::WorkLimit,
                &format!(
                    "{} is more than can be reckoned with for these values: {UNBOUNDED} times what they \
                     have in common; ask for less",
                    amount(currency)
                ),
            ),
            Failure::WorkLimit => error(
                py,
                Kind::WorkLimit,
                &format!(
                    "no answer within {} steps; raise work_limit, or use fewer units",
                    self.work_limit
                ),
            ),
            // More units than fit are refused when they are read.
            Failure::TooManyUnits => {
                error(py, Kind::InvalidDenomination, "there are too many units")
            }
        }
    }
}

/// An amount with its currency; with room for what else is to be said.
fn money_of(amount: u128, currency: Currency) -> String {
    let mut text = String::with_capacity(160);
    if amount == BEYOND {
        text.push_str("more than ");
    }
    write(&mut text, amount);
    text.push(' ');
    text.push_str(currency.name());
    text
}

/// Take every key and value of a mapping; false if it is none.
fn for_each_pair<'py>(
    given: &Bound<'py, PyAny>,
    mut each: impl FnMut(Bound<'py, PyAny>, Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<bool> {
    if let Ok(dict) = given.cast_exact::<PyDict>() {
        // Objects of the caller's own, asked what they are, may change it meanwhile: then there is no next pair.
        let held = dict.len();
        let mut pairs = dict.iter();
        for _ in 0..held {
            if dict.len() != held {
                return Err(PyRuntimeError::new_err(
                    "the mapping has changed while it was read",
                ));
            }
            let Some((key, value)) = pairs.next() else {
                break;
            };
            each(key, value)?;
        }
        return Ok(true);
    }
    // Asking whether a number is a mapping takes longer than all else.
    if given.is_exact_instance_of::<PyInt>() || given.is_exact_instance(decimal_type(given.py())?) {
        return Ok(false);
    }
    let Ok(mapping) = given.cast::<PyMapping>() else {
        return Ok(false);
    };
    for pair in mapping.items()?.iter() {
        let (key, value) = pair.extract()?;
        each(key, value)?;
    }
    Ok(true)
}

/// The units that are given, held together while they are read.
pub(super) fn gathered<'py>(units: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    if let Ok(list) = units.cast_exact::<PyList>() {
        return Ok(list.to_tuple());
    }
    match units.cast_exact::<PyTuple>() {
        Ok(tuple) => Ok(tuple.clone()),
        Err(_) => PyTuple::new(units.py(), units.try_iter()?.collect::<PyResult<Vec<_>>>()?),
    }
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
