//! `Batch`: decoded records, immutable.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;

use crate::entry_ids::{parse_ids, to_texts};
use crate::errors::misuse;
use crate::keys::Keys;

/// Decoded records, immutable, sorted by (`device_id`, `ts`, entry id).
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Batch(pub(crate) codec::batch::Batch);

#[pymethods]
impl Batch {
    #[getter]
    fn records(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    #[getter]
    fn row_bytes(&self) -> usize {
        self.0.row_bytes()
    }

    #[getter]
    fn entry_ids(&self) -> Vec<String> {
        self.0.ids().map(|id| id.to_string()).collect()
    }

    #[getter]
    fn device_ids(&self) -> Vec<&str> {
        self.0.device_ids().collect()
    }

    fn newest_positions(&self, py: Python<'_>) -> Vec<(&str, i64, f64, f64)> {
        py.detach(|| {
            let newest = self.0.newest_positions();
            newest.map(|(device_id, it)| (device_id, it.ts_us, it.latitude, it.longitude)).collect()
        })
    }

    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a list into a Vec only")]
    fn merge(py: Python<'_>, batches: Vec<Py<Self>>) -> Self {
        let parts: Vec<_> = batches.iter().map(|batch| &batch.get().0).collect();
        Self(py.detach(|| codec::batch::Batch::merge(&parts)))
    }

    fn split(&self, py: Python<'_>) -> PyResult<(Self, Self)> {
        let (left, right) = py.detach(|| self.0.split()).map_err(misuse)?;
        Ok((Self(left), Self(right)))
    }

    fn piece(&self, py: Python<'_>, start: usize, stop: usize) -> Self {
        Self(py.detach(|| self.0.piece(start, stop)))
    }

    fn take_out(&self, py: Python<'_>, row: usize) -> PyResult<(Self, Self)> {
        let (rest, taken) = py.detach(|| self.0.take_out(row)).map_err(misuse)?;
        Ok((Self(rest), Self(taken)))
    }

    fn partition(&self, py: Python<'_>, parts: usize) -> PyResult<Vec<Self>> {
        let parts = py.detach(|| self.0.partition(parts)).map_err(misuse)?;
        Ok(parts.into_iter().map(Self).collect())
    }

    #[staticmethod]
    fn part_of(device_id: &str, parts: usize) -> PyResult<usize> {
        codec::batch::Batch::part_of(device_id.as_bytes(), parts).map_err(misuse)
    }

    fn copy_chunks(&self, chunk_bytes: usize) -> CopyChunks {
        CopyChunks { state: Mutex::new(ChunkState { chunks: self.0.copy_chunks(), buffer: Vec::new() }), chunk_bytes }
    }

    fn insert_arrays<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        // A batch that is inserted in this way is small: to give up the GIL and take it again costs as much.
        self.0.insert_arrays().iter().map(|array| PyBytes::new(py, array)).collect()
    }

    fn keys(&self, py: Python<'_>) -> Keys {
        Keys(py.detach(|| self.0.keys()))
    }

    fn ack_command<'py>(&self, py: Python<'py>, stream: &str, group: &str) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.0.ack_command(stream, group)))
    }

    fn drop_known(&self, py: Python<'_>, keys: &Keys, known: &[u8]) -> PyResult<(Self, Self)> {
        let (rest, known) = py.detach(|| self.0.drop_known(&keys.0, known)).map_err(misuse)?;
        Ok((Self(rest), Self(known)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a sequence into a Vec only")]
    fn ids_among(&self, py: Python<'_>, entry_ids: Vec<PyBackedStr>) -> PyResult<Vec<String>> {
        py.detach(|| Ok(to_texts(&self.0.ids_among(&parse_ids(&entry_ids)?))))
    }

    fn __repr__(&self) -> String {
        format!("<Batch records={} rows={} row_bytes={}>", self.0.len(), self.0.rows(), self.0.row_bytes())
    }
}

/// The pieces of a COPY stream, made one at a time.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct CopyChunks {
    state: Mutex<ChunkState>,
    chunk_bytes: usize,
}

struct ChunkState {
    chunks: codec::batch::CopyChunks,
    /// The same memory for every piece.
    buffer: Vec<u8>,
}

impl CopyChunks {
    /// Only ever called without the GIL, so that no thread waits for the lock while it holds the GIL.
    fn lock(&self) -> MutexGuard<'_, ChunkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl CopyChunks {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let piece = py.detach(|| {
            let mut state = self.lock();
            let mut piece = std::mem::take(&mut state.buffer);
            piece.clear();
            state.chunks.next_chunk(self.chunk_bytes, &mut piece).then_some(piece)
        })?;
        let bytes = PyBytes::new(py, &piece);
        py.detach(|| self.lock().buffer = piece);
        Some(bytes)
    }
}
