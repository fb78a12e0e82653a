//! `Delivery` and `Rejection`: the contents of one reply.

use codec::position::Reject;
use pyo3::prelude::*;

use crate::batch::Batch;

/// The contents of one XREADGROUP or XCLAIM reply.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Delivery(pub(crate) codec::resp::Delivery);

impl Delivery {
    /// The ids of its records and of its rejections.
    pub(crate) fn ids(&self) -> impl Iterator<Item = codec::StreamId> + '_ {
        self.0.batch.ids().chain(self.0.rejections.iter().map(|rejection| rejection.id))
    }

    /// The first and the last id.
    pub(crate) fn span(&self) -> Option<(codec::StreamId, codec::StreamId)> {
        self.0.span
    }
}

#[pymethods]
impl Delivery {
    #[getter]
    fn entries(&self) -> usize {
        self.0.entries
    }

    #[getter]
    fn batch(&self) -> Batch {
        Batch(self.0.batch.clone())
    }

    #[getter]
    fn rejections(&self) -> Vec<Rejection> {
        self.0.rejections.iter().cloned().map(Rejection).collect()
    }

    #[getter]
    fn outside(&self) -> usize {
        self.0.outside.len()
    }

    fn judged(&self, py: Python<'_>, server_us: i64) -> Self {
        Self(py.detach(|| self.0.clone().judged(server_us)))
    }

    #[getter]
    fn missing_ids(&self) -> Vec<String> {
        self.0.missing.iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn first_id(&self) -> Option<String> {
        self.0.span.map(|(first, _)| first.to_string())
    }

    #[getter]
    fn last_id(&self) -> Option<String> {
        self.0.span.map(|(_, last)| last.to_string())
    }

    fn __repr__(&self) -> String {
        let codec::resp::Delivery { entries, rejections, outside, missing, .. } = &self.0;
        let [rejections, outside, missing] = [rejections.len(), outside.len(), missing.len()];
        format!("<Delivery entries={entries} rejections={rejections} outside={outside} missing={missing}>")
    }
}

/// An entry that is not a Position by the contract.
#[pyclass(frozen, module = "telemetry._codec")]
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
