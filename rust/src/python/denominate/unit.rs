//! `Unit`.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

use super::errors::{Kind, error};
use super::money::{count_of, currency_of, decimal, decimal_type, money, short, written};
use crate::denominate;

/// Items in a unit, at most; far above any hopper, and far from overflow.
const MAX_COUNT: u64 = 1_000_000_000_000_000;

/// What a storage unit holds and may give.
///
/// Args:
///     id: its name; every unit of a denomination has its own.
///     currency: three letters of ISO 4217.
///     value: what one item is worth, with five decimals at most.
///     count: items that it holds.
///     minimum: items that must come from it, if its currency is asked for.
///     maximum: items that may come from it; None for no limit but the count.
///
/// Raises:
///     InvalidDenomination: a negative number, or a value that is no money.
///     InvalidCurrency: not three letters.
///     TypeError: a float, for example.
#[pyclass(frozen, module = "xfs4iot.denominate")]
pub(super) struct Unit {
    pub(super) id: Py<PyString>,
    pub(super) hash: isize,
    given: Py<PyAny>,
    pub(super) unit: denominate::Unit,
}

#[pymethods]
impl Unit {
    #[new]
    #[pyo3(signature = (id, currency, value, count, minimum=None, maximum=None),
           text_signature = "(id, currency, value, count, minimum=0, maximum=None)")]
    fn new(
        id: Bound<'_, PyString>,
        currency: &Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
        minimum: Option<&Bound<'_, PyAny>>,
        maximum: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = id.py();
        let worth = match u64::try_from(money(&value, "the value of an item")?) {
            Ok(worth) if worth > 0 => worth,
            _ => {
                // Python may refuse to write what is very long.
                let said = value.str().map(|text| text.to_string());
                let said = said.map_or_else(|_| "too large".to_owned(), |text| short(&text));
                return Err(error(
                    py,
                    Kind::InvalidDenomination,
                    &format!(
                        "the value of an item in {id:?} is {said}; give one above 0, and at most {}",
                        written(u128::from(u64::MAX))
                    ),
                ));
            }
        };
        let count = count_of(count, "the count")?;
        if count > MAX_COUNT {
            return Err(error(
                py,
                Kind::InvalidDenomination,
                &format!("{id:?} holds {count} items: more than {MAX_COUNT}"),
            ));
        }
        let unit = denominate::Unit {
            currency: currency_of(currency)?,
            value: worth,
            count,
            minimum: minimum.map_or(Ok(0), |given| count_of(given, "the minimum"))?,
            maximum: maximum.map_or(Ok(u64::MAX), |given| count_of(given, "the maximum"))?,
        };
        Ok(Self {
            hash: id.hash()?,
            id: id.unbind(),
            given: value.unbind(),
            unit,
        })
    }

    /// Its name.
    #[getter]
    fn id(&self, py: Python<'_>) -> Py<PyString> {
        self.id.clone_ref(py)
    }

    /// Three letters of ISO 4217.
    #[getter]
    fn currency(&self) -> &str {
        self.unit.currency.name()
    }

    /// What one item is worth.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let given = self.given.bind(py);
        if given.is_exact_instance(decimal_type(py)?) {
            return Ok(given.clone());
        }
        decimal(py, u128::from(self.unit.value))
    }

    /// Items that it holds.
    #[getter]
    fn count(&self) -> u64 {
        self.unit.count
    }

    /// Items that must come from it, if its currency is asked for.
    #[getter]
    fn minimum(&self) -> u64 {
        self.unit.minimum
    }

    /// Items that may come from it; None for no limit but the count.
    #[getter]
    fn maximum(&self) -> Option<u64> {
        (self.unit.maximum != u64::MAX).then_some(self.unit.maximum)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("id", "currency", "value", "count")
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let unit = &self.unit;
        let mut text = format!(
            "Unit({}, '{}', '{}', {}",
            self.id
                .bind(py)
                .repr()
                .map_or_else(|_| "?".to_owned(), |id| id.to_string()),
            unit.currency.name(),
            written(u128::from(unit.value)),
            unit.count
        );
        if unit.minimum > 0 {
            text += &format!(", minimum={}", unit.minimum);
        }
        if unit.maximum != u64::MAX {
            text += &format!(", maximum={}", unit.maximum);
        }
        text + ")"
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Unit>() else {
            return Ok(false);
        };
        let (py, other) = (other.py(), other.get());
        Ok(self.unit == other.unit && self.id.bind(py).as_any().eq(&other.id)?)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (self.hash, self.unit).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let this = slf.get();
        let given = (
            &this.id,
            this.currency(),
            &this.given,
            this.unit.count,
            this.unit.minimum,
            this.maximum(),
        );
        Ok((slf.get_type(), given.into_pyobject(slf.py())?))
    }
}
