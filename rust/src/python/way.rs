//! What a fleet's way between gateway and device reads of each message, as Python objects.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::frame_counter;
use crate::link;
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

/// One end of a virtual session.
#[pyclass(module = "xfs4iot._core")]
pub struct Link {
    link: link::Link,
}

#[pymethods]
impl Link {
    #[classattr]
    const WINDOW: usize = link::WINDOW;
    #[classattr]
    const CHUNK: usize = link::CHUNK;
    #[classattr]
    const BEAT_SECONDS: f64 = link::BEAT_SECONDS;
    #[classattr]
    const PATIENCE: f64 = link::PATIENCE;
    #[classattr]
    const ABSENT_SECONDS: f64 = link::ABSENT_SECONDS;
    #[classattr]
    const TTL: f64 = link::TTL;

    #[new]
    #[pyo3(signature = (now, /))]
    fn new(now: f64) -> Self {
        Link {
            link: link::Link::new(now),
        }
    }

    /// Why it is over; None as long as it is not.
    #[getter]
    fn ended(&self) -> Option<&str> {
        self.link.ended.as_deref()
    }

    #[setter]
    fn set_ended(&mut self, why: Option<String>) {
        self.link.ended = why;
    }

    /// Whether the other end has said that nothing more comes.
    #[getter]
    fn closed(&self) -> bool {
        self.link.closed()
    }

    /// Whether both ends have said all, and both know it.
    #[getter]
    fn finished(&self) -> bool {
        self.link.finished()
    }

    /// How many bytes `send` takes.
    #[getter]
    fn room(&self) -> usize {
        self.link.room()
    }

    /// How many messages the other end has not consumed.
    #[getter]
    fn unacknowledged(&self) -> usize {
        self.link.unacknowledged()
    }

    /// Whether something has arrived that was not taken.
    #[getter]
    fn has_arrived(&self) -> bool {
        self.link.has_arrived()
    }

    /// Send as much of `data` as there is room for; how much that is.
    #[pyo3(signature = (data, now, whole = true))]
    fn send(&mut self, data: &[u8], now: f64, whole: bool) -> usize {
        self.link.send(data, now, whole)
    }

    /// Say that nothing more comes, behind all that was sent.
    #[pyo3(signature = (now, reason = ""))]
    fn close(&mut self, now: f64, reason: &str) {
        self.link.close(now, reason.as_bytes());
    }

    /// Take note that all up to this number has been used.
    fn consumed(&mut self, number: u64, now: f64) {
        self.link.consumed(number, now);
    }

    /// Take what has arrived.
    fn receive(&mut self, message: &[u8], now: f64) -> PyResult<()> {
        self.link.receive(message, now).map_err(|wrong| {
            PyValueError::new_err(format!("this is no message of a link: {}", wrong.0))
        })
    }

    /// What has arrived, in one piece.
    #[pyo3(signature = (most = link::CHUNK), text_signature = "($self, most=131072)")]
    fn take<'py>(
        &mut self,
        py: Python<'py>,
        most: usize,
    ) -> Option<(u64, Bound<'py, PyBytes>, bool)> {
        let (number, data, whole) = self.link.take(most)?;
        Some((number, PyBytes::new(py, &data), whole))
    }

    /// What is to be sent, in order.
    fn take_out<'py>(&mut self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let out = self.link.take_out();
        out.iter()
            .map(|message| PyBytes::new(py, message))
            .collect()
    }

    /// Take note that the broker knows nobody at the other end just now.
    fn nobody(&mut self, now: f64) {
        self.link.nobody(now);
    }

    /// Tell the other end where both stand.
    fn resume(&mut self, now: f64) {
        self.link.resume(now);
    }

    /// Let time pass.
    fn tick(&mut self, now: f64) {
        self.link.tick(now);
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
    module.add_class::<Link>()?;
    module.add_function(wrap_pyfunction!(read_nats, module)?)?;
    Ok(())
}
