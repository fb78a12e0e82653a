//! Frames that are refused: which of them end the session, and what may be kept.

use codec::avl::{AcceptedFrame, Session, Step};

use crate::avl_encoder::encode_frame;
use crate::sessions::{Choices, Conversation, IMEI, LIMITS, Seen, confirm, login_of, seen, session};
use crate::vectors::from_hex;

/// A codec 8 frame of one record and two elements, from the vendor's wiki.
const GOOD: &str = "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f10000601a014e0000000000000000010000c7cf";
const COMMAND: &str = "000000000000000f0c010500000007676574696e666f0100004312";
const EMPTY: &str = "00000000000000030800000000c281";

fn good() -> Vec<u8> {
    from_hex(GOOD)
}

fn wrong_crc() -> Vec<u8> {
    let mut frame = good();
    *frame.last_mut().unwrap() ^= 1;
    frame
}

/// Unknown codec id, right checksum: refused, but it can be kept.
fn undecodable(records: u8) -> Vec<u8> {
    encode_frame(&[0x99, records, 1, 2, 3, records])
}

/// `ok`, `empty`, `command`, or the code of a refusal, with an exclamation mark where it closes.
fn names(steps: &[Seen]) -> Vec<String> {
    let name = |step: &Seen| match step {
        Seen::Published { .. } => "ok".to_owned(),
        Seen::Empty { .. } => "empty".to_owned(),
        Seen::Command(_) => "command".to_owned(),
        Seen::Kept { .. } => "kept".to_owned(),
        Seen::Refused(refused) => format!("{}{}", refused.code.as_str(), if refused.closes { "!" } else { "" }),
        Seen::Login { .. } => "login".to_owned(),
        Seen::Ping => "ping".to_owned(),
        Seen::BadLogin(code) => format!("{code}!"),
    };
    steps.iter().map(name).collect()
}

fn after_login(frames: &[Vec<u8>]) -> Vec<String> {
    let mut conversation = Conversation::logged_in();
    conversation.feed(&frames.concat());
    names(&conversation.seen)
}

#[test]
fn a_wrong_checksum_leaves_the_session_open_the_first_time_in_a_row() {
    assert_eq!(after_login(&[wrong_crc(), good(), wrong_crc(), good()]), ["crc_fail", "ok", "crc_fail", "ok"]);
    assert_eq!(after_login(&[wrong_crc(), wrong_crc(), good()]), ["crc_fail", "crc_fail!"]);
}

#[test]
fn any_frame_with_a_right_checksum_ends_the_row_and_pings_and_logins_do_not() {
    for between in [EMPTY, COMMAND] {
        let names = after_login(&[wrong_crc(), from_hex(between), wrong_crc()]);
        assert_eq!(names[2], "crc_fail", "{names:?}");
    }
    let names = after_login(&[wrong_crc(), vec![0xff], login_of(IMEI), wrong_crc()]);
    assert_eq!(names, ["crc_fail", "ping", "login", "crc_fail!"]);
}

#[test]
fn everything_else_ends_the_session() {
    let data_bytes_max = u32::try_from(LIMITS.frame_bytes_max).unwrap();
    let header = |data_bytes: u32| [[0; 4], data_bytes.to_be_bytes()].concat();
    let cases = [
        (undecodable(1), "unknown_codec!"),
        (encode_frame(&[8, 1, 0]), "count_mismatch!"),
        (encode_frame(&[8, 1, 1]), "count_mismatch!"),
        (encode_frame(&[0x0c, 1, 5, 0, 0, 0, 9, 1]), "io_overrun!"),
        (header(data_bytes_max + 1), "oversize!"),
        (header(u32::MAX), "oversize!"),
        (header(0), "count_mismatch!"),
        (header(2), "count_mismatch!"),
        (vec![0; 12], "count_mismatch!"),
        (vec![1; 8], "bad_preamble!"),
    ];
    for (bytes, name) in cases {
        assert_eq!(after_login(&[good(), bytes.clone(), good()]), ["ok", name], "{bytes:?}");
    }
}

#[test]
fn a_frame_as_long_as_the_limit_is_read_and_a_longer_one_refused_by_its_header_alone() {
    let mut conversation = Conversation::logged_in();
    let limit = u32::try_from(LIMITS.frame_bytes_max).unwrap();
    conversation.feed(&[[0; 4], limit.to_be_bytes()].concat());
    assert_eq!(conversation.seen, []);
    assert_eq!(conversation.session.wanted_bytes(), LIMITS.frame_bytes_max + 4);

    let mut conversation = Conversation::logged_in();
    conversation.feed(&[[0; 4], (limit + 1).to_be_bytes()].concat()[..7]);
    assert_eq!(conversation.seen, []);
    conversation.feed(&(limit + 1).to_be_bytes()[3..]);
    let [Seen::Refused(refused)] = &conversation.seen[..] else { panic!("{:?}", conversation.seen) };
    assert_eq!((refused.code.as_str(), refused.offset, refused.closes), ("oversize", 4, true));
    assert_eq!(conversation.session.buffered_bytes(), 0);
}

#[test]
fn a_frame_without_records_is_answered_with_zero_and_a_command_not_at_all() {
    let mut conversation = Conversation::logged_in();
    conversation.feed(&[from_hex(EMPTY), from_hex(COMMAND)].concat());
    let expected = [Seen::Empty { codec: "8", answer: vec![0; 4] }, Seen::Command("12")];
    assert_eq!(conversation.seen, expected);
}

#[test]
fn a_refusal_with_a_right_checksum_carries_the_frame_and_what_it_declares() {
    let mut conversation = Conversation::logged_in();
    conversation.feed(&undecodable(7));
    let [Seen::Refused(refused)] = &conversation.seen[..] else { panic!("{:?}", conversation.seen) };
    assert_eq!(refused.frame.as_deref(), Some(&undecodable(7)[..]));
    assert_eq!((refused.records, refused.codec, refused.offset), (7, "other", 8));

    let mut conversation = Conversation::logged_in();
    conversation.feed(&wrong_crc());
    let [Seen::Refused(refused)] = &conversation.seen[..] else { panic!("{:?}", conversation.seen) };
    assert_eq!((&refused.frame, refused.codec, refused.offset), (&None, "8", 62));
}

#[test]
fn a_kept_frame_is_answered_by_what_it_declares_and_the_session_goes_on_behind_it() {
    let keeps = Choices { admits: true, keeps: true };
    let wire = [login_of(IMEI), undecodable(7), good(), undecodable(0), wrong_crc(), good()].concat();
    let steps = seen(keeps, [&wire[..]]);
    assert_eq!(names(&steps), ["login", "kept", "ok", "kept", "crc_fail", "ok"]);
    let answers: Vec<_> = steps.iter().map(Seen::answer).collect();
    assert_eq!(answers[1..4], [&[0, 0, 0, 7], &[0, 0, 0, 1], &[0, 0, 0, 0]]);
}

fn refused(session: &mut Session, bytes: &[u8]) -> codec::avl::RefusedFrame {
    match session.feed(bytes, 0, &mut Vec::new()) {
        Ok(Some(Step::Refused(refused))) => refused,
        other => panic!("{other:?}"),
    }
}

fn logged_in() -> Session {
    let mut session = session();
    session.feed(&login_of(IMEI), 0, &mut Vec::new()).unwrap();
    session.admit().unwrap();
    session
}

#[test]
fn only_an_undecodable_frame_that_has_just_ended_the_session_can_be_kept() {
    let keepable = refused(&mut logged_in(), &undecodable(1));
    let mut session = logged_in();
    assert!(session.keep(&keepable, 0).is_err(), "nothing was refused");
    let crc_failed = refused(&mut session, &wrong_crc());
    assert!(session.keep(&crc_failed, 0).is_err(), "its checksum is wrong");
    let oversize = refused(&mut session, &[0, 0, 0, 0, 0xff, 0, 0, 0]);
    assert!(session.keep(&oversize, 0).is_err(), "it is not there");
    let mut session = logged_in();
    let command = refused(&mut session, &encode_frame(&[0x0c, 1, 5, 0, 0, 0, 9, 1]));
    assert!(session.keep(&command, 0).is_err(), "a command is not answered");

    let mut session = logged_in();
    let keepable = refused(&mut session, &undecodable(1));
    let kept = session.keep(&keepable, 3).unwrap();
    assert_eq!((kept.replies, kept.records, kept.stream, kept.codec), (1, 1, 3, "other"));
    assert!(session.in_hand());
    assert!(session.keep(&keepable, 0).is_err(), "it is kept already");
    session.linger(0);
    assert!(session.keep(&keepable, 0).is_err(), "the session lingers");
}

fn accepted(session: &mut Session) -> AcceptedFrame {
    match session.feed(&good(), 0, &mut Vec::new()) {
        Ok(Some(Step::Accepted(frame))) => frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_takes_its_own_confirmation_and_no_other_even_of_equal_bytes() {
    let mut session = logged_in();
    let first = accepted(&mut session);
    session.settle().unwrap();
    let second = accepted(&mut session);
    assert!(first.answer(&confirm(&second)).is_err());
    assert!(second.answer(&confirm(&first)).is_err());
    assert_eq!(second.answer(&confirm(&second)), Ok(vec![0, 0, 0, 1]));
}
