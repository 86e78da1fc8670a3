//! The error types of denomination, and what they say.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

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

pub(super) fn error(py: Python<'_>, name: &str, message: String) -> PyErr {
    let place = ERRORS.iter().position(|(known, ..)| *known == name);
    match (TYPES.get(py), place) {
        (Some(types), Some(place)) => PyErr::from_type(types[place].bind(py).clone(), message),
        _ => PyValueError::new_err(message),
    }
}

/// Add the error types to the module.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
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
    Ok(())
}
