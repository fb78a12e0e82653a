//! Keys of rows as parameters of a query, and the parting of a batch by that query's answer.
//!
//! Format: PostgreSQL, `array_recv` in `src/backend/utils/adt/arrayfuncs.c`: the number of dimensions, flags and the
//! elements' type; for each dimension its length and lower bound; then each element behind its length. All are 32 bits
//! wide, in network order.

use super::{Batch, DeviceRecords, Misuse, compare_keys, row};
use crate::StreamId;

/// `text` and `timestamptz` in `src/include/catalog/pg_type.dat`.
const TEXT_OID: u32 = 25;
const TIMESTAMPTZ_OID: u32 = 1184;
/// What stands before the elements of an array of one dimension.
const ARRAY_HEADER_BYTES: usize = 20;

/// Keys of some rows of one batch, in its order, each once.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    device_ids: Vec<u8>,
    timestamps: Vec<u8>,
    /// The oldest and the newest of the timestamps, microseconds of the Unix time.
    span_us: Option<(i64, i64)>,
    rows: Vec<KeyRow>,
    /// Number of records in the batch, by which most other batches are told from it.
    batch_records: usize,
}

/// The row that a key is of.
#[derive(Clone, Copy, Debug)]
struct KeyRow {
    record: usize,
    /// Tells whether the record is the same one in a batch that claims to be this one.
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
    pub fn device_ids(&self) -> &[u8] {
        &self.device_ids
    }

    /// The timestamps as a binary `timestamptz[]` of the same length.
    #[must_use]
    pub fn timestamps(&self) -> &[u8] {
        &self.timestamps
    }

    /// The oldest and the newest of the timestamps, each as a binary `timestamptz`; nothing without keys.
    #[must_use]
    pub fn span(&self) -> Option<([u8; 8], [u8; 8])> {
        self.span_us.map(|(oldest_us, newest_us)| (row::timestamptz(oldest_us), row::timestamptz(newest_us)))
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
        Ok(self.rows.iter().zip(is_known).filter_map(|(row, is_known)| is_known.then_some(*row)).collect())
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
        let records = || rows.iter().filter_map(|row| self.records.get(row.record));
        let device_ids = records().map(|record| row::View::new(self.row_of(record)).device_id());
        let timestamps = records().map(|record| row::timestamptz(record.ts_us));
        let oldest_us = records().map(|record| record.ts_us).min();
        let newest_us = records().map(|record| record.ts_us).max();
        Keys {
            device_ids: array(TEXT_OID, rows.len(), device_ids),
            timestamps: array(TIMESTAMPTZ_OID, rows.len(), timestamps),
            span_us: oldest_us.zip(newest_us),
            rows,
            batch_records: self.len(),
        }
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

/// A binary array of one dimension, or of none if it is empty.
fn array<T: AsRef<[u8]>>(element_oid: u32, length: usize, elements: impl Iterator<Item = T>) -> Vec<u8> {
    let mut out = Vec::with_capacity(ARRAY_HEADER_BYTES.saturating_add(length.saturating_mul(20)));
    let no_nulls = [0; 4];
    let dimensions = u32::from(length > 0);
    for part in [dimensions.to_be_bytes(), no_nulls, element_oid.to_be_bytes()] {
        out.extend_from_slice(&part);
    }
    if length > 0 {
        let lower_bound = 1u32;
        out.extend_from_slice(&row::length(length));
        out.extend_from_slice(&lower_bound.to_be_bytes());
    }
    for element in elements {
        row::field(&mut out, element.as_ref());
    }
    out
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
