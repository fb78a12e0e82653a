//! The general path: a Position with keys in any order, white space, escapes, repeated and unknown keys.
//!
//! The last of repeated keys counts, so a bad value is kept with its key and judged at the end. A payload that is not
//! JSON is refused at the first byte that is wrong.

use std::borrow::Cow;

use super::attributes::{self, Members};
use super::error::{Code, Reject};
use super::json::{Kind, Number, Scanner, Text};
use super::unescape::unescape;
use super::{Attributes, Columns, DEVICE_ID_BYTES_MAX, Position, timestamp};

/// Decodes any payload, leaving the attributes in `members`.
pub(super) fn decode<'a>(payload: &'a [u8], members: &mut Members) -> Result<Position<'a>, Reject> {
    let mut fields = Fields::default();
    fields.read(payload, members)?;
    fields.judge(payload)
}

/// A value that was read and is accepted or refused; `None` if its key has not come.
type Slot<T> = Option<Result<T, Reject>>;

#[derive(Debug, Default)]
struct Fields<'a> {
    device_id: Slot<Cow<'a, [u8]>>,
    timestamp: Slot<(i64, usize)>,
    latitude: Slot<f64>,
    longitude: Slot<f64>,
    altitude: Slot<f32>,
    angle: Slot<f32>,
    speed: Slot<f32>,
    satellites: Slot<i16>,
    priority: Slot<i16>,
    attributes: Slot<attributes::Found>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    DeviceId,
    Timestamp,
    Latitude,
    Longitude,
    Altitude,
    Angle,
    Speed,
    Satellites,
    Priority,
    Attributes,
}

/// Nesting level of the Position's values.
const VALUE_DEPTH: usize = 2;

impl<'a> Fields<'a> {
    fn read(&mut self, payload: &'a [u8], members: &mut Members) -> Result<(), Reject> {
        let mut scanner = Scanner::new(payload, 0);
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            let offset = scanner.at();
            scanner.skip_value(1)?;
            scanner.finish()?;
            return Err(Reject::of(Code::BadType, "payload", offset));
        }
        let mut more = scanner.enter(b'}');
        while more {
            let key = named_key(payload, &scanner.key()?);
            self.read_value(key, payload, &mut scanner, members)?;
            more = scanner.another(b'}')?;
        }
        scanner.finish()
    }

    fn read_value(
        &mut self,
        key: Option<Key>,
        json: &'a [u8],
        scanner: &mut Scanner<'a>,
        members: &mut Members,
    ) -> Result<(), Reject> {
        match key {
            None => scanner.skip_value(VALUE_DEPTH)?,
            Some(Key::DeviceId) => self.device_id = Some(device_id(json, scanner)?),
            Some(Key::Timestamp) => self.timestamp = Some(timestamp_value(json, scanner)?),
            Some(Key::Latitude) => self.latitude = Some(degrees(json, scanner, "latitude", 90.0)?),
            Some(Key::Longitude) => self.longitude = Some(degrees(json, scanner, "longitude", 180.0)?),
            Some(Key::Altitude) => self.altitude = Some(real(json, scanner, "altitude")?),
            Some(Key::Angle) => self.angle = Some(real(json, scanner, "angle")?),
            Some(Key::Speed) => self.speed = Some(real(json, scanner, "speed")?),
            Some(Key::Satellites) => self.satellites = Some(small_integer(json, scanner, "satellites")?),
            Some(Key::Priority) => self.priority = Some(small_integer(json, scanner, "priority")?),
            Some(Key::Attributes) => {
                self.attributes = Some(if scanner.kind()? == Kind::Object {
                    attributes::scan(json, scanner, members)?
                } else {
                    wrong_type(scanner, attributes::FIELD)?
                });
            }
        }
        Ok(())
    }

    /// Judges the fields in the contract's order, so that the same payload always gives the same refusal.
    fn judge(self, json: &'a [u8]) -> Result<Position<'a>, Reject> {
        let device_id = present(self.device_id, "device_id")?;
        let (ts_us, ts_offset) = present(self.timestamp, "timestamp")?;
        let columns = Columns {
            device_id,
            ts_us,
            ts_offset,
            latitude: present(self.latitude, "latitude")?,
            longitude: present(self.longitude, "longitude")?,
            altitude: present(self.altitude, "altitude")?,
            angle: present(self.angle, "angle")?,
            speed: present(self.speed, "speed")?,
            satellites: present(self.satellites, "satellites")?,
            priority: present(self.priority, "priority")?,
        };
        let found = present(self.attributes, attributes::FIELD)?;
        Ok(Position { columns, attributes: Attributes { json, found, members: &[] } })
    }
}

fn present<T>(slot: Slot<T>, field: &'static str) -> Result<T, Reject> {
    slot.unwrap_or(Err(Reject::without_offset(Code::MissingField, field)))
}

fn named_key(json: &[u8], key: &Text) -> Option<Key> {
    match plain_text(json, key).as_ref() {
        "device_id" => Some(Key::DeviceId),
        "timestamp" => Some(Key::Timestamp),
        "latitude" => Some(Key::Latitude),
        "longitude" => Some(Key::Longitude),
        "altitude" => Some(Key::Altitude),
        "angle" => Some(Key::Angle),
        "speed" => Some(Key::Speed),
        "satellites" => Some(Key::Satellites),
        "priority" => Some(Key::Priority),
        "attributes" => Some(Key::Attributes),
        _ => None,
    }
}

/// A string's characters. The payload is UTF-8 and quotes are single bytes, so that only escapes can spoil it; those
/// that do are marked `unstorable` before anyone gets here.
fn plain_text<'a>(json: &'a [u8], text: &Text) -> Cow<'a, str> {
    let raw = json.get(text.start..text.end).unwrap_or_default();
    if text.escaped {
        Cow::Owned(String::from_utf8(unescape(raw)).unwrap_or_default())
    } else {
        Cow::Borrowed(std::str::from_utf8(raw).unwrap_or_default())
    }
}

/// `Err` on the outside: the payload is not JSON. `Err` on the inside: this value is refused, unless its key is repeated.
type Value<T> = Result<Result<T, Reject>, Reject>;

fn wrong_type<T>(scanner: &mut Scanner<'_>, field: &'static str) -> Value<T> {
    let offset = scanner.at();
    scanner.skip_value(VALUE_DEPTH)?;
    Ok(Err(Reject::of(Code::BadType, field, offset)))
}

fn device_id<'a>(json: &'a [u8], scanner: &mut Scanner<'a>) -> Value<Cow<'a, [u8]>> {
    const FIELD: &str = "device_id";
    if scanner.kind()? != Kind::Text {
        return wrong_type(scanner, FIELD);
    }
    let text = scanner.text()?;
    if text.unstorable {
        return Ok(Err(Reject::of(Code::UnstorableText, FIELD, text.start)));
    }
    let device_id = match plain_text(json, &text) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    if (1..=DEVICE_ID_BYTES_MAX).contains(&device_id.len()) {
        Ok(Ok(device_id))
    } else {
        Ok(Err(Reject::of(Code::OutOfRange, FIELD, text.start)))
    }
}

/// The instant and the place where it stands.
fn timestamp_value(json: &[u8], scanner: &mut Scanner<'_>) -> Value<(i64, usize)> {
    const FIELD: &str = "timestamp";
    if scanner.kind()? != Kind::Text {
        return wrong_type(scanner, FIELD);
    }
    let text = scanner.text()?;
    let parsed = timestamp::parse(plain_text(json, &text).as_bytes());
    Ok(parsed.map(|ts_us| (ts_us, text.start)).ok_or(Reject::of(Code::BadTimestamp, FIELD, text.start)))
}

/// The number at the scanner, or `None` with the refusal if something else stands there.
fn number(scanner: &mut Scanner<'_>, field: &'static str) -> Value<Number> {
    if scanner.kind()? != Kind::Number {
        return wrong_type(scanner, field);
    }
    scanner.number().map(Ok)
}

fn degrees(json: &[u8], scanner: &mut Scanner<'_>, field: &'static str, bound: f64) -> Value<f64> {
    Ok(number(scanner, field)?.and_then(|number| {
        let text = json.get(number.start..number.end).unwrap_or_default();
        let parsed: Option<f64> = fast_float2::parse(text).ok();
        parsed.filter(|value| value.abs() <= bound).ok_or(Reject::of(Code::OutOfRange, field, number.start))
    }))
}

/// Parsed straight to single precision: going through a double would round twice.
fn real(json: &[u8], scanner: &mut Scanner<'_>, field: &'static str) -> Value<f32> {
    Ok(number(scanner, field)?.and_then(|number| {
        let text = json.get(number.start..number.end).unwrap_or_default();
        let parsed: Option<f32> = fast_float2::parse(text).ok();
        parsed.filter(|value| value.is_finite()).ok_or(Reject::of(Code::OutOfRange, field, number.start))
    }))
}

fn small_integer(json: &[u8], scanner: &mut Scanner<'_>, field: &'static str) -> Value<i16> {
    Ok(number(scanner, field)?.and_then(|number| {
        if !number.is_integer() {
            return Err(Reject::of(Code::BadType, field, number.start));
        }
        let text = json.get(number.start..number.end).unwrap_or_default();
        let parsed = std::str::from_utf8(text).ok().and_then(|digits| digits.parse().ok());
        parsed.ok_or(Reject::of(Code::OutOfRange, field, number.start))
    }))
}
