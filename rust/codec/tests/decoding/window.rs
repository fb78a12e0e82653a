//! The window of time: judged by the time in the entry's id, and by the server's clock where that speaks against a record.

use codec::StreamId;
use codec::position::{Code, Limits, Reject};
use codec::resp::{Delivery, Expect};

use crate::replies::{Entry, Protocol, comparable, delivery_under, read_reply};
use crate::samples::{NOW_MS, rows_of, with};

const NOW_US: i64 = 1_777_636_800_000_000;
const DAY_MS: u64 = 86_400_000;

/// A record of that time in an entry of that id.
fn entry(ms: u64, seq: u64, timestamp: &str) -> Entry {
    let (payload, _) = with("timestamp", &format!("\"{timestamp}\""));
    Entry { id: StreamId { ms, seq }, ..Entry::common(0, payload.as_bytes()) }
}

fn read(limits: Limits, entries: &[Entry]) -> Delivery {
    delivery_under(limits, Expect::Read, &read_reply(Protocol::Resp2, entries))
}

fn one(ms: u64, timestamp: &str) -> Delivery {
    read(Limits::default(), &[entry(ms, 0, timestamp)])
}

/// Sequence numbers of the records, in the batch's order, and of the rejections, in theirs.
fn seqs(delivery: &Delivery) -> (Vec<u64>, Vec<u64>) {
    (
        delivery.batch.ids().map(|id| id.seq).collect(),
        delivery.rejections.iter().map(|rejection| rejection.id.seq).collect(),
    )
}

#[test]
fn the_window_around_the_id_includes_its_bounds() {
    for (timestamp, inside) in [
        ("2016-05-03T12:00:00Z", true),
        ("2016-05-03T11:59:59.999Z", false),
        ("2016-05-03T11:59:59.999999Z", false),
        ("2016-05-03T12:00:00+00:01", false),
        ("2026-05-02T12:00:00.000Z", true),
        ("2026-05-02T12:00:00.000000999Z", true),
        ("2026-05-02T12:00:00.001Z", false),
        ("2026-05-02T12:00:00.000001Z", false),
        ("2026-05-02T12:00:00-00:01", false),
        ("0000-01-01T00:00:00Z", false),
        ("9999-12-31T23:59:59Z", false),
    ] {
        let delivery = one(NOW_MS, timestamp);
        let found = (delivery.batch.len(), delivery.outside.len(), delivery.rejections.len());
        assert_eq!(found, if inside { (1, 0, 0) } else { (0, 1, 0) }, "{timestamp}");
    }
}

#[test]
fn what_is_outside_by_its_id_is_refused_if_it_is_outside_by_the_servers_clock_too() {
    let timestamp = "2026-05-02T12:00:00.001Z";
    let (_, place) = with("timestamp", "");
    let refused = one(NOW_MS, timestamp).judged(NOW_US);
    assert_eq!(refused.rejections[0].reject, Reject::of(Code::TsOutOfWindow, "timestamp", place + 1));
    assert_eq!(refused.rejections[0].device_id.as_deref(), Some("356307042441013"));
    assert_eq!((refused.batch.len(), refused.outside.len(), refused.entries), (0, 0, 1));

    let taken = one(NOW_MS, timestamp).judged(NOW_US + 1000);
    assert_eq!((taken.batch.len(), taken.outside.len(), taken.entries), (1, 0, 1));
    assert!(taken.rejections.is_empty());
}

#[test]
fn an_id_of_any_size_is_a_time() {
    for (ms, timestamp, inside) in [
        (0, "1970-01-02T00:00:00Z", true),
        (0, "1970-01-02T00:00:00.001Z", false),
        (1, "1960-01-05T00:00:00Z", true),
        (253_402_300_799_000, "9999-12-31T23:59:59.999Z", true),
        (253_402_300_799_000 + 3650 * DAY_MS, "9999-12-31T23:59:59Z", true),
        (9_405_000_000_000_000, "9999-12-31T23:59:59Z", false),
        (u64::MAX / 1000 + 1, "1970-01-01T00:00:00Z", false),
        (i64::MAX as u64, "9999-12-31T23:59:59Z", false),
        (u64::MAX, "9999-12-31T23:59:59Z", false),
        (u64::MAX, "0000-01-01T00:00:00Z", false),
    ] {
        let delivery = one(ms, timestamp);
        assert_eq!(delivery.batch.len() == 1, inside, "{ms} {timestamp}");
        for server_us in [i64::MIN, 0, i64::MAX] {
            let judged = delivery.clone().judged(server_us);
            assert_eq!(judged.batch.len() + judged.rejections.len(), 1, "{ms} {timestamp} at {server_us}");
        }
    }
}

#[test]
fn what_the_servers_clock_admits_stands_where_it_would_have_stood() {
    let (early, late) = (NOW_MS - 2 * DAY_MS, NOW_MS);
    let at = |second: u8| format!("2026-05-01T11:00:{second:02}Z");
    // The same keys, and the earliest entry of one is outside by its id.
    let mixed = [entry(early, 1, &at(2)), entry(late, 2, &at(1)), entry(late, 3, &at(2)), entry(late, 4, &at(3))];
    let sound = mixed.clone().map(|mut entry| {
        entry.id.ms = late;
        entry
    });
    let delivery = read(Limits::default(), &mixed);
    assert_eq!((seqs(&delivery), delivery.outside.len()), ((vec![2, 3, 4], vec![]), 1));
    let judged = delivery.judged(NOW_US);
    let expected = read(Limits::default(), &sound);
    assert_eq!(seqs(&judged), (vec![2, 1, 3, 4], vec![]));
    assert_eq!(seqs(&judged), seqs(&expected));
    assert_eq!(rows_of(&judged.batch), rows_of(&expected.batch));
}

#[test]
fn rejections_are_in_the_order_of_their_ids_whatever_they_are_for() {
    let broken = |seq| Entry { id: StreamId { ms: NOW_MS, seq }, ..Entry::common(0, b"{") };
    let entries =
        [broken(1), entry(NOW_MS, 2, "1999-01-01T00:00:00Z"), broken(3), entry(NOW_MS, 4, "2099-01-01T00:00:00Z")];
    let judged = read(Limits::default(), &entries).judged(NOW_US);
    assert_eq!(seqs(&judged), (vec![], vec![1, 2, 3, 4]));
}

#[test]
fn a_payload_that_is_refused_for_itself_is_refused_for_that_at_any_time() {
    let (payload, place) = with("timestamp", "\"1999-01-01T00:00:00Z\"");
    let payload = payload.replace("41.3275", "91");
    let delivery = read(Limits::default(), &[Entry::common(1, payload.as_bytes())]);
    assert_eq!((delivery.outside.len(), delivery.rejections[0].code()), (0, Code::OutOfRange));
    assert!(delivery.rejections[0].reject.offset.is_some_and(|offset| offset > place));
}

#[test]
fn without_anything_outside_the_servers_clock_changes_nothing() {
    let delivery = read(Limits::default(), &[entry(NOW_MS, 1, "2026-05-01T11:00:00Z"), Entry::common(2, b"{")]);
    assert_eq!(comparable(&delivery), comparable(&delivery.clone().judged(0)));
}

#[test]
fn the_window_is_the_operators_to_set() {
    let limits = Limits { past_days_max: 1_000_000, future_seconds_max: 1, ..Limits::default() };
    for (timestamp, inside) in
        [("0000-01-01T00:00:00Z", true), ("2026-05-01T12:00:01Z", true), ("2026-05-01T12:00:02Z", false)]
    {
        let entry = entry(NOW_MS, 0, timestamp);
        let by_id = read(limits, std::slice::from_ref(&entry));
        assert_eq!(by_id.batch.len() == 1, inside, "{timestamp}");
        // Far from the id, so that the server's clock alone decides.
        let by_clock = read(limits, &[Entry { id: StreamId { ms: u64::MAX, seq: 0 }, ..entry }]);
        assert_eq!((by_clock.outside.len(), by_clock.judged(NOW_US).batch.len() == 1), (1, inside), "{timestamp}");
    }
}
