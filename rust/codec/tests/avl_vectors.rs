//! Every TCP row of the published vectors, and a real drive.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;
use std::fmt::Write as _;

use codec::avl::{Body, Capture, DATA_BYTES_MAX, Frame, FrameRun, Imei, Record, Refusal, RefusalCode, Value};
use serde_json::{Value as Json, json};

use support::avl_encoder::{crc_16_ibm, encode_frame};
use support::vectors::{bytes_of, frames, from_hex, malformed};

const DRIVE: &str = include_str!("../../../tests/captures/drive-codec8.hex");

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn decode_frame(bytes: &[u8]) -> Result<Frame<'_>, Refusal> {
    codec::avl::decode_frame(bytes, DATA_BYTES_MAX)
}

fn verdict(outcome: &Result<Frame<'_>, Refusal>) -> &'static str {
    outcome.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "ok")
}

/// A record in the form of the vectors' own decodings.
fn described(record: &Record<'_>) -> Json {
    let io_list: Vec<Json> = record
        .elements
        .iter()
        .map(|element| {
            let raw = match element.value {
                Value::U8(number) => number.to_be_bytes().to_vec(),
                Value::U16(number) => number.to_be_bytes().to_vec(),
                Value::U32(number) => number.to_be_bytes().to_vec(),
                Value::U64(number) => number.to_be_bytes().to_vec(),
                Value::Bytes(bytes) => bytes.to_vec(),
            };
            json!([element.id, raw.len(), to_hex(&raw)])
        })
        .collect();
    json!({
        "timestamp_ms": record.timestamp_ms,
        "priority": record.priority,
        "longitude_e7": record.longitude_e7,
        "latitude_e7": record.latitude_e7,
        "altitude": record.altitude_m,
        "angle": record.angle_deg,
        "satellites": record.satellites,
        "speed": record.speed_kmh,
        "event_id": record.event_id,
        "generation_type": record.generation_type,
        "io_list": io_list,
    })
}

/// The attributes that a vector's elements stand for, by the contract.
fn expected_attributes(record: &Json) -> Json {
    use base64::Engine as _;
    let mut attributes = serde_json::Map::new();
    for (id, element) in record["io"].as_object().unwrap() {
        let raw = from_hex(element["raw_hex"].as_str().unwrap());
        let value = if element["variable"] == true {
            json!({"__buffer_b64": base64::engine::general_purpose::STANDARD.encode(raw)})
        } else if element["size"] == 8 {
            json!({"__bigint": element["uint"].to_string()})
        } else {
            element["uint"].clone()
        };
        attributes.insert(id.clone(), value);
    }
    if !record["generation_type"].is_null() {
        attributes.insert("__generation_type".to_owned(), record["generation_type"].clone());
    }
    Json::Object(attributes)
}

fn assert_records_agree(id: &Json, expected: &[Json], records: &[Record<'_>]) {
    assert_eq!(records.len(), expected.len(), "{id}");
    for (record, expected) in records.iter().zip(expected) {
        let described = described(record);
        for (key, value) in described.as_object().unwrap() {
            assert_eq!(value, &expected[key], "{id}: {key}");
        }
        let imei = Imei::parse("356307042441013").unwrap();
        let mut json = Vec::new();
        record.write_position_json(imei, &mut json);
        let position: Json = serde_json::from_slice(&json).unwrap();
        assert_eq!(position["attributes"], expected_attributes(expected), "{id}");
    }
}

#[test]
fn every_published_frame_gets_its_strict_verdict_and_decodes_to_its_records() {
    let mut count = 0;
    for row in frames("tcp") {
        count += 1;
        let bytes = bytes_of(&row);
        let outcome = decode_frame(&bytes);
        assert_eq!(verdict(&outcome), row["strict_verdict"], "{}", row["id"]);
        let Ok(frame) = outcome else { continue };
        assert_eq!(frame.codec.label(), row["codec"], "{}", row["id"]);
        assert_eq!(frame.frame_bytes, bytes.len(), "{}", row["id"]);
        match frame.body {
            Body::Command => assert!(row["command"].is_object(), "{}", row["id"]),
            Body::Records(records) => {
                assert_records_agree(&row["id"], row["records"].as_array().unwrap(), &records);
            }
        }
    }
    assert_eq!(count, 83);
}

#[test]
fn every_malformed_frame_gets_an_acceptable_verdict_at_an_offset_within_it() {
    let mut count = 0;
    for row in malformed("tcp_frame") {
        count += 1;
        let bytes = bytes_of(&row);
        let outcome = decode_frame(&bytes);
        let acceptable = row["acceptable"].as_array().unwrap();
        assert!(acceptable.contains(&json!(verdict(&outcome))), "{}: {outcome:?}", row["id"]);
        if let Err(refusal) = outcome {
            assert!(refusal.offset <= bytes.len(), "{}", row["id"]);
        }
    }
    assert_eq!(count, 50);
}

#[test]
fn every_sound_published_frame_is_truncated_wherever_it_is_cut() {
    for row in frames("tcp").filter(|row| row["strict_verdict"] == "ok") {
        let bytes = bytes_of(&row);
        for length in 0..bytes.len() {
            let refusal = decode_frame(&bytes[..length]).unwrap_err();
            assert_eq!((refusal.code, refusal.offset), (RefusalCode::Truncated, length));
        }
    }
}

/// A codec 8 frame of one record and two elements, from the vendor's wiki.
const GOOD: &str = "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f10000601a014e0000000000000000010000c7cf";

#[test]
fn a_refusal_names_the_byte_where_the_frame_went_wrong() {
    let refused = |change: fn(&mut Vec<u8>)| {
        let mut bytes = from_hex(GOOD);
        change(&mut bytes);
        let Refusal { code, offset, frame_bytes } = decode_frame(&bytes).unwrap_err();
        (code.as_str(), offset, frame_bytes)
    };
    assert_eq!(refused(|bytes| bytes[3] = 1), ("bad_preamble", 0, None));
    assert_eq!(refused(|bytes| bytes[4] = 0x7f), ("oversize", 4, None));
    assert_eq!(refused(|bytes| bytes[7] += 1), ("truncated", 66, None));
    assert_eq!(refused(|bytes| bytes[20] ^= 1), ("crc_fail", 62, Some(66)));
    assert_eq!(refused(|bytes| bytes[62] = 1), ("crc_fail", 62, Some(66)));
    assert_eq!(refused(|bytes| repaired(bytes, 8, 9)), ("unknown_codec", 8, Some(66)));
    assert_eq!(refused(|bytes| repaired(bytes, 61, 2)), ("count_mismatch", 61, Some(66)));
    assert_eq!(refused(|bytes| repaired(bytes, 36, 0xff)), ("io_overrun", 61, Some(66)));
}

/// The vendor's `getinfo` command in codec 12.
const COMMAND: &str = "000000000000000f0c010500000007676574696e666f0100004312";

#[test]
fn a_command_whose_message_does_not_fill_the_frame_is_refused() {
    let refused = |at, value| {
        let mut bytes = from_hex(COMMAND);
        repaired(&mut bytes, at, value);
        let refusal = decode_frame(&bytes).unwrap_err();
        (refusal.code.as_str(), refusal.offset)
    };
    assert_eq!(refused(14, 8), ("io_overrun", 15));
    assert_eq!(refused(14, 6), ("count_mismatch", 21));
    assert_eq!(refused(9, 2), ("count_mismatch", 22));
    assert_eq!(refused(22, 0), ("count_mismatch", 22));
}

/// Sets a byte and makes the checksum right again.
fn repaired(bytes: &mut [u8], at: usize, value: u8) {
    bytes[at] = value;
    let data_end = bytes.len() - 4;
    let (data, checksum) = bytes[8..].split_at_mut(data_end - 8);
    checksum.copy_from_slice(&u32::from(crc_16_ibm(data)).to_be_bytes());
}

#[test]
fn fewer_records_than_both_quantities_say_are_a_count_mismatch_where_the_next_would_be() {
    let mut bytes = from_hex(GOOD);
    repaired(&mut bytes, 9, 2);
    repaired(&mut bytes, 61, 2);
    let refusal = decode_frame(&bytes).unwrap_err();
    assert_eq!((refusal.code, refusal.offset), (RefusalCode::CountMismatch, 61));
}

#[test]
fn a_frame_too_long_is_refused_from_its_header_alone() {
    for (data_bytes, code) in
        [(65_535_u32, RefusalCode::Truncated), (65_536, RefusalCode::Oversize), (u32::MAX, RefusalCode::Oversize)]
    {
        let header = [[0; 4], data_bytes.to_be_bytes()].concat();
        assert_eq!(decode_frame(&header).unwrap_err().code, code);
    }
}

#[test]
fn a_data_field_too_short_for_its_quantities_has_a_count_mismatch() {
    for data in ["", "08", "0801"] {
        let frame = encode_frame(&from_hex(data));
        assert_eq!(decode_frame(&frame).unwrap_err().code, RefusalCode::CountMismatch);
    }
}

#[test]
fn a_run_of_frames_ends_at_the_first_refusal() {
    let good = from_hex(GOOD);
    let run: Vec<_> = FrameRun::new(&[&good[..], &good, &[0, 0, 1], &good].concat())
        .map(|piece| (piece.start, verdict(&piece.outcome)))
        .collect();
    assert_eq!(run, [(0, "ok"), (66, "ok"), (132, "bad_preamble")]);
    let empty: Vec<_> = FrameRun::new(&[]).map(|piece| verdict(&piece.outcome)).collect();
    assert_eq!(empty, ["truncated"]);
}

#[test]
fn a_capture_goes_on_after_damage_at_the_next_sound_frame() {
    let good = from_hex(GOOD);
    let wrong_crc = [&good[..65], &[0xff]].concat();
    let wrong_length = [&[0, 0, 0, 0, 0, 0, 0, 0x40], &good[8..]].concat();
    let bytes = [&good[..], &wrong_crc, &wrong_crc, &good, b"noise", &good, &wrong_length, &good, &good[..30]].concat();
    let pieces: Vec<_> = Capture::new(&bytes).map(|piece| (piece.start, verdict(&piece.outcome))).collect();
    let expected = [
        (0, "ok"),
        (66, "crc_fail"),
        (132, "crc_fail"),
        (198, "ok"),
        (264, "bad_preamble"),
        (269, "ok"),
        (335, "crc_fail"),
        (401, "ok"),
        (467, "truncated"),
    ];
    assert_eq!(pieces, expected);
    assert_eq!(Capture::new(&[]).count(), 0);
}

#[test]
fn the_drive_gives_every_record_of_its_frames() {
    let (mut frames, mut records, mut timestamps) = (0, 0, HashSet::new());
    for line in DRIVE.lines() {
        let bytes = from_hex(line);
        let Body::Records(decoded) = decode_frame(&bytes).unwrap().body else { panic!("{line}") };
        frames += 1;
        records += decoded.len();
        timestamps.extend(decoded.iter().map(|record| record.timestamp_ms));
    }
    assert_eq!((frames, records, timestamps.len()), (3_208, 13_732, 12_375));
}
