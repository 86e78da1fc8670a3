//! `Durations`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::durations;

/// How long things of one kind took.
#[pyclass(frozen, module = "xfs4iot._core")]
struct Durations {
    inner: durations::Durations,
}

#[pymethods]
impl Durations {
    #[new]
    #[pyo3(signature = (bounds, /))]
    fn new(bounds: Vec<f64>) -> PyResult<Self> {
        if !bounds.is_sorted() {
            return Err(PyValueError::new_err(
                "give the bounds in order, the least first",
            ));
        }
        Ok(Self {
            inner: durations::Durations::new(bounds),
        })
    }

    #[pyo3(signature = (seconds, /))]
    fn add(&self, seconds: f64) {
        self.inner.add(seconds);
    }

    #[getter]
    fn buckets(&self) -> Vec<u64> {
        self.inner.buckets()
    }

    #[getter]
    fn total(&self) -> f64 {
        self.inner.total()
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Durations>()
}
