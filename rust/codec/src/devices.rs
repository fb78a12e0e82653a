//! What is remembered of each device: a bounded LRU, updated a batch at a time.

use std::num::NonZeroUsize;

use hashlink::LruCache;

use crate::batch::{Batch, Newest};

/// The state of one device in this life of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceState {
    /// Time of the newest position, microseconds of the Unix time.
    pub newest_ts_us: i64,
    /// Latitude of the newest position, degrees.
    pub latitude: f64,
    /// Longitude of the newest position, degrees.
    pub longitude: f64,
    /// When the last record came, milliseconds of the Unix time.
    pub last_seen_ms: i64,
    /// Records seen since the device came into memory, repeats included.
    pub session_records: u64,
}

/// A bounded map of device to state; the device that was not heard of for longest is forgotten first.
#[derive(Debug)]
pub struct DeviceStates {
    states: LruCache<Box<str>, DeviceState>,
    evictions: u64,
}

impl DeviceStates {
    /// Holds at most `capacity` devices.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { states: LruCache::new(capacity.get()), evictions: 0 }
    }

    /// Number of devices held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Holds no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Devices forgotten so far for want of room.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// The state of a device, without counting as news of it.
    #[must_use]
    pub fn get(&self, device_id: &str) -> Option<DeviceState> {
        self.states.peek(device_id).copied()
    }

    /// The devices of the batch that are not held, each once, in the batch's order.
    #[must_use]
    pub fn cold(&self, batch: &Batch) -> Vec<String> {
        batch
            .devices()
            .filter_map(|device| std::str::from_utf8(device.device_id).ok())
            .filter(|device_id| !self.states.contains_key(*device_id))
            .map(str::to_owned)
            .collect()
    }

    /// Takes the batch's records in. An older position never replaces a newer one, but counts.
    pub fn update(&mut self, batch: &Batch, seen_ms: i64) {
        for device in batch.devices() {
            let (Ok(device_id), Some(newest)) = (std::str::from_utf8(device.device_id), device.newest()) else {
                continue;
            };
            let records = u64::try_from(device.count()).unwrap_or(u64::MAX);
            if let Some(state) = self.states.get_mut(device_id) {
                state.take_in(&newest, records, seen_ms);
            } else {
                self.insert(device_id, DeviceState::first(&newest, records, seen_ms));
            }
        }
    }

    fn insert(&mut self, device_id: &str, state: DeviceState) {
        if self.states.len() >= self.states.capacity() {
            self.evictions = self.evictions.saturating_add(1);
        }
        self.states.insert(device_id.into(), state);
    }
}

impl DeviceState {
    fn first(newest: &Newest, records: u64, seen_ms: i64) -> Self {
        Self {
            newest_ts_us: newest.ts_us,
            latitude: newest.latitude,
            longitude: newest.longitude,
            last_seen_ms: seen_ms,
            session_records: records,
        }
    }

    fn take_in(&mut self, newest: &Newest, records: u64, seen_ms: i64) {
        let session_records = self.session_records.saturating_add(records);
        if newest.ts_us > self.newest_ts_us {
            *self = Self::first(newest, session_records, seen_ms);
        }
        self.session_records = session_records;
        self.last_seen_ms = seen_ms;
    }
}
