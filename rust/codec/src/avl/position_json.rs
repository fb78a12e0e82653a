//! A record as the Position JSON of the stream, numbers taken digit for digit from the wire's integers.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use super::calendar::IsoTimestamp;
use super::imei::Imei;
use super::record::{Element, Record, Value};

impl Record<'_> {
    /// The timestamp as the stream's field `ts` has it: ISO-8601 in UTC, three digits of a second.
    ///
    /// From the year 10000 on it is the expanded form `+010000-01-01T00:00:00.000Z`, which readers
    /// of the stream refuse as `bad_timestamp`: the record is neither dropped nor given a wrong date.
    #[must_use]
    pub fn timestamp(&self) -> impl fmt::Display + Clone {
        IsoTimestamp(self.timestamp_ms)
    }

    /// The record as the stream's payload; `{}` writes the JSON without white space.
    ///
    /// Attributes stand in ascending order of their ids, of an id that repeats the last value alone;
    /// `__generation_type` (codec 16) follows them. A Position has no key for the event id.
    #[must_use]
    pub fn position_json<'a>(&'a self, device_id: Imei<'a>) -> impl fmt::Display + 'a {
        PositionJson { record: self, device_id }
    }
}

struct PositionJson<'a> {
    record: &'a Record<'a>,
    device_id: Imei<'a>,
}

impl fmt::Display for PositionJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        write!(
            f,
            r#"{{"device_id":"{}","timestamp":"{}","latitude":{},"longitude":{},"altitude":{},"angle":{},"speed":{},"satellites":{},"priority":{},"attributes":{{"#,
            self.device_id,
            record.timestamp(),
            DegreesE7(record.latitude_e7),
            DegreesE7(record.longitude_e7),
            record.altitude_m,
            record.angle_deg,
            record.speed_kmh,
            record.satellites,
            record.priority,
        )?;
        write_attributes(f, record)?;
        f.write_str("}}")
    }
}

fn write_attributes(f: &mut fmt::Formatter<'_>, record: &Record<'_>) -> fmt::Result {
    let mut separator = "";
    for element in last_of_each_id(&record.elements) {
        write!(f, r#"{separator}"{}":{}"#, element.id, Attribute(element.value))?;
        separator = ",";
    }
    if let Some(generation_type) = record.generation_type {
        write!(f, r#"{separator}"__generation_type":{generation_type}"#)?;
    }
    Ok(())
}

/// In ascending order of the ids.
fn last_of_each_id<'a>(elements: &[Element<'a>]) -> Vec<Element<'a>> {
    let mut newest_first: Vec<Element<'a>> = elements.iter().rev().copied().collect();
    newest_first.sort_by_key(|element| element.id);
    newest_first.dedup_by_key(|element| element.id);
    newest_first
}

struct Attribute<'a>(Value<'a>);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::U8(number) => number.fmt(f),
            Value::U16(number) => number.fmt(f),
            Value::U32(number) => number.fmt(f),
            Value::U64(number) => write!(f, r#"{{"__bigint":"{number}"}}"#),
            Value::Bytes(bytes) => {
                let text = Base64Display::new(bytes, &STANDARD);
                write!(f, r#"{{"__buffer_b64":"{text}"}}"#)
            }
        }
    }
}

/// Degrees in decimal, exact and without trailing zeros.
struct DegreesE7(i32);

impl fmt::Display for DegreesE7 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs() / 10_000_000;
        let fraction = self.0.unsigned_abs() % 10_000_000;
        write!(f, "{sign}{whole}")?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:07}");
        write!(f, ".{}", digits.trim_end_matches('0'))
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

    fn attributes(record: &Record<'_>) -> String {
        let imei = Imei::parse(IMEI).unwrap();
        let json = record.position_json(imei).to_string();
        json.split_once(r#""attributes":"#).unwrap().1.to_owned()
    }

    #[test]
    fn a_record_is_written_with_the_keys_of_the_contract_in_its_order() {
        let imei = Imei::parse(IMEI).unwrap();
        assert_eq!(
            record(vec![]).position_json(imei).to_string(),
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
            assert_eq!(DegreesE7(e7).to_string(), text);
        }
    }

    #[test]
    fn an_imei_is_fifteen_digits() {
        for text in ["", "35630704244101", "3563070424410130", "35630704244101a", "٣٥٦٣٠٧٠"] {
            assert_eq!(Imei::parse(text), None);
        }
    }
}
