//! The steps of a session and the contents of a datagram as frozen values.

use codec::avl::{Datagram, Imei, Step, decode_datagram as decode};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::publishing::{AcceptedFrame, StreamWriters};
use crate::receiving::with_scratch;

/// The device says who it is.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct Login {
    imei: String,
    again: bool,
}

/// No login.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct BadLogin {
    code: &'static str,
}

/// A lone `FF`.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Ping;

/// A frame without records.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct EmptyFrame {
    imei: Option<String>,
    codec: &'static str,
    answer: Py<PyBytes>,
}

/// A frame of codec 12 to 15.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct CommandFrame {
    imei: Option<String>,
    codec: &'static str,
}

/// A frame that is not published and not answered.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct RefusedFrame {
    imei: Option<Imei>,
    pub(crate) refused: codec::avl::RefusedFrame,
}

#[pymethods]
impl RefusedFrame {
    #[getter]
    fn imei(&self) -> Option<&str> {
        self.imei.as_ref().map(Imei::as_str)
    }

    #[getter]
    fn code(&self) -> &'static str {
        self.refused.code.as_str()
    }

    #[getter]
    fn offset(&self) -> usize {
        self.refused.offset
    }

    #[getter]
    fn codec(&self) -> &'static str {
        self.refused.codec
    }

    #[getter]
    fn closes(&self) -> bool {
        self.refused.closes
    }

    #[getter]
    fn frame<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.refused.frame.as_ref().map(|frame| PyBytes::new(py, frame))
    }

    #[getter]
    fn records(&self) -> u8 {
        self.refused.records
    }

    fn __repr__(&self) -> String {
        format!("<RefusedFrame {} at byte {}>", self.refused.code.as_str(), self.refused.offset)
    }
}

/// A session's step as Python has it; `imei` is the device's that has logged in.
pub(crate) fn step_to_python(py: Python<'_>, step: Step, imei: Option<Imei>, commands: &[u8]) -> PyResult<Py<PyAny>> {
    match step {
        Step::Accepted(frame) => AcceptedFrame::new(frame, PyBytes::new(py, commands)).into_py_any(py),
        Step::Login { imei, again } => Login { imei: imei.to_string(), again }.into_py_any(py),
        Step::BadLogin(bad) => BadLogin { code: bad.as_str() }.into_py_any(py),
        Step::Ping => Ping.into_py_any(py),
        Step::Empty(empty) => empty_to_python(py, imei, &empty),
        Step::Command(codec) => command_to_python(py, imei, codec),
        Step::Refused(refused) => RefusedFrame { imei, refused }.into_py_any(py),
    }
}

fn empty_to_python(py: Python<'_>, imei: Option<Imei>, empty: &codec::avl::EmptyFrame) -> PyResult<Py<PyAny>> {
    let imei = imei.map(|imei| imei.to_string());
    EmptyFrame { imei, codec: empty.codec.label(), answer: PyBytes::new(py, &empty.answer).unbind() }.into_py_any(py)
}

fn command_to_python(py: Python<'_>, imei: Option<Imei>, codec: codec::avl::Codec) -> PyResult<Py<PyAny>> {
    CommandFrame { imei: imei.map(|imei| imei.to_string()), codec: codec.label() }.into_py_any(py)
}

/// Decodes one datagram; see the stub.
#[pyfunction]
pub(crate) fn decode_datagram(py: Python<'_>, data: &[u8], writers: &StreamWriters) -> PyResult<Py<PyAny>> {
    with_scratch(|scratch| {
        let datagram = py.detach(|| decode(data, &writers.0, &mut scratch.commands));
        match datagram {
            Datagram::Accepted(frame) => AcceptedFrame::new(frame, PyBytes::new(py, &scratch.commands)).into_py_any(py),
            Datagram::Empty(imei, empty) => empty_to_python(py, Some(imei), &empty),
            Datagram::Command(imei, codec) => command_to_python(py, Some(imei), codec),
            Datagram::Refused(imei, refused) => RefusedFrame { imei, refused }.into_py_any(py),
        }
    })
}
