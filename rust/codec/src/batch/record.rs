//! One decoded record, and the order of records.

use std::cmp::Ordering;
use std::sync::Arc;

use super::device_key::DeviceKey;
use super::row::View;
use super::segment::Segment;
use crate::StreamId;

/// One decoded record: its key, its entry and the place of its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) device: DeviceKey,
    pub(super) ts_us: i64,
    pub(super) id: StreamId,
    pub(super) segment: u32,
    pub(super) row_bytes: u32,
    pub(super) row_start: usize,
}

/// The record's row, which is in one of its batch's segments.
pub(super) fn row_bytes<'a>(segments: &'a [Arc<Segment>], record: &Record) -> &'a [u8] {
    let end = record.row_start.saturating_add(record.row_bytes as usize);
    segments.get(record.segment as usize).and_then(|segment| segment.get(record.row_start..end)).unwrap_or_default()
}

/// The order of the devices, by their whole ids.
#[inline]
pub(super) fn compare_devices(segments: &[Arc<Segment>], left: &Record, right: &Record) -> Ordering {
    left.device.cmp(&right.device).then_with(|| {
        if left.device.is_whole() {
            return Ordering::Equal;
        }
        let device = |record| View::new(row_bytes(segments, record)).device_id();
        device(left).cmp(device(right))
    })
}

/// The order of the keys: (device, ts).
#[inline]
pub(super) fn compare_keys(segments: &[Arc<Segment>], left: &Record, right: &Record) -> Ordering {
    compare_devices(segments, left, right).then_with(|| left.ts_us.cmp(&right.ts_us))
}
