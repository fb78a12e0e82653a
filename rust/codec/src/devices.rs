//! The state of each device: a bounded LRU, updated a batch at a time.
//!
//! A device is *restored* when its newest row in the table has been asked for. From then on its newest position is
//! not older than any row that this process has read of the table or brought to it, so that a newer row is a new one.

use std::num::NonZeroUsize;

use hashbrown::HashMap;
use hashlink::LruCache;

use crate::batch::{Batch, Keys, Newest};

/// The state of one device in this life of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceState {
    /// Time of the newest position, microseconds of the Unix time.
    pub newest_ts_us: i64,
    /// Latitude of the newest position, degrees.
    pub latitude: f64,
    /// Longitude of the newest position, degrees.
    pub longitude: f64,
    /// When the last record came, milliseconds of the Unix time; 0 before the first.
    pub last_seen_ms: i64,
    /// Records seen since the device came into memory, repeats included.
    pub session_records: u64,
}

/// The state of one device.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    is_restored: bool,
    /// `None`: restored, and the table has no row of it.
    newest: Option<Newest>,
    last_seen_ms: i64,
    session_records: u64,
}

/// A bounded map of device to state; the device that was not heard of for longest is forgotten first.
#[derive(Debug)]
pub struct DeviceStates {
    states: LruCache<Box<str>, Held>,
    evictions: u64,
}

impl DeviceStates {
    /// Holds at most `capacity` devices.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { states: LruCache::new(capacity.get()), evictions: 0 }
    }

    /// The number of devices in memory.
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

    /// The state of a device that has a position, without counting as news of it.
    #[must_use]
    pub fn get(&self, device_id: &str) -> Option<DeviceState> {
        self.states.peek(device_id).and_then(Held::state)
    }

    /// The devices that were heard of last, the last one first, `count` at most.
    pub fn recent(&self, count: usize) -> impl Iterator<Item = &str> + '_ {
        self.states.iter().rev().take(count).map(|(device_id, _)| &**device_id)
    }

    /// The devices of the batch that are not in memory, or were not restored from the table, each once, in the batch's
    /// order.
    #[must_use]
    pub fn cold(&self, batch: &Batch) -> Vec<String> {
        batch
            .devices()
            .filter_map(|device| std::str::from_utf8(device.device_id).ok())
            .filter(|device_id| self.restored(device_id).is_none())
            .map(str::to_owned)
            .collect()
    }

    /// Takes in what the table says of these devices: the newest row of each that has one.
    ///
    /// A newer position that is in memory stays; rows of other devices are ignored. Restoring does not count as use: a
    /// device keeps its place in the order of eviction.
    pub fn restore<'a>(
        &mut self,
        device_ids: impl IntoIterator<Item = &'a str>,
        rows: impl IntoIterator<Item = (&'a str, Newest)>,
    ) {
        let rows: HashMap<&str, Newest> = rows.into_iter().collect();
        for device_id in device_ids {
            let row = rows.get(device_id);
            if let Some(held) = self.states.peek_mut(device_id) {
                held.restore(row);
            } else {
                let mut held = Held::default();
                held.restore(row);
                self.insert(device_id, held);
            }
        }
    }

    /// Forgets a device, as if it had never been heard of: its rows may be in the table, until it is restored. False if
    /// it was not in memory. It is no eviction.
    pub fn forget(&mut self, device_id: &str) -> bool {
        self.states.remove(device_id).is_some()
    }

    /// The keys of the rows that may be in the table: of a device that is not restored, or not newer than its newest
    /// position. To be asked before [`DeviceStates::update`] takes the batch in.
    #[must_use]
    pub fn unproven(&self, batch: &Batch) -> Keys {
        batch.keys_up_to(|device_id| {
            match std::str::from_utf8(device_id).ok().and_then(|device_id| self.restored(device_id)) {
                Some(held) => held.newest.map(|newest| newest.ts_us),
                None => Some(i64::MAX),
            }
        })
    }

    /// Takes the batch's records in. An older position never replaces a newer one, but counts.
    pub fn update(&mut self, batch: &Batch, seen_ms: i64) {
        for device in batch.devices() {
            let (Ok(device_id), Some(newest)) = (std::str::from_utf8(device.device_id), device.newest()) else {
                continue;
            };
            let records = u64::try_from(device.count()).unwrap_or(u64::MAX);
            if let Some(held) = self.states.get_mut(device_id) {
                held.take_in(&newest, records, seen_ms);
            } else {
                let mut held = Held::default();
                held.take_in(&newest, records, seen_ms);
                self.insert(device_id, held);
            }
        }
    }

    fn restored(&self, device_id: &str) -> Option<&Held> {
        self.states.peek(device_id).filter(|held| held.is_restored)
    }

    /// Room is made by forgetting a device, which counts unless it was only restored and not heard of since.
    fn insert(&mut self, device_id: &str, held: Held) {
        if self.states.len() >= self.states.capacity() {
            let forgotten = self.states.remove_lru();
            let counts = forgotten.is_some_and(|(_, forgotten)| forgotten.session_records > 0);
            self.evictions = self.evictions.saturating_add(u64::from(counts));
        }
        self.states.insert(device_id.into(), held);
    }
}

impl Held {
    fn state(&self) -> Option<DeviceState> {
        let newest = self.newest?;
        Some(DeviceState {
            newest_ts_us: newest.ts_us,
            latitude: newest.latitude,
            longitude: newest.longitude,
            last_seen_ms: self.last_seen_ms,
            session_records: self.session_records,
        })
    }

    fn restore(&mut self, row: Option<&Newest>) {
        self.is_restored = true;
        if let Some(row) = row {
            self.take_newer(row);
        }
    }

    fn take_in(&mut self, newest: &Newest, records: u64, seen_ms: i64) {
        self.take_newer(newest);
        self.session_records = self.session_records.saturating_add(records);
        self.last_seen_ms = seen_ms;
    }

    fn take_newer(&mut self, newest: &Newest) {
        if self.newest.is_none_or(|held| newest.ts_us > held.ts_us) {
            self.newest = Some(*newest);
        }
    }
}
