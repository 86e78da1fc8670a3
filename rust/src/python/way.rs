//! What a fleet's way between gateway and device reads of each message, as Python objects.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::frame_counter;
use crate::nats::{self, Malformed, Said};

/// Counts the frames in a stream of WebSocket, looking at their heads alone.
#[pyclass(module = "xfs4iot._core")]
pub struct FrameCounter {
    counter: frame_counter::FrameCounter,
}

#[pymethods]
impl FrameCounter {
    #[new]
    fn new() -> Self {
        FrameCounter {
            counter: frame_counter::FrameCounter::default(),
        }
    }

    /// How many frames begin in the next piece.
    #[pyo3(signature = (data, /))]
    fn feed(&mut self, data: &[u8]) -> usize {
        self.counter.feed(data)
    }
}

struct Failed(PyErr);

impl From<Malformed> for Failed {
    fn from(wrong: Malformed) -> Self {
        Failed(PyValueError::new_err(format!(
            "the server sends {}",
            wrong.0
        )))
    }
}

impl From<PyErr> for Failed {
    fn from(wrong: PyErr) -> Self {
        Failed(wrong)
    }
}

/// What a NATS server has sent, as far as it is whole.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub fn read_nats<'py>(
    py: Python<'py>,
    data: &[u8],
) -> PyResult<(Bound<'py, PyList>, usize, usize)> {
    let items = PyList::empty(py);
    let read = nats::read(data, |said| {
        let item = as_python(py, said)?;
        items.append(item).map_err(Failed::from)
    });
    match read {
        Ok((done, wanted)) => Ok((items, done, wanted)),
        Err(Failed(problem)) => Err(problem),
    }
}

fn as_python<'py>(py: Python<'py>, said: Said<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match said {
        Said::Message {
            subject,
            subscription,
            reply,
            head,
            body,
        } => PyTuple::new(
            py,
            [
                subscription.into_pyobject(py)?.into_any(),
                text(py, subject).into_any(),
                text(py, reply).into_any(),
                PyBytes::new(py, head).into_any(),
                PyBytes::new(py, body).into_any(),
            ],
        )?
        .into_any(),
        Said::Line(line) => PyBytes::new(py, line).into_any(),
    })
}

fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

/// Add all of it to the extension module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameCounter>()?;
    module.add_function(wrap_pyfunction!(read_nats, module)?)?;
    Ok(())
}
