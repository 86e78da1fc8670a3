//! Frames, messages and replies as Python objects.

use std::borrow::Cow;
use std::cell::Cell;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString};
use pyo3::{IntoPyObjectExt, intern};

use super::names::Names;
use crate::envelope::{self, Refusal as Refused};
use crate::frame::{self, Item};
use crate::json;
use crate::reply::{self, Address, NotAnObject, Reply};

/// Buffers of replies up to this size are kept for the next one.
const KEPT: usize = 4096;

/// A command, ready to be acknowledged.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Message {
    #[pyo3(get)]
    r#type: Py<PyString>,
    #[pyo3(get)]
    name: Py<PyString>,
    #[pyo3(get)]
    request_id: Py<PyInt>,
    #[pyo3(get)]
    version: Py<PyAny>,
    #[pyo3(get)]
    timeout: i64,
    #[pyo3(get)]
    payload: Py<PyAny>,
    #[pyo3(get)]
    size: usize,
}

#[pymethods]
impl Message {
    /// Acknowledge and complete a command that has succeeded, both at once.
    #[pyo3(signature = (acknowledged, version, code, payload, /))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        acknowledged: Option<&Bound<'py, PyString>>,
        version: Option<&Bound<'py, PyString>>,
        code: Option<&Bound<'py, PyString>>,
        payload: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let name = self.name.bind(py).to_string_lossy();
        let request_id = Some(self.request_id.bind(py).extract()?);
        let (acknowledged, version, code) = (text(acknowledged), text(version), text(code));
        let address = |version| Address {
            name: &name,
            request_id,
            version,
        };
        with_buffer(|first| {
            let accepted = reply::acknowledge(first, address(acknowledged.as_deref()), None, None);
            with_second_buffer(|second| {
                let completed = reply::completion(
                    second,
                    address(version.as_deref()),
                    code.as_deref(),
                    None,
                    Some(payload.as_bytes()),
                )
                .map_err(not_an_object)?;
                joined(py, &[&accepted, &completed])
            })
        })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!(
            "<Message {} {} of {} bytes>",
            self.name.bind(py),
            self.request_id.bind(py),
            self.size
        )
    }
}

/// A message that is not accepted.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Refusal {
    #[pyo3(get)]
    status: Py<PyString>,
    #[pyo3(get)]
    reason: Py<PyString>,
    #[pyo3(get)]
    name: Py<PyString>,
    #[pyo3(get)]
    request_id: Py<PyInt>,
    #[pyo3(get)]
    version: Py<PyAny>,
}

#[pymethods]
impl Refusal {
    fn __repr__(&self, py: Python<'_>) -> String {
        format!(
            "<Refusal {}: {}>",
            self.status.bind(py),
            self.reason.bind(py)
        )
    }
}

/// A ping.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Ping {
    #[pyo3(get)]
    payload: Py<PyBytes>,
}

/// A pong.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Pong {
    #[pyo3(get)]
    payload: Py<PyBytes>,
}

/// The client closes the connection.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Close {
    #[pyo3(get)]
    code: u16,
    #[pyo3(get)]
    reason: Py<PyString>,
}

#[pymethods]
impl Close {
    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Close {}: {}>", self.code, self.reason.bind(py))
    }
}

/// The client broke RFC 6455 or a limit.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Violation {
    #[pyo3(get)]
    code: u16,
    #[pyo3(get)]
    reason: Py<PyString>,
}

#[pymethods]
impl Violation {
    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Violation {}: {}>", self.code, self.reason.bind(py))
    }
}

/// A client's bytes in, whole messages out.
#[pyclass(module = "xfs4iot._core")]
pub struct Receiver {
    frames: frame::Receiver,
}

#[pymethods]
impl Receiver {
    #[new]
    #[pyo3(signature = (max_message = 2_097_152))]
    fn new(max_message: usize) -> Self {
        Receiver {
            frames: frame::Receiver::new(max_message),
        }
    }

    /// Bytes that wait for the rest of their frame or message.
    #[getter]
    fn pending(&self) -> usize {
        self.frames.pending()
    }

    /// Take what arrived; return every item that is complete, in order.
    #[pyo3(signature = (data, /))]
    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let items = PyList::empty(py);
        let take = |item: Item<'_>| items.append(received(py, item)?);
        if let Ok(data) = data.cast_exact::<PyBytes>() {
            self.frames.receive(data.as_bytes(), take)?;
        } else {
            self.frames.receive(&copied(py, data)?, take)?;
        }
        Ok(items)
    }
}

/// What another buffer than bytes holds; copied, because its owner may change it meanwhile.
fn copied(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    PyBuffer::<u8>::get(data)?.to_vec(py)
}

fn received(py: Python<'_>, item: Item<'_>) -> PyResult<Py<PyAny>> {
    Ok(match item {
        Item::Text(text) => match envelope::read_command(text) {
            Ok(command) => {
                let mut names = Names::lock();
                Py::new(
                    py,
                    Message {
                        r#type: intern!(py, "command").clone().unbind(),
                        name: names.text(py, &command.name),
                        request_id: command.request_id.into_pyobject(py)?.unbind(),
                        version: names.optional(py, command.version.as_deref()),
                        timeout: command.timeout,
                        payload: payload(py, command.payload),
                        size: text.len(),
                    },
                )?
                .into_any()
            }
            Err(refused) => refusal(py, &refused)?,
        },
        Item::Ping(payload) => Py::new(
            py,
            Ping {
                payload: PyBytes::new(py, payload).unbind(),
            },
        )?
        .into_any(),
        Item::Pong(payload) => Py::new(
            py,
            Pong {
                payload: PyBytes::new(py, payload).unbind(),
            },
        )?
        .into_any(),
        Item::Close(code, reason) => Py::new(
            py,
            Close {
                code,
                reason: PyString::new(py, reason).unbind(),
            },
        )?
        .into_any(),
        Item::Violation(violation) => {
            let reason = PyString::new(py, &violation.to_string()).unbind();
            Py::new(
                py,
                Violation {
                    code: violation.code(),
                    reason,
                },
            )?
            .into_any()
        }
    })
}

#[cold]
fn refusal(py: Python<'_>, refused: &Refused<'_>) -> PyResult<Py<PyAny>> {
    let refusal = Refusal {
        status: PyString::intern(py, refused.status.as_str()).unbind(),
        reason: PyString::new(py, &refused.reason).unbind(),
        name: PyString::new(py, &refused.name).unbind(),
        request_id: refused.request_id.into_pyobject(py)?.unbind(),
        version: Names::lock().optional(py, refused.version.as_deref()),
    };
    Ok(Py::new(py, refusal)?.into_any())
}

fn payload(py: Python<'_>, payload: Option<&str>) -> Py<PyAny> {
    payload.map_or_else(
        || py.None(),
        |text| PyBytes::new(py, text.as_bytes()).into_any().unbind(),
    )
}

/// A message as a client receives it, of any type and in either envelope.
#[pyclass(frozen, module = "xfs4iot._core")]
pub struct Envelope {
    #[pyo3(get)]
    r#type: Py<PyString>,
    #[pyo3(get)]
    name: Py<PyString>,
    #[pyo3(get)]
    request_id: Py<PyAny>,
    #[pyo3(get)]
    version: Py<PyAny>,
    #[pyo3(get)]
    timeout: i64,
    #[pyo3(get)]
    status: Option<Py<PyString>>,
    #[pyo3(get)]
    completion_code: Option<Py<PyString>>,
    #[pyo3(get)]
    error_description: Option<Py<PyString>>,
    #[pyo3(get)]
    payload: Py<PyAny>,
    #[pyo3(get)]
    size: usize,
}

#[pymethods]
impl Envelope {
    fn __repr__(&self, py: Python<'_>) -> String {
        let (kind, name) = (self.r#type.bind(py), self.name.bind(py));
        format!(
            "<Envelope {kind} {name} {} of {} bytes>",
            self.request_id.bind(py),
            self.size
        )
    }
}

/// Read a message without a frame around it.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub fn read_envelope(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Envelope> {
    let invalid = |reason: String| PyValueError::new_err(reason);
    let bytes;
    let text = if let Ok(text) = data.cast::<PyString>() {
        text.to_str()?
    } else {
        let data = if let Ok(data) = data.cast_exact::<PyBytes>() {
            data.as_bytes()
        } else {
            bytes = copied(py, data).map_err(|_| {
                PyTypeError::new_err("a message is str, bytes or another buffer of bytes")
            })?;
            &bytes
        };
        simdutf8::compat::from_utf8(data)
            .map_err(|error| invalid(format!("not UTF-8 at byte {}", error.valid_up_to())))?
    };
    let message = envelope::read_message(text).map_err(invalid)?;
    let mut names = Names::lock();
    Ok(Envelope {
        r#type: names.text(py, &message.kind),
        name: names.text(py, &message.name),
        request_id: message.request_id.into_py_any(py)?,
        version: names.optional(py, message.version.as_deref()),
        timeout: message.timeout,
        status: message.status.map(|text| names.text(py, &text)),
        completion_code: message.completion_code.map(|text| names.text(py, &text)),
        error_description: message
            .error_description
            .map(|text| PyString::new(py, &text).unbind()),
        payload: payload(py, message.payload),
        size: text.len(),
    })
}

/// Whether a payload has more members and elements than `most`.
#[pyfunction]
#[pyo3(signature = (payload, most, /))]
pub fn has_more_values(payload: &[u8], most: usize) -> bool {
    json::has_more_values(payload, most)
}

/// Whether a payload may have a number with so many digits in a row, or an exponent.
#[pyfunction]
#[pyo3(signature = (payload, digits, /))]
pub fn may_have_extremes(payload: &[u8], digits: usize) -> bool {
    json::may_have_extremes(payload, digits)
}

/// Text that a caller gave. A surrogate without its partner, which UTF-8 cannot say, is replaced.
type Text<'a> = Cow<'a, str>;

fn text<'a>(text: Option<&'a Bound<'_, PyString>>) -> Option<Text<'a>> {
    text.map(|text| text.to_string_lossy())
}

/// Let `build` use a buffer that serves one reply after the other.
fn with_buffer<R>(build: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local! {
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    BUFFER.with(|buffer| with(buffer, build))
}

/// The same for a second reply, while the first is in its buffer.
fn with_second_buffer<R>(build: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local! {
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    BUFFER.with(|buffer| with(buffer, build))
}

fn with<R>(kept: &Cell<Vec<u8>>, build: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = kept.take();
    let built = build(&mut buffer);
    if buffer.capacity() <= KEPT {
        kept.set(buffer);
    }
    built
}

fn joined<'py>(py: Python<'py>, replies: &[&Reply<'_>]) -> PyResult<Bound<'py, PyBytes>> {
    let length = replies.iter().map(|reply| reply.len()).sum();
    PyBytes::new_with(py, length, |place| {
        let mut start = 0;
        for part in replies.iter().flat_map(|reply| reply.parts()) {
            if let Some(place) = place.get_mut(start..start + part.len()) {
                place.copy_from_slice(part);
            }
            start += part.len();
        }
        Ok(())
    })
}

fn not_an_object(_: NotAnObject) -> PyErr {
    PyValueError::new_err("the payload is not the text of a JSON object")
}

/// Acknowledge a command.
#[pyfunction]
#[pyo3(signature = (name, request_id, version, status = None, error_description = None))]
pub fn acknowledge<'py>(
    py: Python<'py>,
    name: Option<&Bound<'py, PyString>>,
    request_id: Option<i64>,
    version: Option<&Bound<'py, PyString>>,
    status: Option<&Bound<'py, PyString>>,
    error_description: Option<&Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (name, version) = (text(name).unwrap_or_default(), text(version));
    let address = Address {
        name: &name,
        request_id: Some(request_id.unwrap_or_default()),
        version: version.as_deref(),
    };
    let (status, description) = (text(status), text(error_description));
    with_buffer(|buffer| {
        joined(
            py,
            &[&reply::acknowledge(
                buffer,
                address,
                status.as_deref(),
                description.as_deref(),
            )],
        )
    })
}

/// Complete a command.
#[pyfunction]
#[pyo3(signature = (name, request_id, version, code = None, error_description = None, payload = None))]
pub fn completion<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    request_id: i64,
    version: Option<&Bound<'py, PyString>>,
    code: Option<&Bound<'py, PyString>>,
    error_description: Option<&Bound<'py, PyString>>,
    payload: Option<&Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (name, version) = (name.to_string_lossy(), text(version));
    let address = Address {
        name: &name,
        request_id: Some(request_id),
        version: version.as_deref(),
    };
    let (code, description) = (text(code), text(error_description));
    let payload = payload.map(|payload| payload.as_bytes());
    with_buffer(|buffer| {
        joined(
            py,
            &[&reply::completion(
                buffer,
                address,
                code.as_deref(),
                description.as_deref(),
                payload,
            )
            .map_err(not_an_object)?],
        )
    })
}

/// Report an event.
#[pyfunction]
#[pyo3(signature = (name, request_id, version, payload = None, unsolicited = "unsolicited"))]
pub fn event<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    request_id: Option<i64>,
    version: Option<&Bound<'py, PyString>>,
    payload: Option<&Bound<'py, PyBytes>>,
    unsolicited: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let (name, version) = (name.to_string_lossy(), text(version));
    let address = Address {
        name: &name,
        request_id,
        version: version.as_deref(),
    };
    let payload = payload.map(|payload| payload.as_bytes());
    with_buffer(|buffer| {
        joined(
            py,
            &[&reply::event(buffer, address, payload, unsolicited).map_err(not_an_object)?],
        )
    })
}

const NOTHING: &[u8] = b"";

/// A ping frame.
#[pyfunction]
#[pyo3(signature = (payload = NOTHING), text_signature = "(payload=b'')")]
pub fn ping<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    control(py, reply::ping(payload))
}

/// A pong frame.
#[pyfunction]
pub fn pong<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    control(py, reply::pong(payload))
}

fn control(py: Python<'_>, frame: Option<Vec<u8>>) -> PyResult<Bound<'_, PyBytes>> {
    match frame {
        Some(frame) => Ok(PyBytes::new(py, &frame)),
        None => Err(PyValueError::new_err(format!(
            "a control frame carries at most {} bytes of payload",
            reply::MAX_CONTROL
        ))),
    }
}

/// A close frame; the reason is cut to the 123 bytes that it may have.
#[pyfunction]
#[pyo3(signature = (code, reason = ""))]
pub fn close<'py>(py: Python<'py>, code: u16, reason: &str) -> PyResult<Bound<'py, PyBytes>> {
    match reply::close(code, reason) {
        Some(frame) => Ok(PyBytes::new(py, &frame)),
        None => Err(PyValueError::new_err(format!(
            "close code {code} must not be sent; use 1000 to 1003, 1007 to 1014, 3000 to 4999"
        ))),
    }
}

/// Add all of it to the extension module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Message>()?;
    module.add_class::<Refusal>()?;
    module.add_class::<Ping>()?;
    module.add_class::<Pong>()?;
    module.add_class::<Close>()?;
    module.add_class::<Violation>()?;
    module.add_class::<Receiver>()?;
    module.add_class::<Envelope>()?;
    module.add_function(wrap_pyfunction!(read_envelope, module)?)?;
    module.add_function(wrap_pyfunction!(has_more_values, module)?)?;
    module.add_function(wrap_pyfunction!(may_have_extremes, module)?)?;
    module.add_function(wrap_pyfunction!(acknowledge, module)?)?;
    module.add_function(wrap_pyfunction!(completion, module)?)?;
    module.add_function(wrap_pyfunction!(event, module)?)?;
    module.add_function(wrap_pyfunction!(ping, module)?)?;
    module.add_function(wrap_pyfunction!(pong, module)?)?;
    module.add_function(wrap_pyfunction!(close, module)?)?;
    Ok(())
}
