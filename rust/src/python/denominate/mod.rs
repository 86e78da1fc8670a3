//! Denomination for Python: the functions; units, tables, requests and errors have files of their own.

mod errors;
mod floor;
mod mix_table;
mod money;
mod request;
mod stock;
mod unit;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use smallvec::SmallVec;

use crate::denominate::pile::FEW;
use crate::denominate::{self, Currency, MAX_UNITS, Mix, Request};
use floor::Floor;
use mix_table::{MixRow, MixTable};
use money::{decimal, written};
use request::{Asked, Given, Units, gathered, read_mix};
use stock::Stock;
use unit::Unit;

/// Add the types and functions of denomination to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::add_to(module)?;
    module.add_class::<Unit>()?;
    module.add_class::<MixRow>()?;
    module.add_class::<MixTable>()?;
    module.add_class::<Denomination>()?;
    module.add_class::<Stock>()?;
    module.add_class::<Floor>()?;
    module.add_function(wrap_pyfunction!(denominate_, module)?)?;
    module.add_function(wrap_pyfunction!(nearest_, module)?)?;
    Ok(())
}

/// Items that make up the amounts.
#[pyclass(frozen, module = "xfs4iot.denominate")]
struct Denomination {
    // Made at once: as a member it is read at no cost, while what makes it when it is asked for
    // takes as long as the dict itself.
    /// Items by unit, for the units that give something, in the order of the units.
    #[pyo3(get)]
    values: Py<PyDict>,
    /// Number of items altogether.
    #[pyo3(get)]
    items: u64,
    amounts: SmallVec<[(Currency, u128); 1]>,
    /// The mix that was asked for.
    #[pyo3(get)]
    mix: Py<PyAny>,
}

#[pymethods]
impl Denomination {
    /// What was asked for: amounts by currency.
    #[getter]
    fn amounts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let amounts = PyDict::new(py);
        for (currency, amount) in &self.amounts {
            amounts.set_item(currency.name(), decimal(py, *amount)?)?;
        }
        Ok(amounts)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let amounts: Vec<String> = self
            .amounts
            .iter()
            .map(|(currency, amount)| format!("'{}': '{}'", currency.name(), written(*amount)))
            .collect();
        Ok(format!(
            "Denomination(values={}, items={}, amounts={{{}}}, mix={})",
            self.values.bind(py),
            self.items,
            amounts.join(", "),
            self.mix.bind(py).repr()?
        ))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = other.py();
        let Ok(other) = other.cast::<Denomination>() else {
            return Ok(false);
        };
        let other = other.get();
        Ok(self.items == other.items
            && self.values.bind(py).eq(&other.values)?
            && self.amounts == other.amounts
            && self.mix.bind(py).eq(&other.mix)?)
    }
}

/// Items from each unit that make up the amounts.
///
/// Args:
///     amounts: by currency; or one amount, of the currency that all units share. An `int` or a
///         `Decimal`; text will do.
///     units: 64 at most; those of other currencies take no part.
///     mix: `minimumBills`, `equalEmptying`, `maxCashUnits`, or a table.
///     max_items: items altogether, at most.
///     partial: by unit, items that must be contained.
///     work_limit: steps of the search, some 10 ns each, before it gives up; 2,000,000 by default.
///
/// Raises:
///     NotDispensable: no set of items within the limits makes up an amount.
///     TooManyItems: every such set has more than `max_items` items.
///     AmountNotInMixTable: the table has no row for an amount.
///     InvalidCurrency, NoCurrencyMix, InvalidDenomination: the request makes no sense.
///     WorkLimit: no answer within `work_limit` steps; nothing is said of the amount.
///     ValueError: there is no such mix.
///     TypeError: an amount is a float, for example.
///
/// Other threads run while it takes longer than a few microseconds.
#[pyfunction]
#[pyo3(name = "denominate",
       signature = (amounts, units, *, mix=None, max_items=None, partial=None, work_limit=None),
       text_signature = "(amounts, units, *, mix='minimumBills', max_items=None, partial=None, work_limit=None)")]
fn denominate_<'py>(
    amounts: &Bound<'py, PyAny>,
    units: &Bound<'py, PyAny>,
    mix: Option<&Bound<'py, PyAny>>,
    max_items: Option<&Bound<'py, PyAny>>,
    partial: Option<&Bound<'py, PyAny>>,
    work_limit: Option<u64>,
) -> PyResult<Denomination> {
    let chosen = read_mix(mix)?;
    let given = gathered(units)?;
    let mut units = Units::none();
    units.read(&given)?;
    let mut asked = Asked::nothing(&units.units, &[], &units.objects);
    asked.read(amounts, max_items, partial, work_limit)?;
    answered(amounts.py(), &mut asked, mix, chosen)
}

/// The answer to what is asked for by a mix.
fn answered<G: Given>(
    py: Python<'_>,
    asked: &mut Asked<'_, G>,
    mix: Option<&Bound<'_, PyAny>>,
    chosen: Mix<'_>,
) -> PyResult<Denomination> {
    // Room for the most would cost more to lay out than most searches.
    let (mut few, mut many);
    let counts = match asked.objects.len() {
        n if n <= FEW => {
            few = [0; FEW];
            &mut few[..n]
        }
        n => {
            many = [0; MAX_UNITS];
            &mut many[..n]
        }
    };
    asked.by_table = matches!(chosen, Mix::Table(_));
    let request = Request {
        amounts: &asked.amounts,
        units: asked.units(),
        ready: asked.ready(),
        mix: chosen,
        max_items: asked.max_items,
    };
    let items = asked.solve(py, |work| denominate::denominate(&request, counts, work))?;
    answer(py, asked, mix, counts, items)
}

/// So many items of each unit, as the answer to what is asked for by a mix.
fn answer<G: Given>(
    py: Python<'_>,
    asked: &mut Asked<'_, G>,
    mix: Option<&Bound<'_, PyAny>>,
    counts: &[u64],
    items: u64,
) -> PyResult<Denomination> {
    let values = PyDict::new(py);
    for (object, count) in asked.objects.iter().zip(counts.iter()) {
        if *count > 0 {
            values.set_item(object.unit().id.bind(py), count)?;
        }
    }
    let mix = match mix {
        Some(mix) => mix.clone().unbind(),
        None => pyo3::intern!(py, "minimumBills")
            .clone()
            .into_any()
            .unbind(),
    };
    Ok(Denomination {
        values: values.unbind(),
        items,
        amounts: std::mem::take(&mut asked.amounts),
        mix,
    })
}

type Near<'py> = Option<Bound<'py, PyAny>>;

/// The dispensable amounts next to one: the largest not above it, the smallest not below it.
///
/// None where there is no such amount above 0. Arguments and errors are those of `denominate`,
/// with one currency.
#[pyfunction]
#[pyo3(name = "nearest",
       signature = (amounts, units, *, max_items=None, partial=None, work_limit=None))]
fn nearest_<'py>(
    amounts: &Bound<'py, PyAny>,
    units: &Bound<'py, PyAny>,
    max_items: Option<&Bound<'py, PyAny>>,
    partial: Option<&Bound<'py, PyAny>>,
    work_limit: Option<u64>,
) -> PyResult<(Near<'py>, Near<'py>)> {
    let py = amounts.py();
    let given = gathered(units)?;
    let mut units = Units::none();
    units.read(&given)?;
    let mut asked = Asked::nothing(&units.units, &[], &units.objects);
    asked.read(amounts, max_items, partial, work_limit)?;
    let [(currency, amount)] = asked.amounts[..] else {
        return Err(PyTypeError::new_err(
            "nearest() takes the amount of one currency",
        ));
    };
    let (units, most) = (asked.units(), asked.max_items);
    let (below, above) = asked.solve(py, |work| {
        denominate::nearest::nearest(currency, amount, units, most, work)
    })?;
    let near = |amount: Option<u128>| amount.map(|amount| decimal(py, amount)).transpose();
    Ok((near(below)?, near(above)?))
}
