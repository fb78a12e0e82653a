//! `DeviceStates`: what is remembered of each device.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use codec::batch::Newest;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::batch::Batch;
use crate::errors::CodecError;
use crate::keys::Keys;

/// The state of one device in this life of the process.
#[pyclass(frozen, module = "telemetry._codec", get_all)]
pub(crate) struct DeviceState {
    newest_ts_us: i64,
    latitude: f64,
    longitude: f64,
    last_seen_ms: i64,
    session_records: u64,
}

/// A bounded LRU of device to state, updated a batch at a time.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct DeviceStates(Mutex<codec::devices::DeviceStates>);

impl DeviceStates {
    fn lock(&self) -> MutexGuard<'_, codec::devices::DeviceStates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl DeviceStates {
    #[new]
    fn new(capacity: usize) -> PyResult<Self> {
        let capacity = NonZeroUsize::new(capacity).ok_or(CodecError::new_err("capacity must be at least 1"))?;
        Ok(Self(Mutex::new(codec::devices::DeviceStates::new(capacity))))
    }

    fn cold(&self, py: Python<'_>, batch: &Batch) -> Vec<String> {
        py.detach(|| self.lock().cold(&batch.0))
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a sequence into a Vec only")]
    fn restore(&self, py: Python<'_>, device_ids: Vec<PyBackedStr>, rows: Vec<(PyBackedStr, i64, f64, f64)>) {
        py.detach(|| {
            let rows = rows.iter().map(|(device_id, ts_us, latitude, longitude)| {
                (&**device_id, Newest { ts_us: *ts_us, latitude: *latitude, longitude: *longitude })
            });
            self.lock().restore(device_ids.iter().map(|device_id| &**device_id), rows);
        });
    }

    fn unproven(&self, py: Python<'_>, batch: &Batch) -> Keys {
        Keys(py.detach(|| self.lock().unproven(&batch.0)))
    }

    fn update(&self, py: Python<'_>, batch: &Batch, seen_ms: i64) {
        py.detach(|| self.lock().update(&batch.0, seen_ms));
    }

    fn get(&self, py: Python<'_>, device_id: &str) -> Option<DeviceState> {
        let state = py.detach(|| self.lock().get(device_id))?;
        Some(DeviceState {
            newest_ts_us: state.newest_ts_us,
            latitude: state.latitude,
            longitude: state.longitude,
            last_seen_ms: state.last_seen_ms,
            session_records: state.session_records,
        })
    }

    fn forget(&self, py: Python<'_>, device_id: &str) -> bool {
        py.detach(|| self.lock().forget(device_id))
    }

    fn recent(&self, py: Python<'_>, count: usize) -> Vec<String> {
        py.detach(|| self.lock().recent(count).map(str::to_owned).collect())
    }

    #[getter]
    fn evictions(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().evictions())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().len())
    }
}
