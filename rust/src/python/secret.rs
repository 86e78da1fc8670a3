//! `Secret`, and `forbid_dumps`.

use std::ffi::c_int;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyTuple};

use crate::secret;

/// Bytes that nobody else should see.
#[pyclass(frozen, module = "xfs4iot._core")]
pub(super) struct Secret {
    inner: secret::Secret,
}

#[pymethods]
impl Secret {
    #[new]
    #[pyo3(signature = (*parts))]
    fn new(parts: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let py = parts.py();
        let buffers = parts
            .iter()
            .map(|part| PyBuffer::<u8>::get(&part))
            .collect::<PyResult<Vec<_>>>()?;
        let slices = buffers
            .iter()
            .map(|buffer| {
                let cells = buffer.as_slice(py).ok_or_else(|| {
                    PyValueError::new_err("give bytes that lie one after the other")
                })?;
                // SAFETY: a `ReadOnlyCell<u8>` is laid out as a `u8`, and nobody writes while the GIL is held.
                Ok(unsafe { &*(std::ptr::from_ref(cells) as *const [u8]) })
            })
            .collect::<PyResult<Vec<&[u8]>>>()?;
        let inner = secret::Secret::joined(&slices)
            .map_err(|fault| PyMemoryError::new_err(fault.to_string()))?;
        Ok(Self { inner })
    }

    fn __len__(&self) -> usize {
        self.inner.bytes().len()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.inner)
    }

    #[getter]
    fn locked(&self) -> bool {
        self.inner.is_locked()
    }

    fn erase(&self) {
        // SAFETY: the GIL is held, and what reads a secret without it (`cryptography`) copies it with it held.
        unsafe { self.inner.erase() };
    }

    /// As Python 3.12 and later offer it by themselves; what reads the stub wants it before.
    fn __buffer__<'py>(
        slf: &Bound<'py, Self>,
        _flags: c_int,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf)
    }

    /// # Safety
    /// Called by Python's buffer protocol only.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to fill"));
        }
        let bytes = slf.get().inner.bytes();
        let len = isize::try_from(bytes.len()).map_err(|_| PyBufferError::new_err("too long"))?;
        // SAFETY: the view holds a reference to the object, which keeps its bytes in place.
        let done = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes.as_ptr() as *mut _, len, 1, flags)
        };
        if done == -1 {
            Err(PyErr::fetch(slf.py()))
        } else {
            Ok(())
        }
    }
}

#[pyfunction]
fn forbid_dumps() -> bool {
    secret::forbid_dumps()
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Secret>()?;
    module.add_function(wrap_pyfunction!(forbid_dumps, module)?)
}
