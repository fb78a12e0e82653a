//! `ReplyParser`: one connection's replies.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use codec::position::Limits;
use codec::resp::{Delivered, Expect, Parser, Value};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::delivery::Delivery;
use crate::errors::{CodecError, protocol};

/// The type of INCOMPLETE.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct Incomplete;

#[pymethods]
impl Incomplete {
    #[expect(clippy::unused_self, reason = "Python calls it on the instance")]
    fn __repr__(&self) -> &'static str {
        "INCOMPLETE"
    }
}

/// An error that Redis answered with, as a value.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct ReplyError(codec::resp::ReplyError);

#[pymethods]
impl ReplyError {
    #[getter]
    fn code(&self) -> &str {
        &self.0.code
    }

    #[getter]
    fn message(&self) -> &str {
        &self.0.message
    }

    fn __repr__(&self) -> String {
        format!("<ReplyError {}>", self.0.message)
    }
}

/// A sans-I/O parser of one connection's replies.
#[pyclass(frozen, module = "telemetry._codec")]
pub(crate) struct ReplyParser(Mutex<Parser>);

impl ReplyParser {
    /// Only ever called without the GIL, so that no thread waits for the lock while it holds the GIL.
    fn lock(&self) -> MutexGuard<'_, Parser> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_delivery(&self, py: Python<'_>, expect: Expect) -> PyResult<Py<PyAny>> {
        match py.detach(|| self.lock().next_delivery(expect)).map_err(protocol)? {
            None => incomplete(py),
            Some(Delivered::Error(error)) => ReplyError(error).into_py_any(py),
            Some(Delivered::Delivery(delivery)) => Delivery(delivery).into_py_any(py),
        }
    }
}

#[pymethods]
impl ReplyParser {
    #[new]
    #[pyo3(signature = (*, payload_bytes_max=65_536, past_days_max=3_650, future_seconds_max=86_400))]
    fn new(payload_bytes_max: usize, past_days_max: u32, future_seconds_max: u32) -> Self {
        Self(Mutex::new(Parser::new(Limits { payload_bytes_max, past_days_max, future_seconds_max })))
    }

    fn feed(&self, py: Python<'_>, data: &[u8]) {
        py.detach(|| self.lock().feed(data));
    }

    /// None if nothing is there to be read yet.
    fn receive(&self, py: Python<'_>, socket: &Bound<'_, PyAny>, bytes_max: usize) -> PyResult<Option<usize>> {
        let descriptor: RawFd = socket.call_method0("fileno")?.extract()?;
        let received = py.detach(|| {
            let mut parser = self.lock();
            let received = recv(descriptor, parser.space(bytes_max), MsgFlags::empty())?;
            parser.filled(received);
            Ok(received)
        });
        match received {
            Ok(received) => Ok(Some(received)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    fn next_reply(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match py.detach(|| self.lock().next_value()).map_err(protocol)? {
            None => incomplete(py),
            Some(value) => to_python(py, value),
        }
    }

    fn next_read(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.next_delivery(py, Expect::Read)
    }

    fn next_claim(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.next_delivery(py, Expect::Claim)
    }

    #[getter]
    fn buffered_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().buffered_bytes())
    }
}

/// The one instance, so that callers may compare with `is`.
fn incomplete(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static INSTANCE: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let instance =
        INSTANCE.get_or_try_init(py, || py.import("telemetry._codec")?.getattr("INCOMPLETE").map(Bound::unbind))?;
    Ok(instance.clone_ref(py))
}

/// Recursion is bounded: the parser refuses deep nesting.
fn to_python(py: Python<'_>, value: Value) -> PyResult<Py<PyAny>> {
    match value {
        Value::Null => Ok(py.None()),
        Value::Bytes(bytes) => PyBytes::new(py, &bytes).into_py_any(py),
        Value::Integer(integer) => integer.into_py_any(py),
        Value::Double(double) => double.into_py_any(py),
        Value::Boolean(boolean) => boolean.into_py_any(py),
        Value::Error(error) => ReplyError(error).into_py_any(py),
        Value::Array(items) | Value::Push(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_py_any(py)
        }
        Value::Map(pairs) => {
            let dict = PyDict::new(py);
            for (key, value) in pairs {
                let Value::Bytes(key) = key else {
                    return Err(CodecError::new_err("a map's key is not a string"));
                };
                dict.set_item(PyBytes::new(py, &key), to_python(py, value)?)?;
            }
            dict.into_py_any(py)
        }
    }
}
