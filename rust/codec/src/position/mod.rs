//! The JSON of one stream entry to a Position with typed columns (contract §2).
//!
//! A payload is read once from front to back. Of repeated keys the last counts, so that a bad value is remembered
//! with its key and judged at the end; what is not JSON at all is refused where it stands.

mod attributes;
mod error;
mod json;
mod number;
pub mod timestamp;

use std::borrow::Cow;

pub use error::{Code, Reject};
use json::{Kind, Number, Scanner, Text};

/// The contract's length limit of `device_id`, in bytes.
pub const DEVICE_ID_BYTES_MAX: usize = 64;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// What the operator may set about decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longer payloads are `too_large`.
    pub payload_bytes_max: usize,
    /// Positions older than this many days are `ts_out_of_window`.
    pub past_days_max: u32,
    /// Positions more than this many seconds ahead of the clock are `ts_out_of_window`.
    pub future_seconds_max: u32,
}

impl Default for Limits {
    /// The contract's defaults (§5).
    fn default() -> Self {
        Self { payload_bytes_max: 65_536, past_days_max: 3650, future_seconds_max: 86_400 }
    }
}

impl Limits {
    fn admits(&self, ts_us: i64, now_us: i64) -> bool {
        let oldest = now_us.saturating_sub(i64::from(self.past_days_max).saturating_mul(MICROS_A_DAY));
        let newest = now_us.saturating_add(i64::from(self.future_seconds_max).saturating_mul(MICROS_A_SECOND));
        (oldest..=newest).contains(&ts_us)
    }
}

/// The codec label of an entry; it lives in the entry's field `codec` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecLabel {
    /// Codec 8.
    C8,
    /// Codec 8 Extended.
    C8E,
    /// Codec 16.
    C16,
}

impl CodecLabel {
    /// The label with this text, if there is one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"8" => Some(Self::C8),
            b"8E" => Some(Self::C8E),
            b"16" => Some(Self::C16),
            _ => None,
        }
    }

    /// The label's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::C8 => "8",
            Self::C8E => "8E",
            Self::C16 => "16",
        }
    }
}

/// A decoded Position; the attributes are still places in the payload.
#[derive(Clone, Debug)]
pub struct Position<'a> {
    /// The device's IMEI, 1 to 64 bytes.
    pub device_id: Cow<'a, str>,
    /// Microseconds of the Unix time.
    pub ts_us: i64,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Metres.
    pub altitude: f32,
    /// Degrees from north.
    pub angle: f32,
    /// Kilometres an hour.
    pub speed: f32,
    /// Satellites in use.
    pub satellites: i16,
    /// The record's priority.
    pub priority: i16,
    attributes: Attributes<'a>,
}

#[derive(Clone, Debug)]
struct Attributes<'a> {
    json: &'a [u8],
    found: attributes::Found,
    members: &'a [attributes::Attribute],
}

impl Position<'_> {
    /// Appends the attributes as JSON text in the stored form.
    pub fn write_attributes(&self, out: &mut Vec<u8>) {
        attributes::write(self.attributes.json, &self.attributes.found, self.attributes.members, out);
    }
}

/// Memory that decoding uses again from one entry to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    members: Vec<attributes::Attribute>,
}

/// Decodes one payload as of `now_us`, microseconds of the Unix time.
///
/// # Errors
///
/// A [`Reject`] with the contract's code; offsets are at most `payload.len()`.
pub fn decode<'a>(
    payload: &'a [u8],
    limits: &Limits,
    now_us: i64,
    scratch: &'a mut Scratch,
) -> Result<Position<'a>, Reject> {
    if payload.len() > limits.payload_bytes_max {
        return Err(Reject::without_offset(Code::TooLarge, "payload"));
    }
    if let Err(error) = std::str::from_utf8(payload) {
        return Err(Reject::at(Code::BadJson, error.valid_up_to()));
    }
    let mut fields = Fields::default();
    fields.read(payload, &mut scratch.members)?;
    fields.judge(payload, limits, now_us, &scratch.members)
}

/// A value that was read and is accepted or refused; `None` if its key has not come.
type Slot<T> = Option<Result<T, Reject>>;

#[derive(Debug, Default)]
struct Fields<'a> {
    device_id: Slot<Cow<'a, str>>,
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

/// The keys in the producer's usual order, each as it stands in compact JSON: guessing the next one is cheaper than reading it.
const USUAL_ORDER: [(Key, &[u8]); 10] = [
    (Key::DeviceId, b"\"device_id\":"),
    (Key::Timestamp, b"\"timestamp\":"),
    (Key::Latitude, b"\"latitude\":"),
    (Key::Longitude, b"\"longitude\":"),
    (Key::Altitude, b"\"altitude\":"),
    (Key::Angle, b"\"angle\":"),
    (Key::Speed, b"\"speed\":"),
    (Key::Satellites, b"\"satellites\":"),
    (Key::Priority, b"\"priority\":"),
    (Key::Attributes, b"\"attributes\":"),
];

/// Nesting level of the Position's values.
const VALUE_DEPTH: usize = 2;

impl<'a> Fields<'a> {
    fn read(&mut self, payload: &'a [u8], members: &mut Vec<attributes::Attribute>) -> Result<(), Reject> {
        let mut scanner = Scanner::new(payload, 0);
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            let offset = scanner.at();
            scanner.skip_value(1)?;
            scanner.finish()?;
            return Err(Reject::of(Code::BadType, "payload", offset));
        }
        let mut usual = USUAL_ORDER.iter();
        let mut more = scanner.enter(b'}');
        while more {
            let key = match usual.next() {
                Some((key, literal)) if scanner.take(literal) => Some(*key),
                _ => named_key(payload, &scanner.key()?),
            };
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
        members: &mut Vec<attributes::Attribute>,
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
    fn judge(
        self,
        json: &'a [u8],
        limits: &Limits,
        now_us: i64,
        members: &'a [attributes::Attribute],
    ) -> Result<Position<'a>, Reject> {
        let device_id = present(self.device_id, "device_id")?;
        let (ts_us, ts_offset) = present(self.timestamp, "timestamp")?;
        if !limits.admits(ts_us, now_us) {
            return Err(Reject::of(Code::TsOutOfWindow, "timestamp", ts_offset));
        }
        Ok(Position {
            device_id,
            ts_us,
            latitude: present(self.latitude, "latitude")?,
            longitude: present(self.longitude, "longitude")?,
            altitude: present(self.altitude, "altitude")?,
            angle: present(self.angle, "angle")?,
            speed: present(self.speed, "speed")?,
            satellites: present(self.satellites, "satellites")?,
            priority: present(self.priority, "priority")?,
            attributes: Attributes { json, found: present(self.attributes, attributes::FIELD)?, members },
        })
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
        Cow::Owned(String::from_utf8(json::unescape(raw)).unwrap_or_default())
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

fn device_id<'a>(json: &'a [u8], scanner: &mut Scanner<'a>) -> Value<Cow<'a, str>> {
    const FIELD: &str = "device_id";
    if scanner.kind()? != Kind::Text {
        return wrong_type(scanner, FIELD);
    }
    let text = scanner.text()?;
    if text.unstorable {
        return Ok(Err(Reject::of(Code::UnstorableText, FIELD, text.start)));
    }
    let device_id = plain_text(json, &text);
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
