//! `MixTable` and its rows.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use super::errors::{Kind, error};
use super::money::{count_of, decimal, money, written};
use crate::denominate::table::Row;

/// One row of a mix table: an amount, and items by value that pay it exactly.
///
/// Raises:
///     InvalidDenomination: the items are worth something else, or a number is not above 0.
#[pyclass(frozen, module = "xfs4iot.denominate")]
pub(super) struct MixRow {
    row: Row,
}

#[pymethods]
impl MixRow {
    #[new]
    fn new(amount: &Bound<'_, PyAny>, items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = amount.py();
        let amount = money(amount, "the amount of a row")?;
        let mut row = Row {
            amount,
            items: Vec::new(),
        };
        let mut worth = 0u128;
        for pair in items.cast::<PyMapping>()?.items()?.iter() {
            let (value, count): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let (value, count) = (
                money(&value, "a value of a row")?,
                count_of(&count, "a count of a row")?,
            );
            if value == 0 || count == 0 {
                return Err(error(
                    py,
                    Kind::InvalidDenomination,
                    "a value and a count of a row are above 0",
                ));
            }
            worth = worth.saturating_add(value.saturating_mul(u128::from(count)));
            match row.items.iter_mut().find(|(known, _)| *known == value) {
                Some((_, known)) => *known = known.saturating_add(count),
                None => row.items.push((value, count)),
            }
        }
        if worth != amount || amount == 0 {
            return Err(error(
                py,
                Kind::InvalidDenomination,
                &format!(
                    "the items of a row are worth {}, its amount is {}",
                    written(worth),
                    written(amount)
                ),
            ));
        }
        row.items.sort_by(|a, b| b.cmp(a));
        Ok(Self { row })
    }

    /// The amount that the row is for.
    #[getter]
    fn amount<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, self.row.amount)
    }

    /// Items by value, the largest value first.
    #[getter]
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let items = PyDict::new(py);
        for (value, count) in &self.row.items {
            items.set_item(decimal(py, *value)?, count)?;
        }
        Ok(items)
    }

    fn __repr__(&self) -> String {
        let items: Vec<String> = self
            .row
            .items
            .iter()
            .map(|(value, count)| format!("'{}': {count}", written(*value)))
            .collect();
        format!(
            "MixRow('{}', {{{}}})",
            written(self.row.amount),
            items.join(", ")
        )
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<MixRow>()
            .is_ok_and(|other| self.row == other.get().row)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.row.hash(&mut hasher);
        hasher.finish()
    }
}

/// A house's own mix: rows of amounts and the items that pay them.
///
/// Args:
///     rows: several may have one amount; they are tried in this order. A pair of amount and
///         items will do for a row.
///     number: the standard's `mixNumber`; for the reader.
///     name: the standard's `name`; for the reader.
#[pyclass(frozen, module = "xfs4iot.denominate")]
pub(super) struct MixTable {
    pub(super) rows: Vec<Row>,
    number: Option<u64>,
    name: String,
}

#[pymethods]
impl MixTable {
    #[new]
    #[pyo3(signature = (rows, number=None, name=String::new()), text_signature = "(rows, number=None, name='')")]
    fn new(rows: &Bound<'_, PyAny>, number: Option<u64>, name: String) -> PyResult<Self> {
        let mut kept = Vec::new();
        for row in rows.try_iter()? {
            let row = row?;
            kept.push(match row.cast::<MixRow>() {
                Ok(row) => row.get().row.clone(),
                Err(_) => {
                    let (amount, items): (Bound<'_, PyAny>, Bound<'_, PyAny>) = row.extract()?;
                    MixRow::new(&amount, &items)?.row
                }
            });
        }
        Ok(Self {
            rows: kept,
            number,
            name,
        })
    }

    /// The rows, in the order in which they are tried.
    #[getter]
    fn rows(&self) -> Vec<MixRow> {
        self.rows
            .iter()
            .map(|row| MixRow { row: row.clone() })
            .collect()
    }

    /// The standard's `mixNumber`.
    #[getter]
    fn number(&self) -> Option<u64> {
        self.number
    }

    /// The standard's `name`.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!("<MixTable {:?}: {} rows>", self.name, self.rows.len())
    }
}
