//! Device states against a model that is a plain list, least recently heard of first.

use std::num::NonZeroUsize;

use codec::batch::Batch;
use codec::devices::{DeviceState, DeviceStates};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::samples::{MEMBERS, batch_of, object};

/// 2026-05-01T09:30:00Z
const FIRST_SECOND_US: i64 = 1_777_627_800_000_000;

/// A record of device number `device`; its latitude tells it from the others.
#[derive(Clone, Copy, Debug)]
struct Report {
    device: u8,
    second: u8,
    latitude: i8,
}

impl Report {
    fn payload(self) -> String {
        let device = format!("\"{}\"", device_id(self.device));
        let timestamp = format!("\"2026-05-01T09:30:{:02}Z\"", self.second);
        let latitude = self.latitude.to_string();
        object(MEMBERS.map(|(key, value)| match key {
            "device_id" => (key, device.as_str()),
            "timestamp" => (key, timestamp.as_str()),
            "latitude" | "longitude" => (key, latitude.as_str()),
            _ => (key, value),
        }))
    }
}

fn device_id(device: u8) -> String {
    format!("imei-{device:03}")
}

fn batch(reports: &[Report]) -> Batch {
    let payloads: Vec<String> = reports.iter().map(|report| report.payload()).collect();
    batch_of(1, payloads.iter().map(String::as_str))
}

struct Model {
    capacity: usize,
    evictions: u64,
    states: Vec<(String, DeviceState)>,
}

impl Model {
    fn place(&self, device_id: &str) -> Option<usize> {
        self.states.iter().position(|(held, _)| held == device_id)
    }

    /// Takes one batch in: its devices in order, each one's reports in the order of their coming.
    fn update(&mut self, reports: &[Report], seen_ms: i64) {
        let mut devices: Vec<u8> = reports.iter().map(|report| report.device).collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            let known = self.place(&device_id(device)).map(|place| self.states.remove(place).1);
            let mut state = known;
            for report in reports.iter().filter(|report| report.device == device) {
                state = Some(heard(state, *report, seen_ms));
            }
            if known.is_none() && self.states.len() == self.capacity {
                self.states.remove(0);
                self.evictions += 1;
            }
            self.states.push((device_id(device), state.unwrap()));
        }
    }
}

fn heard(state: Option<DeviceState>, report: Report, seen_ms: i64) -> DeviceState {
    let newest_ts_us = FIRST_SECOND_US + i64::from(report.second) * 1_000_000;
    let degrees = f64::from(report.latitude);
    let fresh =
        DeviceState { newest_ts_us, latitude: degrees, longitude: degrees, last_seen_ms: seen_ms, session_records: 1 };
    match state {
        None => fresh,
        Some(state) => {
            let newest = if newest_ts_us > state.newest_ts_us { fresh } else { state };
            DeviceState { last_seen_ms: seen_ms, session_records: state.session_records + 1, ..newest }
        }
    }
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let report = (0..8u8, 0..5u8, -90..=90i8);
    vec(report.prop_map(|(device, second, latitude)| Report { device, second, latitude }), 0..12)
}

proptest! {
    #[test]
    fn states_are_those_of_the_model(capacity in 1..10usize, batches in vec(reports(), 0..12)) {
        let mut states = DeviceStates::new(NonZeroUsize::new(capacity).unwrap());
        let mut model = Model { capacity, evictions: 0, states: Vec::new() };
        for (seen_ms, reports) in (1000..).zip(&batches) {
            let batch = batch(reports);
            let mut cold: Vec<String> = reports.iter().map(|report| device_id(report.device)).collect();
            cold.retain(|device_id| model.place(device_id).is_none());
            cold.sort();
            cold.dedup();
            assert_eq!(states.cold(&batch), cold);

            states.update(&batch, seen_ms);
            model.update(reports, seen_ms);
            assert_eq!((states.len(), states.is_empty()), (model.states.len(), model.states.is_empty()));
            assert_eq!(states.evictions(), model.evictions);
            for device in 0..8 {
                let device_id = device_id(device);
                let expected = model.place(&device_id).map(|place| model.states[place].1);
                assert_eq!(states.get(&device_id), expected, "{device_id}");
            }
        }
    }
}

fn states(capacity: usize) -> DeviceStates {
    DeviceStates::new(NonZeroUsize::new(capacity).unwrap())
}

fn report(device: u8, second: u8, latitude: i8) -> Report {
    Report { device, second, latitude }
}

#[test]
fn an_older_position_counts_and_replaces_nothing() {
    let mut states = states(1);
    states.update(&batch(&[report(1, 5, 50)]), 100);
    states.update(&batch(&[report(1, 4, 40), report(1, 5, 55)]), 200);
    let state = states.get("imei-001").unwrap();
    assert_eq!((state.newest_ts_us, state.latitude), (FIRST_SECOND_US + 5_000_000, 50.0));
    assert_eq!((state.last_seen_ms, state.session_records), (200, 3));
}

#[test]
fn looking_at_a_device_does_not_keep_it() {
    let mut states = states(2);
    states.update(&batch(&[report(1, 0, 1)]), 1);
    states.update(&batch(&[report(2, 0, 2)]), 2);
    assert!(states.get("imei-001").is_some());
    assert!(states.cold(&batch(&[report(1, 0, 1)])).is_empty());
    states.update(&batch(&[report(3, 0, 3)]), 3);
    assert_eq!((states.get("imei-001"), states.evictions()), (None, 1));
    assert!(states.get("imei-002").is_some());
}

#[test]
fn a_device_that_comes_back_begins_anew() {
    let mut states = states(1);
    for device in [1, 1, 2, 1] {
        states.update(&batch(&[report(device, device, 0)]), 1);
    }
    assert_eq!(states.get("imei-001").unwrap().session_records, 1);
    assert_eq!((states.len(), states.evictions()), (1, 2));
}
