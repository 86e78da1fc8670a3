//! What calls cost beside the search, for the comparison with other solvers.

use pyo3::prelude::*;

use super::request::{Asked, Given, Units, gathered, read_mix};
use super::stock::Stock;
use super::{Denomination, answer};
use crate::denominate::{self, Failure, Request, WORK_LIMIT, Work};

/// An answer that is known, given to whoever asks: what is asked for is read, and nothing is searched.
#[pyclass(frozen, name = "_Floor", module = "xfs4iot._core")]
pub(super) struct Floor {
    stock: Py<Stock>,
    known: Result<(Vec<u64>, u64), Failure>,
}

#[pymethods]
impl Floor {
    #[new]
    #[pyo3(signature = (stock, amounts, *, mix=None, max_items=None, partial=None),
           text_signature = "(stock, amounts, *, mix='minimumBills', max_items=None, partial=None)")]
    fn new(
        stock: Py<Stock>,
        amounts: &Bound<'_, PyAny>,
        mix: Option<&Bound<'_, PyAny>>,
        max_items: Option<&Bound<'_, PyAny>>,
        partial: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let held = stock.get();
        let mut asked = Asked::nothing(held.stock.units(), held.stock.ready(), &held.objects);
        asked.read(amounts, max_items, partial, None)?;
        let mut counts = vec![0; held.objects.len()];
        let request = Request {
            amounts: &asked.amounts,
            units: asked.units(),
            ready: asked.ready(),
            mix: read_mix(mix)?,
            max_items: asked.max_items,
        };
        let found = denominate::denominate(&request, &mut counts, &mut Work::new(WORK_LIMIT));
        Ok(Self {
            stock,
            known: found.map(|items| (counts, items)),
        })
    }

    /// As the function `denominate`.
    #[pyo3(signature = (amounts, units, *, mix=None, max_items=None, partial=None, work_limit=None),
           text_signature = "($self, amounts, units, *, mix='minimumBills', max_items=None, partial=None, work_limit=None)")]
    fn denominate(
        &self,
        amounts: &Bound<'_, PyAny>,
        units: &Bound<'_, PyAny>,
        mix: Option<&Bound<'_, PyAny>>,
        max_items: Option<&Bound<'_, PyAny>>,
        partial: Option<&Bound<'_, PyAny>>,
        work_limit: Option<u64>,
    ) -> PyResult<Denomination> {
        let chosen = read_mix(mix)?;
        let given = gathered(units)?;
        let mut units = Units::none();
        units.read(&given)?;
        let mut asked = Asked::nothing(&units.units, &[], &units.objects);
        asked.read(amounts, max_items, partial, work_limit)?;
        std::hint::black_box(chosen);
        self.answer(amounts.py(), &mut asked, mix)
    }

    /// As `Stock.denominate`.
    #[pyo3(signature = (amounts, *, mix=None, max_items=None, partial=None, work_limit=None),
           text_signature = "($self, amounts, *, mix='minimumBills', max_items=None, partial=None, work_limit=None)")]
    fn of_stock(
        &self,
        amounts: &Bound<'_, PyAny>,
        mix: Option<&Bound<'_, PyAny>>,
        max_items: Option<&Bound<'_, PyAny>>,
        partial: Option<&Bound<'_, PyAny>>,
        work_limit: Option<u64>,
    ) -> PyResult<Denomination> {
        std::hint::black_box(read_mix(mix)?);
        let stock = self.stock.get();
        let mut asked = Asked::nothing(stock.stock.units(), stock.stock.ready(), &stock.objects);
        asked.read(amounts, max_items, partial, work_limit)?;
        self.answer(amounts.py(), &mut asked, mix)
    }
}

impl Floor {
    fn answer<G: Given>(
        &self,
        py: Python<'_>,
        asked: &mut Asked<'_, G>,
        mix: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Denomination> {
        match &self.known {
            Ok((counts, items)) => answer(py, asked, mix, counts, *items),
            Err(failure) => Err(asked.failed(py, *failure)),
        }
    }
}
