//! The extension module `xfs4iot._core`: conversions and errors only.

use pyo3::prelude::*;

mod denominate;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    denominate::register(module)?;
    Ok(())
}
