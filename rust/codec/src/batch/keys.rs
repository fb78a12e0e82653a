//! Keys of rows as parameters of a query, and the parting of a batch by that query's answer.

use std::ops::Range;

use super::arrays::{TEXT_OID, TIMESTAMPTZ_OID, array};
use super::by_device::DeviceRecords;
use super::record::{Record, compare_keys};
use super::{Batch, Misuse, row};
use crate::StreamId;

/// A `timestamptz` behind its length.
const TIMESTAMP_ELEMENT_BYTES: usize = 12;
const DAY_US: i64 = 86_400_000_000;

/// Keys of some rows of one batch, each once: day by day in UTC, the oldest day first, and each day's in the batch's
/// order.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The elements of the arrays.
    device_ids: Vec<u8>,
    timestamps: Vec<u8>,
    days: Vec<Day>,
    rows: Vec<KeyRow>,
    /// Number of records in the batch: most other batches differ in it.
    batch_records: usize,
}

/// Where the keys of a day stand, and when they are.
#[derive(Clone, Debug)]
struct Day {
    places: Range<usize>,
    device_ids: Range<usize>,
    /// Microseconds of the Unix time.
    oldest_us: i64,
    newest_us: i64,
}

/// The keys of one day, which lie in one chunk of the table: a query for them alone looks in no other chunk.
#[derive(Clone, Copy, Debug)]
pub struct KeysOfDay<'a> {
    keys: &'a Keys,
    day: &'a Day,
}

/// The row that a key is of.
#[derive(Clone, Copy, Debug)]
struct KeyRow {
    record: usize,
    /// Shows whether the record is the same one in a batch that claims to be this one.
    id: StreamId,
}

impl Keys {
    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The devices as a binary `text[]`.
    #[must_use]
    pub fn device_ids(&self) -> Vec<u8> {
        array(TEXT_OID, self.rows.len(), &self.device_ids)
    }

    /// The timestamps as a binary `timestamptz[]` of the same length.
    #[must_use]
    pub fn timestamps(&self) -> Vec<u8> {
        array(TIMESTAMPTZ_OID, self.rows.len(), &self.timestamps)
    }

    /// Number of days that the keys are of.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// The keys of each day, the oldest day first.
    pub fn by_day(&self) -> impl Iterator<Item = KeysOfDay<'_>> {
        self.days.iter().map(|day| KeysOfDay { keys: self, day })
    }

    /// The rows at `positions`, each four bytes, in the batch's order.
    fn rows_at(&self, positions: &[u8]) -> Result<Vec<KeyRow>, Misuse> {
        let (positions, rest) = positions.as_chunks();
        if !rest.is_empty() {
            return Err(Misuse("positions of known keys are not of four bytes each"));
        }
        let mut is_known = vec![false; self.rows.len()];
        for &position in positions {
            let Some(mark) = is_known.get_mut(u32::from_be_bytes(position) as usize) else {
                return Err(Misuse("a known key's position is beyond the keys"));
            };
            *mark = true;
        }
        let known = self.rows.iter().zip(is_known).filter_map(|(row, is_known)| is_known.then_some(*row));
        let mut known: Vec<KeyRow> = known.collect();
        known.sort_by_key(|row| row.record);
        Ok(known)
    }

    /// Appends the keys of one day.
    fn push_day<'a>(&mut self, keys: impl Iterator<Item = (KeyRow, &'a [u8], i64)>) {
        let (first_place, first_byte) = (self.rows.len(), self.device_ids.len());
        let (mut oldest_us, mut newest_us) = (i64::MAX, i64::MIN);
        for (row, device_id, ts_us) in keys {
            row::field(&mut self.device_ids, device_id);
            row::field(&mut self.timestamps, &row::timestamptz(ts_us));
            (oldest_us, newest_us) = (oldest_us.min(ts_us), newest_us.max(ts_us));
            self.rows.push(row);
        }
        let (places, device_ids) = (first_place..self.rows.len(), first_byte..self.device_ids.len());
        self.days.push(Day { places, device_ids, oldest_us, newest_us });
    }
}

impl KeysOfDay<'_> {
    /// Place of the day's first key among all keys, from 0, as a binary `integer`; the day's other keys follow it.
    #[must_use]
    pub fn first_place(&self) -> [u8; 4] {
        row::length(self.day.places.start)
    }

    /// The devices as a binary `text[]`.
    #[must_use]
    pub fn device_ids(&self) -> Vec<u8> {
        let elements = self.keys.device_ids.get(self.day.device_ids.clone()).unwrap_or_default();
        array(TEXT_OID, self.day.places.len(), elements)
    }

    /// The timestamps as a binary `timestamptz[]` of the same length.
    #[must_use]
    pub fn timestamps(&self) -> Vec<u8> {
        let [start, end] =
            [self.day.places.start, self.day.places.end].map(|place| place.saturating_mul(TIMESTAMP_ELEMENT_BYTES));
        let elements = self.keys.timestamps.get(start..end).unwrap_or_default();
        array(TIMESTAMPTZ_OID, self.day.places.len(), elements)
    }

    /// The oldest and the newest of the timestamps, each as a binary `timestamptz`.
    #[must_use]
    pub fn span(&self) -> ([u8; 8], [u8; 8]) {
        (row::timestamptz(self.day.oldest_us), row::timestamptz(self.day.newest_us))
    }
}

impl Batch {
    /// The keys of the rows whose timestamps are not above what `ts_max_us` gives for their device; none of a device
    /// for which it gives nothing.
    pub(crate) fn keys_up_to(&self, mut ts_max_us: impl FnMut(&[u8]) -> Option<i64>) -> Keys {
        let mut rows = Vec::new();
        let mut start = 0usize;
        for device in self.devices() {
            if let Some(ts_max_us) = ts_max_us(device.device_id) {
                rows.extend(device.rows_up_to(ts_max_us, start));
            }
            start = start.saturating_add(device.count());
        }
        self.keys_of(rows)
    }

    fn keys_of(&self, rows: Vec<KeyRow>) -> Keys {
        let mut named: Vec<(KeyRow, &Record)> =
            rows.into_iter().filter_map(|row| Some((row, self.records.get(row.record)?))).collect();
        // Stable: a day's keys keep the batch's order. Those of one day, the usual case, stay where they are.
        named.sort_by_key(|(_, record)| day_of(record.ts_us));
        let mut keys = Keys { batch_records: self.len(), ..Keys::default() };
        for day in named.chunk_by(|(_, left), (_, right)| day_of(left.ts_us) == day_of(right.ts_us)) {
            keys.push_day(day.iter().map(|(row, record)| {
                let device_id = row::View::new(self.row_of(record)).device_id();
                (*row, device_id, record.ts_us)
            }));
        }
        keys
    }

    /// (rest, known): parts the rows whose keys were found in the table, each with its repeats.
    ///
    /// `keys` are of this batch; `known` holds positions among them, from 0, each as four bytes, big-endian, in any
    /// order. When nothing is known, no record is copied.
    ///
    /// # Errors
    ///
    /// The keys are of another batch, or `known` does not hold positions among them.
    pub fn drop_known(&self, keys: &Keys, known: &[u8]) -> Result<(Self, Self), Misuse> {
        if keys.batch_records != self.len() {
            return Err(Misuse("the keys are of another batch"));
        }
        if known.is_empty() {
            return Ok((self.clone(), self.part(Vec::new())));
        }
        let mut rest = Vec::with_capacity(self.len());
        let mut taken = Vec::new();
        let mut start = 0;
        for row in keys.rows_at(known)? {
            let end = self.end_of(row)?;
            rest.extend_from_slice(self.records.get(start..row.record).unwrap_or_default());
            taken.extend_from_slice(self.records.get(row.record..end).unwrap_or_default());
            start = end;
        }
        rest.extend_from_slice(self.records.get(start..).unwrap_or_default());
        Ok((self.part(rest), self.part(taken)))
    }

    /// The place behind the last repeat of a key's row.
    fn end_of(&self, row: KeyRow) -> Result<usize, Misuse> {
        let records = self.records.get(row.record..).unwrap_or_default();
        let Some(first) = records.first().filter(|first| first.id == row.id) else {
            return Err(Misuse("the keys are of another batch"));
        };
        let repeats = records.iter().take_while(|record| compare_keys(&self.segments, first, record).is_eq()).count();
        Ok(row.record.saturating_add(repeats))
    }
}

impl DeviceRecords<'_> {
    /// The first record of each timestamp up to `ts_max_us`; the first record of all stands at `start` in the batch.
    fn rows_up_to(&self, ts_max_us: i64, start: usize) -> impl Iterator<Item = KeyRow> {
        let mut previous_us = None;
        self.records
            .iter()
            .zip(start..)
            .take_while(move |(record, _)| record.ts_us <= ts_max_us)
            .filter(move |(record, _)| previous_us.replace(record.ts_us) != Some(record.ts_us))
            .map(|(record, place)| KeyRow { record: place, id: record.id })
    }
}

/// Days since 1970-01-01 in UTC, where the chunks of the table begin and end.
fn day_of(ts_us: i64) -> i64 {
    ts_us.div_euclid(DAY_US)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::batch::{Batch, Keys};

    #[test]
    fn where_nothing_is_known_the_records_are_shared() {
        let batch = Batch::default();
        let (rest, _) = batch.drop_known(&Keys::default(), &[]).unwrap();
        assert!(Arc::ptr_eq(&rest.records, &batch.records));
    }
}
