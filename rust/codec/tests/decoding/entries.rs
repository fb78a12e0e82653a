//! Stream entries: the four fields in any order, what is missing, and the forms in which Redis delivers entries.

use codec::StreamId;
use codec::batch::Rejection;
use codec::position::{Code, Limits, Reject};
use codec::resp::{Delivered, Delivery, Expect, Parser};

use crate::replies::{
    Entry, PROTOCOLS, Protocol, bulk, claim_reply, comparable, delivery, id_bulk, outcomes, read_reply,
};
use crate::samples::{MEMBERS, NOW_MS, object, rows_of, with, with_bytes};

const ID: StreamId = StreamId { ms: NOW_MS, seq: 1 };

fn read_one(fields: &[(&str, &[u8])]) -> Delivery {
    delivery(Expect::Read, &read_reply(Protocol::Resp2, &[Entry::new(ID, fields)]))
}

fn codec_of(fields: &[(&str, &[u8])]) -> Result<String, Reject> {
    let delivery = read_one(fields);
    assert_eq!(delivery.entries, 1);
    match delivery.rejections.as_slice() {
        [] => Ok(rows_of(&delivery.batch)[0].codec.clone()),
        [rejection] => {
            assert_eq!((rejection.id, delivery.batch.len()), (ID, 0));
            Err(rejection.reject)
        }
        more => panic!("{more:?}"),
    }
}

#[test]
fn fields_may_come_in_any_order_among_unknown_ones() {
    let payload = object(MEMBERS);
    let fields: [(&str, &[u8]); 6] = [
        ("ts", b"not looked at"),
        ("device_id", b"not looked at"),
        ("codec", b"16"),
        ("payload", payload.as_bytes()),
        ("", b""),
        ("a name that is longer than any of the four", &[0xff; 1000]),
    ];
    for turn in 0..fields.len() {
        let mut fields = fields;
        fields.rotate_left(turn);
        assert_eq!(codec_of(&fields), Ok("16".to_owned()), "{turn}");
        fields.reverse();
        assert_eq!(codec_of(&fields), Ok("16".to_owned()), "{turn} reversed");
    }
}

#[test]
fn the_payload_wins_over_the_copies() {
    let payload = object(MEMBERS);
    let fields: [(&str, &[u8]); 4] =
        [("ts", b"1999-01-01T00:00:00Z"), ("device_id", b"1"), ("codec", b"8"), ("payload", payload.as_bytes())];
    let row = &rows_of(&read_one(&fields).batch)[0];
    assert_eq!((row.device_id.as_str(), row.ts_us), ("356307042441013", 1_777_627_800_000_000));
}

#[test]
fn the_codec_label_is_one_of_three() {
    let payload = object(MEMBERS);
    let with_codec = |label: &[u8]| codec_of(&[("codec", label), ("payload", payload.as_bytes())]);
    for label in ["8", "8E", "16"] {
        assert_eq!(with_codec(label.as_bytes()), Ok(label.to_owned()));
    }
    let unknown = Err(Reject::without_offset(Code::UnknownCodec, "codec"));
    for label in [&b""[..], b"08", b"8e", b"8 ", b" 8", b"10", b"8E\0", b"\xff", &[b'8'; 17], &[b'8'; 10_000]] {
        assert_eq!(with_codec(label), unknown, "{label:?}");
    }
}

#[test]
fn a_missing_field_is_distinguished_from_an_empty_one() {
    let payload = object(MEMBERS);
    let payload = payload.as_bytes();
    let missing_payload = Err(Reject::without_offset(Code::MissingPayload, "payload"));
    assert_eq!(codec_of(&[]), missing_payload);
    assert_eq!(codec_of(&[("codec", b"8")]), missing_payload);
    assert_eq!(codec_of(&[("Payload", payload), ("payload ", payload), ("codec", b"8")]), missing_payload);
    assert_eq!(codec_of(&[("payload", payload)]), Err(Reject::without_offset(Code::MissingCodec, "codec")));
    assert_eq!(codec_of(&[("payload", b"")]), Err(Reject::without_offset(Code::MissingCodec, "codec")));
    assert_eq!(codec_of(&[("payload", b""), ("codec", b"8")]), Err(Reject::at(Code::BadJson, 0)));
}

#[test]
fn of_repeated_fields_the_last_counts() {
    let payload = object(MEMBERS);
    let payload = payload.as_bytes();
    let large = vec![b' '; 70_000];
    let too_large = Err(Reject::without_offset(Code::TooLarge, "payload"));
    for (fields, outcome) in [
        (vec![("codec", &b"99"[..]), ("payload", b"{"), ("payload", payload), ("codec", b"8")], Ok("8".to_owned())),
        (vec![("payload", &large[..]), ("codec", b"8"), ("payload", payload)], Ok("8".to_owned())),
        (vec![("payload", payload), ("codec", b"8"), ("payload", &large)], too_large),
        (vec![("codec", &large), ("payload", payload), ("codec", b"8E")], Ok("8E".to_owned())),
        (
            vec![("codec", b"8E"), ("payload", payload), ("codec", &large)],
            Err(Reject::without_offset(Code::UnknownCodec, "codec")),
        ),
    ] {
        assert_eq!(codec_of(&fields), outcome);
    }
}

#[test]
fn a_payload_over_the_limit_is_too_large_and_one_at_the_limit_is_read() {
    let payload = object(MEMBERS);
    for (spaces, code) in [(65_536 - payload.len(), None), (65_537 - payload.len(), Some(Code::TooLarge))] {
        let wire =
            read_reply(Protocol::Resp3, &[Entry::common(1, format!("{payload}{}", " ".repeat(spaces)).as_bytes())]);
        let rejection = delivery(Expect::Read, &wire).rejections.first().map(Rejection::code);
        assert_eq!(rejection, code);
    }
}

#[test]
fn an_entry_that_is_not_utf8_is_refused_by_itself() {
    let (payload, place) = with_bytes(&with("attributes", "{\"239\":\"?\"}").0, b"\xff");
    let entries = [Entry::common(1, object(MEMBERS).as_bytes()), Entry::common(2, &payload)];
    let delivery = delivery(Expect::Read, &read_reply(Protocol::Resp3, &entries));
    assert_eq!(delivery.batch.ids().collect::<Vec<_>>(), [entries[0].id]);
    let rejections: Vec<_> = delivery.rejections.iter().map(|rejection| (rejection.id, rejection.reject)).collect();
    assert_eq!(rejections, [(entries[1].id, Reject::at(Code::BadJson, place))]);
}

#[test]
fn a_rejection_names_the_entrys_copy_of_the_device() {
    let device_of = |fields: &[(&str, &[u8])]| read_one(fields).rejections[0].device_id.clone();
    assert_eq!(device_of(&[("device_id", b"123")]), Some("123".to_owned()));
    assert_eq!(device_of(&[("device_id", b"123"), ("device_id", b"456")]), Some("456".to_owned()));
    assert_eq!(device_of(&[("device_id", &[b'7'; 64])]), Some("7".repeat(64)));
    assert_eq!(device_of(&[("device_id", &[b'7'; 65])]), None);
    assert_eq!(device_of(&[("device_id", b"\xff")]), None);
    assert_eq!(device_of(&[("codec", b"8")]), None);
}

#[test]
fn a_bad_entry_leaves_its_neighbours_alone() {
    let payload = object(MEMBERS);
    let payloads = [payload.as_bytes(), b"{", payload.as_bytes(), &vec![b' '; 70_000], payload.as_bytes()];
    let entries: Vec<Entry> = (1..).zip(payloads).map(|(seq, payload)| Entry::common(seq, payload)).collect();
    for protocol in PROTOCOLS {
        let delivery = delivery(Expect::Read, &read_reply(protocol, &entries));
        assert_eq!(delivery.batch.ids().map(|id| id.seq).collect::<Vec<_>>(), [1, 3, 5]);
        let rejections: Vec<_> = delivery.rejections.iter().map(|one| (one.id.seq, one.code())).collect();
        assert_eq!(rejections, [(2, Code::BadJson), (4, Code::TooLarge)]);
        assert_eq!(delivery.entries, 5);
        assert_eq!(delivery.span, Some((StreamId { ms: NOW_MS, seq: 1 }, StreamId { ms: NOW_MS, seq: 5 })));
    }
}

#[test]
fn entries_that_left_the_stream_are_named() {
    let payload = object(MEMBERS);
    let gone = |seq| Entry { id: StreamId { ms: NOW_MS, seq }, fields: None };
    let entries = [gone(1), Entry::common(2, payload.as_bytes()), gone(3)];
    let id = |seq| StreamId { ms: NOW_MS, seq };
    for protocol in PROTOCOLS {
        let read = delivery(Expect::Read, &read_reply(protocol, &entries));
        assert_eq!((read.missing.as_slice(), read.entries), (&[id(1), id(3)][..], 3));
        assert_eq!(read.batch.ids().collect::<Vec<_>>(), [id(2)]);

        let claim = delivery(Expect::Claim, &claim_reply(protocol, &entries));
        assert_eq!(comparable(&claim), comparable(&read));
    }
}

#[test]
fn a_null_in_the_place_of_a_claimed_entry_is_passed_over() {
    let payload = object(MEMBERS);
    for null in ["_\r\n", "$-1\r\n", "*-1\r\n"] {
        let entries = claim_reply(Protocol::Resp2, &[Entry::common(2, payload.as_bytes()), Entry::new(ID, &[])]);
        let wire = [b"*5\r\n", null.as_bytes(), null.as_bytes(), &entries["*2\r\n".len()..], null.as_bytes()].concat();
        let claim = delivery(Expect::Claim, &wire);
        assert_eq!((claim.entries, claim.batch.len(), claim.rejections.len()), (2, 1, 1), "{null:?}");
        assert_eq!((claim.missing.as_slice(), claim.span), (&[][..], Some((ID, StreamId { ms: NOW_MS, seq: 2 }))));

        let nothing = delivery(Expect::Claim, &["*1\r\n", null].concat().into_bytes());
        assert_eq!(comparable(&nothing), comparable(&Delivery::default()));
    }
}

#[test]
fn a_bulk_null_stands_for_missing_fields_too() {
    let wire = [&b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n"[..], &id_bulk(ID), b"$-1\r\n"].concat();
    assert_eq!(delivery(Expect::Read, &wire).missing, [ID]);
}

#[test]
fn nothing_to_read_is_an_empty_delivery() {
    let empty = comparable(&Delivery::default());
    for wire in [&b"*-1\r\n"[..], b"_\r\n", &read_reply(Protocol::Resp2, &[]), &read_reply(Protocol::Resp3, &[])] {
        assert_eq!(comparable(&delivery(Expect::Read, wire)), empty);
    }
    assert_eq!(comparable(&delivery(Expect::Claim, &claim_reply(Protocol::Resp2, &[]))), empty);
}

#[test]
fn fields_may_come_as_a_map() {
    let payload = object(MEMBERS);
    let head = [&b"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n"[..], &id_bulk(ID), b"%2\r\n"].concat();
    let fields = [bulk(b"codec"), bulk(b"8"), bulk(b"payload"), bulk(payload.as_bytes())].concat();
    assert_eq!(delivery(Expect::Read, &[head, fields].concat()).batch.len(), 1);
}

#[test]
fn errors_are_values_and_pushes_are_passed_over() {
    let mut parser = Parser::new(Limits::default());
    parser.feed(b">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n-NOGROUP No such key\r\n!11\r\nUNBLOCKED x\r\n*-1\r\n");
    let mut next = || parser.next_delivery(Expect::Read).unwrap();
    for (code, message) in [("NOGROUP", "NOGROUP No such key"), ("UNBLOCKED", "UNBLOCKED x")] {
        let Some(Delivered::Error(error)) = next() else { panic!() };
        assert_eq!((error.code.as_str(), error.message.as_str()), (code, message));
    }
    assert!(matches!(next(), Some(Delivered::Delivery(delivery)) if delivery.entries == 0));
    assert!(next().is_none());
}

#[test]
fn a_reply_in_another_form_breaks_the_protocol() {
    let read = |wire: &[u8]| (Expect::Read, wire.to_vec());
    let claim = |wire: &[u8]| (Expect::Claim, wire.to_vec());
    for (expect, wire) in [
        read(b"+OK\r\n"),
        read(b":1\r\n"),
        read(b"*2\r\n"),
        read(b"%2\r\n"),
        read(b"hello\r\n"),
        read(b"*1\r\n*3\r\n"),
        read(b"*1\r\n*2\r\n:1\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*-1\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*3\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$1\r\nx\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*1\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n:1\r\n"),
        read(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$99\r\n"),
        read(b"*1\r\n*2\r\n$1\r\nsss\r\n"),
        read(b"*-2\r\n"),
        read(b"*999999999999\r\n"),
        read(b"*1x\r\n"),
        read(b"*1\r*2\r\n"),
        claim(b"*-1\r\n"),
        claim(b"_\r\n"),
        claim(b"%1\r\n"),
        claim(b":1\r\n"),
        claim(b"*1\r\n$3\r\n1-1\r\n"),
        claim(b"*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n"),
    ] {
        let mut parser = Parser::new(Limits::default());
        parser.feed(&wire);
        let outcome = parser.next_delivery(expect);
        assert!(outcome.is_err(), "{}: {outcome:?}", String::from_utf8_lossy(&wire));
    }
}

#[test]
fn replies_come_one_after_another_and_a_half_read_one_is_no_plain_value() {
    let payload = object(MEMBERS);
    let mut parser = Parser::new(Limits::default());
    let wire = read_reply(Protocol::Resp2, &[Entry::common(1, payload.as_bytes())]);
    let (head, tail) = wire.split_at(wire.len() / 2);
    parser.feed(b"+OK\r\n");
    parser.feed(head);
    assert!(parser.next_value().unwrap().is_some());
    assert!(parser.next_delivery(Expect::Read).unwrap().is_none());
    assert!(parser.next_value().is_err());
    parser.feed(tail);
    parser.feed(b":5\r\n");
    assert!(matches!(parser.next_delivery(Expect::Read), Ok(Some(Delivered::Delivery(_)))));
    assert!(parser.next_value().unwrap().is_some());
    assert!(parser.next_value().unwrap().is_none());
}

/// Feeds `wire` in pieces and gives the most that was held after a piece.
fn held_bytes_max(wire: &[u8], piece_bytes: usize) -> usize {
    let mut parser = Parser::new(Limits::default());
    let mut replies = 0;
    let held = wire.chunks(piece_bytes).map(|piece| {
        parser.feed(piece);
        replies += usize::from(parser.next_delivery(Expect::Read).unwrap().is_some());
        parser.buffered_bytes()
    });
    let held = held.max().unwrap();
    assert_eq!(replies, 1);
    held
}

#[test]
fn an_oversize_value_is_dropped_as_it_streams_by() {
    let large = vec![b'x'; 5_000_000];
    for name in ["payload", "codec", "device_id", "ts", "other"] {
        let wire = read_reply(Protocol::Resp2, &[Entry::new(ID, &[(name, &large)])]);
        assert!(held_bytes_max(&wire, 65_536) < 1000, "{name}");
    }
    let name = String::from_utf8(large).unwrap();
    let wire = read_reply(Protocol::Resp2, &[Entry::new(ID, &[(&name, b"value")])]);
    assert!(held_bytes_max(&wire, 65_536) < 1000);
}

#[test]
fn an_entry_of_many_fields_holds_no_more_than_what_is_kept_of_it() {
    let payload = object(MEMBERS);
    let others: Vec<(&str, &[u8])> = vec![("other", b"value"), ("a name too long to keep", &[b'x'; 300])];
    let mut fields = others.repeat(20_000);
    for turn in 0..1000 {
        let known: [(&str, &[u8]); 3] = [("device_id", b"1"), ("payload", payload.as_bytes()), ("codec", b"8")];
        fields.splice(turn * 40..turn * 40, known);
    }
    let wire = read_reply(Protocol::Resp2, &[Entry::new(ID, &fields)]);
    assert!(held_bytes_max(&wire, 4096) < payload.len() + 1500);
    for protocol in PROTOCOLS {
        let wire = read_reply(protocol, &[Entry::new(ID, &fields)]);
        let pieces = outcomes(Some(Expect::Read), Limits::default(), wire.chunks(1000));
        assert_eq!(pieces, outcomes(Some(Expect::Read), Limits::default(), [wire.as_slice()]));
        assert_eq!(delivery(Expect::Read, &wire).batch.len(), 1);
    }
}

#[test]
fn a_delivery_is_decoded_while_it_comes_in() {
    let payload = object(MEMBERS);
    let entries: Vec<Entry> = (1..=5000).map(|seq| Entry::common(seq, payload.as_bytes())).collect();
    let entry_bytes = read_reply(Protocol::Resp2, &entries[..1]).len();
    assert!(held_bytes_max(&read_reply(Protocol::Resp2, &entries), 4096) <= entry_bytes);
}
