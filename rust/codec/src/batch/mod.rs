//! Batches of decoded records: an immutable value with the operations that writing needs.
//!
//! Records are sorted by (device, ts, entry id). Records of one key stand side by side: the first is the *row* that
//! COPY writes, the others are its *repeats*. So a repeat needs no mark, and where a row is taken out its next repeat
//! is the row by its place alone. The encoded bytes live in shared segments: splitting, merging and taking out move
//! records of 64 bytes, never rows.

mod ack;
mod arrays;
mod builder;
mod by_device;
mod copy;
mod device_key;
mod dividing;
mod keys;
mod merging;
mod record;
mod rejection;
mod row;
mod segment;
mod sorting;

use std::sync::Arc;

use hashbrown::HashSet;

pub use builder::BatchBuilder;
pub use by_device::Newest;
pub use copy::CopyChunks;
pub use keys::{Keys, KeysOfDay};
pub use rejection::Rejection;
pub use row::COLUMNS;

use crate::StreamId;
use record::{Record, compare_keys, row_bytes};
use segment::Segment;

/// Records of one or many replies, ready to be written and acknowledged. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    segments: Arc<[Arc<Segment>]>,
    records: Arc<Vec<Record>>,
    rows: usize,
    row_bytes: usize,
}

/// The operation does not apply to this batch; the text says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse(pub &'static str);

impl Batch {
    /// Sorts `records` and counts the rows among them.
    fn new(segments: Arc<[Arc<Segment>]>, records: Vec<Record>) -> Self {
        let records = sorting::sorted(&segments, records);
        Self::of_sorted(segments, records)
    }

    fn of_sorted(segments: Arc<[Arc<Segment>]>, records: Vec<Record>) -> Self {
        let mut batch = Self { segments, records: Arc::new(records), rows: 0, row_bytes: 0 };
        let (rows, row_bytes) = batch.rows_from(0).fold((0usize, 0usize), |(rows, bytes), (_, record)| {
            (rows.saturating_add(1), bytes.saturating_add(record.row_bytes as usize))
        });
        batch.rows = rows;
        batch.row_bytes = row_bytes;
        batch
    }

    /// A batch of some of this one's records, in their order.
    fn part(&self, records: Vec<Record>) -> Self {
        Self::of_sorted(Arc::clone(&self.segments), records)
    }

    /// Number of records, repeats included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Number of distinct keys, which is the number of rows that COPY writes.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Size of the rows in COPY form, without header and trailer.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// The keys of all rows.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.keys_up_to(|_| Some(i64::MAX))
    }

    /// The records' entry ids, repeats included, in row order.
    pub fn ids(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.records.iter().map(|record| record.id)
    }

    /// Those of `ids` that are records of the batch, in their order.
    #[must_use]
    pub fn ids_among(&self, ids: &[StreamId]) -> Vec<StreamId> {
        let asked: HashSet<StreamId> = ids.iter().copied().collect();
        let found: HashSet<StreamId> = self.ids().filter(|id| asked.contains(id)).collect();
        ids.iter().copied().filter(|id| found.contains(id)).collect()
    }

    /// The records' device ids, repeats included, in row order.
    pub fn device_ids(&self) -> impl Iterator<Item = &str> + '_ {
        self.records.iter().map(|record| {
            let device_id = row::View::new(self.row_of(record)).device_id();
            std::str::from_utf8(device_id).unwrap_or_default()
        })
    }

    fn row_of(&self, record: &Record) -> &[u8] {
        row_bytes(&self.segments, record)
    }

    /// The rows, with the places of their records, from record `start` on, which must be a row itself.
    fn rows_from(&self, start: usize) -> impl Iterator<Item = (usize, &Record)> + '_ {
        let mut previous: Option<&Record> = None;
        self.records.iter().enumerate().skip(start).filter(move |(_, record)| {
            let repeat = previous.is_some_and(|row| compare_keys(&self.segments, row, record).is_eq());
            previous = Some(record);
            !repeat
        })
    }
}
