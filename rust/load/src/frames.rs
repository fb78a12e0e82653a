//! Codec 8 frames made of the records of a recording, and what spoils them.

use std::rc::Rc;

use codec::avl::{Body, Capture, Codec, Record, Value};
use crc::{CRC_16_ARC, Crc, Table};

const CRC_16_IBM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);
/// Frames that are different; the devices send them in turn.
const FRAMES_MAX: usize = 256;

/// A frame and the number of its records.
#[derive(Debug, Clone)]
pub struct Frame {
    /// As it goes over the wire.
    pub bytes: Rc<[u8]>,
    /// What its answer has to be.
    pub records: u8,
}

/// Frames of `records` records each from the codec 8 frames of a recording: one in hex a line.
///
/// None if it has too few records for one frame.
pub fn from_recording(hex: &str, records: u8) -> Option<Vec<Frame>> {
    let bytes = from_hex(hex);
    let kept: Vec<Record<'_>> = Capture::new(&bytes)
        .filter_map(|located| located.outcome.ok())
        .filter(|frame| frame.codec == Codec::C8)
        .filter_map(|frame| match frame.body {
            Body::Records(records) => Some(records),
            Body::Command => None,
        })
        .flatten()
        .collect();
    let frames: Vec<Frame> = kept
        .chunks_exact(usize::from(records.max(1)))
        .take(FRAMES_MAX)
        .map(|chunk| Frame { bytes: framed(&data_field(chunk, records)).into(), records })
        .collect();
    (!frames.is_empty()).then_some(frames)
}

/// Length and IMEI of the device with this number.
pub fn login(device: usize) -> Rc<[u8]> {
    format!("\0\u{f}3563070{:08}", device % 100_000_000).into_bytes().into()
}

/// Preamble, length, the data field and its checksum.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let checksum = u32::from(CRC_16_IBM.checksum(data));
    [&[0; 4], length.to_be_bytes().as_slice(), data, checksum.to_be_bytes().as_slice()].concat()
}

/// The frame with another checksum.
pub fn with_wrong_checksum(frame: &Frame) -> Rc<[u8]> {
    let mut bytes = frame.bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x55;
    }
    bytes.into()
}

fn data_field(records: &[Record<'_>], count: u8) -> Vec<u8> {
    let mut data = vec![0x08, count];
    for record in records {
        append_record(&mut data, record);
    }
    data.push(count);
    data
}

fn append_record(data: &mut Vec<u8>, record: &Record<'_>) {
    data.extend(record.timestamp_ms.to_be_bytes());
    data.push(record.priority);
    data.extend(record.longitude_e7.to_be_bytes());
    data.extend(record.latitude_e7.to_be_bytes());
    data.extend(record.altitude_m.to_be_bytes());
    data.extend(record.angle_deg.to_be_bytes());
    data.push(record.satellites);
    data.extend(record.speed_kmh.to_be_bytes());
    data.push(low_byte(record.event_id));
    data.push(record.elements.len().to_le_bytes()[0]);
    append_group(data, record, |value| if let Value::U8(number) = value { Some(number.to_be_bytes()) } else { None });
    append_group(data, record, |value| if let Value::U16(number) = value { Some(number.to_be_bytes()) } else { None });
    append_group(data, record, |value| if let Value::U32(number) = value { Some(number.to_be_bytes()) } else { None });
    append_group(data, record, |value| if let Value::U64(number) = value { Some(number.to_be_bytes()) } else { None });
}

/// The number of elements of one width, then each with its id.
fn append_group<const N: usize>(
    data: &mut Vec<u8>,
    record: &Record<'_>,
    of_width: impl Fn(Value<'_>) -> Option<[u8; N]>,
) {
    let group = || record.elements.iter().filter_map(|element| Some((element.id, of_width(element.value)?)));
    data.push(group().count().to_le_bytes()[0]);
    for (id, value) in group() {
        data.push(low_byte(id));
        data.extend(value);
    }
}

/// Codec 8 has ids of one byte.
fn low_byte(id: u16) -> u8 {
    id.to_be_bytes()[1]
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits
        .chunks_exact(2)
        .filter_map(|pair| {
            pair.iter().try_fold(0u8, |byte, digit| byte.checked_mul(16)?.checked_add(u8::try_from(*digit).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::avl::decode_frame;

    const RECORDING: &str = include_str!("../../../tests/captures/drive-codec8.hex");

    #[test]
    fn a_frame_of_a_recordings_records_is_the_recordings_frame() {
        let line = RECORDING.lines().next().unwrap();
        let [frame] = &from_recording(line, 9).unwrap()[..] else { panic!() };
        assert_eq!(&*frame.bytes, from_hex(line));
    }

    #[test]
    fn every_frame_holds_as_many_records_as_its_answer_says() {
        for records in [1, 5, 25, 255] {
            for frame in from_recording(RECORDING, records).unwrap() {
                let Body::Records(found) = decode_frame(&frame.bytes, codec::avl::DATA_BYTES_MAX).unwrap().body else {
                    panic!()
                };
                assert_eq!((found.len(), frame.records), (usize::from(records), records));
            }
        }
    }

    #[test]
    fn a_login_is_the_length_and_fifteen_digits() {
        assert_eq!(&*login(42), b"\0\x0f356307000000042");
    }
}
