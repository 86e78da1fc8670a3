//! The extension module `xfs4iot._core`: conversions and errors only.

mod codec;
mod denominate;
mod durations;
mod names;
mod secret;
mod way;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    codec::add_to(module)?;
    denominate::add_to(module)?;
    durations::add_to(module)?;
    secret::add_to(module)?;
    way::add_to(module)?;
    // What is public is said by the stub; a list kept beside it would only repeat it.
    module.delattr("__all__")
}
