//! The XADD commands of a frame, word by word.

use std::sync::Arc;

use codec::avl::{Codec, Imei, Record, Session, SessionLimits, Step};
use codec::resp::{Parser, Value};
use codec::xadd::StreamWriters;

use crate::avl_encoder::encode_records;
use crate::sessions::{IMEI, LIMITS, login_of};

fn record(timestamp_ms: u64) -> Record<'static> {
    Record {
        timestamp_ms,
        priority: 1,
        longitude_e7: 198_187_000,
        latitude_e7: -413_275_001,
        altitude_m: -3,
        angle_deg: 214,
        satellites: 14,
        speed_kmh: 63,
        event_id: 0,
        generation_type: None,
        elements: vec![],
    }
}

/// The commands of a frame as lists of words, and the place of its stream.
fn words(writers: StreamWriters, codec: Codec, records: &[Record<'_>]) -> (Vec<Vec<String>>, usize) {
    let limits = SessionLimits { frame_bytes_max: 65_535, ..LIMITS };
    let mut session = Session::new(Arc::new(limits), Arc::new(writers), 0);
    let mut commands = b"before".to_vec();
    session.feed(&login_of(IMEI), 0, &mut commands).unwrap();
    session.admit().unwrap();
    let step = session.feed(&encode_records(codec, records), 0, &mut commands).unwrap();
    let Some(Step::Accepted(frame)) = step else { panic!("{step:?}") };
    assert_eq!(frame.replies, records.len());
    let mut parser = Parser::new(codec::position::Limits::default());
    parser.feed(commands.strip_prefix(b"before").unwrap());
    let commands = std::iter::from_fn(|| parser.next_value().unwrap());
    let word = |value: Value| match value {
        Value::Bytes(word) => String::from_utf8(word).unwrap(),
        other => panic!("{other:?}"),
    };
    let commands = commands
        .map(|command| match command {
            Value::Array(words) => words.into_iter().map(word).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parser.buffered_bytes(), 0);
    (commands, frame.stream)
}

fn json(record: &Record<'_>) -> String {
    let mut json = Vec::new();
    record.write_position_json(Imei::parse(IMEI).unwrap(), &mut json);
    String::from_utf8(json).unwrap()
}

#[test]
fn an_entry_has_its_stream_its_limit_and_four_fields() {
    let record = record(1_777_627_800_000);
    let writers = StreamWriters::new(&["telemetry:teltonika"], 1_000_000).unwrap();
    let (commands, stream) = words(writers, Codec::C8, std::slice::from_ref(&record));
    let payload = json(&record);
    let expected = [
        "XADD",
        "telemetry:teltonika",
        "MAXLEN",
        "~",
        "1000000",
        "*",
        "ts",
        "2026-05-01T09:30:00.000Z",
        "device_id",
        IMEI,
        "codec",
        "8",
        "payload",
        &payload,
    ];
    assert_eq!((commands, stream), (vec![expected.map(str::to_owned).to_vec()], 0));
}

#[test]
fn a_device_has_its_own_stream_of_a_list_and_an_untrimmed_stream_has_no_limit() {
    // Python: zlib.crc32(b"356307042441013") % 3 == 2
    let writers = StreamWriters::new(&["a", "b", "c"], 0).unwrap();
    let (commands, stream) = words(writers, Codec::C8E, &[record(0)]);
    assert_eq!(commands[0][..4], ["XADD", "c", "*", "ts"]);
    assert_eq!(stream, 2);
}

#[test]
fn records_are_written_in_wire_order_whatever_their_times_and_lengths_are() {
    let long = vec![codec::avl::Element { id: 385, value: codec::avl::Value::Bytes(&[7; 2_000]) }];
    let mut records = vec![record(9_000), record(0), record(u64::MAX), record(253_402_300_800_000), record(1)];
    records[1].elements = long;
    let writers = StreamWriters::new(&["s"], 0).unwrap();
    let (commands, _) = words(writers, Codec::C8E, &records);
    let of = |place: usize| -> Vec<&str> { commands.iter().map(|command| command[place].as_str()).collect() };
    let times = [
        "1970-01-01T00:00:09.000Z",
        "1970-01-01T00:00:00.000Z",
        "+584556019-04-03T14:25:51.615Z",
        "+010000-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.001Z",
    ];
    assert_eq!(of(4), times);
    assert_eq!(of(10), records.iter().map(json).collect::<Vec<_>>());
    assert_eq!(of(8), ["8E"; 5]);
}
