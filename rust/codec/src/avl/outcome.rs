//! What becomes of a frame or datagram: its records are published, it has none, or it is refused.

use super::accepted::{AcceptedFrame, Transport};
use super::cursor::Cursor;
use super::fault::Fault;
use super::frame::{Codec, Content, content_of};
use super::imei::Imei;
use super::refusal::RefusalCode;
use crate::xadd::StreamWriters;

/// A frame or datagram without records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyFrame {
    /// Which codec it says.
    pub codec: Codec,
    /// Its answer: there is nothing to be confirmed.
    pub answer: Vec<u8>,
}

/// A frame that was refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFrame {
    /// What is wrong.
    pub code: RefusalCode,
    /// Where, in bytes from the frame's first byte.
    pub offset: usize,
    /// The codec's label; `other` where it is unknown or not looked at.
    pub codec: &'static str,
    /// The session is over, unless it keeps the frame.
    pub closes: bool,
    /// The whole frame, if its checksum is right and it is no command: the device repeats it until it is answered.
    pub frame: Option<Vec<u8>>,
    /// The number of records that it declares; 0 where that was not looked at.
    pub records: u8,
}

/// The label of the codec with this id.
pub(super) fn label_of(codec_id: Option<u8>) -> &'static str {
    codec_id.and_then(Codec::from_id).map_or("other", Codec::label)
}

/// What a sound data field carries.
pub(super) enum Carried {
    Records(AcceptedFrame),
    Nothing(Codec),
    Command(Codec),
}

/// Decodes a data field and writes the commands of its records; where it is refused, `commands` is as it was.
pub(super) fn accept(
    imei: Imei,
    data: Cursor<'_>,
    writers: &StreamWriters,
    transport: Transport,
    commands: &mut Vec<u8>,
) -> Result<Carried, Fault> {
    let records = match content_of(data)? {
        Content::Command(codec) => return Ok(Carried::Command(codec)),
        Content::Records(records) => records,
    };
    let (codec, quantity) = (records.codec, records.quantity);
    let entries = writers.entries_of(imei, codec);
    let before = commands.len();
    records.for_each(|record| entries.write(commands, record)).inspect_err(|_| commands.truncate(before))?;
    if quantity == 0 {
        return Ok(Carried::Nothing(codec));
    }
    Ok(Carried::Records(AcceptedFrame::published(imei, codec, quantity, entries.stream, transport)))
}
