//! `ReadRanges`: every entry that one life has read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::delivery::Delivery;
use crate::entry_ids::{parse_ids, to_texts};

/// Ids that were ever read.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct ReadRanges(Mutex<codec::read_ranges::ReadRanges>);

impl ReadRanges {
    /// Only ever called without the GIL, so that no thread waits for the lock while it holds the GIL.
    fn lock(&self) -> MutexGuard<'_, codec::read_ranges::ReadRanges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a sequence into a Vec only")]
impl ReadRanges {
    #[new]
    fn new(stretches_max: usize) -> Self {
        Self(Mutex::new(codec::read_ranges::ReadRanges::new(stretches_max)))
    }

    fn note_new(&self, py: Python<'_>, delivery: &Delivery) -> Vec<String> {
        py.detach(|| {
            let Some((first, last)) = delivery.span() else { return Vec::new() };
            to_texts(&self.lock().note_stretch(first, last, delivery.ids()))
        })
    }

    fn note_again(&self, py: Python<'_>, delivery: &Delivery) -> Vec<String> {
        py.detach(|| to_texts(&self.lock().note(delivery.ids())))
    }

    fn note_ids(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let ids = parse_ids(&entry_ids)?;
            Ok(to_texts(&self.lock().note(ids)))
        })
    }

    fn among(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let ids = parse_ids(&entry_ids)?;
            let read = self.lock();
            let among: Vec<_> = ids.into_iter().filter(|id| read.contains(*id)).collect();
            drop(read);
            Ok(to_texts(&among))
        })
    }
}
