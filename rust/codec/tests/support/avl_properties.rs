//! Properties of the AVL decoder as plain functions of bytes; each panics where it does not hold.

use codec::avl::{Body, Capture, Codec, DATA_BYTES_MAX, Frame, FrameRun, Imei, Record, Refusal, RefusalCode};

use super::avl_encoder::{encode_frame, encode_records};

const IMEI: &str = "356307042441013";

/// Header and checksum of a frame.
const AROUND_DATA_BYTES: usize = 12;

fn decode_frame(bytes: &[u8]) -> Result<Frame<'_>, Refusal> {
    codec::avl::decode_frame(bytes, DATA_BYTES_MAX)
}

/// Any bytes give a frame or a refusal within the bytes, alone, as a run and as a capture.
pub(crate) fn any_bytes_are_decoded_or_refused(bytes: &[u8]) {
    match decode_frame(bytes) {
        Ok(frame) => {
            assert!(frame.frame_bytes <= bytes.len().min(DATA_BYTES_MAX + AROUND_DATA_BYTES));
            records_become_json(&frame.body);
        }
        Err(refusal) => {
            assert!(refusal.offset <= bytes.len(), "{refusal}");
            assert!(refusal.frame_bytes.is_none_or(|length| refusal.offset < length));
        }
    }
    pieces_are_in_order(bytes, FrameRun::new(bytes));
    pieces_are_in_order(bytes, Capture::new(bytes));
}

/// The bytes as the data field of a frame whose header and checksum are right, which takes the
/// search past the checksum.
pub(crate) fn any_data_field_is_decoded_or_refused(data: &[u8]) {
    let frame = encode_frame(data);
    any_bytes_are_decoded_or_refused(&frame);
    if let Err(refusal) = decode_frame(&frame) {
        assert!(matches!(
            refusal.code,
            RefusalCode::UnknownCodec | RefusalCode::CountMismatch | RefusalCode::IoOverrun | RefusalCode::Oversize
        ));
    }
}

/// A frame that was encoded from records decodes to them, whatever follows it.
pub(crate) fn decode_gives_back_what_was_encoded(codec: Codec, records: &[Record<'_>], tail: &[u8]) {
    let mut bytes = encode_records(codec, records);
    let frame_bytes = bytes.len();
    bytes.extend(tail);
    let frame = decode_frame(&bytes).unwrap();
    assert_eq!((frame.codec, frame.frame_bytes), (codec, frame_bytes));
    assert_eq!(frame.body, Body::Records(records.to_vec()));
}

/// Whatever of a sound frame has arrived, the rest is waited for.
pub(crate) fn any_part_of_a_sound_frame_is_truncated(frame: &[u8], length: usize) {
    let refusal = decode_frame(&frame[..length]).unwrap_err();
    assert_eq!((refusal.code, refusal.offset), (RefusalCode::Truncated, length));
    assert_eq!(refusal.frame_bytes, None);
}

/// A flipped bit in the preamble, data field or checksum is never accepted. In the length field it moves the end of the
/// frame, where one other frame in 65,536 has a checksum that happens to fit.
pub(crate) fn a_flipped_bit_is_refused(frame: &[u8], bit: usize) {
    let mut damaged = frame.to_vec();
    damaged[bit / 8] ^= 1 << (bit % 8);
    any_bytes_are_decoded_or_refused(&damaged);
    let expected = match bit / 8 {
        0..4 => RefusalCode::BadPreamble,
        4..8 => return,
        _ => RefusalCode::CrcFail,
    };
    assert_eq!(decode_frame(&damaged).unwrap_err().code, expected);
}

fn records_become_json(body: &Body<'_>) {
    let Body::Records(records) = body else { return };
    for record in records {
        let (mut json, mut timestamp) = (Vec::new(), Vec::new());
        record.write_position_json(Imei::parse(IMEI).unwrap(), &mut json);
        record.write_timestamp(&mut timestamp);
        let json = String::from_utf8(json).unwrap();
        assert!(json.starts_with(r#"{"device_id":"356307042441013","timestamp":""#));
        assert!(json.contains(&String::from_utf8(timestamp).unwrap()));
    }
}

fn pieces_are_in_order<'a>(bytes: &[u8], pieces: impl Iterator<Item = codec::avl::Located<'a>>) {
    let mut end = 0;
    for piece in pieces {
        assert!(piece.start >= end);
        end = piece.start + piece.outcome.map_or(1, |frame| frame.frame_bytes);
    }
    assert!(end <= bytes.len().max(1));
}
