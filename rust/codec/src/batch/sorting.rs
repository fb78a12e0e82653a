//! The order of a batch's records: (device, ts, entry id).
//!
//! A read brings records of many devices mixed, and of each device in order, so that there is little to compare: the
//! devices are sorted, and each one's records are gathered. That takes a fifth of the instructions of a sort by comparison.
#![allow(clippy::arithmetic_side_effects, reason = "every operand is at most the number of records")]

use std::sync::Arc;

use hashbrown::HashMap;

use super::device_key::DeviceKey;
use super::record::{Record, compare_keys};
use super::segment::Segment;

/// Sorts the records; those that are equal keep their order.
pub(super) fn sorted(segments: &[Arc<Segment>], mut records: Vec<Record>) -> Vec<Record> {
    let order =
        |left: &Record, right: &Record| compare_keys(segments, left, right).then_with(|| left.id.cmp(&right.id));
    if records.is_sorted_by(|left, right| order(left, right).is_le()) {
        return records;
    }
    let Some(mut gathered) = by_device(&records) else {
        records.sort_by(order);
        return records;
    };
    for device in gathered.chunk_by_mut(|left, right| left.device == right.device) {
        if !device.is_sorted_by_key(|record| (record.ts_us, record.id)) {
            device.sort_by_key(|record| (record.ts_us, record.id));
        }
    }
    gathered
}

/// The records device by device, each device's in their order. `None` if keys do not show all devices whole.
fn by_device(records: &[Record]) -> Option<Vec<Record>> {
    let Groups { of_records, mut groups } = Groups::of(records)?;
    let mut ranking: Vec<(DeviceKey, usize)> = groups.iter().map(|group| group.device).zip(0..).collect();
    ranking.sort_unstable();
    let mut end = 0;
    for (_, number) in ranking {
        let group = groups.get_mut(number)?;
        group.next_place = end;
        end += group.count;
    }
    let mut places = vec![0u32; records.len()];
    for (number, record) in of_records.into_iter().zip(0..) {
        let group = groups.get_mut(number as usize)?;
        *places.get_mut(group.next_place as usize)? = record;
        group.next_place += 1;
    }
    places.into_iter().map(|place| records.get(place as usize).copied()).collect()
}

struct Group {
    device: DeviceKey,
    count: u32,
    next_place: u32,
}

/// The devices of some records, numbered as they come.
struct Groups {
    /// The number of each record's device.
    of_records: Vec<u32>,
    groups: Vec<Group>,
}

impl Groups {
    fn of(records: &[Record]) -> Option<Self> {
        let mut numbers: HashMap<DeviceKey, u32> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut of_records = Vec::with_capacity(records.len());
        // Places are held in 32 bits.
        u32::try_from(records.len()).ok()?;
        let mut last = None;
        for Record { device, .. } in records {
            let number = match last {
                Some((same, number)) if same == *device => number,
                _ if !device.is_whole() => return None,
                _ => *numbers.entry(*device).or_insert_with(|| {
                    groups.push(Group { device: *device, count: 0, next_place: 0 });
                    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
                }),
            };
            last = Some((*device, number));
            groups.get_mut(number as usize)?.count += 1;
            of_records.push(number);
        }
        Some(Self { of_records, groups })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{compare_keys, sorted};
    use crate::StreamId;
    use crate::batch::device_key::DeviceKey;
    use crate::batch::record::Record;
    use crate::batch::row;
    use crate::batch::segment::Spares;

    proptest! {
        /// Of equal records the place of the row shows which is which. The longer devices are the same in the key.
        #[test]
        fn records_come_in_the_order_of_their_keys_and_equal_ones_in_their_own(
            devices in select(vec![2, 3, 5]),
            keys in vec((0..5usize, 0..4i64, 0..3u64), 0..40),
        ) {
            const DEVICES: [&[u8]; 5] = [b"356307042441013", b"7", b"356307042441012", b"3563070424410133a", b"3563070424410133b"];
            let mut bytes = Vec::new();
            let records: Vec<Record> = keys.into_iter().map(|(device, ts_us, seq)| {
                let device = DEVICES[device % devices];
                let row_start = bytes.len();
                bytes.extend_from_slice(&[0; 2]);
                row::field(&mut bytes, device);
                let row_bytes = u32::try_from(bytes.len() - row_start).unwrap();
                Record { device: DeviceKey::new(device), ts_us, id: StreamId { ms: 1, seq }, segment: 0, row_bytes, row_start }
            }).collect();
            let segments = [Spares::default().lend(bytes)];
            let mut expected = records.clone();
            expected.sort_by(|left, right| compare_keys(&segments, left, right).then_with(|| left.id.cmp(&right.id)));
            let place = |record: &Record| record.row_start;
            let found: Vec<usize> = sorted(&segments, records).iter().map(place).collect();
            prop_assert_eq!(found, expected.iter().map(place).collect::<Vec<_>>());
        }
    }
}
