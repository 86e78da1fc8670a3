//! Names and versions as Python strings, made once.
//!
//! The same few hundred names come again and again. They are kept in a table of fixed size
//! in which a new name takes the place of an old one of the same slot: a client that sends
//! invented names makes others slower by a string each, and never makes the table grow.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Each name may stand in either of two slots; the standard has some 300 names.
const SLOTS: usize = 2048;

/// Longer ones are no names of the standard and are not kept.
const MAX_KEPT: usize = 64;

struct Kept {
    bytes: Box<str>,
    object: Py<PyString>,
}

static TABLE: Mutex<Vec<Option<Kept>>> = Mutex::new(Vec::new());

/// `text` as a Python string, the same object as last time if it is kept.
#[inline]
pub fn text(py: Python<'_>, text: &str) -> PyResult<Py<PyString>> {
    if text.len() > MAX_KEPT {
        return Ok(PyString::new(py, text).unbind());
    }
    // Nothing below runs Python code or gives up the interpreter while the table is locked:
    // strings are made and dropped without a call into any program.
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if table.is_empty() {
        table.resize_with(SLOTS, || None);
    }
    let hash = hash(text.as_bytes());
    let first = hash as usize % SLOTS;
    let second = (hash >> 32) as usize % SLOTS;
    for slot in [first, second] {
        if let Some(Some(kept)) = table.get(slot)
            && *kept.bytes == *text
        {
            return Ok(kept.object.clone_ref(py));
        }
    }
    let object = PyString::intern(py, text).unbind();
    let free = if table.get(first).is_some_and(Option::is_none) {
        first
    } else {
        second
    };
    if let Some(slot) = table.get_mut(free) {
        *slot = Some(Kept {
            bytes: text.into(),
            object: object.clone_ref(py),
        });
    }
    Ok(object)
}

/// A quick hash of a short text, by words; where it collides, a string is made again, no more.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(tail) {
        *place = *byte;
    }
    let mixed = words
        .iter()
        .chain([&last])
        .fold(bytes.len() as u64, |sum, word| {
            (sum.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
        });
    mixed ^ (mixed >> 29)
}
