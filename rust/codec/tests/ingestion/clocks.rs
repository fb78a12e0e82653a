//! The clocks of a session: from the acceptance to the login, of a frame, of silence, and of the end.

use codec::avl::{Expiry, Session, Step};

use crate::sessions::{IMEI, LIMITS, login_of, session};
use crate::vectors::from_hex;

const GOOD: &str = "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f10000601a014e0000000000000000010000c7cf";

fn feed(session: &mut Session, bytes: &[u8], now_ms: u64) -> Option<Step> {
    session.feed(bytes, now_ms, &mut Vec::new()).unwrap()
}

fn logged_in(now_ms: u64) -> Session {
    let mut session = session();
    feed(&mut session, &login_of(IMEI), now_ms);
    session.admit().unwrap();
    session
}

/// It runs out at this time and not a millisecond earlier.
fn assert_expires(session: &mut Session, at_ms: u64, expiry: Expiry) {
    assert_eq!(session.expired(at_ms - 1), None);
    assert_eq!(session.expired(at_ms), Some(expiry));
}

#[test]
fn a_login_has_its_time_from_the_acceptance_however_it_dribbles_in() {
    let mut session = session();
    assert_expires(&mut session, LIMITS.login_timeout_ms, Expiry::Login);
    feed(&mut session, b"\xff", 1_000);
    feed(&mut session, &login_of(IMEI)[..16], LIMITS.login_timeout_ms - 1);
    assert_expires(&mut session, LIMITS.login_timeout_ms, Expiry::Login);
}

#[test]
fn silence_is_counted_from_the_last_byte_and_a_ping_is_one() {
    let mut session = logged_in(5_000);
    assert_expires(&mut session, 5_000 + LIMITS.idle_timeout_ms, Expiry::Idle);
    feed(&mut session, b"\xff", 40_000);
    assert_expires(&mut session, 40_000 + LIMITS.idle_timeout_ms, Expiry::Idle);
}

#[test]
fn a_frame_has_its_time_from_its_first_byte_however_it_dribbles_in() {
    let frame = from_hex(GOOD);
    let mut session = logged_in(0);
    feed(&mut session, &frame[..1], 10_000);
    feed(&mut session, &frame[1..60], 29_999);
    assert_expires(&mut session, 10_000 + LIMITS.frame_timeout_ms, Expiry::Frame);
    assert!(matches!(feed(&mut session, &frame[60..], 29_999), Some(Step::Accepted(_))));
    session.settle().unwrap();
    assert_expires(&mut session, 29_999 + LIMITS.idle_timeout_ms, Expiry::Idle);
}

#[test]
fn the_next_frame_begins_when_its_first_byte_came() {
    let frame = from_hex(GOOD);
    let mut session = logged_in(0);
    feed(&mut session, &frame[..60], 1_000);
    let step = feed(&mut session, &[&frame[60..], &frame[..10]].concat(), 15_000);
    assert!(matches!(step, Some(Step::Accepted(_))));
    session.settle().unwrap();
    assert_eq!(session.next_step(&mut Vec::new()), None);
    assert_expires(&mut session, 15_000 + LIMITS.frame_timeout_ms, Expiry::Frame);
}

#[test]
fn no_clock_runs_while_a_frame_or_login_is_in_hand_and_the_time_is_not_the_devices() {
    let frame = from_hex(GOOD);
    let mut session = session();
    feed(&mut session, &login_of(IMEI), 0);
    assert_eq!(session.expired(1_000_000), None);
    session.admit().unwrap();
    feed(&mut session, &[&frame[..], &frame[..10]].concat(), 1_000_000);
    for now_ms in (1_000_000..=2_000_000).step_by(1_000) {
        assert_eq!(session.expired(now_ms), None);
    }
    session.settle().unwrap();
    assert_eq!(session.next_step(&mut Vec::new()), None);
    assert_expires(&mut session, 2_000_000 + LIMITS.frame_timeout_ms, Expiry::Frame);
}

#[test]
fn a_refused_device_has_two_seconds_and_one_that_was_sent_fin_has_one() {
    let mut session = session();
    feed(&mut session, &login_of(IMEI), 0);
    session.refuse(7_000).unwrap();
    feed(&mut session, b"more", 8_500);
    assert_expires(&mut session, 9_000, Expiry::Refused);

    let mut session = logged_in(0);
    feed(&mut session, b"\x00\x00", 0);
    session.linger(50_000);
    feed(&mut session, b"more", 50_500);
    assert!(session.is_at_boundary());
    assert_expires(&mut session, 51_000, Expiry::Lingered);
}

#[test]
fn a_session_that_is_over_still_ends_by_silence() {
    let mut session = session();
    feed(&mut session, b"G", 1_000);
    session.admit().unwrap_err();
    assert_expires(&mut session, LIMITS.login_timeout_ms.max(1_000 + LIMITS.idle_timeout_ms), Expiry::Idle);
}

#[test]
fn every_clock_has_its_name() {
    let names = [Expiry::Login, Expiry::Frame, Expiry::Idle, Expiry::Refused, Expiry::Lingered].map(Expiry::as_str);
    assert_eq!(names, ["login", "frame", "idle", "refused", "lingered"]);
}
