//! From the JSON of one stream entry to a Position with typed columns (contract §2).
//!
//! Nearly every payload has the one form that the producer writes: `fast` reads it by checking for that form.
//! `general` reads all others.

mod attributes;
mod error;
mod fast;
mod general;
mod json;
mod number;
pub mod timestamp;
mod unescape;

use std::borrow::Cow;

pub use error::{Code, Reject};
pub(crate) use fast::Common;

/// The contract's length limit of `device_id`, in bytes.
pub const DEVICE_ID_BYTES_MAX: usize = 64;

/// Places in a payload are held in 32 bits, whatever limit the operator sets.
const PAYLOAD_BYTES_MAX: usize = u32::MAX as usize;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// What the operator may set about decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longer payloads are `too_large`.
    pub payload_bytes_max: usize,
    /// How many days a position may be older than what it is judged by; see [`Limits::admits`].
    pub past_days_max: u32,
    /// How many seconds it may be ahead of it.
    pub future_seconds_max: u32,
}

impl Default for Limits {
    /// The contract's defaults (§5).
    fn default() -> Self {
        Self { payload_bytes_max: 65_536, past_days_max: 3650, future_seconds_max: 86_400 }
    }
}

impl Limits {
    /// The position's time lies in the window around `middle_us`, bounds included; both are microseconds of the Unix
    /// time.
    #[must_use]
    pub fn admits(&self, ts_us: i64, middle_us: i64) -> bool {
        let oldest = middle_us.saturating_sub(i64::from(self.past_days_max).saturating_mul(MICROS_A_DAY));
        let newest = middle_us.saturating_add(i64::from(self.future_seconds_max).saturating_mul(MICROS_A_SECOND));
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

/// What a Position says apart from its attributes.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    /// The device's IMEI, 1 to 64 bytes of UTF-8.
    pub device_id: Cow<'a, [u8]>,
    /// Microseconds of the Unix time.
    pub ts_us: i64,
    /// Where the timestamp's text begins in the payload.
    pub ts_offset: usize,
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
}

/// A decoded Position; the attributes are still places in the payload.
#[derive(Clone, Debug)]
pub struct Position<'a> {
    /// All but the attributes.
    pub columns: Columns<'a>,
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
    members: attributes::Members,
}

/// Decodes one payload. Whether its time is in the window is not judged here: that takes more than the payload.
///
/// # Errors
///
/// A [`Reject`] with the contract's code; offsets are at most `payload.len()`.
pub fn decode<'a>(payload: &'a [u8], limits: &Limits, scratch: &'a mut Scratch) -> Result<Position<'a>, Reject> {
    if payload.len() > limits.payload_bytes_max.min(PAYLOAD_BYTES_MAX) {
        return Err(Reject::without_offset(Code::TooLarge, "payload"));
    }
    // Nearly every payload is plain ASCII, which is known in wider steps than UTF-8.
    if !is_ascii(payload)
        && let Err(error) = std::str::from_utf8(payload)
    {
        return Err(Reject::at(Code::BadJson, error.valid_up_to()));
    }
    let Scratch { members } = scratch;
    let mut position = match fast::decode(payload, members) {
        Some(position) => position,
        None => general::decode(payload, members)?,
    };
    position.attributes.members = members.as_slice();
    Ok(position)
}

/// As `<[u8]>::is_ascii`, which looks at the last bytes one by one: a thirtieth of the whole decoding.
fn is_ascii(text: &[u8]) -> bool {
    const CHUNK_BYTES: usize = 32;
    let Some(tail) = text.last_chunk::<CHUNK_BYTES>() else {
        return text.is_ascii();
    };
    tail.is_ascii() && text.as_chunks::<CHUNK_BYTES>().0.iter().all(|chunk| chunk.is_ascii())
}
