//! `Stock`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::mix_table::MixTable;
use super::request::{gathered, read_mix};
use super::unit::Unit;
use crate::denominate::Mix;
use crate::denominate::everyday::{self, Layout};

/// A mix that outlives the call that named it.
enum Kept {
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

/// What units can give, ready to be asked.
#[pyclass(frozen, module = "xfs4iot._core")]
pub(super) struct Stock {
    stock: everyday::Stock<Kept>,
}

#[pymethods]
impl Stock {
    #[new]
    fn new(units: &Bound<'_, PyAny>, mixes: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut stock = everyday::Stock {
            units: Vec::new(),
            names: Vec::new(),
            mixes: Vec::new(),
        };
        for object in gathered(units)?.iter_borrowed() {
            let unit = object.cast::<Unit>()?.get();
            let name = unit.id.bind(object.py()).to_str()?;
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(PyValueError::new_err(format!(
                    "{name:?} is not the name of a storage unit: letters and digits"
                )));
            }
            stock.units.push(unit.unit);
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
        Ok(Self { stock })
    }

    /// The answer to an everyday request, in the words of a payload; None to all others.
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
