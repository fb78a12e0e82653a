//! `StreamWriters`, `AcceptedFrame`, `Confirmation` and `PublishRefusal`: a frame's way into a stream.

use std::sync::Arc;

use codec::avl::Imei;
use codec::resp::Refusal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;

use crate::errors::CodecError;

/// How entries are written for each stream of a list.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct StreamWriters(pub(crate) Arc<codec::xadd::StreamWriters>);

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a sequence into a Vec only")]
impl StreamWriters {
    #[new]
    #[pyo3(signature = (streams, *, entries_max))]
    fn new(streams: Vec<PyBackedStr>, entries_max: u64) -> PyResult<Self> {
        let writers = codec::xadd::StreamWriters::new(&streams, entries_max)
            .map_err(|error| CodecError::new_err(error.to_string()))?;
        Ok(Self(Arc::new(writers)))
    }

    fn stream_of(&self, imei: &str) -> PyResult<usize> {
        let imei = Imei::parse(imei).ok_or_else(|| PyValueError::new_err("imei must be fifteen digits"))?;
        Ok(self.0.stream_of(imei))
    }
}

/// A frame whose records are to be published.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct AcceptedFrame {
    pub(crate) frame: codec::avl::AcceptedFrame,
    commands: Py<PyBytes>,
}

impl AcceptedFrame {
    pub(crate) fn new(frame: codec::avl::AcceptedFrame, commands: Bound<'_, PyBytes>) -> Self {
        Self { frame, commands: commands.unbind() }
    }
}

#[pymethods]
impl AcceptedFrame {
    #[getter]
    fn imei(&self) -> &str {
        self.frame.imei.as_str()
    }

    #[getter]
    fn codec(&self) -> &'static str {
        self.frame.codec
    }

    #[getter]
    fn records(&self) -> u8 {
        self.frame.records
    }

    #[getter]
    fn replies(&self) -> usize {
        self.frame.replies
    }

    #[getter]
    fn stream(&self) -> usize {
        self.frame.stream
    }

    #[getter]
    fn commands(&self, py: Python<'_>) -> Py<PyBytes> {
        self.commands.clone_ref(py)
    }

    fn answer<'py>(&self, py: Python<'py>, confirmation: &Confirmation) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.frame.answer(&confirmation.0).map_err(|error| CodecError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &answer))
    }

    fn __repr__(&self) -> String {
        let codec::avl::AcceptedFrame { imei, codec, records, .. } = &self.frame;
        format!("<AcceptedFrame imei={imei} codec={codec} records={records}>")
    }
}

/// Redis has taken every record of one frame.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Confirmation(pub(crate) codec::resp::Confirmation);

/// An error among the replies to a frame's commands.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct PublishRefusal(pub(crate) Refusal);

#[pymethods]
impl PublishRefusal {
    #[getter]
    fn code(&self) -> &str {
        &self.0.error.code
    }

    #[getter]
    fn message(&self) -> &str {
        &self.0.error.message
    }

    #[getter]
    fn taken(&self) -> Option<usize> {
        self.0.rest.as_ref().map(codec::resp::Rest::taken)
    }

    fn __repr__(&self) -> String {
        format!("<PublishRefusal {}>", self.0.error.message)
    }
}
