//! `Delivery` and `Rejection`: what one reply held.

use codec::position::Reject;
use pyo3::prelude::*;

use crate::batch::Batch;

/// What one XREADGROUP or XCLAIM reply held.
#[pyclass(frozen, module = "processor._codec")]
pub(crate) struct Delivery {
    #[pyo3(get)]
    batch: Py<Batch>,
    entries: usize,
    rejections: Vec<codec::batch::Rejection>,
    missing: Vec<codec::StreamId>,
    span: Option<(codec::StreamId, codec::StreamId)>,
}

impl Delivery {
    pub(crate) fn new(py: Python<'_>, delivery: codec::resp::Delivery) -> PyResult<Self> {
        let codec::resp::Delivery { entries, batch, rejections, missing, span } = delivery;
        Ok(Self { batch: Py::new(py, Batch(batch))?, entries, rejections, missing, span })
    }

    /// The ids of its records and of its rejections.
    pub(crate) fn ids(&self) -> impl Iterator<Item = codec::StreamId> + '_ {
        self.batch.get().0.ids().chain(self.rejections.iter().map(|rejection| rejection.id))
    }

    /// The first and the last id.
    pub(crate) fn span(&self) -> Option<(codec::StreamId, codec::StreamId)> {
        self.span
    }
}

#[pymethods]
impl Delivery {
    #[getter]
    fn entries(&self) -> usize {
        self.entries
    }

    #[getter]
    fn rejections(&self) -> Vec<Rejection> {
        self.rejections.iter().cloned().map(Rejection).collect()
    }

    #[getter]
    fn missing_ids(&self) -> Vec<String> {
        self.missing.iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn first_id(&self) -> Option<String> {
        self.span.map(|(first, _)| first.to_string())
    }

    #[getter]
    fn last_id(&self) -> Option<String> {
        self.span.map(|(_, last)| last.to_string())
    }

    fn __repr__(&self) -> String {
        format!(
            "<Delivery entries={} rejections={} missing={}>",
            self.entries,
            self.rejections.len(),
            self.missing.len()
        )
    }
}

/// An entry that is not a Position by the contract.
#[pyclass(frozen, module = "processor._codec")]
pub(crate) struct Rejection(codec::batch::Rejection);

impl Rejection {
    fn reject(&self) -> Reject {
        self.0.reject
    }
}

#[pymethods]
impl Rejection {
    #[getter]
    fn entry_id(&self) -> String {
        self.0.id.to_string()
    }

    #[getter]
    fn code(&self) -> &'static str {
        self.reject().code.as_str()
    }

    #[getter]
    fn field(&self) -> Option<&'static str> {
        self.reject().field
    }

    #[getter]
    fn offset(&self) -> Option<usize> {
        self.reject().offset
    }

    #[getter]
    fn device_id(&self) -> Option<&str> {
        self.0.device_id.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("<Rejection {} {}>", self.0.id, self.reject())
    }
}
