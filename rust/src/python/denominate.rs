//! Denomination for Python: units, mix tables, results and errors.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PyMapping, PyString, PyTuple, PyType};

use smallvec::SmallVec;

use crate::denominate::fewest::FEW;
use crate::denominate::table::Row;
use crate::denominate::{
    self, Currency, Failure, MAX_UNITS, Mix, Request, SCALE, WORK_LIMIT, Work,
};

/// Steps that are taken without giving other threads a chance: a few microseconds.
const TINY: u64 = 256;
/// Items in a unit, at most; far above any hopper, and far from overflow.
const MAX_COUNT: u64 = 1_000_000_000_000_000;
/// Stands for every amount that is beyond counting.
const BEYOND: u128 = u128::MAX >> 8;

/// The error types: name, code of the standard, what it says.
const ERRORS: [(&str, &str, &str); 7] = [
    (
        "NotDispensable",
        "notDispensable",
        "No set of items within the limits makes up the amount.",
    ),
    (
        "TooManyItems",
        "tooManyItems",
        "It takes more items than may be dispensed at once.",
    ),
    (
        "NoCurrencyMix",
        "noCurrencyMix",
        "One amount without a currency, but units of several.",
    ),
    (
        "InvalidCurrency",
        "invalidCurrency",
        "No unit has a currency that is asked for.",
    ),
    (
        "InvalidDenomination",
        "invalidDenomination",
        "What is asked for makes no sense, such as a negative count.",
    ),
    (
        "AmountNotInMixTable",
        "amountNotInMixTable",
        "The mix table has no row for the amount.",
    ),
    (
        "WorkLimit",
        "internalError",
        "The search was ended before its answer was sure; the amount may be dispensable or not.",
    ),
];

static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

fn error(py: Python<'_>, name: &str, message: String) -> PyErr {
    let place = ERRORS.iter().position(|(known, ..)| *known == name);
    match (TYPES.get(py), place) {
        (Some(types), Some(place)) => PyErr::from_type(types[place].bind(py).clone(), message),
        _ => PyValueError::new_err(message),
    }
}

/// Add the types and functions of denomination to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let text = |text: &str| std::ffi::CString::new(text).map_err(|_| PyValueError::new_err("NUL"));
    let base = PyErr::new_type(
        py,
        &text("xfs4iot.denominate.DenominateError")?,
        Some(&text(
            "There is no such denomination; `error_code` says why, as the standard spells it.",
        )?),
        Some(&py.get_type::<PyValueError>()),
        None,
    )?;
    base.bind(py).setattr("error_code", "invalidDenomination")?;
    module.add("DenominateError", &base)?;
    let mut types = Vec::with_capacity(ERRORS.len());
    for (name, code, doc) in ERRORS {
        let made = PyErr::new_type(
            py,
            &text(&format!("xfs4iot.denominate.{name}"))?,
            Some(&text(doc)?),
            Some(base.bind(py)),
            None,
        )?;
        made.bind(py).setattr("error_code", code)?;
        module.add(name, &made)?;
        types.push(made);
    }
    TYPES
        .set(py, types)
        .map_err(|_| PyValueError::new_err("the module is initialised already"))?;
    module.add_class::<Unit>()?;
    module.add_class::<MixRow>()?;
    module.add_class::<MixTable>()?;
    module.add_class::<Denomination>()?;
    module.add_function(wrap_pyfunction!(denominate_, module)?)?;
    module.add_function(wrap_pyfunction!(nearest_, module)?)?;
    module.add_function(wrap_pyfunction!(read_request, module)?)?;
    Ok(())
}

fn decimal_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

/// Money in smallest units, from an int, a Decimal or, where the API allows, text.
fn money(given: &Bound<'_, PyAny>, what: &str) -> PyResult<u128> {
    let py = given.py();
    if given.is_exact_instance_of::<PyInt>() {
        if let Ok(whole) = given.extract::<i64>() {
            return match u128::try_from(whole) {
                Ok(whole) => Ok(whole * SCALE),
                Err(_) => Err(error(
                    py,
                    "InvalidDenomination",
                    format!("{what} is {whole}, but cannot be negative"),
                )),
            };
        }
    } else if !given.is_exact_instance(decimal_type(py)?)
        && !given.is_instance_of::<PyString>()
        && (given.is_instance_of::<PyBool>() || !given.is_instance_of::<PyInt>())
        && !given.is_instance(decimal_type(py)?)?
    {
        let kind = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{what} is a {kind}; give an int or a Decimal"
        )));
    }
    let text = given.str()?;
    let text = text.to_str()?;
    parse(text).map_err(|wrong| {
        error(
            py,
            "InvalidDenomination",
            format!("{what} is {text:?}, {wrong}"),
        )
    })
}

/// Read a decimal number exactly.
fn parse(text: &str) -> Result<u128, &'static str> {
    let text = text.trim();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((number, exponent)) => {
            let digits = exponent.trim_start_matches(['+', '-']);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("which is no number");
            }
            let size: i64 = digits.parse().unwrap_or(i64::MAX >> 8);
            (
                number,
                if exponent.starts_with('-') {
                    -size
                } else {
                    size
                },
            )
        }
    };
    let negative = number.starts_with('-');
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if whole.len() + fraction.len() == 0 || !digits.all(|byte| byte.is_ascii_digit()) {
        return Err("which is no number");
    }
    let mut coefficient = 0u128;
    let mut beyond = false;
    // Zeros at the end say nothing, and could hide that a number is exact.
    let all = format!("{whole}{fraction}");
    let significant = all.trim_end_matches('0');
    for byte in significant.bytes() {
        coefficient = coefficient
            .saturating_mul(10)
            .saturating_add(u128::from(byte - b'0'));
        beyond |= coefficient > BEYOND;
    }
    if coefficient == 0 {
        return Ok(0);
    }
    if negative {
        return Err("but cannot be negative");
    }
    let power = exponent + (all.len() - significant.len()) as i64 - fraction.len() as i64 + 5;
    if power < 0 {
        return Err("but money has five decimals at most");
    }
    if beyond || power > 38 {
        return Ok(BEYOND);
    }
    Ok(coefficient
        .saturating_mul(10u128.saturating_pow(power as u32))
        .min(BEYOND))
}

/// Smallest units as people write them.
fn written(amount: u128) -> String {
    if let Ok(amount) = u64::try_from(amount)
        && amount.is_multiple_of(SCALE as u64)
    {
        return (amount / SCALE as u64).to_string();
    }
    let (whole, rest) = (amount / SCALE, amount % SCALE);
    if rest == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{rest:05}");
    text.trim_end_matches('0').to_owned()
}

fn decimal<'py>(py: Python<'py>, amount: u128) -> PyResult<Bound<'py, PyAny>> {
    decimal_type(py)?.call1((written(amount),))
}

fn currency_of(given: &Bound<'_, PyAny>) -> PyResult<Currency> {
    let text = given
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("a currency is text, such as \"EUR\""))?;
    match <[u8; 3]>::try_from(text.to_str()?.as_bytes()) {
        Ok(letters) => Ok(Currency(letters)),
        Err(_) => Err(error(
            given.py(),
            "InvalidCurrency",
            format!("{text:?} is no currency; ISO 4217 has three letters"),
        )),
    }
}

fn name(currency: Currency) -> String {
    String::from_utf8_lossy(&currency.0).into_owned()
}

/// A number of items, not negative.
fn count_of(given: &Bound<'_, PyAny>, what: &str) -> PyResult<u64> {
    let py = given.py();
    if !given.is_instance_of::<PyInt>() || given.is_instance_of::<PyBool>() {
        let kind = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{what} is a {kind}; give an int"
        )));
    }
    match given.extract::<i64>() {
        Ok(count) if count >= 0 => Ok(count as u64),
        Err(_) if given.gt(0)? => Ok(u64::MAX),
        _ => Err(error(
            py,
            "InvalidDenomination",
            format!("{what} is {given}, but cannot be negative"),
        )),
    }
}

/// What a storage unit holds and may give.
#[pyclass(frozen, module = "xfs4iot.denominate")]
struct Unit {
    id: Py<PyString>,
    hash: isize,
    given: Py<PyAny>,
    unit: denominate::Unit,
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
        let worth = money(&value, "the value of an item")?;
        if worth == 0 || worth >= BEYOND {
            return Err(error(
                py,
                "InvalidDenomination",
                format!("the value of an item in {id:?} is {value}"),
            ));
        }
        let count = count_of(count, "the count")?;
        if count > MAX_COUNT {
            return Err(error(
                py,
                "InvalidDenomination",
                format!("{id:?} holds {count} items: more than {MAX_COUNT}"),
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
    fn currency(&self) -> String {
        name(self.unit.currency)
    }

    /// What one item is worth.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let given = self.given.bind(py);
        if given.is_exact_instance(decimal_type(py)?) {
            return Ok(given.clone());
        }
        decimal(py, self.unit.value)
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
            name(unit.currency),
            written(unit.value),
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

/// One row of a mix table: an amount, and items by value that pay it.
#[pyclass(frozen, module = "xfs4iot.denominate")]
struct MixRow {
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
                    "InvalidDenomination",
                    "a value and a count of a row are above 0".to_owned(),
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
                "InvalidDenomination",
                format!(
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
#[pyclass(frozen, module = "xfs4iot.denominate")]
struct MixTable {
    rows: Vec<Row>,
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

/// Items that make up the amounts.
#[pyclass(frozen, module = "xfs4iot.denominate")]
struct Denomination {
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
            amounts.set_item(name(*currency), decimal(py, *amount)?)?;
        }
        Ok(amounts)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let amounts: Vec<String> = self
            .amounts
            .iter()
            .map(|(currency, amount)| format!("'{}': '{}'", name(*currency), written(*amount)))
            .collect();
        format!(
            "Denomination(values={}, items={}, amounts={{{}}}, mix={})",
            self.values.bind(py),
            self.items,
            amounts.join(", "),
            self.mix
                .bind(py)
                .repr()
                .map_or_else(|_| "?".to_owned(), |mix| mix.to_string())
        )
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

/// Units as the solver has them, and as Python has them.
type Units<'py> = (
    SmallVec<[denominate::Unit; FEW]>,
    SmallVec<[Bound<'py, Unit>; FEW]>,
);

/// What is asked for, read.
struct Asked<'py> {
    units: SmallVec<[denominate::Unit; FEW]>,
    objects: SmallVec<[Bound<'py, Unit>; FEW]>,
    amounts: SmallVec<[(Currency, u128); 1]>,
    max_items: Option<u64>,
    work_limit: u64,
}

impl<'py> Asked<'py> {
    fn read(
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
    fn solve<T: Send>(
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
                        "{} cannot be made up exactly from the units, which can give {} {}; see nearest()",
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

fn read_units<'py>(given: &Bound<'py, PyAny>) -> PyResult<Units<'py>> {
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

/// Items from each unit that make up the amounts.
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
    let py = amounts.py();
    let chosen = read_mix(mix)?;
    let asked = Asked::read(amounts, units, max_items, partial, work_limit)?;
    let request = Request {
        amounts: &asked.amounts,
        units: &asked.units,
        mix: chosen,
        max_items: asked.max_items,
    };
    let counts = asked.solve(py, |work| denominate::denominate(&request, work))?;
    let values = PyDict::new(py);
    let mut items = 0;
    for (object, count) in asked.objects.iter().zip(counts) {
        if count > 0 {
            values.set_item(&object.get().id, count)?;
            items += count;
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
        amounts: asked.amounts,
        mix,
    })
}

fn read_mix<'a>(mix: Option<&'a Bound<'_, PyAny>>) -> PyResult<Mix<'a>> {
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

/// Read a request as `denominate` does, and do nothing: what its conversions cost.
#[pyfunction]
#[pyo3(name = "_read_request",
       signature = (amounts, units, *, mix=None, max_items=None, partial=None, work_limit=None),
       text_signature = "(amounts, units, *, mix='minimumBills', max_items=None, partial=None, work_limit=None)")]
fn read_request<'py>(
    amounts: &Bound<'py, PyAny>,
    units: &Bound<'py, PyAny>,
    mix: Option<&Bound<'py, PyAny>>,
    max_items: Option<&Bound<'py, PyAny>>,
    partial: Option<&Bound<'py, PyAny>>,
    work_limit: Option<u64>,
) -> PyResult<()> {
    std::hint::black_box(read_mix(mix)?);
    std::hint::black_box(
        Asked::read(amounts, units, max_items, partial, work_limit)?
            .units
            .len(),
    );
    Ok(())
}

type Near<'py> = Option<Bound<'py, PyAny>>;

/// The dispensable amounts next to one: the largest not above it, the smallest not below it.
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
    let asked = Asked::read(amounts, units, max_items, partial, work_limit)?;
    let [(currency, amount)] = asked.amounts[..] else {
        return Err(PyTypeError::new_err(
            "nearest() takes the amount of one currency",
        ));
    };
    let (units, most) = (&asked.units[..], asked.max_items);
    let (below, above) = asked.solve(py, |work| {
        denominate::nearest::nearest(currency, amount, units, most, work)
    })?;
    let near = |amount: Option<u128>| amount.map(|amount| decimal(py, amount)).transpose();
    Ok((near(below)?, near(above)?))
}
