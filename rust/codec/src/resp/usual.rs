//! A stream entry in the one form in which the producer adds it, whole in the buffer.
//!
//! Nearly every entry has these fields in this order: checking the guess takes about a quarter of the instructions of
//! reading token by token. A wrong guess anywhere gives `None`, and [`super::entry`] reads the entry again from its
//! beginning. So nothing is refused here, and what is accepted here is accepted there with the same result.

use super::entry::DEVICE_ID_BYTES_MAX;
use crate::StreamId;
use crate::cursor::Cursor;
use crate::position::{CodecLabel, Limits};

/// The parts of an entry that mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsualEntry<'a> {
    pub id: StreamId,
    pub device_id: &'a [u8],
    pub codec: CodecLabel,
    pub payload: &'a [u8],
    /// What follows the entry.
    pub rest: &'a [u8],
}

/// The entry at the beginning of `bytes`.
#[inline]
pub(super) fn entry<'a>(bytes: &'a [u8], limits: &Limits) -> Option<UsualEntry<'a>> {
    let mut cursor = Cursor { rest: bytes };
    cursor.take(b"*2\r\n$")?;
    let id = id(&mut cursor)?;
    cursor.take(b"*8\r\n$2\r\nts\r\n$")?;
    bulk(&mut cursor)?;
    cursor.take(b"$9\r\ndevice_id\r\n$")?;
    let device_id = bulk(&mut cursor).filter(|device_id| device_id.len() <= DEVICE_ID_BYTES_MAX)?;
    cursor.take(b"$5\r\ncodec\r\n$")?;
    let codec = CodecLabel::parse(bulk(&mut cursor)?)?;
    cursor.take(b"$7\r\npayload\r\n$")?;
    let payload = bulk(&mut cursor).filter(|payload| payload.len() <= limits.payload_bytes_max)?;
    Some(UsualEntry { id, device_id, codec, payload, rest: cursor.rest })
}

/// A bulk string behind its `$`.
#[inline]
fn bulk<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let (length, _) = cursor.digits()?;
    cursor.take(b"\r\n")?;
    let contents = cursor.split(length as usize)?;
    cursor.take(b"\r\n")?;
    Some(contents)
}

/// The bulk string of an entry id behind its `$`, read without looking for its end first.
#[inline]
fn id(cursor: &mut Cursor<'_>) -> Option<StreamId> {
    let (length, _) = cursor.digits()?;
    cursor.take(b"\r\n")?;
    let bytes_left = cursor.rest.len();
    let ms = cursor.long_number()?;
    cursor.take(b"-")?;
    let seq = cursor.long_number()?;
    let is_whole = bytes_left.wrapping_sub(cursor.rest.len()) == length as usize;
    cursor.take(b"\r\n")?;
    is_whole.then_some(StreamId { ms, seq })
}
