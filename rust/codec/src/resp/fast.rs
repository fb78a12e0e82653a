//! The fast path: a stream entry in the one form in which the producer adds it, whole in the buffer.
//!
//! Nearly every entry has these fields in this order. Checking for that form takes about a quarter of the instructions
//! of reading token by token. The first difference gives `None`, and [`super::general`] reads the entry again from its
//! beginning. So nothing is refused here, and an entry that is accepted here is accepted there with the same result.

use super::general::DEVICE_ID_BYTES_MAX;
use crate::StreamId;
use crate::expect::Matcher;
use crate::position::{CodecLabel, Limits};

/// The parts of an entry that are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommonEntry<'a> {
    pub id: StreamId,
    pub device_id: &'a [u8],
    pub codec: CodecLabel,
    pub payload: &'a [u8],
    /// What follows the entry.
    pub rest: &'a [u8],
}

/// The entry at the beginning of `bytes`.
#[inline]
pub(super) fn entry<'a>(bytes: &'a [u8], limits: &Limits) -> Option<CommonEntry<'a>> {
    let mut matcher = Matcher { rest: bytes };
    matcher.take(b"*2\r\n$")?;
    let id = id(&mut matcher)?;
    matcher.take(b"*8\r\n$2\r\nts\r\n$")?;
    bulk_of(&mut matcher, b"24\r\n", 24)?;
    matcher.take(b"$9\r\ndevice_id\r\n$")?;
    let device_id = bulk_of(&mut matcher, b"15\r\n", 15)?;
    (device_id.len() <= DEVICE_ID_BYTES_MAX).then_some(())?;
    matcher.take(b"$5\r\ncodec\r\n$")?;
    let codec = CodecLabel::parse(bulk_of(&mut matcher, b"1\r\n", 1)?)?;
    matcher.take(b"$7\r\npayload\r\n$")?;
    let payload = bulk(&mut matcher).filter(|payload| payload.len() <= limits.payload_bytes_max)?;
    Some(CommonEntry { id, device_id, codec, payload, rest: matcher.rest })
}

/// A bulk string behind its `$`, which usually has this length: then the length need not be read.
#[inline]
fn bulk_of<'a, const N: usize>(matcher: &mut Matcher<'a>, usual: &[u8; N], length: usize) -> Option<&'a [u8]> {
    if matcher.take(usual).is_none() {
        return bulk(matcher);
    }
    let contents = matcher.split(length)?;
    matcher.take(b"\r\n")?;
    Some(contents)
}

/// A bulk string behind its `$`.
#[inline]
fn bulk<'a>(matcher: &mut Matcher<'a>) -> Option<&'a [u8]> {
    let (length, _) = matcher.digits()?;
    matcher.take(b"\r\n")?;
    let contents = matcher.split(length as usize)?;
    matcher.take(b"\r\n")?;
    Some(contents)
}

/// The bulk string of an entry id behind its `$`, read without looking for its end first.
#[inline]
fn id(matcher: &mut Matcher<'_>) -> Option<StreamId> {
    let (length, _) = matcher.digits()?;
    matcher.take(b"\r\n")?;
    let bytes_left = matcher.rest.len();
    let ms = matcher.long_number()?;
    matcher.take(b"-")?;
    let seq = matcher.long_number()?;
    let is_whole = bytes_left.wrapping_sub(matcher.rest.len()) == length as usize;
    matcher.take(b"\r\n")?;
    is_whole.then_some(StreamId { ms, seq })
}
