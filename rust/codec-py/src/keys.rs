//! `Keys`: keys of rows as parameters of a query.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Keys of some rows of one batch, as parameters of a query in PostgreSQL's binary format.
#[pyclass(frozen, module = "processor._codec")]
pub(crate) struct Keys(pub(crate) codec::batch::Keys);

#[pymethods]
impl Keys {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn device_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.device_ids())
    }

    #[getter]
    fn timestamps<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.timestamps())
    }

    #[getter]
    fn span<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (oldest, newest) = self.0.span()?;
        Some((PyBytes::new(py, &oldest), PyBytes::new(py, &newest)))
    }

    fn __repr__(&self) -> String {
        format!("<Keys of {} rows>", self.0.len())
    }
}
