//! Collects the records of one reply, entry by entry, into a [`Batch`].

use std::sync::Arc;

use super::device_key::DeviceKey;
use super::record::Record;
use super::segment::Spares;
use super::{Batch, row};
use crate::StreamId;
use crate::position::{self, Code, CodecLabel, Columns, Common, Limits, Reject, Scratch};

/// Rows differ in length: a batch of the last one's number of records has up to this part of its bytes more.
const ROOM_SHARE: usize = 16;

/// Decodes payloads straight into encoded rows.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    rows: Vec<u8>,
    records: Vec<Record>,
    /// Records outside of the window, which may still come in.
    outside: Vec<Record>,
    scratch: Scratch,
    spares: Spares,
    /// Sizes of the last batch: the next one is likely to be as large.
    rows_hint: usize,
    records_hint: usize,
}

impl BatchBuilder {
    /// Decodes one payload and adds its row; its time is judged by the one in the entry's id.
    ///
    /// # Errors
    ///
    /// A [`Reject`] where the payload is no Position; the batch is then as it was. With `ts_out_of_window`, which may
    /// be the id's fault, the row is set aside.
    pub fn push(&mut self, id: StreamId, codec: CodecLabel, payload: &[u8], limits: &Limits) -> Result<(), Reject> {
        if self.rows.capacity() == 0 {
            self.reserve();
        }
        let row_start = self.rows.len();
        let key = self.write_row(codec, payload, limits)?;
        let record = Record {
            device: key.device,
            ts_us: key.ts_us,
            id,
            segment: 0,
            row_bytes: u32::try_from(self.rows.len().saturating_sub(row_start)).unwrap_or(u32::MAX),
            row_start,
        };
        if limits.admits(record.ts_us, id.time_us()) {
            self.records.push(record);
            Ok(())
        } else {
            self.outside.push(record);
            Err(Reject::of(Code::TsOutOfWindow, "timestamp", key.ts_offset))
        }
    }

    /// Room for a batch of the last one's size, and a little more: one that is slightly larger would be moved, and its
    /// memory doubled.
    #[cold]
    fn reserve(&mut self) {
        self.rows = self.spares.take(self.rows_hint.saturating_add(self.rows_hint / ROOM_SHARE));
        self.records.reserve(self.records_hint);
    }

    /// Adds the row alone. Nearly every payload is in the producer's form, and written as it is read.
    #[inline]
    fn write_row(&mut self, codec: CodecLabel, payload: &[u8], limits: &Limits) -> Result<Key, Reject> {
        if payload.len() <= limits.payload_bytes_max
            && let Some(common) = Common::read(payload)
            && let Some(()) = row::write_common(&common, codec, &mut self.rows)
        {
            return Ok(Key::of(&common.columns));
        }
        let position = position::decode(payload, limits, &mut self.scratch)?;
        row::write(&position, codec, &mut self.rows);
        Ok(Key::of(&position.columns))
    }

    /// (batch, set aside): gives out what was added so far and begins again.
    pub fn finish(&mut self) -> (Batch, Batch) {
        self.rows_hint = self.rows.len();
        self.records_hint = self.records.len();
        let segments: Arc<[_]> = Arc::from([self.spares.lend(std::mem::take(&mut self.rows))]);
        let outside = Batch::new(Arc::clone(&segments), std::mem::take(&mut self.outside));
        (Batch::new(segments, std::mem::take(&mut self.records)), outside)
    }
}

/// The key of a row, and where its time stands in the payload.
struct Key {
    device: DeviceKey,
    ts_us: i64,
    ts_offset: usize,
}

impl Key {
    #[inline]
    fn of(columns: &Columns<'_>) -> Self {
        let Columns { device_id, ts_us, ts_offset, .. } = columns;
        Self { device: DeviceKey::new(device_id), ts_us: *ts_us, ts_offset: *ts_offset }
    }
}
