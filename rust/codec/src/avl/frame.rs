//! The frame around the records: preamble, length, checksum, codec id and the two quantities.

use crc::{CRC_16_ARC, Crc, Table};

use super::command;
use super::cursor::Cursor;
use super::fault::Fault;
use super::record::{Record, Shape, decode_record};
use super::refusal::{Refusal, RefusalCode};

/// The largest length field that is accepted where nothing else is asked for.
///
/// Vendor manuals keep to 1,280 bytes and real traffic stays below 1,000; beyond 64 KiB a length
/// field is damage, and is refused from the first eight bytes.
pub const DATA_BYTES_MAX: usize = 65_535;

/// Preamble and length field.
pub(super) const HEADER_BYTES: usize = 8;
/// Codec id and the two quantities.
pub(super) const DATA_BYTES_MIN: usize = 3;
/// The checksum field: CRC-16 in the lower two of four bytes.
pub(super) const CHECKSUM_BYTES: usize = 4;

/// Room for the elements of nearly every record.
const ELEMENTS_USUAL: usize = 32;

/// Polynomial 0xA001 reflected, initial value 0: the catalogue's name for CRC-16/IBM is CRC-16/ARC.
const CRC_16_IBM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// What the data field holds, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Records with one-byte element ids.
    C8,
    /// Codec 8 Extended: two-byte element ids and elements of any length.
    C8E,
    /// Records with two-byte element ids and a generation type.
    C16,
    /// Commands and responses.
    C12,
    /// Messages with a timestamp.
    C13,
    /// Commands and responses with the IMEI.
    C14,
    /// Messages with timestamp and IMEI.
    C15,
}

impl Codec {
    pub(super) const fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0x08 => Self::C8,
            0x8e => Self::C8E,
            0x10 => Self::C16,
            0x0c => Self::C12,
            0x0d => Self::C13,
            0x0e => Self::C14,
            0x0f => Self::C15,
            _ => return None,
        })
    }

    /// The label of the stream's field `codec`: `8`, `8E` or `16`; `12` to `15` for commands.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::C8 => "8",
            Self::C8E => "8E",
            Self::C16 => "16",
            Self::C12 => "12",
            Self::C13 => "13",
            Self::C14 => "14",
            Self::C15 => "15",
        }
    }

    /// Codec 12 to 15: no records, and no answer.
    pub(super) const fn is_command(self) -> bool {
        self.shape().is_none()
    }

    /// How records are laid out; None for the command codecs.
    const fn shape(self) -> Option<Shape> {
        match self {
            Self::C8 => Some(Shape::C8),
            Self::C8E => Some(Shape::C8E),
            Self::C16 => Some(Shape::C16),
            Self::C12 | Self::C13 | Self::C14 | Self::C15 => None,
        }
    }
}

/// A frame that was accepted whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the data field's first byte says.
    pub codec: Codec,
    /// The frame's length, header and checksum included; what follows is the next frame's.
    pub frame_bytes: usize,
    /// What it carries.
    pub body: Body<'a>,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// Codec 8, 8E or 16: records in wire order, maybe none.
    Records(Vec<Record<'a>>),
    /// Codec 12 to 15: commands, responses and messages, which carry no positions.
    Command,
}

/// Decodes the frame that begins at the first byte; further bytes are left alone.
///
/// `data_bytes_max` bounds the length field; usually [`DATA_BYTES_MAX`].
///
/// # Errors
///
/// A [`Refusal`]. What stands first in this list wins: the preamble, the length, the end of the
/// bytes, the checksum, the codec id, the quantities and records.
pub fn decode_frame(bytes: &[u8], data_bytes_max: usize) -> Result<Frame<'_>, Refusal> {
    let frame_bytes = declared_length(bytes, data_bytes_max)?;
    let frame = bytes.get(..frame_bytes).ok_or(Refusal {
        code: RefusalCode::Truncated,
        offset: bytes.len(),
        frame_bytes: None,
    })?;
    let refuse = |Fault { code, offset }| Refusal { code, offset, frame_bytes: Some(frame_bytes) };
    let data = checked_data(frame).map_err(refuse)?;
    let (codec, body) = decode_data(data).map_err(refuse)?;
    Ok(Frame { codec, frame_bytes, body })
}

/// The frame's length from its first eight bytes alone.
pub(super) fn declared_length(bytes: &[u8], data_bytes_max: usize) -> Result<usize, Refusal> {
    let refuse = |code, offset| Refusal { code, offset, frame_bytes: None };
    if bytes.iter().take(4).any(|byte| *byte != 0) {
        return Err(refuse(RefusalCode::BadPreamble, 0));
    }
    let mut cursor = Cursor::new(bytes);
    let truncated = |_| refuse(RefusalCode::Truncated, bytes.len());
    cursor.u32().map_err(truncated)?;
    let data_bytes = cursor.u32().map_err(truncated)?;
    usize::try_from(data_bytes)
        .ok()
        .filter(|data_bytes| *data_bytes <= data_bytes_max)
        .and_then(|data_bytes| data_bytes.checked_add(HEADER_BYTES.saturating_add(CHECKSUM_BYTES)))
        .ok_or(refuse(RefusalCode::Oversize, 4))
}

/// The data field of a whole frame, once its checksum is right.
pub(super) fn checked_data(frame: &[u8]) -> Result<Cursor<'_>, Fault> {
    let mut cursor = Cursor::new(frame);
    cursor.take(HEADER_BYTES).map_err(Fault::missing)?;
    let data_bytes = cursor.rest().len().saturating_sub(CHECKSUM_BYTES);
    let data = cursor.sub(data_bytes).map_err(Fault::missing)?;
    let checksum_offset = cursor.offset();
    let declared = cursor.u32().map_err(Fault::missing)?;
    if declared == u32::from(CRC_16_IBM.checksum(data.rest())) {
        Ok(data)
    } else {
        Err(Fault::new(RefusalCode::CrcFail, checksum_offset))
    }
}

/// What a data field holds, with its quantities checked against each other.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Records(Records<'a>),
    /// Its messages are checked, too.
    Command(Codec),
}

/// Records that have not been decoded yet.
#[derive(Debug)]
pub(super) struct Records<'a> {
    pub(super) codec: Codec,
    pub(super) quantity: u8,
    shape: Shape,
    data: Cursor<'a>,
}

impl<'a> Records<'a> {
    /// Decodes them in wire order. After a fault those that were visited count for nothing: a frame is accepted whole.
    pub(super) fn for_each(mut self, mut visit: impl FnMut(&Record<'a>)) -> Result<(), Fault> {
        let mut elements = Vec::with_capacity(ELEMENTS_USUAL);
        for _ in 0..self.quantity {
            let record = decode_record(&mut self.data, self.shape, elements)?;
            visit(&record);
            elements = record.elements;
        }
        nothing_is_left(&self.data)
    }
}

/// Codec id, quantity, content, quantity again. A data field too short for these has no count to match.
pub(super) fn content_of(mut data: Cursor<'_>) -> Result<Content<'_>, Fault> {
    let codec_offset = data.offset();
    let id = data.u8().map_err(Fault::missing)?;
    let codec = Codec::from_id(id).ok_or(Fault::new(RefusalCode::UnknownCodec, codec_offset))?;
    let quantity = data.u8().map_err(Fault::missing)?;
    let quantity_again = data.take_last().map_err(Fault::missing)?;
    if quantity != quantity_again {
        let offset = data.offset().saturating_add(data.rest().len());
        return Err(Fault::new(RefusalCode::CountMismatch, offset));
    }
    if let Some(shape) = codec.shape() {
        return Ok(Content::Records(Records { codec, quantity, shape, data }));
    }
    command::check_messages(&mut data, quantity)?;
    nothing_is_left(&data)?;
    Ok(Content::Command(codec))
}

fn nothing_is_left(data: &Cursor<'_>) -> Result<(), Fault> {
    if data.rest().is_empty() { Ok(()) } else { Err(Fault::new(RefusalCode::CountMismatch, data.offset())) }
}

fn decode_data(data: Cursor<'_>) -> Result<(Codec, Body<'_>), Fault> {
    match content_of(data)? {
        Content::Command(codec) => Ok((codec, Body::Command)),
        Content::Records(records) => {
            let codec = records.codec;
            let mut decoded = Vec::new();
            records.for_each(|record| decoded.push(record.clone()))?;
            Ok((codec, Body::Records(decoded)))
        }
    }
}
