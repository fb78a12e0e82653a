//! Properties of reply parsing as plain functions of bytes; each panics where it does not hold.

use std::collections::HashMap;

use codec::StreamId;
use codec::batch::Rejection;
use codec::position::{Code, Limits};
use codec::resp::{Delivered, Delivery, Expect, Parser};

use super::replies::outcomes;
use super::samples::rows_of;

/// Small, so that generated payloads cross it.
const LIMITS: Limits = Limits { payload_bytes_max: 512, past_days_max: 3650, future_seconds_max: 86_400 };

const READINGS: [Option<Expect>; 3] = [None, Some(Expect::Read), Some(Expect::Claim)];

/// Any bytes are replies or an error, and come out the same however they are cut: here, whole, one by one, and at
/// these places.
pub(crate) fn cut_anywhere_is_whole(wire: &[u8], cuts: &[usize]) {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    places.extend([0, wire.len()]);
    places.sort_unstable();
    for expect in READINGS {
        let whole = outcomes(expect, LIMITS, [wire]);
        assert_eq!(outcomes(expect, LIMITS, wire.chunks(1)), whole, "byte by byte, {expect:?}");
        let pieces = places.windows(2).map(|place| &wire[place[0]..place[1]]);
        assert_eq!(outcomes(expect, LIMITS, pieces), whole, "cut at {places:?}, {expect:?}");
    }
}

/// No position's time is outside of these around year 9999.
const NO_WINDOW: Limits = Limits { past_days_max: u32::MAX, ..LIMITS };
const YEAR_9999_US: i64 = 253_402_300_799_000_000;

/// A record is refused if its time is outside of the window around the time in its id and outside of the one around the
/// server's, and in the batch otherwise. `None` if the bytes are no delivery, else how many are refused.
pub(crate) fn outside_is_what_is_outside_of_both_windows(wire: &[u8], server_us: i64) -> Option<usize> {
    let times = times_by_id(&read(NO_WINDOW, wire)?.judged(YEAR_9999_US));
    let delivery = read(LIMITS, wire)?.judged(server_us);
    assert!(delivery.outside.is_empty());
    let parts = [delivery.batch.len(), delivery.rejections.len(), delivery.missing.len()];
    assert_eq!(delivery.entries, parts.iter().sum::<usize>());
    for id in delivery.batch.ids() {
        assert!(admits(times[&id], id, server_us), "{id} at {}", times[&id]);
    }
    let outside = |rejection: &&Rejection| rejection.code() == Code::TsOutOfWindow;
    let refused: Vec<_> = delivery.rejections.iter().filter(outside).map(|rejection| rejection.id).collect();
    for id in &refused {
        assert!(!admits(times[id], *id, server_us), "{id} at {}", times[id]);
    }
    Some(refused.len())
}

/// The rule in words of its own, in numbers that nothing here leaves.
fn admits(ts_us: i64, id: StreamId, server_us: i64) -> bool {
    let past_us = i128::from(LIMITS.past_days_max) * 86_400_000_000;
    let future_us = i128::from(LIMITS.future_seconds_max) * 1_000_000;
    let middles_us = [i128::from(id.ms) * 1000, i128::from(server_us)];
    middles_us.iter().any(|middle_us| (-past_us..=future_us).contains(&(i128::from(ts_us) - middle_us)))
}

/// Each record's time: as COPY has it, where it has them all; repeats share the one of their row.
fn times_by_id(delivery: &Delivery) -> HashMap<StreamId, i64> {
    let mut batch = delivery.batch.clone();
    let mut times = HashMap::new();
    while !batch.is_empty() {
        let (rest, taken) = batch.take_out(0).unwrap();
        times.extend(taken.ids().zip(rows_of(&taken).iter().map(|row| row.ts_us)));
        batch = rest;
    }
    times
}

fn read(limits: Limits, wire: &[u8]) -> Option<Delivery> {
    let mut parser = Parser::new(limits);
    parser.feed(wire);
    match parser.next_delivery(Expect::Read) {
        Ok(Some(Delivered::Delivery(delivery))) => Some(delivery),
        _ => None,
    }
}
