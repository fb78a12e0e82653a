//! Keys of a batch: arrays that name them as PostgreSQL would read them, and the parting of the batch by those that
//! are known.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use codec::StreamId;
use codec::batch::{Batch, Keys, Misuse, Newest};
use codec::devices::DeviceStates;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::array_reader::{TEXT_OID, TIMESTAMPTZ_OID, read_array, read_timestamp_us};
use crate::batches::{DEVICES, Record, assert_holds, batch, number, records};

/// 2026-04-01T09:30:00Z
const FIRST_TS_US: i64 = 1_775_035_800_000_000;
const DAY_US: i64 = 86_400_000_000;

type Key = (String, i64);

fn ts_us(second: u8, day: u8) -> i64 {
    FIRST_TS_US + i64::from(day) * DAY_US + i64::from(second) * 1_000_000
}

impl Record {
    fn ts_us(self) -> i64 {
        ts_us(self.second, self.day())
    }

    fn named(self) -> Key {
        (self.device.to_owned(), self.ts_us())
    }
}

/// Days since 1970-01-01.
fn day_of(ts_us: i64) -> i64 {
    ts_us.div_euclid(DAY_US)
}

/// Each once, a day's together.
fn keys_of(records: &[Record]) -> Vec<Key> {
    let mut keys: Vec<Key> = records.iter().map(|record| record.named()).collect();
    keys.sort_by_key(|key| (day_of(key.1), key.clone()));
    keys.dedup();
    keys
}

fn read_keys(device_ids: &[u8], timestamps: &[u8]) -> Vec<Key> {
    let device_ids = read_array(device_ids, TEXT_OID);
    let timestamps = read_array(timestamps, TIMESTAMPTZ_OID);
    assert_eq!(device_ids.len(), timestamps.len());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    device_ids.into_iter().map(text).zip(timestamps.iter().map(|bytes| read_timestamp_us(bytes))).collect()
}

fn read(keys: &Keys) -> Vec<Key> {
    let named = read_keys(&keys.device_ids(), &keys.timestamps());
    assert_eq!((named.len(), named.is_empty()), (keys.len(), keys.is_empty()));
    named
}

/// The keys of all rows: nothing is known of any device.
fn all_keys(batch: &Batch) -> Keys {
    DeviceStates::new(NonZeroUsize::MIN).unproven(batch)
}

fn wire(positions: &[usize]) -> Vec<u8> {
    positions.iter().flat_map(|position| u32::try_from(*position).unwrap().to_be_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_row_of_unknown_devices_has_one_key_day_by_day_in_the_rows_order(records in records()) {
        assert_eq!(read(&all_keys(&batch(&records))), keys_of(&records));
        assert_eq!(read(&batch(&records).keys()), keys_of(&records));
    }

    #[test]
    fn the_days_are_the_keys_cut_where_the_day_changes(records in records()) {
        let keys = all_keys(&batch(&records));
        let named = read(&keys);
        let days: Vec<_> = keys.by_day().collect();
        let parts: Vec<Vec<Key>> = days.iter().map(|day| read_keys(&day.device_ids(), &day.timestamps())).collect();
        let expected: Vec<&[Key]> = named.chunk_by(|left, right| day_of(left.1) == day_of(right.1)).collect();
        assert_eq!(parts, expected);
        assert_eq!(keys.days(), parts.len());
    }

    #[test]
    fn each_day_gives_the_place_of_its_first_key_and_the_span_of_its_timestamps(records in records()) {
        let keys = all_keys(&batch(&records));
        let mut place = 0;
        for day in keys.by_day() {
            assert_eq!(u32::from_be_bytes(day.first_place()), place);
            let part = read_keys(&day.device_ids(), &day.timestamps());
            let (oldest, newest) = day.span();
            let timestamps = part.iter().map(|key| key.1);
            assert_eq!(Some(read_timestamp_us(&oldest)), timestamps.clone().min());
            assert_eq!(Some(read_timestamp_us(&newest)), timestamps.max());
            place += u32::try_from(part.len()).unwrap();
        }
    }

    #[test]
    fn rows_that_are_newer_than_their_restored_device_have_no_key(
        records in records(),
        newest in vec(proptest::option::of(proptest::option::of(0..4u8)), DEVICES.len()),
    ) {
        let mut states = DeviceStates::new(NonZeroUsize::new(DEVICES.len()).unwrap());
        for (device, newest) in DEVICES.iter().zip(&newest) {
            if let Some(newest) = newest {
                let ts_us = newest.map(|second| ts_us(second, second / 2));
                let row = ts_us.map(|ts_us| (*device, Newest { ts_us, latitude: 0.0, longitude: 0.0 }));
                states.restore([*device], row);
            }
        }
        let mut suspects = records.clone();
        suspects.retain(|record| {
            let place = DEVICES.iter().position(|device| *device == record.device).unwrap();
            newest[place].is_none_or(|newest| newest.is_some_and(|newest| record.second <= newest))
        });
        assert_eq!(read(&states.unproven(&batch(&records))), keys_of(&suspects));
    }

    #[test]
    fn known_rows_are_parted_with_their_repeats(
        records in records(), proven in 0..DEVICES.len(), known in vec(any::<Index>(), 0..30),
    ) {
        let whole = batch(&records);
        let mut states = DeviceStates::new(NonZeroUsize::MIN);
        states.restore([DEVICES[proven]], None);
        let keys = states.unproven(&whole);
        let named = read(&keys);
        prop_assume!(!named.is_empty() || known.is_empty());

        let positions: Vec<usize> = known.iter().map(|index| index.index(named.len())).collect();
        let names: BTreeSet<&Key> = positions.iter().map(|position| &named[*position]).collect();
        let (taken, left): (Vec<Record>, Vec<Record>) =
            records.iter().partition(|record| names.contains(&record.named()));
        let (rest, parted) = whole.drop_known(&keys, &wire(&positions)).unwrap();
        assert_holds(&rest, &left);
        assert_holds(&parted, &taken);
        assert_holds(&Batch::merge(&[&parted, &rest]), &records);
    }

    #[test]
    fn ids_among_are_those_of_records_in_the_order_of_the_question(
        records in records(), asked in vec((1..3u64, 0..60u64), 0..20),
    ) {
        let asked: Vec<StreamId> = asked.into_iter().map(|(ms, seq)| StreamId { ms, seq }).collect();
        let mut expected = asked.clone();
        expected.retain(|id| records.iter().any(|record| record.id == *id));
        assert_eq!(batch(&records).ids_among(&asked), expected);
    }
}

fn three_rows() -> Vec<Record> {
    number(vec![(0, 0, 1), (0, 1, 1), (0, 1, 1), (1, 0, 1)])
}

#[test]
fn what_is_no_position_of_a_key_is_misuse() {
    let batch = batch(&three_rows());
    let keys = all_keys(&batch);
    let not_four_bytes = Err(Misuse("positions of known keys are not of four bytes each"));
    let beyond = Err(Misuse("a known key's position is beyond the keys"));
    for (known, outcome) in [
        (&b"\0\0\0\x01\0"[..], not_four_bytes),
        (b"\0\0\0", not_four_bytes),
        (b"\0\0\0\x03", beyond),
        (b"\0\0\0\0\xff\xff\xff\xff", beyond),
        (b"\0\0\0\x02\0\0\0\x02", Ok(())),
    ] {
        assert_eq!(batch.drop_known(&keys, known).map(|_| ()), outcome, "{known:?}");
    }
    assert!(batch.drop_known(&keys, b"\0\0\0\x02\0\0\0\0").unwrap().1.rows() == 2);
}

#[test]
fn keys_of_another_batch_are_misuse() {
    let records = three_rows();
    let of_another = Some(Misuse("the keys are of another batch"));
    let keys = all_keys(&batch(&records));
    let renumbered: Vec<Record> =
        records.iter().map(|record| Record { id: StreamId { ms: 2, ..record.id }, ..*record }).collect();
    for (other, known) in [(&records[1..], &b""[..]), (&records[1..], b"\0\0\0\0"), (&renumbered, b"\0\0\0\0")] {
        assert_eq!(batch(other).drop_known(&keys, known).err(), of_another, "{other:?}");
    }
}

#[test]
fn an_empty_batch_has_no_keys() {
    let empty = Batch::default();
    let keys = all_keys(&empty);
    assert_eq!(read(&keys), []);
    let (rest, known) = empty.drop_known(&keys, b"").unwrap();
    assert!(rest.is_empty() && known.is_empty());
    assert!(empty.drop_known(&keys, b"\0\0\0\0").is_err());
}
