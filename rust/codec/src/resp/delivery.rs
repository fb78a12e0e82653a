//! XREADGROUP and XCLAIM replies, decoded entry by entry as their bytes come in.
//!
//! XREADGROUP answers `[[stream, entries]]` in RESP2, `{stream: entries}` in RESP3, or null; XCLAIM answers the bare
//! entries in both, and before Redis 7.0 null in the place of one that is no longer in the stream. Only one stream is
//! asked for at a time.

use super::ProtocolError;
use super::buffer::{Buffer, Scan, bulk};
use super::fast;
use super::general::{Codec, Entry, EntryReader, Payload, bulk_header, null_end};
use super::outside::Outside;
use crate::StreamId;
use crate::batch::{Batch, BatchBuilder, Rejection};
use crate::position::{Code, Limits, Reject};

/// Which command's reply comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// XREADGROUP of one stream.
    Read,
    /// XCLAIM without JUSTID.
    Claim,
}

/// The contents of one reply.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Number of entries: records, rejections, records that are outside, and missing ones.
    pub entries: usize,
    /// The records, sorted and encoded.
    pub batch: Batch,
    /// Entries that are no Positions, in the reply's order.
    pub rejections: Vec<Rejection>,
    /// Records that are neither before [`Delivery::judged`].
    pub outside: Outside,
    /// Pending entries that are no longer in the stream.
    pub missing: Vec<StreamId>,
    /// Ids of the reply's first and last entry.
    pub span: Option<(StreamId, StreamId)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Top,
    /// RESP2's pair of stream and entries.
    Pair,
    StreamName,
    Entries,
    InEntries(usize),
}

/// Where the reading of a delivery stands.
#[derive(Debug, Default)]
pub(super) struct DeliveryReader {
    stage: Stage,
    entry: EntryReader,
    builder: BatchBuilder,
    delivery: Delivery,
}

impl DeliveryReader {
    /// A reply has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.stage != Stage::Top
    }

    /// Reads on in the reply that begins, or goes on, at the buffer's beginning.
    pub fn read(&mut self, buffer: &mut Buffer, expect: Expect, limits: &Limits) -> Scan<Delivery> {
        loop {
            let more = match self.stage {
                Stage::Top => match expect {
                    Expect::Read => self.top(buffer)?,
                    Expect::Claim => self.count(buffer)?,
                },
                Stage::Pair => self.aggregate(buffer, 2, Stage::StreamName)?,
                Stage::StreamName => skip_bulk(buffer)?.map(|()| self.goes_to(Stage::Entries)),
                Stage::Entries => self.count(buffer)?,
                Stage::InEntries(0) => return Ok(Some(self.finish(limits))),
                Stage::InEntries(left) => self.entries(buffer, left, limits)?,
            };
            match more {
                None => return Ok(None),
                Some(More::Yes) => {}
                Some(More::Null) => return Ok(Some(self.finish(limits))),
            }
        }
    }

    fn goes_to(&mut self, stage: Stage) -> More {
        self.stage = stage;
        More::Yes
    }

    fn finish(&mut self, limits: &Limits) -> Delivery {
        self.stage = Stage::Top;
        let mut delivery = std::mem::take(&mut self.delivery);
        (delivery.batch, delivery.outside.batch) = self.builder.finish();
        delivery.outside.limits = *limits;
        delivery
    }

    /// The beginning of XREADGROUP's reply.
    fn top(&mut self, buffer: &mut Buffer) -> Scan<More> {
        let Some(line) = buffer.line(0)? else {
            return Ok(None);
        };
        let next = match line.kind {
            b'_' => return Ok(Some(null(buffer, line.end))),
            b'*' => match line.length()? {
                None => return Ok(Some(null(buffer, line.end))),
                Some(1) => Stage::Pair,
                Some(_) => {
                    return Err(ProtocolError("XREADGROUP answered for more than one stream"));
                }
            },
            b'%' if line.length()? == Some(1) => Stage::StreamName,
            _ => {
                return Err(ProtocolError("the reply is not in the form of the command's replies"));
            }
        };
        let end = line.end;
        buffer.consume(end);
        Ok(Some(self.goes_to(next)))
    }

    fn aggregate(&mut self, buffer: &mut Buffer, count: usize, next: Stage) -> Scan<More> {
        let Some(line) = buffer.line(0)? else {
            return Ok(None);
        };
        if line.kind != b'*' || line.length()? != Some(count) {
            return Err(ProtocolError("an array of another length was expected"));
        }
        let end = line.end;
        buffer.consume(end);
        Ok(Some(self.goes_to(next)))
    }

    /// The number of entries, with which XCLAIM's reply begins.
    fn count(&mut self, buffer: &mut Buffer) -> Scan<More> {
        let Some(line) = buffer.line(0)? else {
            return Ok(None);
        };
        let (b'*', Some(count)) = (line.kind, line.length()?) else {
            return Err(ProtocolError("an array of entries was expected"));
        };
        let end = line.end;
        buffer.consume(end);
        Ok(Some(self.goes_to(Stage::InEntries(count))))
    }

    fn entries(&mut self, buffer: &mut Buffer, left: usize, limits: &Limits) -> Scan<More> {
        let left = if self.entry.is_at_start() { self.common_entries(buffer, left, limits) } else { left };
        self.stage = Stage::InEntries(left);
        if left == 0 {
            return Ok(Some(More::Yes));
        }
        if self.entry.is_at_start()
            && let Some(end) = null_end(buffer)?
        {
            buffer.consume(end);
            return Ok(Some(self.goes_to(Stage::InEntries(left.saturating_sub(1)))));
        }
        if self.entry.read(buffer, limits)?.is_none() {
            return Ok(None);
        }
        let (entry, length) = self.entry.take();
        self.take_entry(&entry, buffer.rest(), limits);
        buffer.consume(length);
        Ok(Some(self.goes_to(Stage::InEntries(left.saturating_sub(1)))))
    }

    /// Takes the entries in the producer's common form, up to the first other one; the number still to read.
    fn common_entries(&mut self, buffer: &mut Buffer, left: usize, limits: &Limits) -> usize {
        let mut left = left;
        let mut rest = buffer.rest();
        while left > 0
            && let Some(entry) = fast::entry(rest, limits)
        {
            self.count_entry(entry.id);
            if let Err(reject) = self.builder.push(entry.id, entry.codec, entry.payload, limits) {
                self.take_rejection(entry.id, reject, Some(entry.device_id));
            }
            rest = entry.rest;
            left = left.saturating_sub(1);
        }
        let taken = buffer.rest().len().saturating_sub(rest.len());
        buffer.consume(taken);
        left
    }

    fn take_missing(&mut self, id: StreamId) {
        self.delivery.missing.push(id);
        self.count_entry(id);
    }

    fn count_entry(&mut self, id: StreamId) {
        let delivery = &mut self.delivery;
        delivery.entries = delivery.entries.saturating_add(1);
        delivery.span = Some(delivery.span.map_or((id, id), |(first, last)| (first.min(id), last.max(id))));
    }

    fn take_entry(&mut self, entry: &Entry, bytes: &[u8], limits: &Limits) {
        if entry.missing {
            self.take_missing(entry.id);
            return;
        }
        self.count_entry(entry.id);
        if let Err(reject) = self.decode(entry, bytes, limits) {
            self.take_rejection(entry.id, reject, entry.device_id.clone().and_then(|place| bytes.get(place)));
        }
    }

    fn take_rejection(&mut self, id: StreamId, reject: Reject, device_id: Option<&[u8]>) {
        let device_id = device_id.and_then(|id| std::str::from_utf8(id).ok()).map(str::to_owned);
        let delivery = &mut self.delivery;
        let rejections = match reject.code {
            Code::TsOutOfWindow => &mut delivery.outside.rejections,
            _ => &mut delivery.rejections,
        };
        rejections.push(Rejection { id, reject, device_id });
    }

    fn decode(&mut self, entry: &Entry, bytes: &[u8], limits: &Limits) -> Result<(), Reject> {
        if entry.payload == Payload::Absent {
            return Err(Reject::without_offset(Code::MissingPayload, "payload"));
        }
        let codec = match entry.codec {
            Codec::Absent => return Err(Reject::without_offset(Code::MissingCodec, "codec")),
            Codec::Unknown => return Err(Reject::without_offset(Code::UnknownCodec, "codec")),
            Codec::Known(label) => label,
        };
        let Payload::At(place) = &entry.payload else {
            return Err(Reject::without_offset(Code::TooLarge, "payload"));
        };
        let payload = bytes.get(place.clone()).unwrap_or_default();
        self.builder.push(entry.id, codec, payload, limits)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    /// The reply was null: nothing to read.
    Null,
}

fn null(buffer: &mut Buffer, end: usize) -> More {
    buffer.consume(end);
    More::Null
}

fn skip_bulk(buffer: &mut Buffer) -> Scan<()> {
    let Some((start, length)) = bulk_header(buffer, 0)? else {
        return Ok(None);
    };
    let whole = bulk(buffer.rest(), start, length)?.is_some();
    if whole {
        buffer.consume(start.saturating_add(length).saturating_add(2));
    }
    Ok(whole.then_some(()))
}
