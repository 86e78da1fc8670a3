//! The error types of denomination, and what they say.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// Why there is no denomination, for Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NotDispensable,
    TooManyItems,
    NoCurrencyMix,
    InvalidCurrency,
    InvalidDenomination,
    AmountNotInMixTable,
    WorkLimit,
}

/// The error types: name, code of the standard, what it says.
const ERRORS: [(Kind, &str, &str, &str); 7] = [
    (
        Kind::NotDispensable,
        "NotDispensable",
        "notDispensable",
        "No set of items within the limits makes up the amount.",
    ),
    (
        Kind::TooManyItems,
        "TooManyItems",
        "tooManyItems",
        "It takes more items than may be dispensed at once.",
    ),
    (
        Kind::NoCurrencyMix,
        "NoCurrencyMix",
        "noCurrencyMix",
        "One amount without a currency, but units of several.",
    ),
    (
        Kind::InvalidCurrency,
        "InvalidCurrency",
        "invalidCurrency",
        "No unit has a currency that is asked for.",
    ),
    (
        Kind::InvalidDenomination,
        "InvalidDenomination",
        "invalidDenomination",
        "What is asked for makes no sense, such as a negative count.",
    ),
    (
        Kind::AmountNotInMixTable,
        "AmountNotInMixTable",
        "amountNotInMixTable",
        "The mix table has no row for the amount.",
    ),
    (
        Kind::WorkLimit,
        "WorkLimit",
        "internalError",
        "The search was ended before its answer was sure; the amount may be dispensable or not.",
    ),
];

static TYPES: PyOnceLock<Vec<(Kind, Py<PyType>)>> = PyOnceLock::new();

/// The error, made at once: nearly all are raised, and a lazy one is made at a greater cost then.
pub(super) fn error(py: Python<'_>, kind: Kind, message: &str) -> PyErr {
    let known = TYPES
        .get(py)
        .and_then(|types| types.iter().find(|(known, _)| *known == kind));
    match known {
        Some((_, made)) => match made.bind(py).call1((message,)) {
            Ok(value) => PyErr::from_value(value),
            Err(other) => other,
        },
        None => PyValueError::new_err(message.to_owned()),
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
    for (kind, name, code, doc) in ERRORS {
        let made = PyErr::new_type(
            py,
            &text(&format!("xfs4iot.denominate.{name}"))?,
            Some(&text(doc)?),
            Some(base.bind(py)),
            None,
        )?;
        made.bind(py).setattr("error_code", code)?;
        module.add(name, &made)?;
        types.push((kind, made));
    }
    TYPES
        .set(py, types)
        .map_err(|_| PyValueError::new_err("the module is initialised already"))?;
    Ok(())
}
