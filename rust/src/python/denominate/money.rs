//! Money, currencies and numbers of items, from Python and back.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyInt, PyString, PyType};

use super::errors::{Kind, error};
use crate::denominate::{Currency, SCALE};

/// Stands for every amount that is beyond counting.
pub(super) const BEYOND: u128 = u128::MAX >> 8;

pub(super) fn decimal_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

/// Money in smallest units, from an int, a Decimal or, where the API allows, text.
pub(super) fn money(given: &Bound<'_, PyAny>, what: &str) -> PyResult<u128> {
    let py = given.py();
    if is_whole(given) {
        return match given.extract::<i64>() {
            Ok(whole) if whole >= 0 => Ok(whole as u128 * SCALE),
            Err(_) if given.gt(0)? => match given.extract::<u128>() {
                Ok(whole) => Ok(whole.saturating_mul(SCALE).min(BEYOND)),
                Err(_) => Ok(BEYOND),
            },
            small => Err(negative(py, what, small.ok())),
        };
    }
    if !given.is_exact_instance(decimal_type(py)?)
        && !given.is_instance_of::<PyString>()
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
            Kind::InvalidDenomination,
            &format!("{what} is {:?}, {wrong}", short(text)),
        )
    })
}

/// Read a decimal number exactly.
pub(super) fn parse(text: &str) -> Result<u128, &'static str> {
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
pub(super) fn written(amount: u128) -> String {
    let mut text = String::new();
    write(&mut text, amount);
    text
}

/// Write smallest units as people do.
pub(super) fn write(text: &mut String, amount: u128) {
    let mut digits = itoa::Buffer::new();
    let rest = match u64::try_from(amount) {
        Ok(amount) => {
            let scale = SCALE as u64;
            text.push_str(digits.format(amount / scale));
            amount % scale
        }
        Err(_) => {
            text.push_str(digits.format(amount / SCALE));
            (amount % SCALE) as u64
        }
    };
    if rest > 0 {
        text.push_str(format!(".{rest:05}").trim_end_matches('0'));
    }
}

pub(super) fn decimal<'py>(py: Python<'py>, amount: u128) -> PyResult<Bound<'py, PyAny>> {
    decimal_type(py)?.call1((written(amount),))
}

pub(super) fn currency_of(given: &Bound<'_, PyAny>) -> PyResult<Currency> {
    let text = given
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("a currency is text, such as \"EUR\""))?;
    let text = text.to_str()?;
    match <[u8; 3]>::try_from(text.as_bytes()) {
        Ok(letters) => Ok(Currency(letters)),
        Err(_) => Err(error(
            given.py(),
            Kind::InvalidCurrency,
            &format!(
                "{:?} is no currency; ISO 4217 has three letters",
                short(text)
            ),
        )),
    }
}

/// As much of a text as an error says.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number of items, not negative.
pub(super) fn count_of(given: &Bound<'_, PyAny>, what: &str) -> PyResult<u64> {
    if !is_whole(given) {
        let kind = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{what} is a {kind}; give an int"
        )));
    }
    match given.extract::<i64>() {
        Ok(count) if count >= 0 => Ok(count as u64),
        Err(_) if given.gt(0)? => Ok(u64::MAX),
        small => Err(negative(given.py(), what, small.ok())),
    }
}

/// Whether it is a whole number, however long; true and false are none.
fn is_whole(given: &Bound<'_, PyAny>) -> bool {
    given.is_exact_instance_of::<PyInt>()
        || given.is_instance_of::<PyInt>() && !given.is_instance_of::<PyBool>()
}

/// What is said of a number below 0; of those that are very long, which Python may refuse to write, only that.
fn negative(py: Python<'_>, what: &str, number: Option<i64>) -> PyErr {
    let said = match number {
        Some(number) => format!("{what} is {number}, but cannot be negative"),
        None => format!("{what} cannot be negative"),
    };
    error(py, Kind::InvalidDenomination, &said)
}
