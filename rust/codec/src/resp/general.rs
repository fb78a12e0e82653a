//! The general path: one stream entry in any valid form, `[id, [field, value, …]]`, read token by token as bytes arrive.
//!
//! Unknown fields and payloads over the limit are dropped as soon as the received bytes have been read. So the memory
//! that a hostile entry can take is bounded by the limit and one piece of input, not by the entry's size.

use std::ops::Range;

use super::ProtocolError;
use super::buffer::{Buffer, Scan, bulk};
use crate::StreamId;
use crate::position::{CodecLabel, Limits};

/// The longest field name that is used: `device_id`.
const NAME_BYTES_MAX: usize = 9;
/// `ms-seq` of two 64-bit numbers.
const ID_BYTES_MAX: usize = 41;
/// A device id that is longer is no help in a log line.
pub(super) const DEVICE_ID_BYTES_MAX: usize = crate::position::DEVICE_ID_BYTES_MAX;
/// The longest codec label is `8E`; a longer value is unknown whatever it says.
const CODEC_BYTES_MAX: usize = 16;
/// Unused bytes of an unfinished entry that may stay in the buffer: dropping them moves all bytes that are kept.
const PASSED_BYTES_MAX: usize = 512;

/// The parts of an entry; places are counted from the buffer's beginning until the entry is consumed.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub id: StreamId,
    pub payload: Payload,
    pub codec: Codec,
    pub device_id: Option<Range<usize>>,
    /// The entry is no longer in the stream: it came as an id and null.
    pub missing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Payload {
    #[default]
    Absent,
    At(Range<usize>),
    TooLarge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Codec {
    #[default]
    Absent,
    Unknown,
    Known(CodecLabel),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    Id,
    Fields,
    Name,
    Value(Name),
    /// Bytes of an unused value, its line end included.
    PassingValue(usize),
    /// Bytes of a field name that is too long to be a known one; its value follows.
    PassingName(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Payload,
    Codec,
    DeviceId,
    Other,
}

impl Name {
    fn of(text: &[u8]) -> Self {
        match text {
            b"payload" => Self::Payload,
            b"codec" => Self::Codec,
            b"device_id" => Self::DeviceId,
            _ => Self::Other,
        }
    }

    /// Longer values are not kept.
    fn value_bytes_max(self, limits: &Limits) -> usize {
        match self {
            Self::Payload => limits.payload_bytes_max,
            Self::Codec => CODEC_BYTES_MAX,
            Self::DeviceId => DEVICE_ID_BYTES_MAX,
            Self::Other => 256,
        }
    }
}

/// Where the reading of an entry stands.
#[derive(Debug, Default)]
pub(super) struct EntryReader {
    entry: Entry,
    stage: Stage,
    /// The next token's place.
    at: usize,
    fields_left: usize,
}

impl EntryReader {
    /// No token of an entry has been read yet.
    pub fn is_at_start(&self) -> bool {
        self.stage == Stage::Start
    }

    /// Reads on; `Some` when the entry is whole. It then lies in the buffer's beginning, as long as [`Self::take`] says.
    pub fn read(&mut self, buffer: &mut Buffer, limits: &Limits) -> Scan<()> {
        let whole = self.read_tokens(buffer, limits)?;
        if whole.is_none() {
            self.drop_passed(buffer);
        }
        Ok(whole)
    }

    fn read_tokens(&mut self, buffer: &Buffer, limits: &Limits) -> Scan<()> {
        loop {
            let step = match self.stage {
                Stage::Start => self.start(buffer),
                Stage::Id => self.id(buffer),
                Stage::Fields => match self.fields(buffer)? {
                    Some(true) => return Ok(Some(())),
                    step => Ok(step.map(drop)),
                },
                Stage::Name if self.fields_left == 0 => return Ok(Some(())),
                Stage::Name => self.name(buffer),
                Stage::Value(name) => self.value(buffer, name, limits),
                Stage::PassingValue(left) => Ok(self.pass(buffer, left, Stage::PassingValue, Stage::Name)),
                Stage::PassingName(left) => Ok(self.pass(buffer, left, Stage::PassingName, Stage::Value(Name::Other))),
            };
            if step?.is_none() {
                return Ok(None);
            }
        }
    }

    /// The entry that was read, and its length in the buffer; the reader starts again.
    pub fn take(&mut self) -> (Entry, usize) {
        let reader = std::mem::take(self);
        (reader.entry, reader.at)
    }

    fn start(&mut self, buffer: &Buffer) -> Scan<()> {
        let Some(line) = buffer.line(self.at)? else {
            return Ok(None);
        };
        if line.kind != b'*' || line.length()? != Some(2) {
            return Err(ProtocolError("a stream entry is not a pair of id and fields"));
        }
        self.at = line.end;
        self.stage = Stage::Id;
        Ok(Some(()))
    }

    fn id(&mut self, buffer: &Buffer) -> Scan<()> {
        let Some((start, length)) = bulk_header(buffer, self.at)? else {
            return Ok(None);
        };
        if length > ID_BYTES_MAX {
            return Err(ProtocolError("an entry id is too long"));
        }
        let Some(text) = bulk(buffer.rest(), start, length)? else {
            return Ok(None);
        };
        self.entry.id = StreamId::parse(text).ok_or(ProtocolError("an entry id is not ms-seq"))?;
        self.at = start.saturating_add(length).saturating_add(2);
        self.stage = Stage::Fields;
        Ok(Some(()))
    }

    /// True if the entry has no fields because it is no longer in the stream.
    fn fields(&mut self, buffer: &Buffer) -> Scan<bool> {
        let Some(line) = buffer.line(self.at)? else {
            return Ok(None);
        };
        let count = match line.kind {
            b'*' | b'$' | b'_' if line.kind == b'_' || line.length()?.is_none() => None,
            b'*' => line.length()?,
            b'%' => line.length()?.map(|pairs| pairs.saturating_mul(2)),
            _ => return Err(ProtocolError("a stream entry's fields are not an array")),
        };
        self.at = line.end;
        self.entry.missing = count.is_none();
        let count = count.unwrap_or_default();
        if !count.is_multiple_of(2) {
            return Err(ProtocolError("a stream entry has a field without a value"));
        }
        self.fields_left = count / 2;
        self.stage = Stage::Name;
        Ok(Some(self.entry.missing))
    }

    fn name(&mut self, buffer: &Buffer) -> Scan<()> {
        let Some((start, length)) = bulk_header(buffer, self.at)? else {
            return Ok(None);
        };
        if length > NAME_BYTES_MAX {
            self.at = start;
            self.stage = Stage::PassingName(length.saturating_add(2));
            return Ok(Some(()));
        }
        let Some(text) = bulk(buffer.rest(), start, length)? else {
            return Ok(None);
        };
        self.stage = Stage::Value(Name::of(text));
        self.at = start.saturating_add(length).saturating_add(2);
        Ok(Some(()))
    }

    fn value(&mut self, buffer: &Buffer, name: Name, limits: &Limits) -> Scan<()> {
        let Some((start, length)) = bulk_header(buffer, self.at)? else {
            return Ok(None);
        };
        if length > name.value_bytes_max(limits) {
            self.keep_oversized(name);
            self.at = start;
            self.stage = Stage::PassingValue(length.saturating_add(2));
        } else {
            let Some(text) = bulk(buffer.rest(), start, length)? else {
                return Ok(None);
            };
            let place = start..start.saturating_add(length);
            match name {
                Name::Payload => self.entry.payload = Payload::At(place),
                Name::Codec => self.entry.codec = CodecLabel::parse(text).map_or(Codec::Unknown, Codec::Known),
                Name::DeviceId => self.entry.device_id = Some(place),
                Name::Other => {}
            }
            self.at = start.saturating_add(length).saturating_add(2);
            self.stage = Stage::Name;
        }
        self.fields_left = self.fields_left.saturating_sub(1);
        Ok(Some(()))
    }

    fn keep_oversized(&mut self, name: Name) {
        match name {
            Name::Payload => self.entry.payload = Payload::TooLarge,
            Name::Codec => self.entry.codec = Codec::Unknown,
            Name::DeviceId => self.entry.device_id = None,
            Name::Other => {}
        }
    }

    fn pass(&mut self, buffer: &Buffer, left: usize, again: fn(usize) -> Stage, next: Stage) -> Option<()> {
        let here = left.min(buffer.rest().len().saturating_sub(self.at));
        self.at = self.at.saturating_add(here);
        let left = left.saturating_sub(here);
        self.stage = if left == 0 { next } else { again(left) };
        (left == 0).then_some(())
    }

    /// Removes the bytes that were read and are not kept. Few bytes move: less than a token lies behind the next token's place.
    fn drop_passed(&mut self, buffer: &mut Buffer) {
        let payload = match &mut self.entry.payload {
            Payload::At(place) => Some(place),
            Payload::Absent | Payload::TooLarge => None,
        };
        let mut kept = [payload, self.entry.device_id.as_mut()];
        let kept_bytes = kept.iter().flatten().fold(0usize, |sum, place| sum.saturating_add(place.len()));
        if self.at.saturating_sub(kept_bytes) <= PASSED_BYTES_MAX {
            return;
        }
        kept.sort_by_key(|place| place.as_ref().map(|place| place.start));
        let (mut end, mut removed) = (0usize, 0usize);
        for place in kept.into_iter().flatten() {
            let start = place.start.saturating_sub(removed);
            removed = removed.saturating_add(buffer.remove(end, start.saturating_sub(end)));
            *place = end..end.saturating_add(place.len());
            end = place.end;
        }
        buffer.remove(end, self.at.saturating_sub(removed).saturating_sub(end));
        self.at = end;
    }
}

/// Where a null at the buffer's beginning ends: an entry without even an id. `None` also before it is whole.
pub(super) fn null_end(buffer: &Buffer) -> Scan<usize> {
    let Some(line) = buffer.line(0)? else {
        return Ok(None);
    };
    let is_null = match line.kind {
        b'_' => true,
        b'*' | b'$' => line.length()?.is_none(),
        _ => false,
    };
    Ok(is_null.then_some(line.end))
}

/// Where a bulk string's contents begin, and how long they are.
#[inline]
pub(super) fn bulk_header(buffer: &Buffer, at: usize) -> Scan<(usize, usize)> {
    let Some(line) = buffer.line(at)? else {
        return Ok(None);
    };
    match (line.kind, line.length()?) {
        (b'$', Some(length)) => Ok(Some((line.end, length))),
        _ => Err(ProtocolError("a bulk string was expected")),
    }
}
