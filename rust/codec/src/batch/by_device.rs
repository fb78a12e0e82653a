//! A batch device by device: each one's records, and its newest position.

use std::sync::Arc;

use super::Batch;
use super::record::{Record, compare_devices, row_bytes};
use super::row::View;
use super::segment::Segment;

/// The records of one device in a batch.
#[derive(Debug)]
pub(crate) struct DeviceRecords<'a> {
    pub(crate) device_id: &'a [u8],
    pub(super) records: &'a [Record],
    pub(super) segments: &'a [Arc<Segment>],
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

impl Batch {
    /// The newest position of each device, in the order of the devices.
    pub fn newest_positions(&self) -> impl Iterator<Item = (&str, Newest)> {
        self.devices().filter_map(|device| Some((std::str::from_utf8(device.device_id).ok()?, device.newest()?)))
    }

    /// The devices in the batch, each with its records in order of time.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceRecords<'_>> + '_ {
        self.records.chunk_by(|left, right| compare_devices(&self.segments, left, right).is_eq()).map(|records| {
            DeviceRecords {
                device_id: records.first().map(|record| View::new(self.row_of(record)).device_id()).unwrap_or_default(),
                records,
                segments: &self.segments,
            }
        })
    }
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
        let (latitude, longitude) = View::new(row_bytes(self.segments, row)).coordinates();
        Some(Newest { ts_us, latitude, longitude })
    }
}
