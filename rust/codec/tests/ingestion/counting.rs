//! Counted replies: what confirms a frame, what refuses it, and what breaks the connection.

use codec::resp::{Outcome, ProtocolError, Refusal, ReplyCounter, Rest};

use crate::counter_properties::{Counted, Sent, counted, frame_of};

const ID: &[u8] = b"$15\r\n1777627800000-0\r\n";

fn whole(sent: &[Sent], wire: &[u8]) -> Counted {
    counted(sent, [wire])
}

fn settled(sent: &[Sent], wire: &[u8]) -> Vec<String> {
    let counted = whole(sent, wire);
    assert_eq!((counted.owed, counted.broken), (0, None));
    counted.settled.into_iter().map(|(_, outcome)| outcome).collect()
}

#[test]
fn a_frame_is_confirmed_by_an_id_for_each_record_and_not_before_the_last() {
    let wire = ID.repeat(6);
    let sent = [Sent::Frame(3), Sent::Frame(1), Sent::Frame(2)];
    assert_eq!(settled(&sent, &wire), ["confirmed", "confirmed", "confirmed"]);
    let counted = whole(&sent, &wire[..ID.len() * 6 - 1]);
    assert_eq!((counted.settled.len(), counted.owed, counted.dropped), (2, 1, vec![2]));
}

#[test]
fn an_error_anywhere_among_its_replies_refuses_the_frame_and_no_other() {
    let error = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    for place in 0..3 {
        let mut replies = [ID; 6];
        replies[place] = error;
        let outcomes = settled(&[Sent::Frame(3), Sent::Frame(3)], &replies.concat());
        assert_eq!(outcomes[0], "OOM | OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(outcomes[1], "confirmed");
    }
}

#[test]
fn the_first_error_is_the_frames() {
    let wire = [b"-READONLY one\r\n", ID, b"-LOADING two\r\n"].concat();
    assert_eq!(settled(&[Sent::Frame(3)], &wire), ["READONLY | READONLY one"]);
}

#[test]
fn an_error_may_hold_anything_but_its_own_end() {
    let wire = b"-ERR a\rb\nc\r\r\n!8\r\nERR x\r\ny\r\n-\r\n";
    let outcomes = settled(&[Sent::Other, Sent::Frame(1), Sent::Other], wire);
    assert_eq!(outcomes, ["ERR | ERR a\rb\nc\r", "ERR | ERR x\r\ny", " | "]);
}

#[test]
fn another_command_is_answered_by_one_reply_of_any_simple_form() {
    let wire = b"+PONG\r\n:5\r\n$4\r\na\r\nb\r\n$-1\r\n_\r\n-NOPERM no\r\n";
    let outcomes = settled(&[Sent::Other; 6], wire);
    let reply = |text: &[u8]| format!("{text:?}");
    let expected =
        [reply(b"+PONG"), reply(b":5"), reply(b"$a\r\nb"), reply(b"_"), reply(b"_"), "NOPERM | NOPERM no".to_owned()];
    assert_eq!(outcomes, expected);
}

#[test]
fn what_is_no_id_never_confirms_a_frame() {
    for reply in ["+OK\r\n", ":1\r\n", "$-1\r\n", "_\r\n", "$2\r\nOK\r\n", "$0\r\n\r\n", "+QUEUED\r\n", "+1-0\r\n"] {
        let counted = whole(&[Sent::Frame(1), Sent::Frame(1)], &[reply.as_bytes(), ID, ID].concat());
        assert_eq!(counted.broken, Some("XADD was answered by something else than an id"), "{reply}");
        assert_eq!((counted.settled, counted.dropped), (vec![], vec![0, 1]));
    }
}

#[test]
fn what_is_no_reply_or_nobody_waits_for_breaks_the_connection_and_keeps_what_was_settled() {
    for wire in ["*1\r\n:1\r\n", "%0\r\n", ">1\r\n+x\r\n", "#t\r\n", "HTTP/1.1 400\r\n", ":x\r\n", "$x\r\n", "$-2\r\n"]
    {
        let counted = whole(&[Sent::Frame(1), Sent::Other], &[ID, wire.as_bytes()].concat());
        assert!(counted.broken.is_some(), "{wire}");
        assert_eq!((counted.settled, counted.dropped), (vec![(0, "confirmed".to_owned())], vec![1]), "{wire}");
    }
    let counted = whole(&[Sent::Frame(1)], &ID.repeat(2));
    assert_eq!(counted.broken, Some("a reply came that nobody waits for"));
    assert_eq!(counted.settled, [(0, "confirmed".to_owned())]);
}

#[test]
fn a_reply_that_does_not_end_is_refused_before_it_is_buffered() {
    let text = |length| "x".repeat(length);
    for wire in ["$65537\r\n".to_owned(), format!("-{}", text(65_537)), format!("+{}", text(65_537))] {
        assert!(whole(&[Sent::Other], wire.as_bytes()).broken.is_some());
    }
    let longest = format!("-{}\r\n", text(65_536)).into_bytes();
    assert_eq!(whole(&[Sent::Other], &longest).settled.len(), 1);
}

#[test]
fn a_broken_counter_stays_broken_and_gives_its_waiters_back_in_order() {
    let mut counter = ReplyCounter::new();
    let frames = [frame_of(2), frame_of(1)];
    counter.expect(&frames[0], "first");
    counter.expect_other("probe");
    counter.expect(&frames[1], "second");
    assert_eq!(counter.owed(), 4);
    counter.feed(ID).unwrap();
    let error = counter.feed(b"*0\r\n").unwrap_err();
    assert_eq!(counter.feed(ID), Err(ProtocolError(error.0)));
    assert_eq!(counter.owed(), 3);
    assert_eq!(counter.drop_expected(), ["first", "probe", "second"]);
    assert_eq!((counter.owed(), counter.take_settled()), (0, vec![]));
}

#[test]
fn half_a_reply_does_not_outlive_its_connection() {
    let mut counter = ReplyCounter::new();
    let frame = frame_of(1);
    counter.expect(&frame, 1);
    counter.feed(&ID[..9]).unwrap();
    assert_eq!(counter.drop_expected(), [1]);
    counter.expect(&frame, 2);
    counter.feed(ID).unwrap();
    assert!(matches!(counter.take_settled()[..], [(2, Outcome::Confirmed(_))]));
}

const OK: &[u8] = b"+OK\r\n";
const ASK: &[u8] = b"-ASK 7 10.0.0.2:6379\r\n";
const MOVED: &[u8] = b"-MOVED 7 10.0.0.2:6379\r\n";

fn outcome_of(counter: &mut ReplyCounter<()>, replies: &[&[u8]]) -> Outcome {
    counter.feed(&replies.concat()).unwrap();
    assert_eq!(counter.owed(), 0);
    counter.take_settled().pop().unwrap().1
}

fn refusal_of(counter: &mut ReplyCounter<()>, replies: &[&[u8]]) -> Refusal {
    match outcome_of(counter, replies) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_records_behind_those_that_were_taken_can_be_sent_on_unless_one_of_them_was_taken_too() {
    for (replies, taken) in [
        ([ASK, ASK, ASK], Some(0)),
        ([ID, ASK, MOVED], Some(1)),
        ([ID, ID, ASK], Some(2)),
        ([ID, ASK, ID], None),
        ([ASK, ID, ASK], None),
    ] {
        let mut counter = ReplyCounter::new();
        counter.expect(&frame_of(3), ());
        let refusal = refusal_of(&mut counter, &replies);
        assert_eq!((refusal.rest.as_ref().map(Rest::taken), refusal.error.code.as_str()), (taken, "ASK"));
    }
    let mut counter = ReplyCounter::new();
    counter.expect_other(());
    assert_eq!(refusal_of(&mut counter, &[ASK]).rest, None);
}

#[test]
fn a_frame_is_confirmed_when_its_rest_is_taken_wherever_it_was_sent_on_to() {
    let frame = frame_of(3);
    let mut counter = ReplyCounter::new();
    counter.expect(&frame, ());
    let rest = refusal_of(&mut counter, &[ID, ASK, ASK]).rest.unwrap();
    counter.expect_rest(&rest, true, ());
    assert_eq!(counter.owed(), 4);
    let rest = refusal_of(&mut counter, &[OK, ID, OK, MOVED]).rest.unwrap();
    assert_eq!(rest.taken(), 2);
    counter.expect_rest(&rest, false, ());
    let Outcome::Confirmed(confirmation) = outcome_of(&mut counter, &[ID]) else { panic!("not confirmed") };
    frame.answer(&confirmation).unwrap();
    frame_of(3).answer(&confirmation).unwrap_err();
}

#[test]
fn a_refused_asking_is_the_error_if_its_record_is_refused_and_of_no_account_if_it_is_taken() {
    let denied: &[u8] = b"-NOPERM no ASKING\r\n";
    let mut counter = ReplyCounter::new();
    for (replies, refused) in
        [([denied, MOVED, denied, MOVED], true), ([denied, ID, OK, ID], false), ([denied, ID, denied, ID], false)]
    {
        counter.expect(&frame_of(2), ());
        let rest = refusal_of(&mut counter, &[ASK, ASK]).rest.unwrap();
        counter.expect_rest(&rest, true, ());
        match outcome_of(&mut counter, &replies) {
            Outcome::Refused(refusal) => assert!(refused && refusal.error.code == "NOPERM"),
            Outcome::Confirmed(_) => assert!(!refused),
            other @ Outcome::Reply(_) => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_no_answer_to_asking_breaks_the_connection_and_an_ok_is_never_a_records() {
    for replies in [[ID, OK], [OK, OK], [b":1\r\n", ID]] {
        let mut counter = ReplyCounter::new();
        counter.expect(&frame_of(1), ());
        let rest = refusal_of(&mut counter, &[ASK]).rest.unwrap();
        counter.expect_rest(&rest, true, ());
        counter.feed(&replies.concat()).unwrap_err();
        assert_eq!(counter.take_settled(), []);
    }
}
