//! The module `telemetry._codec`: arguments in, the codec called without the GIL, values out.

mod avl;
mod batch;
mod delivery;
mod devices;
mod entry_ids;
mod errors;
mod in_flight;
mod keys;
mod parser;
mod publishing;
mod read_ranges;
mod receiving;
mod reply_counter;
mod session;
mod steps;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _codec {
    #[pymodule_export]
    use super::avl::{AvlFrame, AvlRecord, AvlRefusal, decode_avl};
    #[pymodule_export]
    use super::batch::{Batch, CopyChunks};
    #[pymodule_export]
    use super::delivery::{Delivery, Rejection};
    #[pymodule_export]
    use super::devices::{DeviceState, DeviceStates};
    #[pymodule_export]
    use super::errors::CodecError;
    #[pymodule_export]
    use super::in_flight::InFlightIds;
    #[pymodule_export]
    use super::keys::Keys;
    #[pymodule_export]
    use super::parser::{Incomplete, ReplyError, ReplyParser};
    #[pymodule_export]
    use super::publishing::{AcceptedFrame, Confirmation, PublishRefusal, StreamWriters};
    #[pymodule_export]
    use super::read_ranges::ReadRanges;
    #[pymodule_export]
    use super::reply_counter::ReplyCounter;
    #[pymodule_export]
    use super::session::{End, Session, SessionLimits};
    #[pymodule_export]
    use super::steps::{BadLogin, CommandFrame, EmptyFrame, Login, Ping, RefusedFrame, decode_datagram};

    use super::{Bound, PyModule, PyResult, Python};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
        let codes: Vec<&str> = codec::position::Code::ALL.iter().map(|code| code.as_str()).collect();
        module.add("DECODE_CODES", pyo3::types::PyTuple::new(py, codes)?)?;
        module.add("COLUMNS", pyo3::types::PyTuple::new(py, codec::batch::COLUMNS)?)?;
        module.add("INCOMPLETE", Py::new(py, Incomplete)?)?;
        module.add("END", Py::new(py, End)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
