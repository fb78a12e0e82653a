//! Batches of decoded records: an immutable value with the operations that writing needs.
//!
//! Records are sorted by (device, ts, entry id). Records of one key stand side by side: the first is the *row* that
//! COPY writes, the others are its *repeats*. So a repeat needs no mark, and where a row is taken out its next repeat
//! is the row by its place alone. The encoded bytes live in shared segments: splitting, merging and taking out move
//! records of 64 bytes, never rows.

mod ack;
mod arrays;
mod builder;
mod copy;
mod keys;
mod row;
mod segment;
mod sorting;

use std::cmp::Ordering;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

pub use builder::BatchBuilder;
pub use copy::CopyChunks;
pub use keys::{Keys, KeysOfDay};
pub use row::COLUMNS;

use crate::StreamId;
use crate::position::Code;
use segment::Segment;

/// The segments of a batch that is put together, each once: parts of one batch share theirs, and to split and
/// merge again and again would multiply them.
#[derive(Default)]
struct Segments {
    held: Vec<Arc<Segment>>,
    places: HashMap<*const Segment, u32>,
}

impl Segments {
    fn place(&mut self, segment: &Arc<Segment>) -> u32 {
        let held = &mut self.held;
        *self.places.entry(Arc::as_ptr(segment)).or_insert_with(|| {
            held.push(Arc::clone(segment));
            u32::try_from(held.len().saturating_sub(1)).unwrap_or(u32::MAX)
        })
    }
}

/// One decoded record: its key, its entry and the place of its row.
#[derive(Clone, Copy, Debug)]
struct Record {
    device: DeviceKey,
    ts_us: i64,
    id: StreamId,
    segment: u32,
    row_bytes: u32,
    row_start: usize,
}

/// The first 16 bytes of a device id, big-endian, so that comparing numbers is comparing text. An IMEI fits whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct DeviceKey(u128);

impl DeviceKey {
    const BYTES: usize = 16;

    #[inline]
    fn new(device_id: &[u8]) -> Self {
        // Nearly every id is an IMEI: both halves are read without a loop, of which the second overlaps the first.
        if let (8..=Self::BYTES, Some(head), Some(tail)) =
            (device_id.len(), device_id.first_chunk(), device_id.last_chunk())
        {
            let [head, tail] = [head, tail].map(|half| u64::from_be_bytes(*half));
            let absent_bits = u32::try_from(Self::BYTES.saturating_sub(device_id.len()).saturating_mul(8));
            let tail = absent_bits.ok().and_then(|bits| tail.checked_shl(bits)).unwrap_or(0);
            return Self(u128::from(head) << 64 | u128::from(tail));
        }
        let mut bytes = [0; Self::BYTES];
        let length = device_id.len().min(Self::BYTES);
        if let (Some(places), Some(id)) = (bytes.get_mut(..length), device_id.get(..length)) {
            places.copy_from_slice(id);
        }
        Self(u128::from_be_bytes(bytes))
    }

    /// The first 16 bytes of the id, zeros behind its end.
    #[inline]
    fn bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// Device ids hold no zero byte: the key is the whole id if its last byte is zero.
    fn is_whole(self) -> bool {
        self.0.to_le_bytes()[0] == 0
    }
}

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

    /// All records of `batches` as one batch.
    #[must_use]
    pub fn merge(batches: &[&Batch]) -> Self {
        if let [only] = batches {
            return (*only).clone();
        }
        let mut segments = Segments::default();
        let mut records = Vec::with_capacity(batches.iter().map(|batch| batch.len()).sum());
        for batch in batches {
            let places: Vec<u32> = batch.segments.iter().map(|segment| segments.place(segment)).collect();
            records.extend(batch.records.iter().map(|record| {
                let place = usize::try_from(record.segment).ok().and_then(|place| places.get(place));
                Record { segment: place.copied().unwrap_or(u32::MAX), ..*record }
            }));
        }
        Self::new(segments.held.into(), records)
    }

    /// Two halves by rows, each row with its repeats.
    ///
    /// # Errors
    ///
    /// Below two rows there is nothing to split.
    pub fn split(&self) -> Result<(Self, Self), Misuse> {
        let middle = self.rows / 2;
        let Some((start, _)) = self.rows_from(0).nth(middle).filter(|_| middle > 0) else {
            return Err(Misuse("a batch of fewer than two rows cannot be split"));
        };
        let (left, right) = self.records.split_at_checked(start).unwrap_or((&self.records, &[]));
        Ok((self.part(left.to_vec()), self.part(right.to_vec())))
    }

    /// Records number `start` up to `stop`, from 0: to acknowledge a large batch piece by piece. A row may be cut from its
    /// repeats, of which the first is a row in the piece then.
    #[must_use]
    pub fn piece(&self, start: usize, stop: usize) -> Self {
        let stop = stop.min(self.len());
        self.part(self.records.get(start.min(stop)..stop).unwrap_or_default().to_vec())
    }

    /// (rest, taken): takes the first record of row number `row` out; its next repeat, if any, takes its place.
    ///
    /// # Errors
    ///
    /// There is no such row.
    pub fn take_out(&self, row: usize) -> Result<(Self, Self), Misuse> {
        let Some((index, record)) = self.rows_from(0).nth(row) else {
            return Err(Misuse("the batch has no such row"));
        };
        let taken = self.part(vec![*record]);
        let mut rest = self.records.to_vec();
        rest.remove(index);
        Ok((self.part(rest), taken))
    }

    /// `parts` batches, some maybe empty: all records of a device fall into the same one, in every batch of this process.
    ///
    /// # Errors
    ///
    /// `parts` is zero.
    pub fn partition(&self, parts: usize) -> Result<Vec<Self>, Misuse> {
        let mut records = vec![Vec::new(); parts];
        for device in self.devices() {
            let part = Self::part_of(device.device_id, parts)?;
            if let Some(part) = records.get_mut(part) {
                part.extend_from_slice(device.records);
            }
        }
        Ok(records.into_iter().map(|records| self.part(records)).collect())
    }

    /// The number, from 0, of the part that [`Batch::partition`] puts this device into.
    ///
    /// # Errors
    ///
    /// `parts` is zero.
    pub fn part_of(device_id: &[u8], parts: usize) -> Result<usize, Misuse> {
        let count = u64::try_from(parts).unwrap_or(u64::MAX);
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(device_id);
        hash.checked_rem(count)
            .and_then(|part| usize::try_from(part).ok())
            .ok_or(Misuse("a batch cannot be partitioned into no parts"))
    }

    /// (these, the others): parts the records, whose times are microseconds of the Unix time; a row's repeats go with it.
    pub(crate) fn parted_by_time(&self, mut is_these: impl FnMut(i64) -> bool) -> (Self, Self) {
        let (these, others) = self.records.iter().partition(|record| is_these(record.ts_us));
        (self.part(these), self.part(others))
    }

    fn part(&self, records: Vec<Record>) -> Self {
        Self::of_sorted(Arc::clone(&self.segments), records)
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

    /// The newest position of each device, in the order of the devices.
    pub fn newest_positions(&self) -> impl Iterator<Item = (&str, Newest)> {
        self.devices().filter_map(|device| Some((std::str::from_utf8(device.device_id).ok()?, device.newest()?)))
    }

    /// The devices in the batch, each with its records in order of time.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceRecords<'_>> + '_ {
        self.records.chunk_by(|left, right| compare_devices(&self.segments, left, right).is_eq()).map(|records| {
            DeviceRecords {
                device_id: records
                    .first()
                    .map(|record| row::View::new(self.row_of(record)).device_id())
                    .unwrap_or_default(),
                records,
                segments: &self.segments,
            }
        })
    }
}

fn row_bytes<'a>(segments: &'a [Arc<Segment>], record: &Record) -> &'a [u8] {
    let end = record.row_start.saturating_add(record.row_bytes as usize);
    segments.get(record.segment as usize).and_then(|segment| segment.get(record.row_start..end)).unwrap_or_default()
}

#[inline]
fn compare_devices(segments: &[Arc<Segment>], left: &Record, right: &Record) -> Ordering {
    left.device.cmp(&right.device).then_with(|| {
        if left.device.is_whole() {
            return Ordering::Equal;
        }
        let device = |record| row::View::new(row_bytes(segments, record)).device_id();
        device(left).cmp(device(right))
    })
}

#[inline]
fn compare_keys(segments: &[Arc<Segment>], left: &Record, right: &Record) -> Ordering {
    compare_devices(segments, left, right).then_with(|| left.ts_us.cmp(&right.ts_us))
}

/// The records of one device in a batch.
#[derive(Debug)]
pub(crate) struct DeviceRecords<'a> {
    pub(crate) device_id: &'a [u8],
    records: &'a [Record],
    segments: &'a [Arc<Segment>],
}

/// The newest position of a device, in a batch or in the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Newest {
    /// Microseconds of the Unix time.
    pub ts_us: i64,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
}

impl DeviceRecords<'_> {
    /// Number of records, repeats included.
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// The newest position; of repeats the one that is written counts.
    pub(crate) fn newest(&self) -> Option<Newest> {
        let ts_us = self.records.last()?.ts_us;
        let row = self.records.iter().find(|record| record.ts_us == ts_us)?;
        let (latitude, longitude) = row::View::new(row_bytes(self.segments, row)).coordinates();
        Some(Newest { ts_us, latitude, longitude })
    }
}

/// An entry that is not a Position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The entry.
    pub id: StreamId,
    /// What is wrong with it.
    pub reject: crate::position::Reject,
    /// The entry's copy of the device id, where it has a usable one.
    pub device_id: Option<String>,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.reject.code
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Batch, DeviceKey, Record};
    use crate::StreamId;

    #[test]
    fn a_key_is_the_first_sixteen_bytes_whatever_the_length() {
        let id = b"ABCDEFGHIJKLMNOPQRST";
        for length in 0..=id.len() {
            let mut expected = [0; 16];
            let bytes = length.min(16);
            expected[..bytes].copy_from_slice(&id[..bytes]);
            let key = DeviceKey::new(&id[..length]);
            assert_eq!((key.bytes(), key.is_whole()), (expected, length < 16), "{length}");
        }
    }

    #[test]
    fn parts_of_one_batch_that_are_merged_again_share_what_it_holds() {
        let records = (0..4).map(|ts_us| Record {
            device: DeviceKey::new(b"356307042441013"),
            ts_us,
            id: StreamId::default(),
            segment: 0,
            row_bytes: 0,
            row_start: 0,
        });
        let mut batch = Batch::new(Arc::from([Arc::default()]), records.collect());
        for _ in 0..10 {
            let (first, second) = batch.split().unwrap();
            batch = Batch::merge(&[&first, &second]);
        }
        assert_eq!((batch.segments.len(), batch.rows()), (1, 4));
    }
}
