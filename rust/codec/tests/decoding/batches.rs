//! The algebra of batches: whatever is merged, split, partitioned and taken out, no record is lost, doubled or moved
//! to another key, and the earliest entry of a key is its row.

use std::collections::BTreeMap;

use codec::StreamId;
use codec::batch::{Batch, BatchBuilder};
use codec::position::{CodecLabel, Limits};
use codec::resp::{Parser, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::copy_reader::{Row, read_rows};
use crate::samples::{ANY_ID, MEMBERS, object, rows_of};

/// Short, of one length with another, and longer than any prefix that a comparison may look at.
pub(crate) const DEVICES: [&str; 6] =
    ["1", "356307042441013", "356307042441014", "3563070424410130", "35630704244101300000-a", "35630704244101300000-b"];

/// A record, distinguished from all others by its entry id, which its attributes hold too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub device: &'static str,
    pub second: u8,
    pub id: StreamId,
}

impl Record {
    fn payload(self) -> String {
        let timestamp = format!("\"2026-04-{:02}T09:30:{:02}Z\"", 1 + self.day(), self.second);
        let (device, attributes) = (format!("\"{}\"", self.device), format!("{{\"id\":\"{}\"}}", self.id));
        object(MEMBERS.map(|(key, value)| match key {
            "device_id" => (key, device.as_str()),
            "timestamp" => (key, timestamp.as_str()),
            "attributes" => (key, attributes.as_str()),
            _ => (key, value),
        }))
    }

    /// Two seconds a day, the last day apart, so that a device's keys are of several days of one month.
    pub(crate) fn day(self) -> u8 {
        (self.second / 2).min(29)
    }

    fn key(self) -> (&'static str, u8) {
        (self.device, self.second)
    }
}

pub(crate) fn batch(records: &[Record]) -> Batch {
    let mut builder = BatchBuilder::default();
    for record in records {
        let payload = record.payload();
        builder.push(record.id, CodecLabel::C8, payload.as_bytes(), &ANY_ID).unwrap();
    }
    builder.finish().0
}

/// Records of few keys under unique ids, in any order.
pub(crate) fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = (0..DEVICES.len(), 0..4u8, 1..3u64);
    vec(record, 0..40).prop_map(number).prop_shuffle()
}

pub(crate) fn number(records: Vec<(usize, u8, u64)>) -> Vec<Record> {
    let record = |(seq, (device, second, ms))| Record { device: DEVICES[device], second, id: StreamId { ms, seq } };
    (0..).zip(records).map(record).collect()
}

/// Asserts that `batch` holds exactly `records`, sorted, each key's earliest entry as its row.
pub(crate) fn assert_holds(batch: &Batch, records: &[Record]) {
    let mut sorted = records.to_vec();
    sorted.sort();
    let ids: Vec<_> = sorted.iter().map(|record| record.id).collect();
    assert_eq!(batch.ids().collect::<Vec<_>>(), ids);
    assert_eq!((batch.len(), batch.is_empty()), (ids.len(), ids.is_empty()));

    sorted.dedup_by_key(|record| record.key());
    let rows = rows_of(batch);
    let expected: Vec<Row> = sorted.iter().map(|record| row_of(*record)).collect();
    assert_eq!(rows, expected);
    assert_eq!(batch.rows(), rows.len());
    assert_eq!(batch.row_bytes(), copy_stream(batch, usize::MAX).len() - EMPTY_STREAM_BYTES);
}

/// Header and trailer of a COPY stream.
const EMPTY_STREAM_BYTES: usize = 21;
/// More than any row of these tests has.
const ROW_BYTES_MAX: usize = 200;

fn row_of(record: Record) -> Row {
    Row { codec: "8".to_owned(), ..crate::samples::decode(record.payload()).unwrap() }
}

fn copy_stream(batch: &Batch, chunk_bytes: usize) -> Vec<u8> {
    pieces(batch, chunk_bytes).concat()
}

fn pieces(batch: &Batch, chunk_bytes: usize) -> Vec<Vec<u8>> {
    let mut chunks = batch.copy_chunks();
    let pieces = std::iter::from_fn(|| {
        let mut piece = Vec::new();
        chunks.next_chunk(chunk_bytes, &mut piece).then_some(piece)
    });
    pieces.take(10_000).collect()
}

/// The arguments of a command on the wire, as Redis would read them.
fn arguments(wire: &[u8]) -> Vec<String> {
    let mut parser = Parser::new(Limits::default());
    parser.feed(wire);
    let Ok(Some(Value::Array(arguments))) = parser.next_value() else { panic!("one array") };
    assert_eq!(parser.buffered_bytes(), 0);
    let text = |argument: &Value| match argument {
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    arguments.iter().map(text).collect()
}

fn by_id(records: &[Record]) -> BTreeMap<StreamId, Record> {
    records.iter().map(|record| (record.id, *record)).collect()
}

fn held(batch: &Batch, records: &[Record]) -> Vec<Record> {
    let records = by_id(records);
    batch.ids().map(|id| records[&id]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn rows_are_sorted_and_unique_and_the_earliest_entry_is_the_row(records in records()) {
        assert_holds(&batch(&records), &records);
    }

    #[test]
    fn merging_is_decoding_at_once(parts in vec(records(), 0..5)) {
        // Ids are unique across the parts, too.
        let renumbered = |(ms, part): (u64, &Vec<Record>)| -> Vec<Record> {
            part.iter().map(|record| Record { id: StreamId { ms: ms % 3, seq: record.id.seq * 10 + ms }, ..*record }).collect()
        };
        let parts: Vec<Vec<Record>> = (0..).zip(&parts).map(renumbered).collect();
        let batches: Vec<Batch> = parts.iter().map(|part| batch(part)).collect();
        let merged = Batch::merge(&batches.iter().collect::<Vec<_>>());
        assert_holds(&merged, &parts.concat());
        assert_eq!(copy_stream(&merged, 64), copy_stream(&batch(&parts.concat()), 64));
    }

    #[test]
    fn splitting_halves_the_rows_and_keeps_repeats_with_them(records in records()) {
        let whole = batch(&records);
        let Ok((left, right)) = whole.split() else {
            assert!(whole.rows() < 2);
            return Ok(());
        };
        assert_eq!((left.rows(), right.rows()), (whole.rows() / 2, whole.rows().div_ceil(2)));
        let (in_left, in_right) = (held(&left, &records), held(&right, &records));
        assert_holds(&left, &in_left);
        assert_holds(&right, &in_right);
        assert!(in_left.iter().all(|one| in_right.iter().all(|other| one.key() < other.key())));
        assert_holds(&Batch::merge(&[&right, &left]), &records);
    }

    #[test]
    fn taking_a_row_out_promotes_its_next_repeat(records in records(), row in any::<prop::sample::Index>()) {
        let whole = batch(&records);
        assert!(whole.take_out(whole.rows()).is_err());
        prop_assume!(whole.rows() > 0);
        let row = row.index(whole.rows());
        let (rest, taken) = whole.take_out(row).unwrap();

        let mut sorted = records.clone();
        sorted.sort();
        let mut rows = sorted.clone();
        rows.dedup_by_key(|record| record.key());
        let refused = rows[row];
        sorted.retain(|record| *record != refused);
        assert_holds(&taken, &[refused]);
        assert_holds(&rest, &sorted);
        assert_eq!(rest.rows() == whole.rows(), sorted.iter().any(|record| record.key() == refused.key()));
        assert_holds(&Batch::merge(&[&taken, &rest]), &records);
    }

    #[test]
    fn a_device_falls_into_the_same_part_of_every_batch(one in records(), other in records(), parts in 1..6usize) {
        let mut home = BTreeMap::new();
        for records in [one, other] {
            let partition = batch(&records).partition(parts).unwrap();
            assert_eq!(partition.len(), parts);
            for (number, part) in partition.iter().enumerate() {
                let held = held(part, &records);
                assert_holds(part, &held);
                for record in held {
                    assert_eq!(*home.entry(record.device).or_insert(number), number);
                    assert_eq!(Batch::part_of(record.device.as_bytes(), parts).unwrap(), number);
                }
            }
            assert_holds(&Batch::merge(&partition.iter().collect::<Vec<_>>()), &records);
        }
    }

    #[test]
    fn the_ack_command_names_exactly_the_records(records in records()) {
        let batch = batch(&records);
        let names = arguments(&batch.ack_command("telemetry:teltonika", "processor"));
        let ids: Vec<String> = batch.ids().map(|id| id.to_string()).collect();
        assert_eq!(names[..3], ["XACK", "telemetry:teltonika", "processor"]);
        assert_eq!(names[3..], ids);
    }

    #[test]
    fn the_pieces_of_a_batch_name_each_record_once_in_order(records in records(), piece in 1..50usize) {
        let batch = batch(&records);
        let pieces = (0..batch.len()).step_by(piece).map(|start| batch.piece(start, start + piece));
        let ids: Vec<_> = pieces.flat_map(|piece| piece.ids().collect::<Vec<_>>()).collect();
        assert_eq!(ids, batch.ids().collect::<Vec<_>>());
    }

    #[test]
    fn pieces_of_any_size_are_the_same_stream(records in records(), chunk_bytes in 1..2000usize) {
        let batch = batch(&records);
        let pieces = pieces(&batch, chunk_bytes);
        assert_eq!(pieces.concat(), copy_stream(&batch, usize::MAX));
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert!(pieces.iter().all(|piece| piece.len() < chunk_bytes + ROW_BYTES_MAX + EMPTY_STREAM_BYTES));
    }
}

#[test]
fn operations_of_operations_never_lose_a_record() {
    let records = number((0..200).map(|n| (n % DEVICES.len(), u8::try_from(n % 7).unwrap(), 1)).collect());
    let mut parts = batch(&records).partition(3).unwrap();
    while let Some(place) = parts.iter().position(|part| part.rows() > 1) {
        let (left, right) = parts.swap_remove(place).split().unwrap();
        parts.extend([left, right]);
    }
    let mut taken = Vec::new();
    for part in &mut parts {
        while part.rows() > 0 {
            let (rest, row) = part.take_out(0).unwrap();
            let earliest = part.ids().min();
            assert_eq!(row.ids().next(), earliest);
            taken.push(row);
            *part = rest;
        }
    }
    assert_holds(&Batch::merge(&taken.iter().collect::<Vec<_>>()), &records);
}

#[test]
fn devices_spread_over_the_parts() {
    let payloads: Vec<String> =
        (0..200).map(|n| object(MEMBERS).replace("356307042441013", &format!("3563070424{n:05}"))).collect();
    let parts = crate::samples::batch_of(1, payloads.iter().map(String::as_str)).partition(4).unwrap();
    assert!(parts.iter().all(|part| part.rows() > 20), "{:?}", parts.iter().map(Batch::rows).collect::<Vec<_>>());
}

#[test]
fn an_empty_batch_is_a_batch() {
    let empty = Batch::default();
    assert_holds(&empty, &[]);
    assert_holds(&Batch::merge(&[]), &[]);
    assert_holds(&Batch::merge(&[&empty, &empty]), &[]);
    assert!(empty.split().is_err());
    assert!(empty.take_out(0).is_err());
    assert_eq!(empty.partition(2).unwrap().len(), 2);
    assert_eq!(arguments(&empty.ack_command("s", "g")), ["XACK", "s", "g"]);
    assert_holds(&empty.piece(0, 1), &[]);
    assert_eq!(read_rows(&copy_stream(&empty, 1)), []);
}

#[test]
fn pieces_of_no_size_still_come_to_an_end() {
    let batch = batch(&number(vec![(0, 0, 1), (1, 0, 1)]));
    assert_eq!(pieces(&batch, 0), pieces(&batch, 1));
    assert_eq!(pieces(&batch, 1).len(), 2);
}

#[test]
fn a_piece_beyond_the_end_is_what_there_is() {
    let records = number(vec![(0, 0, 1), (1, 0, 1)]);
    let batch = batch(&records);
    assert_eq!(batch.piece(1, 9).len(), 1);
    assert!(batch.piece(2, 9).is_empty());
    assert!(batch.piece(5, 3).is_empty());
}

#[test]
fn no_parts_are_no_partition() {
    let records = number(vec![(0, 0, 1)]);
    assert!(batch(&records).partition(0).is_err());
}

#[test]
fn a_refused_payload_leaves_the_batch_as_it_was() {
    let mut builder = BatchBuilder::default();
    let records = number(vec![(0, 0, 1), (1, 0, 1)]);
    for record in &records {
        builder.push(record.id, CodecLabel::C8, record.payload().as_bytes(), &ANY_ID).unwrap();
        assert!(builder.push(record.id, CodecLabel::C8, b"{\"attributes\":{\"1\":1}}", &ANY_ID).is_err());
    }
    assert_holds(&builder.finish().0, &records);
    assert_holds(&builder.finish().0, &[]);
}
