//! Device states against a model that is a plain list, least recently heard of first, beside a table.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use codec::batch::{Batch, Keys, Newest};
use codec::devices::{DeviceState, DeviceStates};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::array_reader::{TEXT_OID, TIMESTAMPTZ_OID, read_array, read_timestamp_us};
use crate::samples::{MEMBERS, batch_of, object};

/// 2026-05-01T09:30:00Z
const FIRST_SECOND_US: i64 = 1_777_627_800_000_000;

/// Devices that reports and questions are of.
const DEVICES: u8 = 8;

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

/// A device that the model holds.
#[derive(Clone, Copy, Default)]
struct Held {
    is_restored: bool,
    state: Option<DeviceState>,
}

struct Model {
    capacity: usize,
    evictions: u64,
    held: Vec<(u8, Held)>,
    /// Latitude of each row in the table, by device and second.
    table: BTreeMap<(u8, u8), i8>,
}

impl Model {
    fn held(&self, device: u8) -> Option<Held> {
        self.held.iter().find(|(held, _)| *held == device).map(|(_, held)| *held)
    }

    fn is_cold(&self, device: u8) -> bool {
        self.held(device).is_none_or(|held| !held.is_restored)
    }

    /// Puts a device behind the others, or where it was.
    fn put(&mut self, device: u8, held: Held, is_news: bool) {
        let place = self.held.iter().position(|(held, _)| *held == device);
        match place {
            Some(place) if !is_news => self.held[place].1 = held,
            Some(place) => {
                self.held.remove(place);
                self.held.push((device, held));
            }
            None => {
                if self.held.len() == self.capacity {
                    let (_, forgotten) = self.held.remove(0);
                    self.evictions += u64::from(forgotten.state.is_some_and(|state| state.session_records > 0));
                }
                self.held.push((device, held));
            }
        }
    }

    /// Takes one batch in: its devices in order, each one's reports in the order of their coming.
    fn update(&mut self, reports: &[Report], seen_ms: i64) {
        for device in devices_of(reports) {
            let mut held = self.held(device).unwrap_or_default();
            for report in reports.iter().filter(|report| report.device == device) {
                held.state = Some(heard(held.state, *report, seen_ms));
            }
            self.put(device, held, true);
        }
    }

    fn write(&mut self, reports: &[Report]) {
        for report in reports {
            self.table.entry((report.device, report.second)).or_insert(report.latitude);
        }
    }

    fn newest_row(&self, device: u8) -> Option<Report> {
        let row = self.table.range((device, 0)..=(device, u8::MAX)).next_back();
        row.map(|(&(device, second), &latitude)| Report { device, second, latitude })
    }

    fn restore(&mut self, devices: &[u8]) {
        for &device in devices {
            let mut held = self.held(device).unwrap_or_default();
            held.is_restored = true;
            if let Some(row) = self.newest_row(device) {
                let as_read = DeviceState { last_seen_ms: 0, session_records: 0, ..heard(None, row, 0) };
                let state = held.state.get_or_insert(as_read);
                if as_read.newest_ts_us > state.newest_ts_us {
                    let DeviceState { last_seen_ms, session_records, .. } = *state;
                    *state = DeviceState { last_seen_ms, session_records, ..as_read };
                }
            }
            self.put(device, held, false);
        }
    }

    /// Keys that cannot be said to be new.
    fn unproven(&self, reports: &[Report]) -> BTreeSet<(u8, u8)> {
        let mut keys: BTreeSet<(u8, u8)> = reports.iter().map(|report| (report.device, report.second)).collect();
        keys.retain(|(device, second)| {
            let newest = self.held(*device).and_then(|held| held.state).map(|state| state.newest_ts_us);
            self.is_cold(*device) || newest.is_some_and(|newest_ts_us| ts_us(*second) <= newest_ts_us)
        });
        keys
    }
}

fn devices_of(reports: &[Report]) -> BTreeSet<u8> {
    reports.iter().map(|report| report.device).collect()
}

fn ts_us(second: u8) -> i64 {
    FIRST_SECOND_US + i64::from(second) * 1_000_000
}

fn heard(state: Option<DeviceState>, report: Report, seen_ms: i64) -> DeviceState {
    let newest_ts_us = ts_us(report.second);
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

#[derive(Clone, Debug)]
enum Step {
    /// Judge a batch, take it in and write it.
    Write(Vec<Report>),
    /// Ask the table about these devices.
    Restore(Vec<u8>),
    /// Another writer's rows, of devices that are not known here.
    WriteElsewhere(Vec<Report>),
    /// An operator has a device forgotten.
    Forget(u8),
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let report = (0..DEVICES, 0..5u8, -90..=90i8);
    vec(report.prop_map(|(device, second, latitude)| Report { device, second, latitude }), 0..12)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => reports().prop_map(Step::Write),
        3 => vec(0..DEVICES, 0..6).prop_map(Step::Restore),
        1 => reports().prop_map(Step::WriteElsewhere),
        1 => (0..DEVICES).prop_map(Step::Forget),
    ]
}

fn restore(states: &mut DeviceStates, rows: &[(u8, Option<Report>)]) {
    let device_ids: Vec<String> = rows.iter().map(|(device, _)| device_id(*device)).collect();
    let newest = |report: &Report| {
        let degrees = f64::from(report.latitude);
        Newest { ts_us: ts_us(report.second), latitude: degrees, longitude: degrees }
    };
    let found = device_ids.iter().zip(rows).filter_map(|(id, (_, row))| Some((id.as_str(), newest(row.as_ref()?))));
    states.restore(device_ids.iter().map(String::as_str), found);
}

fn keys_of(keys: &Keys) -> BTreeSet<(u8, u8)> {
    let device_ids = read_array(&keys.device_ids(), TEXT_OID);
    let timestamps = read_array(&keys.timestamps(), TIMESTAMPTZ_OID);
    let key = |(device_id, timestamp): (Vec<u8>, Vec<u8>)| {
        let device = String::from_utf8(device_id).unwrap().trim_start_matches("imei-").parse().unwrap();
        (device, u8::try_from((read_timestamp_us(&timestamp) - FIRST_SECOND_US) / 1_000_000).unwrap())
    };
    device_ids.into_iter().zip(timestamps).map(key).collect()
}

/// Does one step to both; a batch is judged before it is taken in.
fn apply(states: &mut DeviceStates, model: &mut Model, step: &Step, seen_ms: i64) {
    match step {
        Step::Write(reports) => {
            let batch = batch(reports);
            let mut cold = devices_of(reports);
            cold.retain(|device| model.is_cold(*device));
            assert_eq!(states.cold(&batch), cold.into_iter().map(device_id).collect::<Vec<_>>());

            let unproven = keys_of(&states.unproven(&batch));
            assert_eq!(unproven, model.unproven(reports));
            let mut in_table = reports.iter().map(|report| (report.device, report.second));
            assert!(in_table.all(|key| unproven.contains(&key) || !model.table.contains_key(&key)));

            states.update(&batch, seen_ms);
            model.update(reports, seen_ms);
            model.write(reports);
        }
        Step::Restore(devices) => {
            let rows: Vec<_> = devices.iter().map(|device| (*device, model.newest_row(*device))).collect();
            restore(states, &rows);
            model.restore(devices);
        }
        Step::WriteElsewhere(reports) => {
            let mut reports = reports.clone();
            reports.retain(|report| model.is_cold(report.device));
            model.write(&reports);
        }
        Step::Forget(device) => {
            assert_eq!(states.forget(&device_id(*device)), model.held(*device).is_some());
            model.held.retain(|(held, _)| held != device);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_gives_the_newest_position_of_each_device_once(reports in reports()) {
        let mut expected = BTreeMap::new();
        for report in &reports {
            let newest = expected.entry(device_id(report.device)).or_insert(i64::MIN);
            *newest = ts_us(report.second).max(*newest);
        }
        let batch = batch(&reports);
        let newest = batch.newest_positions().map(|(device_id, it)| (device_id.to_owned(), it.ts_us));
        assert_eq!(newest.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn states_are_those_of_the_model_and_no_row_of_the_table_is_ever_proven_new(
        capacity in 1..10usize, steps in vec(step(), 0..16),
    ) {
        let mut states = states(capacity);
        let mut model = Model { capacity, evictions: 0, held: Vec::new(), table: BTreeMap::new() };
        for (seen_ms, step) in (1000..).zip(&steps) {
            apply(&mut states, &mut model, step, seen_ms);
            assert_eq!((states.len(), states.is_empty()), (model.held.len(), model.held.is_empty()));
            assert_eq!(states.evictions(), model.evictions);
            for device in 0..DEVICES {
                let expected = model.held(device).and_then(|held| held.state);
                assert_eq!(states.get(&device_id(device)), expected, "{device}");
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
fn the_devices_that_were_heard_of_last_come_first() {
    let mut states = states(3);
    for number in [1, 2, 3, 1] {
        states.update(&batch(&[report(number, 0, 1)]), 1);
    }
    assert_eq!(states.recent(2).collect::<Vec<_>>(), ["imei-001", "imei-003"]);
    assert_eq!(states.recent(9).count(), 3);
}

#[test]
fn looking_at_a_device_does_not_keep_it() {
    let mut states = states(2);
    states.update(&batch(&[report(1, 0, 1)]), 1);
    states.update(&batch(&[report(2, 0, 2)]), 2);
    assert!(states.get("imei-001").is_some());
    assert_eq!(states.cold(&batch(&[report(1, 0, 1)])).len(), 1);
    assert_eq!(states.unproven(&batch(&[report(1, 0, 1)])).len(), 1);
    restore(&mut states, &[(1, None)]);
    assert!(states.cold(&batch(&[report(1, 0, 1)])).is_empty());
    states.update(&batch(&[report(3, 0, 3)]), 3);
    assert_eq!((states.get("imei-001"), states.evictions()), (None, 1));
    assert!(states.get("imei-002").is_some());
}

#[test]
fn a_device_without_a_row_is_restored_too_and_has_no_state_before_its_first_record() {
    let mut states = states(2);
    let first = batch(&[report(1, 3, 30)]);
    restore(&mut states, &[(1, None)]);
    assert_eq!((states.len(), states.get("imei-001")), (1, None));
    assert!(states.cold(&first).is_empty());
    assert!(states.unproven(&first).is_empty());
    states.update(&first, 100);
    assert_eq!(states.get("imei-001").unwrap().session_records, 1);
    assert_eq!(states.unproven(&first).len(), 1);
}

#[test]
fn a_newer_position_that_is_held_survives_the_tables() {
    let mut states = states(1);
    states.update(&batch(&[report(1, 5, 50)]), 100);
    for (second, newest) in [(4, 50.0), (5, 50.0), (6, 66.0)] {
        restore(&mut states, &[(1, Some(report(1, second, 66)))]);
        let state = states.get("imei-001").unwrap();
        assert_eq!((state.latitude, state.last_seen_ms, state.session_records), (newest, 100, 1));
    }
}

#[test]
fn rows_of_devices_that_were_not_asked_for_are_passed_over() {
    let mut states = states(2);
    let row = Newest { ts_us: ts_us(1), latitude: 1.0, longitude: 1.0 };
    states.restore(["imei-001"], [("imei-001", row), ("imei-002", row)]);
    assert_eq!((states.len(), states.get("imei-002")), (1, None));
    let state = states.get("imei-001").unwrap();
    assert_eq!((state.newest_ts_us, state.last_seen_ms, state.session_records), (ts_us(1), 0, 0));
}

#[test]
fn a_device_that_comes_back_begins_without_a_state() {
    let mut states = states(1);
    for device in [1, 1, 2, 1] {
        states.update(&batch(&[report(device, device, 0)]), 1);
    }
    assert_eq!(states.get("imei-001").unwrap().session_records, 1);
    assert_eq!((states.len(), states.evictions()), (1, 2));
}
