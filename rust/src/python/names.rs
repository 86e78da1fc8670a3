//! Names and versions as Python strings, made once.
//!
//! The same few hundred names come again and again. They are kept in a table of fixed size
//! in which a new name takes the place of an old one of the same slot: a client that sends
//! invented names makes others slower by a string each, and never makes the table grow.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Each name may stand in either of two slots; the standard has some 300 names.
const SLOTS: usize = 2048;

/// Longer ones are no names of the standard and are not kept.
const MAX_KEPT: usize = 64;

struct Kept {
    text: Box<str>,
    object: Py<PyString>,
}

static TABLE: Mutex<Vec<Option<Kept>>> = Mutex::new(Vec::new());

/// The table, locked for all the names of one message.
///
/// Nobody waits for it while holding the interpreter: strings are made and dropped without
/// running a line of Python, so that whoever holds the lock goes on to its end.
pub struct Names(MutexGuard<'static, Vec<Option<Kept>>>);

impl Names {
    /// Lock the table.
    #[inline]
    pub fn lock() -> Self {
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        if table.is_empty() {
            table.resize_with(SLOTS, || None);
        }
        Names(table)
    }

    /// `text` as a Python string, the same object as last time if it is kept.
    #[inline]
    pub fn text(&mut self, py: Python<'_>, text: &str) -> Py<PyString> {
        let hash = hash(text.as_bytes());
        let first = hash as usize % SLOTS;
        let second = (hash >> 32) as usize % SLOTS;
        for slot in [first, second] {
            if let Some(Some(kept)) = self.0.get(slot)
                && *kept.text == *text
            {
                return kept.object.clone_ref(py);
            }
        }
        self.keep(py, text, first, second)
    }

    #[cold]
    fn keep(&mut self, py: Python<'_>, text: &str, first: usize, second: usize) -> Py<PyString> {
        let object = PyString::new(py, text).unbind();
        let free = if self.0.get(first).is_some_and(Option::is_none) {
            first
        } else {
            second
        };
        if let Some(slot) = self.0.get_mut(free)
            && text.len() <= MAX_KEPT
        {
            *slot = Some(Kept {
                text: text.into(),
                object: object.clone_ref(py),
            });
        }
        object
    }

    /// The same for a text that may be absent: None is Python's.
    #[inline]
    pub fn optional(&mut self, py: Python<'_>, text: Option<&str>) -> Py<PyAny> {
        text.map_or_else(|| py.None(), |text| self.text(py, text).into_any())
    }
}

/// A quick hash of a short text, by words; where it collides, a string is made again, no more.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let (words, tail) = bytes.as_chunks::<8>();
    let whole = words.iter().fold(bytes.len() as u64, |sum, word| {
        mix(sum, u64::from_le_bytes(*word))
    });
    let last = tail
        .iter()
        .fold(0, |word, &byte| word << 8 | u64::from(byte));
    let mixed = mix(whole, last);
    mixed ^ (mixed >> 29)
}
