//! `ReplyCounter`: Redis' replies, counted frame by frame.

use codec::resp::Outcome;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::protocol;
use crate::publishing::{AcceptedFrame, Confirmation, PublishRefusal};
use crate::receiving::{descriptor_of, with_scratch};

/// Redis' replies to a pipeline, each frame's with its waiter.
#[pyclass(module = "telemetry._codec")]
pub(crate) struct ReplyCounter(codec::resp::ReplyCounter<Py<PyAny>>);

#[pymethods]
impl ReplyCounter {
    #[new]
    fn new() -> Self {
        Self(codec::resp::ReplyCounter::new())
    }

    #[getter]
    fn owed(&self) -> usize {
        self.0.owed()
    }

    fn expect(&mut self, frame: &AcceptedFrame, waiter: Py<PyAny>) {
        self.0.expect(&frame.frame, waiter);
    }

    #[pyo3(signature = (refusal, waiter, *, asking))]
    fn expect_rest(&mut self, refusal: &PublishRefusal, waiter: Py<PyAny>, asking: bool) -> PyResult<()> {
        let rest = refusal.0.rest.as_ref().ok_or_else(|| PyValueError::new_err("nothing of it can be sent on"))?;
        self.0.expect_rest(rest, asking, waiter);
        Ok(())
    }

    fn expect_other(&mut self, waiter: Py<PyAny>) {
        self.0.expect_other(waiter);
    }

    /// None if nothing is there to be read yet.
    fn receive(&mut self, py: Python<'_>, socket: &Bound<'_, PyAny>, bytes_max: usize) -> PyResult<Option<usize>> {
        let descriptor = descriptor_of(socket)?;
        let counter = &mut self.0;
        let received = with_scratch(|scratch| {
            py.detach(|| {
                let received = scratch.receive(descriptor, bytes_max)?;
                Ok::<_, std::io::Error>(received.map(|(data, _)| counter.feed(data).map(|()| data.len())))
            })
        })?;
        received.transpose().map_err(protocol)
    }

    fn feed(&mut self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let counter = &mut self.0;
        py.detach(|| counter.feed(data)).map_err(protocol)
    }

    fn settled(&mut self, py: Python<'_>) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
        self.0
            .take_settled()
            .into_iter()
            .map(|(waiter, outcome)| {
                let outcome = match outcome {
                    Outcome::Confirmed(confirmation) => Confirmation(confirmation).into_py_any(py)?,
                    Outcome::Refused(refusal) => PublishRefusal(refusal).into_py_any(py)?,
                    Outcome::Reply(reply) => PyBytes::new(py, &reply).into_py_any(py)?,
                };
                Ok((waiter, outcome))
            })
            .collect()
    }

    fn drop(&mut self) -> Vec<Py<PyAny>> {
        self.0.drop_expected()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.waiters().try_for_each(|waiter| visit.call(waiter))
    }

    fn __clear__(&mut self) {
        self.0 = codec::resp::ReplyCounter::new();
    }
}
