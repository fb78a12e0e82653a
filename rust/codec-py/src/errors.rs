//! The codec's errors as the one exception of the module.

use codec::batch::Misuse;
use codec::resp::ProtocolError;
use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;

create_exception!(telemetry._codec, CodecError, PyValueError, "The codec was misused, or a peer broke its protocol.");

pub(crate) fn misuse(error: Misuse) -> PyErr {
    CodecError::new_err(error.0)
}

pub(crate) fn protocol(error: ProtocolError) -> PyErr {
    CodecError::new_err(error.0)
}
