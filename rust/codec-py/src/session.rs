//! `Session`: the conversation with one device over TCP.

use std::io;
use std::sync::Arc;

use codec::avl::{Expiry, Step, WrongState};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::CodecError;
use crate::publishing::{AcceptedFrame, StreamWriters};
use crate::receiving::{Scratch, descriptor_of, with_scratch};
use crate::steps::{RefusedFrame, step_to_python};

/// The type of END.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct End;

#[pymethods]
impl End {
    #[expect(clippy::unused_self, reason = "Python calls it on the instance")]
    fn __repr__(&self) -> &'static str {
        "END"
    }
}

/// Bounds of a session, shared by all.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct SessionLimits(Arc<codec::avl::SessionLimits>);

#[pymethods]
impl SessionLimits {
    #[new]
    #[pyo3(signature = (*, frame_bytes_max, login_timeout_ms, frame_timeout_ms, idle_timeout_ms))]
    fn new(frame_bytes_max: usize, login_timeout_ms: u64, frame_timeout_ms: u64, idle_timeout_ms: u64) -> Self {
        Self(Arc::new(codec::avl::SessionLimits {
            frame_bytes_max,
            login_timeout_ms,
            frame_timeout_ms,
            idle_timeout_ms,
        }))
    }
}

/// The conversation with one device.
#[pyclass(module = "telemetry._codec")]
pub(crate) struct Session(codec::avl::Session);

/// What a receive came to.
enum Received {
    Step(Option<Step>),
    End,
}

impl Session {
    fn receive_step(
        &mut self,
        descriptor: i32,
        now_ms: u64,
        scratch: &mut Scratch,
    ) -> io::Result<Result<Received, WrongState>> {
        if self.0.may_hold_step()
            && let Some(step) = self.0.next_step(&mut scratch.commands)
        {
            return Ok(Ok(Received::Step(Some(step))));
        }
        Ok(match scratch.receive(descriptor, self.0.wanted_bytes())? {
            None => Ok(Received::Step(None)),
            Some(([], _)) => Ok(Received::End),
            Some((data, commands)) => self.0.feed(data, now_ms, commands).map(Received::Step),
        })
    }

    fn to_python(&self, py: Python<'_>, step: Option<Step>, scratch: &Scratch) -> PyResult<Option<Py<PyAny>>> {
        step.map(|step| step_to_python(py, step, self.0.imei(), &scratch.commands)).transpose()
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (limits, writers, *, now_ms))]
    fn new(limits: &SessionLimits, writers: &StreamWriters, now_ms: u64) -> Self {
        Self(codec::avl::Session::new(Arc::clone(&limits.0), Arc::clone(&writers.0), now_ms))
    }

    #[getter]
    fn imei(&self) -> Option<String> {
        self.0.imei().map(|imei| imei.to_string())
    }

    #[getter]
    fn received_bytes(&self) -> u64 {
        self.0.received_bytes()
    }

    #[getter]
    fn in_hand(&self) -> bool {
        self.0.in_hand()
    }

    #[getter]
    fn is_at_boundary(&self) -> bool {
        self.0.is_at_boundary()
    }

    fn wanted_bytes(&self) -> usize {
        self.0.wanted_bytes()
    }

    /// END at the end, None if more bytes are needed.
    fn receive(&mut self, py: Python<'_>, socket: &Bound<'_, PyAny>, now_ms: u64) -> PyResult<Option<Py<PyAny>>> {
        if self.0.in_hand() {
            return Err(CodecError::new_err("a frame or login is in hand: settle, admit or refuse it first"));
        }
        let descriptor = descriptor_of(socket)?;
        with_scratch(|scratch| match py.detach(|| self.receive_step(descriptor, now_ms, scratch))? {
            Ok(Received::Step(step)) => self.to_python(py, step, scratch),
            Ok(Received::End) => end(py).map(Some),
            Err(error) => Err(wrong_state(error)),
        })
    }

    fn feed(&mut self, py: Python<'_>, data: &[u8], now_ms: u64) -> PyResult<Option<Py<PyAny>>> {
        if data.is_empty() {
            return Err(CodecError::new_err("no bytes: at the end there is nothing to feed"));
        }
        with_scratch(|scratch| {
            let step = py.detach(|| self.0.feed(data, now_ms, &mut scratch.commands)).map_err(wrong_state)?;
            self.to_python(py, step, scratch)
        })
    }

    fn next_step(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if !self.0.may_hold_step() {
            return Ok(None);
        }
        with_scratch(|scratch| {
            let step = py.detach(|| self.0.next_step(&mut scratch.commands));
            self.to_python(py, step, scratch)
        })
    }

    fn admit<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.admit().map(|answer| PyBytes::new(py, &answer)).map_err(wrong_state)
    }

    fn refuse<'py>(&mut self, py: Python<'py>, now_ms: u64) -> PyResult<Bound<'py, PyBytes>> {
        self.0.refuse(now_ms).map(|answer| PyBytes::new(py, &answer)).map_err(wrong_state)
    }

    fn settle(&mut self) -> PyResult<()> {
        self.0.settle().map_err(wrong_state)
    }

    fn keep(&mut self, refused: &RefusedFrame, command: Bound<'_, PyBytes>, stream: usize) -> PyResult<AcceptedFrame> {
        let frame = self.0.keep(&refused.refused, stream).map_err(wrong_state)?;
        Ok(AcceptedFrame::new(frame, command))
    }

    fn linger(&mut self, now_ms: u64) {
        self.0.linger(now_ms);
    }

    fn expired(&mut self, now_ms: u64) -> Option<&'static str> {
        self.0.expired(now_ms).map(Expiry::as_str)
    }
}

fn wrong_state(error: WrongState) -> PyErr {
    CodecError::new_err(error.0)
}

/// The one instance, so that callers may compare with `is`.
fn end(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static INSTANCE: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let instance = INSTANCE.get_or_try_init(py, || py.import("telemetry._codec")?.getattr("END").map(Bound::unbind))?;
    Ok(instance.clone_ref(py))
}
