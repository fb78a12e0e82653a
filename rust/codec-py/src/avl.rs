//! AVL frames for Python: decoded without the GIL, frozen values out.

use codec::avl::{Body, Capture, Frame, FrameRun, Imei, Located};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// One record as the stream's fields have it.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct AvlRecord {
    timestamp: Py<PyString>,
    payload: Py<PyBytes>,
}

/// A frame that was accepted whole.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct AvlFrame {
    start: usize,
    frame_bytes: usize,
    codec: &'static str,
    command: bool,
    records: Vec<Py<AvlRecord>>,
}

/// A frame that was refused whole.
#[pyclass(frozen, get_all, module = "telemetry._codec")]
pub(crate) struct AvlRefusal {
    start: usize,
    offset: usize,
    code: &'static str,
}

/// A frame's contents, before there are Python objects.
struct Written {
    start: usize,
    outcome: Result<WrittenFrame, AvlRefusal>,
}

struct WrittenFrame {
    frame_bytes: usize,
    codec: &'static str,
    /// Timestamp and payload a record; None for a command.
    records: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// Room for nearly every payload.
const PAYLOAD_BYTES_USUAL: usize = 512;

/// Decodes the frames that `data` holds, in order; see the stub for the rest.
///
/// # Errors
///
/// `ValueError` when `device_id` is not fifteen digits.
#[pyfunction]
#[pyo3(signature = (data, device_id, *, resync))]
pub(crate) fn decode_avl(py: Python<'_>, data: &[u8], device_id: &str, resync: bool) -> PyResult<Vec<Py<PyAny>>> {
    let imei = Imei::parse(device_id).ok_or_else(|| PyValueError::new_err("device_id must be fifteen digits"))?;
    let written: Vec<Written> = py.detach(|| {
        if resync {
            Capture::new(data).map(|piece| write(piece, imei)).collect()
        } else {
            FrameRun::new(data).map(|piece| write(piece, imei)).collect()
        }
    });
    written.into_iter().map(|one| one.into_python(py)).collect()
}

fn write(piece: Located<'_>, imei: Imei) -> Written {
    let start = piece.start;
    let outcome = match piece.outcome {
        Ok(frame) => Ok(write_frame(&frame, imei)),
        Err(refusal) => {
            Err(AvlRefusal { start, offset: start.saturating_add(refusal.offset), code: refusal.code.as_str() })
        }
    };
    Written { start, outcome }
}

fn write_frame(frame: &Frame<'_>, imei: Imei) -> WrittenFrame {
    let records = match &frame.body {
        Body::Command => None,
        Body::Records(records) => Some(
            records
                .iter()
                .map(|record| {
                    let (mut timestamp, mut payload) = (Vec::new(), Vec::with_capacity(PAYLOAD_BYTES_USUAL));
                    record.write_timestamp(&mut timestamp);
                    record.write_position_json(imei, &mut payload);
                    (timestamp, payload)
                })
                .collect(),
        ),
    };
    WrittenFrame { frame_bytes: frame.frame_bytes, codec: frame.codec.label(), records }
}

impl Written {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let frame = match self.outcome {
            Ok(frame) => frame,
            Err(refusal) => return Ok(Py::new(py, refusal)?.into_any()),
        };
        let command = frame.records.is_none();
        let records = frame
            .records
            .unwrap_or_default()
            .into_iter()
            .map(|(timestamp, payload)| {
                let timestamp = PyString::from_bytes(py, &timestamp)?.unbind();
                let payload = PyBytes::new(py, &payload).unbind();
                Py::new(py, AvlRecord { timestamp, payload })
            })
            .collect::<PyResult<_>>()?;
        let frame =
            AvlFrame { start: self.start, frame_bytes: frame.frame_bytes, codec: frame.codec, command, records };
        Ok(Py::new(py, frame)?.into_any())
    }
}
