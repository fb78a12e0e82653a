//! Entry ids as Python has them: text.

use codec::StreamId;
use pyo3::PyResult;
use pyo3::pybacked::PyBackedStr;

use crate::errors::CodecError;

/// All of the ids, or the error that names the first text that is not an id.
pub(crate) fn parse_ids(texts: &[PyBackedStr]) -> PyResult<Vec<StreamId>> {
    let parse = |text: &PyBackedStr| {
        StreamId::parse(text.as_bytes())
            .ok_or_else(|| CodecError::new_err(format!("an entry id is not ms-seq: {:?}", &**text)))
    };
    texts.iter().map(parse).collect()
}

pub(crate) fn to_texts(ids: &[StreamId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
