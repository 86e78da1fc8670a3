//! `Stock`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::mix_table::MixTable;
use super::request::{Asked, Units, gathered, read_mix};
use super::unit::Unit;
use super::{Denomination, answered};
use crate::denominate::Mix;
use crate::denominate::everyday::{self, Layout};

/// A mix that outlives the call that named it.
pub(super) enum Kept {
    MinimumBills,
    EqualEmptying,
    MaxCashUnits,
    Table(Py<MixTable>),
}

impl Kept {
    fn mix(&self) -> Mix<'_> {
        match self {
            Kept::MinimumBills => Mix::MinimumBills,
            Kept::EqualEmptying => Mix::EqualEmptying,
            Kept::MaxCashUnits => Mix::MaxCashUnits,
            Kept::Table(table) => Mix::Table(&table.get().rows),
        }
    }
}

/// What units can give, read once and asked often; with mixes, also by requests from the wire.
///
/// Args:
///     units: 64 at most; for requests from the wire their names are of letters and digits.
///     mixes: for a service alone, which has clients that name their mix: what `denominate` takes for a
///         mix, by that name.
///
/// Raises:
///     InvalidDenomination: more than 64 units, or two of one name.
///     ValueError: with mixes, a name that would need escapes, or an unknown mix.
#[pyclass(frozen, module = "xfs4iot._core")]
pub(super) struct Stock {
    pub(super) stock: everyday::Stock<Kept>,
    /// The units as Python has them, in the same order.
    pub(super) objects: Vec<Py<Unit>>,
}

#[pymethods]
impl Stock {
    #[new]
    #[pyo3(signature = (units, mixes=None), text_signature = "(units, mixes=None)")]
    fn new(units: &Bound<'_, PyAny>, mixes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let given = gathered(units)?;
        let mut read = Units::none();
        read.read(&given)?;
        let mut stock = everyday::Stock::new(read.units.to_vec());
        let mut objects = Vec::with_capacity(given.len());
        for object in given.iter() {
            objects.push(object.cast_into::<Unit>()?.unbind());
        }
        // Without a mix to name, no request from the wire is answered, and any name will do.
        let Some(mixes) = mixes else {
            return Ok(Self { stock, objects });
        };
        for unit in &read.objects {
            let name = unit.id.bind(given.py()).to_str()?;
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(PyValueError::new_err(format!(
                    "{name:?} is not the name of a storage unit: letters and digits"
                )));
            }
            stock.names.push(name.to_owned());
        }
        for (name, mix) in mixes {
            let kept = match read_mix(Some(&mix))? {
                Mix::MinimumBills => Kept::MinimumBills,
                Mix::EqualEmptying => Kept::EqualEmptying,
                Mix::MaxCashUnits => Kept::MaxCashUnits,
                Mix::Table(_) => Kept::Table(mix.cast_into::<MixTable>()?.unbind()),
            };
            stock.mixes.push((name.extract()?, kept));
        }
        Ok(Self { stock, objects })
    }

    /// Items from each unit that make up the amounts: the function `denominate` with these units.
    ///
    /// Arguments, answers and errors are those of the function. A stock never changes: make another when
    /// counts change.
    #[pyo3(signature = (amounts, *, mix=None, max_items=None, partial=None, work_limit=None),
           text_signature = "($self, amounts, *, mix='minimumBills', max_items=None, partial=None, work_limit=None)")]
    fn denominate(
        &self,
        amounts: &Bound<'_, PyAny>,
        mix: Option<&Bound<'_, PyAny>>,
        max_items: Option<&Bound<'_, PyAny>>,
        partial: Option<&Bound<'_, PyAny>>,
        work_limit: Option<u64>,
    ) -> PyResult<Denomination> {
        let chosen = read_mix(mix)?;
        let mut asked = Asked::nothing(self.stock.units(), self.stock.ready(), &self.objects);
        asked.read(amounts, max_items, partial, work_limit)?;
        answered(amounts.py(), &mut asked, mix, chosen)
    }

    /// For a service: the payload of the completion of a Denominate, for its payload.
    ///
    /// None unless the request is an everyday one with a good answer: an amount of one currency by a mix,
    /// perhaps with partial counts, written plainly and found in some ten microseconds.
    ///
    /// Args:
    ///     flat: both are in the form of 2021-1.
    #[pyo3(signature = (request, max_items, flat, /))]
    fn answer<'py>(
        &self,
        request: &Bound<'py, PyBytes>,
        max_items: Option<u64>,
        flat: bool,
    ) -> Option<Bound<'py, PyBytes>> {
        let text = std::str::from_utf8(request.as_bytes()).ok()?;
        let layout = if flat { Layout::Flat } else { Layout::Grouped };
        let mut written = Vec::with_capacity(160);
        self.stock
            .answer(text, layout, max_items, Kept::mix, &mut written)?;
        Some(PyBytes::new(request.py(), &written))
    }
}
