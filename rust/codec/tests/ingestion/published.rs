//! Every row of the published vectors, over TCP and UDP.

use codec::avl::{Datagram, decode_datagram};
use serde_json::{Value as Json, json};

use crate::avl_encoder::encode_frame;
use crate::sessions::{ADMITS, Choices, Conversation, Seen, confirm, login_of, seen, writers};
use crate::vectors::{bytes_of, conversations, frames, from_hex, malformed};

/// What stands before a datagram's data field.
const DATAGRAM_HEADER_BYTES: usize = 23;

fn datagram(bytes: &[u8]) -> (Datagram, Vec<u8>) {
    let mut commands = Vec::new();
    let datagram = decode_datagram(bytes, &writers(), &mut commands);
    (datagram, commands)
}

/// What a device that has logged in sends, step by step.
fn seen_after_login(bytes: &[u8]) -> Vec<Seen> {
    let mut conversation = Conversation::logged_in();
    conversation.feed(bytes);
    conversation.seen
}

#[test]
fn every_frame_over_tcp_is_answered_by_its_number_of_records_or_not_at_all() {
    let mut count = 0;
    for row in frames("tcp") {
        count += 1;
        let steps = seen_after_login(&bytes_of(&row));
        let [step] = &steps[..] else { panic!("{}: {steps:?}", row["id"]) };
        match step {
            Seen::Published { codec, commands, answer } => {
                assert_eq!(*codec, row["codec"], "{}", row["id"]);
                assert_eq!(*answer, from_hex(row["ack_hex"].as_str().unwrap()), "{}", row["id"]);
                assert_eq!(xadds(commands), row["records"].as_array().unwrap().len(), "{}", row["id"]);
            }
            Seen::Command(codec) => {
                assert!(row["command"].is_object() && row["strict_verdict"] == "ok", "{}", row["id"]);
                assert_eq!(*codec, row["codec"], "{}", row["id"]);
            }
            Seen::Refused(refused) => {
                assert_eq!(refused.code.as_str(), row["strict_verdict"], "{}", row["id"]);
                assert_eq!(refused.codec, row["codec"], "{}", row["id"]);
                assert!(!refused.closes && refused.frame.is_none());
            }
            other => panic!("{}: {other:?}", row["id"]),
        }
    }
    assert_eq!(count, 83);
}

fn xadds(commands: &[u8]) -> usize {
    commands.windows(6).filter(|word| word == b"\r\nXADD").count()
}

#[test]
fn every_datagram_is_answered_with_its_own_ids_and_published_as_the_same_frame_over_tcp() {
    let mut count = 0;
    for row in frames("udp") {
        count += 1;
        let bytes = bytes_of(&row);
        let (datagram, commands) = datagram(&bytes);
        let Datagram::Accepted(frame) = datagram else { panic!("{}: {datagram:?}", row["id"]) };
        let imei = row["udp"]["imei"].as_str().unwrap();
        assert_eq!((frame.imei.as_str(), frame.codec), (imei, row["codec"].as_str().unwrap()));
        assert_eq!(usize::from(frame.records), row["records"].as_array().unwrap().len());
        assert_eq!(frame.answer(&confirm(&frame)).unwrap(), from_hex(row["ack_hex"].as_str().unwrap()));

        let over_tcp = [login_of(imei), encode_frame(&bytes[DATAGRAM_HEADER_BYTES..])].concat();
        let steps = seen(ADMITS, [&over_tcp[..]]);
        let Some(Seen::Published { commands: expected, .. }) = steps.last() else { panic!("{steps:?}") };
        assert_eq!(&commands, expected, "{}", row["id"]);
    }
    assert_eq!(count, 18);
}

#[test]
fn every_damaged_frame_is_refused_with_an_acceptable_code_and_closes_unless_it_is_a_first_wrong_checksum() {
    let mut count = 0;
    for row in malformed("tcp_frame") {
        count += 1;
        let steps = seen_after_login(&bytes_of(&row));
        let verdict = match steps.first() {
            None => "truncated",
            Some(Seen::Published { .. } | Seen::Empty { .. } | Seen::Command(_)) => "ok",
            Some(Seen::Refused(refused)) => {
                assert_eq!(refused.closes, refused.code.as_str() != "crc_fail", "{}", row["id"]);
                refused.code.as_str()
            }
            other => panic!("{}: {other:?}", row["id"]),
        };
        assert_acceptable(&row, verdict);
    }
    assert_eq!(count, 50);
}

#[test]
fn every_damaged_datagram_is_refused_with_an_acceptable_code() {
    let mut count = 0;
    for row in malformed("udp_datagram") {
        count += 1;
        let (datagram, commands) = datagram(&bytes_of(&row));
        let Datagram::Refused(_, refused) = datagram else { panic!("{}: {datagram:?}", row["id"]) };
        assert_acceptable(&row, refused.code.as_str());
        assert!(commands.is_empty());
    }
    assert_eq!(count, 6);
}

#[test]
fn every_login_row_is_admitted_waited_for_or_closed() {
    let mut count = 0;
    for row in malformed("imei") {
        count += 1;
        let verdict = match &seen(ADMITS, [&bytes_of(&row)[..]])[..] {
            [] => "truncated",
            [Seen::Login { again: false, .. }] => "ok",
            [Seen::BadLogin(_)] => "bad_imei",
            other => panic!("{}: {other:?}", row["id"]),
        };
        assert_acceptable(&row, verdict);
    }
    assert_eq!(count, 7);
}

fn assert_acceptable(row: &Json, verdict: &str) {
    assert!(row["acceptable"].as_array().unwrap().contains(&json!(verdict)), "{}: {verdict}", row["id"]);
}

#[test]
fn every_published_conversation_is_answered_as_it_was() {
    let mut count = 0;
    for row in conversations() {
        count += 1;
        let steps = row["steps"].as_array().unwrap();
        let sides =
            |side: &str| -> Vec<Vec<u8>> { steps.iter().filter(|step| step["dir"] == side).map(bytes_of).collect() };
        let mut expected = sides("server");
        // What the server sends of its own accord is no answer: a command, in a frame.
        expected.retain(|bytes| !bytes.starts_with(&[0, 0, 0, 0, 0]));
        let answers: Vec<Vec<u8>> = if row["id"].as_str().unwrap().starts_with("udp") {
            sides("device").iter().map(|bytes| answer_to_datagram(bytes)).collect()
        } else {
            let choices = Choices { admits: !expected.contains(&vec![0]), keeps: false };
            let seen = seen(choices, sides("device").iter().map(Vec::as_slice));
            seen.iter().map(|step| step.answer().to_vec()).filter(|answer| !answer.is_empty()).collect()
        };
        assert_eq!(answers, expected, "{}", row["id"]);
    }
    assert_eq!(count, 19);
}

fn answer_to_datagram(bytes: &[u8]) -> Vec<u8> {
    let (Datagram::Accepted(frame), _) = datagram(bytes) else { panic!("{bytes:?}") };
    frame.answer(&confirm(&frame)).unwrap()
}
