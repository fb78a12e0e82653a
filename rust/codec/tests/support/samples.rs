//! Positions and stream entries to vary, the replies that carry them, and short ways to decode them.

use codec::StreamId;
use codec::batch::{Batch, BatchBuilder};
use codec::position::{self, Code, CodecLabel, Limits, Reject, Scratch};

use super::copy_reader::{Row, read_rows};

/// 2026-05-01T12:00:00Z: when Redis took the samples.
pub(crate) const NOW_MS: u64 = 1_777_636_800_000;

/// Takes samples under ids that are no times: 136 years may lie between them.
pub(crate) const ANY_ID: Limits =
    Limits { payload_bytes_max: 65_536, past_days_max: u32::MAX, future_seconds_max: u32::MAX };

/// The members of a Position that is accepted, each value as JSON text, in the producer's order.
pub(crate) const MEMBERS: [(&str, &str); 10] = [
    ("device_id", "\"356307042441013\""),
    ("timestamp", "\"2026-05-01T09:30:00.000Z\""),
    ("latitude", "41.3275"),
    ("longitude", "19.8187"),
    ("altitude", "110"),
    ("angle", "214"),
    ("speed", "63"),
    ("satellites", "14"),
    ("priority", "0"),
    ("attributes", "{\"239\":1}"),
];

/// A JSON object of these members.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The sample with one value replaced, and where that value begins.
pub(crate) fn with(key: &str, json: &str) -> (String, usize) {
    let payload = object(MEMBERS.map(|(name, value)| (name, if name == key { json } else { value })));
    let place = payload.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    (payload, place)
}

/// The text with these bytes in the place of its only question mark, and where they begin.
pub(crate) fn with_bytes(text: &str, bytes: &[u8]) -> (Vec<u8>, usize) {
    let (before, behind) = text.split_once('?').unwrap();
    ([before.as_bytes(), bytes, behind.as_bytes()].concat(), before.len())
}

/// The sample without one key.
pub(crate) fn without(key: &str) -> String {
    object(MEMBERS.into_iter().filter(|(name, _)| *name != key))
}

/// The sample with text before its closing brace.
pub(crate) fn extended(text: &str) -> String {
    let payload = object(MEMBERS);
    format!("{},{text}}}", payload.strip_suffix('}').unwrap())
}

/// Decodes a payload by itself, under the default limits.
pub(crate) fn decode(payload: impl AsRef<[u8]>) -> Result<Row, Reject> {
    decode_under(&Limits::default(), payload)
}

pub(crate) fn decode_under(limits: &Limits, payload: impl AsRef<[u8]>) -> Result<Row, Reject> {
    let mut scratch = Scratch::default();
    let position = position::decode(payload.as_ref(), limits, &mut scratch)?;
    let mut attributes = Vec::new();
    position.write_attributes(&mut attributes);
    Ok(Row {
        device_id: String::from_utf8(position.columns.device_id.to_vec()).unwrap(),
        ts_us: position.columns.ts_us,
        latitude: position.columns.latitude,
        longitude: position.columns.longitude,
        altitude: position.columns.altitude,
        angle: position.columns.angle,
        speed: position.columns.speed,
        satellites: position.columns.satellites,
        priority: position.columns.priority,
        codec: CodecLabel::C8E.as_str().to_owned(),
        attributes: String::from_utf8(attributes).unwrap(),
    })
}

/// As [`decode_under`], but written as it is read, as entries of a stream are.
pub(crate) fn build_under(limits: &Limits, payload: &[u8]) -> Result<Row, Reject> {
    let mut builder = BatchBuilder::default();
    let pushed = builder.push(StreamId { ms: NOW_MS, seq: 0 }, CodecLabel::C8E, payload, limits);
    let (batch, outside) = builder.finish();
    match pushed {
        Ok(()) => Ok(rows_of(&batch).remove(0)),
        Err(Reject { code: Code::TsOutOfWindow, .. }) => Ok(rows_of(&outside).remove(0)),
        Err(reject) => {
            assert!(batch.is_empty() && outside.is_empty(), "{reject}");
            Err(reject)
        }
    }
}

/// A batch of these payloads, under ids of which the first is `first_seq`.
pub(crate) fn batch_of<'a>(first_seq: u64, payloads: impl IntoIterator<Item = &'a str>) -> Batch {
    let mut builder = BatchBuilder::default();
    for (seq, payload) in (first_seq..).zip(payloads) {
        let id = StreamId { ms: 1, seq };
        builder.push(id, CodecLabel::C8E, payload.as_bytes(), &ANY_ID).unwrap();
    }
    builder.finish().0
}

/// The rows of a batch as its COPY stream holds them.
pub(crate) fn rows_of(batch: &Batch) -> Vec<Row> {
    let mut stream = Vec::new();
    let mut chunks = batch.copy_chunks();
    while chunks.next_chunk(usize::MAX, &mut stream) {}
    read_rows(&stream)
}
