//! Logins, pings, and what is neither: closed at the first byte that says so.

use codec::avl::{Step, WrongState};

use crate::sessions::{ADMITS, Choices, Conversation, IMEI, Seen, login_of, seen, session};

const OTHER_IMEI: &str = "123456789012345";

fn only(bytes: &[u8]) -> Option<Seen> {
    let mut seen = seen(ADMITS, [bytes]);
    assert!(seen.len() <= 1, "{seen:?}");
    seen.pop()
}

fn admitted(imei: &str, again: bool) -> Seen {
    Seen::Login { imei: imei.to_owned(), again, answer: vec![1] }
}

#[test]
fn what_is_no_login_is_closed_at_the_first_byte_that_says_so_and_waited_for_up_to_it() {
    let cases: [(&[u8], &str); 12] = [
        (b"\x16", "tls"),
        (b"G", "http"),
        (b"P", "http"),
        (b"\x01", "other_login"),
        (b"\x0f", "bad_length"),
        (b"x", "bad_length"),
        (b"\x00\x00", "bad_length"),
        (b"\x00\x10", "bad_length"),
        (b"\x00\x0e", "bad_length"),
        (b"\x00\xff", "bad_length"),
        (b"\x00\x0fa", "not_digits"),
        (b"\x00\x0f35630704244101:", "not_digits"),
    ];
    for (bytes, code) in cases {
        assert_eq!(only(bytes), Some(Seen::BadLogin(code)), "{bytes:?}");
        assert_eq!(only(&bytes[..bytes.len() - 1]), None, "{bytes:?}");
        let followed = [bytes, &login_of(IMEI)].concat();
        assert_eq!(only(&followed), Some(Seen::BadLogin(code)), "{bytes:?} with more behind it");
    }
}

#[test]
fn a_login_is_waited_for_up_to_its_last_digit() {
    let login = login_of(IMEI);
    for length in 0..login.len() {
        assert_eq!(only(&login[..length]), None);
    }
    assert_eq!(only(&login), Some(admitted(IMEI, false)));
}

#[test]
fn an_imei_that_fails_the_check_digit_is_admitted() {
    assert_eq!(only(&login_of(OTHER_IMEI)), Some(admitted(OTHER_IMEI, false)));
}

#[test]
fn a_second_login_of_the_same_device_is_answered_and_one_of_another_ends_the_session() {
    let again = [login_of(IMEI), login_of(IMEI), login_of(OTHER_IMEI), login_of(IMEI)].concat();
    let expected = [admitted(IMEI, false), admitted(IMEI, true), Seen::BadLogin("other_imei")];
    assert_eq!(seen(ADMITS, [&again[..]]), expected);
}

#[test]
fn a_damaged_second_login_ends_the_session() {
    let damaged = [login_of(IMEI), b"\x00\x0f35630704244101x".to_vec()].concat();
    assert_eq!(seen(ADMITS, [&damaged[..]]).last(), Some(&Seen::BadLogin("not_digits")));
}

#[test]
fn pings_are_swallowed_at_every_boundary_and_nowhere_else() {
    let wire = [b"\xff\xff".to_vec(), login_of(IMEI), b"\xff".to_vec(), login_of(IMEI), b"\xff".to_vec()].concat();
    let expected = [Seen::Ping, Seen::Ping, admitted(IMEI, false), Seen::Ping, admitted(IMEI, true), Seen::Ping];
    assert_eq!(seen(ADMITS, [&wire[..]]), expected);
    assert_eq!(only(b"\x00\x0f3\xff"), Some(Seen::BadLogin("not_digits")));
}

#[test]
fn behind_the_login_nothing_but_a_ping_is_judged_before_its_eighth_byte() {
    for rubbish in [*b"GET / HT", [0x16, 3, 1, 0, 0xc8, 1, 0, 0], [1; 8], [0, 0, 0, 1, 0, 0, 0, 0]] {
        let mut conversation = Conversation::logged_in();
        for byte in &rubbish[..7] {
            conversation.feed(&[*byte]);
        }
        assert_eq!(conversation.seen, []);
        conversation.feed(&rubbish[7..]);
        let [Seen::Refused(refused)] = &conversation.seen[..] else { panic!("{:?}", conversation.seen) };
        assert_eq!((refused.code.as_str(), refused.offset, refused.codec), ("bad_preamble", 0, "other"));
        assert!(refused.closes && refused.frame.is_none());
    }
}

#[test]
fn a_refused_device_is_answered_and_nothing_that_it_sends_is_looked_at() {
    let refuses = Choices { admits: false, keeps: false };
    let mut conversation = Conversation::new(refuses);
    conversation.feed(&[login_of(IMEI), login_of(IMEI)].concat());
    conversation.feed(b"GET /");
    let expected = Seen::Login { imei: IMEI.to_owned(), again: false, answer: vec![0] };
    assert_eq!(conversation.seen, [expected]);
    let session = &conversation.session;
    assert_eq!((session.imei(), session.received_bytes(), session.buffered_bytes()), (None, 39, 0));
}

#[test]
fn what_does_not_suit_the_state_is_an_error_and_changes_nothing() {
    let mut commands = Vec::new();
    let mut session = session();
    assert!(session.admit().is_err() && session.refuse(0).is_err() && session.settle().is_err());

    let login = session.feed(&login_of(IMEI), 0, &mut commands).unwrap();
    assert!(matches!(login, Some(Step::Login { again: false, .. })));
    assert_eq!(session.imei(), None);
    assert!(session.in_hand() && session.settle().is_err());
    assert_eq!(session.next_step(&mut commands), None);
    let in_hand = WrongState("bytes came while a frame or login is in hand");
    assert_eq!(session.feed(b"\xff", 0, &mut commands), Err(in_hand));
    assert_eq!(session.received_bytes(), 17);

    assert_eq!(session.admit(), Ok([1]));
    assert!(session.admit().is_err());
    assert_eq!(session.feed(b"\xff", 0, &mut commands), Ok(Some(Step::Ping)));
}
