//! `InFlightIds`: the entries between their delivery and their acknowledgement.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::batch::Batch;
use crate::entry_ids::{parse_ids, to_texts};

/// Ids of the entries that are in flight, each with the time at which it came.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct InFlightIds(Mutex<codec::in_flight::InFlightIds>);

impl InFlightIds {
    /// Only ever called without the GIL, so that no thread waits for the lock while it holds the GIL.
    fn lock(&self) -> MutexGuard<'_, codec::in_flight::InFlightIds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a sequence into a Vec only")]
impl InFlightIds {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(codec::in_flight::InFlightIds::new()))
    }

    fn take(&self, py: Python<'_>, batch: &Batch, now_ms: i64) -> usize {
        py.detach(|| self.lock().take(batch.0.ids(), now_ms))
    }

    fn take_ids(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>, now_ms: i64) -> PyResult<usize> {
        py.detach(|| {
            let ids = parse_ids(&entry_ids)?;
            Ok(self.lock().take(ids, now_ms))
        })
    }

    fn settle(&self, py: Python<'_>, batch: &Batch) -> usize {
        py.detach(|| self.lock().settle(batch.0.ids()))
    }

    fn settle_ids(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>) -> PyResult<usize> {
        py.detach(|| {
            let ids = parse_ids(&entry_ids)?;
            Ok(self.lock().settle(ids))
        })
    }

    fn absent(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let ids = parse_ids(&entry_ids)?;
            let absent = self.lock().absent(ids);
            Ok(to_texts(&absent))
        })
    }

    fn in_flight_since(&self, py: Python<'_>, before_ms: i64) -> Vec<String> {
        py.detach(|| {
            let ids = self.lock().in_flight_since(before_ms);
            to_texts(&ids)
        })
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().len())
    }
}
