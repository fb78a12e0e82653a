//! One row of PostgreSQL's binary COPY format: the eleven columns that the writer sets (contract §3).
//!
//! Format: PostgreSQL documentation, "COPY", section "Binary Format": a 16-bit count of fields, then for each field
//! its 32-bit length and its bytes, all in network order.

use super::device_key::DeviceKey;
use crate::position::{CodecLabel, Columns, Common, Position};

/// The columns in the order of the row.
pub const COLUMNS: [&str; 11] = [
    "device_id",
    "ts",
    "latitude",
    "longitude",
    "altitude",
    "angle",
    "speed",
    "satellites",
    "priority",
    "codec",
    "attributes",
];

const COLUMN_COUNT: i16 = 11;
/// Microseconds from 1970-01-01 to 2000-01-01, where `timestamptz` begins.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// `jsonb_recv` knows one version of its input: 1, JSON text.
const JSONB_VERSION: u8 = 1;

/// Appends the row; on return `out` holds one whole row more.
pub(super) fn write(position: &Position<'_>, codec: CodecLabel, out: &mut Vec<u8>) {
    let attributes = begin(&position.columns, codec, out);
    position.write_attributes(out);
    attributes.end(out);
}

/// Appends the row of a Position in the producer's form. If its attributes are not, `out` is as it was.
#[inline]
pub(super) fn write_common(common: &Common<'_>, codec: CodecLabel, out: &mut Vec<u8>) -> Option<()> {
    let row_start = out.len();
    let attributes = begin(&common.columns, codec, out);
    if common.write_attributes(out).is_none() {
        out.truncate(row_start);
        return None;
    }
    attributes.end(out);
    Some(())
}

/// Appends the row's columns before its attributes.
#[inline]
fn begin(columns: &Columns<'_>, codec: CodecLabel, out: &mut Vec<u8>) -> Jsonb {
    out.extend_from_slice(&COLUMN_COUNT.to_be_bytes());
    device_field(out, &columns.device_id);
    out.extend_from_slice(&fixed_width(columns));
    field(out, codec.as_str().as_bytes());
    Jsonb::begin(out)
}

/// The columns from `ts` to `priority`: three of eight bytes, three of four, two of two, each behind its length.
const FIXED_WIDTH_BYTES: usize = 3 * (4 + 8) + 3 * (4 + 4) + 2 * (4 + 2);

/// Put together on the stack and appended at once, since appending asks for room each time.
#[inline]
fn fixed_width(position: &Columns<'_>) -> [u8; FIXED_WIDTH_BYTES] {
    let mut columns = FixedWidth { bytes: [0; FIXED_WIDTH_BYTES], end: 0 };
    columns.field(timestamptz(position.ts_us));
    columns.field(position.latitude.to_be_bytes());
    columns.field(position.longitude.to_be_bytes());
    columns.field(position.altitude.to_be_bytes());
    columns.field(position.angle.to_be_bytes());
    columns.field(position.speed.to_be_bytes());
    columns.field(position.satellites.to_be_bytes());
    columns.field(position.priority.to_be_bytes());
    columns.bytes
}

/// A time in microseconds of the Unix time as a `timestamptz`.
#[inline]
pub(super) fn timestamptz(ts_us: i64) -> [u8; 8] {
    ts_us.wrapping_sub(POSTGRES_EPOCH_US).to_be_bytes()
}

struct FixedWidth {
    bytes: [u8; FIXED_WIDTH_BYTES],
    end: usize,
}

impl FixedWidth {
    #[inline]
    fn field<const N: usize>(&mut self, value: [u8; N]) {
        self.put(length(N));
        self.put(value);
    }

    #[inline]
    fn put<const N: usize>(&mut self, value: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut) {
            *place = value;
        }
        self.end = self.end.wrapping_add(N);
    }
}

/// As [`field`], but an id of a usual length is copied without a call.
#[inline]
fn device_field(out: &mut Vec<u8>, device_id: &[u8]) {
    if device_id.len() > DeviceKey::BYTES {
        return field(out, device_id);
    }
    out.extend_from_slice(&length(device_id.len()));
    let end = out.len().wrapping_add(device_id.len());
    out.extend_from_slice(&DeviceKey::new(device_id).bytes());
    out.truncate(end);
}

/// A value behind its length.
#[inline]
pub(super) fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

/// A `jsonb` whose text is being written: its length is known only when the text stands.
struct Jsonb {
    length_at: usize,
}

impl Jsonb {
    #[inline]
    fn begin(out: &mut Vec<u8>) -> Self {
        let length_at = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, JSONB_VERSION]);
        Self { length_at }
    }

    #[inline]
    fn end(self, out: &mut [u8]) {
        let bytes = out.len().wrapping_sub(self.length_at).wrapping_sub(4);
        if let Some(place) = out.get_mut(self.length_at..).and_then(<[u8]>::first_chunk_mut::<4>) {
            *place = length(bytes);
        }
    }
}

/// A payload has at most a million bytes (contract §5), and a number of five bytes grows to 400 at most; a batch has
/// at most a million rows.
#[inline]
pub(super) fn length(count: usize) -> [u8; 4] {
    i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes()
}

/// What is read back from an encoded row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    row: &'a [u8],
}

/// The count of fields, and the length before each.
const COUNT_BYTES: usize = 2;
const LENGTH_BYTES: usize = 4;
const DEVICE_START: usize = COUNT_BYTES + LENGTH_BYTES;

impl<'a> View<'a> {
    pub(crate) fn new(row: &'a [u8]) -> Self {
        Self { row }
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.row.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
    }

    fn device_end(&self) -> usize {
        let length = u32::from_be_bytes(self.array(2));
        DEVICE_START.saturating_add(length as usize)
    }

    pub(crate) fn device_id(&self) -> &'a [u8] {
        self.row.get(DEVICE_START..self.device_end()).unwrap_or_default()
    }

    /// Each column's field, together with the length before it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (_, mut rest) = self.row.split_at_checked(COUNT_BYTES).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = u32::from_be_bytes(*rest.first_chunk()?);
            let (field, behind) = rest.split_at_checked(LENGTH_BYTES.saturating_add(length as usize))?;
            rest = behind;
            Some(field)
        })
    }

    /// (latitude, longitude) in degrees: behind the device stand `ts` (4 + 8 bytes) and these two, alike.
    pub(crate) fn coordinates(&self) -> (f64, f64) {
        let after_ts = self.device_end().saturating_add(12);
        let latitude = f64::from_be_bytes(self.array(after_ts.saturating_add(4)));
        let longitude = f64::from_be_bytes(self.array(after_ts.saturating_add(16)));
        (latitude, longitude)
    }
}
