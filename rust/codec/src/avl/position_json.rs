//! A record as the Position JSON of the stream, numbers taken digit for digit from the wire's integers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::calendar::write_iso_timestamp;
use super::imei::Imei;
use super::record::{Element, Record, Value};
use crate::digits::{padded, write_integer};

impl Record<'_> {
    /// The timestamp as the stream's field `ts` has it: ISO-8601 in UTC, three digits of a second.
    ///
    /// From the year 10000 on it is the expanded form `+010000-01-01T00:00:00.000Z`, which readers
    /// of the stream refuse as `bad_timestamp`: the record is neither dropped nor given a wrong date.
    pub fn write_timestamp(&self, out: &mut Vec<u8>) {
        write_iso_timestamp(out, self.timestamp_ms);
    }

    /// The record as the stream's payload, JSON without white space.
    ///
    /// Attributes stand in ascending order of their ids, of an id that repeats the last value alone;
    /// `__generation_type` (codec 16) follows them. A Position has no key for the event id.
    pub fn write_position_json(&self, device_id: Imei, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"device_id":""#);
        out.extend_from_slice(device_id.digits());
        out.extend_from_slice(br#"","timestamp":""#);
        self.write_timestamp(out);
        out.extend_from_slice(br#"","latitude":"#);
        write_degrees_e7(out, self.latitude_e7);
        out.extend_from_slice(br#","longitude":"#);
        write_degrees_e7(out, self.longitude_e7);
        out.extend_from_slice(br#","altitude":"#);
        write_integer(out, self.altitude_m);
        out.extend_from_slice(br#","angle":"#);
        write_integer(out, self.angle_deg);
        out.extend_from_slice(br#","speed":"#);
        write_integer(out, self.speed_kmh);
        out.extend_from_slice(br#","satellites":"#);
        write_integer(out, self.satellites);
        out.extend_from_slice(br#","priority":"#);
        write_integer(out, self.priority);
        out.extend_from_slice(br#","attributes":{"#);
        write_attributes(out, self);
        out.extend_from_slice(b"}}");
    }
}

fn write_attributes(out: &mut Vec<u8>, record: &Record<'_>) {
    let start = out.len();
    for_last_of_each_id(&record.elements, |element| {
        if out.len() > start {
            out.push(b',');
        }
        out.push(b'"');
        write_integer(out, element.id);
        out.extend_from_slice(b"\":");
        write_attribute(out, element.value);
    });
    if let Some(generation_type) = record.generation_type {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(br#""__generation_type":"#);
        write_integer(out, generation_type);
    }
}

/// Elements that are ordered without a buffer on the heap; real records have 10 to 40.
const ELEMENTS_ON_STACK: usize = 64;

/// In ascending order of the ids.
fn for_last_of_each_id<'a>(elements: &[Element<'a>], mut visit: impl FnMut(&Element<'a>)) {
    let mut on_stack = [0; ELEMENTS_ON_STACK];
    let mut on_heap = Vec::new();
    let keys = on_stack.get_mut(..elements.len()).unwrap_or_else(|| {
        on_heap.resize(elements.len(), 0);
        &mut on_heap
    });
    for ((key, element), place) in keys.iter_mut().zip(elements).zip(0_u64..) {
        *key = (u64::from(element.id) << 32) | place;
    }
    keys.sort_unstable();
    let mut keys = keys.iter().peekable();
    while let Some(key) = keys.next() {
        if keys.peek().is_some_and(|next| *next >> 32 == *key >> 32) {
            continue;
        }
        let place = usize::try_from(key & u64::from(u32::MAX)).unwrap_or(usize::MAX);
        if let Some(element) = elements.get(place) {
            visit(element);
        }
    }
}

fn write_attribute(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::U8(number) => write_integer(out, number),
        Value::U16(number) => write_integer(out, number),
        Value::U32(number) => write_integer(out, number),
        Value::U64(number) => {
            out.extend_from_slice(br#"{"__bigint":""#);
            write_integer(out, number);
            out.extend_from_slice(br#""}"#);
        }
        Value::Bytes(bytes) => {
            out.extend_from_slice(br#"{"__buffer_b64":""#);
            write_base64(out, bytes);
            out.extend_from_slice(br#""}"#);
        }
    }
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().div_ceil(3).saturating_mul(4)), 0);
    if let Some(text) = out.get_mut(start..) {
        // The room is exactly what padded base64 takes.
        let written = STANDARD.encode_slice(bytes, text);
        debug_assert_eq!(written, Ok(text.len()));
    }
}

/// Degrees in decimal, exact and without trailing zeros.
fn write_degrees_e7(out: &mut Vec<u8>, degrees_e7: i32) {
    if degrees_e7 < 0 {
        out.push(b'-');
    }
    let magnitude = degrees_e7.unsigned_abs();
    write_integer(out, magnitude / 10_000_000);
    let digits = padded::<7>(magnitude % 10_000_000);
    if let Some(last) = digits.iter().rposition(|digit| *digit != b'0') {
        out.push(b'.');
        out.extend_from_slice(digits.get(..=last).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMEI: &str = "356307042441013";

    fn record(elements: Vec<Element<'_>>) -> Record<'_> {
        Record {
            timestamp_ms: 1_777_627_800_000,
            priority: 1,
            longitude_e7: 198_187_000,
            latitude_e7: -413_275_001,
            altitude_m: -3,
            angle_deg: 214,
            satellites: 14,
            speed_kmh: 63,
            event_id: 239,
            generation_type: None,
            elements,
        }
    }

    fn json(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        record.write_position_json(Imei::parse(IMEI).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn attributes(record: &Record<'_>) -> String {
        json(record).split_once(r#""attributes":"#).unwrap().1.to_owned()
    }

    #[test]
    fn a_record_is_written_with_the_keys_of_the_contract_in_its_order() {
        assert_eq!(
            json(&record(vec![])),
            r#"{"device_id":"356307042441013","timestamp":"2026-05-01T09:30:00.000Z","latitude":-41.3275001,"longitude":19.8187,"altitude":-3,"angle":214,"speed":63,"satellites":14,"priority":1,"attributes":{}}"#
        );
    }

    #[test]
    fn attributes_ascend_by_number_and_the_last_of_a_repeated_id_counts() {
        let element = |id, value| Element { id, value };
        let mut record = record(vec![
            element(239, Value::U8(1)),
            element(66, Value::U16(12_710)),
            element(1000, Value::U32(u32::MAX)),
            element(78, Value::U64(u64::MAX)),
            element(385, Value::Bytes(&[1, 2, 3, 4])),
            element(9, Value::Bytes(&[])),
            element(66, Value::U8(7)),
        ]);
        let expected = r#"{"9":{"__buffer_b64":""},"66":7,"78":{"__bigint":"18446744073709551615"},"239":1,"385":{"__buffer_b64":"AQIDBA=="},"1000":4294967295"#;
        assert_eq!(attributes(&record), format!("{expected}}}}}"));
        record.generation_type = Some(9);
        assert_eq!(attributes(&record), format!(r#"{expected},"__generation_type":9}}}}"#));
    }

    #[test]
    fn degrees_are_exact_and_have_no_trailing_zeros() {
        let cases = [
            (0, "0"),
            (1, "0.0000001"),
            (-1, "-0.0000001"),
            (198_187_000, "19.8187"),
            (-10_000_000, "-1"),
            (100_000_000, "10"),
            (-1_800_000_000, "-180"),
            (i32::MAX, "214.7483647"),
            (i32::MIN, "-214.7483648"),
        ];
        for (e7, text) in cases {
            let mut out = Vec::new();
            write_degrees_e7(&mut out, e7);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn more_elements_than_the_stack_takes_are_ordered_all_the_same() {
        let elements: Vec<_> =
            (0..200_u16).map(|place| Element { id: 99 - place % 100, value: Value::U16(place) }).collect();
        let expected: Vec<String> = (0..100_u16).map(|id| format!(r#""{id}":{}"#, 199 - id)).collect();
        assert_eq!(attributes(&record(elements)), format!("{{{}}}}}", expected.join(",")));
    }
}
