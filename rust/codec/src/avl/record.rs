//! One AVL record: when and where, and the IO elements.

use super::cursor::{Cursor, EndOfData};
use super::fault::Fault;

/// A record as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Milliseconds since 1970-01-01T00:00:00Z, by the device's clock.
    pub timestamp_ms: u64,
    /// 0 low, 1 high, 2 panic; other numbers are kept.
    pub priority: u8,
    /// Degrees times 10,000,000.
    pub longitude_e7: i32,
    /// Degrees times 10,000,000.
    pub latitude_e7: i32,
    /// Metres above sea level.
    pub altitude_m: i16,
    /// Degrees clockwise from north.
    pub angle_deg: u16,
    /// Satellites in use; 0 means "no fix".
    pub satellites: u8,
    /// Kilometres an hour; 0 also without a fix.
    pub speed_kmh: u16,
    /// Id of the element that caused the record, 0 if none did.
    pub event_id: u16,
    /// Codec 16 alone: why the record was generated; numbers out of the vendor's list are kept.
    pub generation_type: Option<u8>,
    /// Elements in wire order; an id may repeat.
    pub elements: Vec<Element<'a>>,
}

/// One IO element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The vendor's element id.
    pub id: u16,
    /// Its content; what it means depends on the id.
    pub value: Value<'a>,
}

/// An element's content, by the group it stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// One byte, unsigned.
    U8(u8),
    /// Two bytes, unsigned.
    U16(u16),
    /// Four bytes, unsigned.
    U32(u32),
    /// Eight bytes, unsigned.
    U64(u64),
    /// Codec 8E's NX group: any number of bytes, also none.
    Bytes(&'a [u8]),
}

/// What differs between the codecs (the columns of the protocol's comparison table).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Ids and counts of one byte.
    C8,
    /// Ids and counts of two bytes, and a fifth group of elements with a length each.
    C8E,
    /// Ids of two bytes, counts of one byte, a generation type after the event id.
    C16,
}

impl Shape {
    fn id(self, data: &mut Cursor<'_>) -> Result<u16, EndOfData> {
        match self {
            Self::C8 => data.u8().map(u16::from),
            Self::C8E | Self::C16 => data.u16(),
        }
    }

    fn count(self, data: &mut Cursor<'_>) -> Result<u16, EndOfData> {
        match self {
            Self::C8 | Self::C16 => data.u8().map(u16::from),
            Self::C8E => data.u16(),
        }
    }
}

/// Reads one record. Where not even its fixed part is there, the quantity was wrong (`count_mismatch`);
/// an end of data among the elements is `io_overrun`.
///
/// Its elements go into the vector of the record before, so that a frame allocates once.
pub(super) fn decode_record<'a>(
    data: &mut Cursor<'a>,
    shape: Shape,
    elements: Vec<Element<'a>>,
) -> Result<Record<'a>, Fault> {
    let mut record = decode_fixed_part(data, elements).map_err(Fault::missing)?;
    decode_io_part(data, shape, &mut record).map_err(Fault::overrun)?;
    Ok(record)
}

/// Timestamp, priority and GPS element: 24 bytes in every codec.
fn decode_fixed_part<'a>(data: &mut Cursor<'a>, mut elements: Vec<Element<'a>>) -> Result<Record<'a>, EndOfData> {
    elements.clear();
    Ok(Record {
        timestamp_ms: data.u64()?,
        priority: data.u8()?,
        longitude_e7: data.i32()?,
        latitude_e7: data.i32()?,
        altitude_m: data.i16()?,
        angle_deg: data.u16()?,
        satellites: data.u8()?,
        speed_kmh: data.u16()?,
        event_id: 0,
        generation_type: None,
        elements,
    })
}

/// Event id and elements. The total that precedes the groups is not used: devices get it wrong, and the groups carry
/// counts of their own.
fn decode_io_part<'a>(data: &mut Cursor<'a>, shape: Shape, record: &mut Record<'a>) -> Result<(), EndOfData> {
    record.event_id = shape.id(data)?;
    if shape == Shape::C16 {
        record.generation_type = Some(data.u8()?);
    }
    shape.count(data)?;
    let elements = &mut record.elements;
    decode_group(data, shape, elements, |data| data.u8().map(Value::U8))?;
    decode_group(data, shape, elements, |data| data.u16().map(Value::U16))?;
    decode_group(data, shape, elements, |data| data.u32().map(Value::U32))?;
    decode_group(data, shape, elements, |data| data.u64().map(Value::U64))?;
    if shape == Shape::C8E {
        decode_group(data, shape, elements, |data| {
            let length = data.u16()?;
            data.take(usize::from(length)).map(Value::Bytes)
        })?;
    }
    Ok(())
}

/// A count, then that many pairs of id and value. Grows by what was read, never by what was announced.
fn decode_group<'a>(
    data: &mut Cursor<'a>,
    shape: Shape,
    elements: &mut Vec<Element<'a>>,
    value: impl Fn(&mut Cursor<'a>) -> Result<Value<'a>, EndOfData>,
) -> Result<(), EndOfData> {
    for _ in 0..shape.count(data)? {
        elements.push(Element { id: shape.id(data)?, value: value(data)? });
    }
    Ok(())
}
