//! The module `processor._codec`: arguments in, the codec called without the GIL, values out.

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _codec {}
