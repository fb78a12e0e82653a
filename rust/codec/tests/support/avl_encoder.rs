//! Writes AVL frames: the slow, obvious counterpart of the decoder.

use codec::avl::{Codec, Element, Record, Value};

/// CRC-16/IBM bit by bit, so that the decoder's table is checked against the polynomial.
pub(crate) fn crc_16_ibm(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xa001 } else { 0 })
    })
}

/// Preamble, length and checksum around a data field.
pub(crate) fn encode_frame(data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    frame.extend(data);
    frame.extend(u32::from(crc_16_ibm(data)).to_be_bytes());
    frame
}

/// A frame of the records, whose elements must suit the codec (`Value::Bytes` in 8E alone, short ids in 8).
pub(crate) fn encode_records(codec: Codec, records: &[Record<'_>]) -> Vec<u8> {
    let (id, layout) = match codec {
        Codec::C8 => (0x08, Layout { wide_ids: false, wide_counts: false }),
        Codec::C8E => (0x8e, Layout { wide_ids: true, wide_counts: true }),
        Codec::C16 => (0x10, Layout { wide_ids: true, wide_counts: false }),
        other => panic!("codec {} carries no records", other.label()),
    };
    let quantity = u8::try_from(records.len()).unwrap();
    let mut data = vec![id, quantity];
    for record in records {
        encode_record(&mut data, record, layout, codec);
    }
    data.push(quantity);
    encode_frame(&data)
}

#[derive(Clone, Copy)]
struct Layout {
    wide_ids: bool,
    wide_counts: bool,
}

fn put(data: &mut Vec<u8>, number: usize, wide: bool) {
    if wide {
        data.extend(u16::try_from(number).unwrap().to_be_bytes());
    } else {
        data.push(u8::try_from(number).unwrap());
    }
}

fn encode_record(data: &mut Vec<u8>, record: &Record<'_>, layout: Layout, codec: Codec) {
    data.extend(record.timestamp_ms.to_be_bytes());
    data.push(record.priority);
    data.extend(record.longitude_e7.to_be_bytes());
    data.extend(record.latitude_e7.to_be_bytes());
    data.extend(record.altitude_m.to_be_bytes());
    data.extend(record.angle_deg.to_be_bytes());
    data.push(record.satellites);
    data.extend(record.speed_kmh.to_be_bytes());
    put(data, usize::from(record.event_id), layout.wide_ids);
    data.extend(record.generation_type);
    put(data, record.elements.len(), layout.wide_counts);
    let groups = if codec == Codec::C8E { 5 } else { 4 };
    for group in 0..groups {
        let members = record.elements.iter().filter(|element| group_of(element) == group);
        put(data, members.clone().count(), layout.wide_counts);
        for element in members {
            put(data, usize::from(element.id), layout.wide_ids);
            encode_value(data, element.value);
        }
    }
}

/// The place of an element's group on the wire, which is also the order in which they are decoded.
pub(crate) fn group_of(element: &Element<'_>) -> usize {
    match element.value {
        Value::U8(_) => 0,
        Value::U16(_) => 1,
        Value::U32(_) => 2,
        Value::U64(_) => 3,
        Value::Bytes(_) => 4,
    }
}

fn encode_value(data: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::U8(number) => data.push(number),
        Value::U16(number) => data.extend(number.to_be_bytes()),
        Value::U32(number) => data.extend(number.to_be_bytes()),
        Value::U64(number) => data.extend(number.to_be_bytes()),
        Value::Bytes(bytes) => {
            put(data, bytes.len(), true);
            data.extend(bytes);
        }
    }
}
