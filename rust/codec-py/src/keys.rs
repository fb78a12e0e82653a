//! `Keys`: keys of rows as parameters of a query.

use codec::batch::KeysOfDay;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

type Bytes<'py> = Bound<'py, PyBytes>;
/// Place of the day's first key, devices, timestamps, the oldest and the newest of these.
type Parameters<'py> = (Bytes<'py>, Bytes<'py>, Bytes<'py>, Bytes<'py>, Bytes<'py>);

/// Keys of some rows of one batch, as parameters of a query in PostgreSQL's binary format.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Keys(pub(crate) codec::batch::Keys);

#[pymethods]
impl Keys {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn device_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.device_ids())
    }

    #[getter]
    fn timestamps<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.timestamps())
    }

    #[getter]
    fn days(&self) -> usize {
        self.0.days()
    }

    fn by_day<'py>(&self, py: Python<'py>) -> Vec<Parameters<'py>> {
        let bytes = |value: &[u8]| PyBytes::new(py, value);
        let parameters = |day: KeysOfDay<'_>| {
            let (oldest, newest) = day.span();
            let (device_ids, timestamps) = (day.device_ids(), day.timestamps());
            (bytes(&day.first_place()), bytes(&device_ids), bytes(&timestamps), bytes(&oldest), bytes(&newest))
        };
        self.0.by_day().map(parameters).collect()
    }

    fn __repr__(&self) -> String {
        format!("<Keys of {} rows>", self.0.len())
    }
}
