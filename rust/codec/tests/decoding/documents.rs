//! The payload as a document: what is JSON, how deep and how large it may be, and which of repeated keys counts.

use codec::position::{Code, Limits, Reject};

use crate::samples::{MEMBERS, build_under, decode, decode_under, extended, object, with, with_bytes};

#[test]
fn what_is_not_json_is_refused_where_it_stops_being_json() {
    for (text, offset) in [
        ("", 0),
        (" \t\r\n", 4),
        ("\u{feff}{}", 0),
        ("{", 1),
        ("{}x", 2),
        ("{}{}", 2),
        ("{,}", 1),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1 \"b\":2}", 7),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{1:1}", 1),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[", 1),
        ("]", 0),
        ("{\"a\":[}", 6),
        ("{\"a\":01}", 6),
        ("{\"a\":-01}", 7),
        ("{\"a\":+1}", 5),
        ("{\"a\":.5}", 5),
        ("{\"a\":1.}", 7),
        ("{\"a\":1.e3}", 7),
        ("{\"a\":1e}", 7),
        ("{\"a\":1e+}", 8),
        ("{\"a\":-}", 6),
        ("{\"a\":0x10}", 6),
        ("{\"a\":NaN}", 5),
        ("{\"a\":Infinity}", 5),
        ("{\"a\":tru}", 5),
        ("{\"a\":nulL}", 5),
        ("{\"a\":True}", 5),
        ("{\"a\":\"}", 7),
        ("{\"a\":\"\\x\"}", 7),
        ("{\"a\":\"\\u12g4\"}", 10),
        ("{\"a\":\"\\u12\"}", 10),
        ("{\"a\":\"\\ud800\\u12\"}", 16),
        ("{\"a\":\"\n\"}", 6),
        ("{\"a\":\"eight bytes\u{1f}\"}", 17),
        ("{\"a\":\"\0\"}", 6),
        ("{\"a\":1}\0", 7),
        ("{\"a\":1}\u{c}", 7),
        ("{\"a\":1}\u{a0}", 7),
        ("{\"a\":1/**/}", 6),
    ] {
        assert_eq!(decode(text), Err(Reject::at(Code::BadJson, offset)), "{text:?}");
    }
}

#[test]
fn every_beginning_of_a_payload_is_bad_json_at_its_end_or_before() {
    let payload = object(MEMBERS);
    for length in 0..payload.len() {
        let reject = decode(&payload[..length]).unwrap_err();
        assert_eq!((reject.code, reject.field), (Code::BadJson, None));
        assert!(reject.offset.unwrap() <= length);
    }
}

/// A byte that no text holds, a zero in two bytes, a surrogate, a character beyond the last, and half of one.
const NOT_UTF8: [&[u8]; 5] = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"];

#[test]
fn what_is_not_utf8_is_bad_json_even_where_it_would_be_ignored() {
    for bytes in NOT_UTF8 {
        let (payload, place) = with_bytes(&extended("\"x\":\"?\""), bytes);
        assert_eq!(decode(payload), Err(Reject::at(Code::BadJson, place)));
    }
}

#[test]
fn what_is_not_utf8_is_bad_json_among_attributes_that_are_written_as_they_are_read() {
    for attributes in [
        "{\"239\":\"?\"}",
        "{\"?\":1}",
        "{\"66\":1,\"239\":\"a text before ?, and behind it\",\"385\":-1}",
        "{\"78\":{\"__bigint\":\"?\",\"__bigint\":\"1\"}}",
    ] {
        let (payload, _) = with("attributes", attributes);
        for bytes in NOT_UTF8 {
            let (payload, place) = with_bytes(&payload, bytes);
            let bad_json = Err(Reject::at(Code::BadJson, place));
            assert_eq!(build_under(&Limits::default(), &payload), bad_json, "{attributes} with {bytes:?}");
        }
        let (payload, _) = with_bytes(&payload, "é🚚".as_bytes());
        assert_eq!(build_under(&Limits::default(), &payload), decode(&payload), "{attributes}");
    }
}

#[test]
fn a_document_that_is_no_object_has_the_wrong_type() {
    for (text, offset) in [("[]", 0), ("  [{}]", 2), ("null", 0), ("true", 0), ("-1.5e3", 0), ("\n\"text\" ", 1)] {
        assert_eq!(decode(text), Err(Reject::of(Code::BadType, "payload", offset)), "{text}");
    }
}

#[test]
fn sixty_four_levels_are_read_and_one_more_is_too_deep() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert!(decode(extended(&format!("\"x\":{}", nested(63)))).is_ok());
    assert!(decode(extended(&format!("\"x\":{}", objects(63)))).is_ok());
    assert_eq!(decode(nested(64)), Err(Reject::of(Code::BadType, "payload", 0)));
    assert_eq!(decode(nested(65)), Err(Reject::at(Code::TooDeep, 64)));

    let too_deep = |payload: String, deepest: &str| {
        assert_eq!(
            decode(&payload),
            Err(Reject::at(Code::TooDeep, payload.find(deepest).unwrap() + deepest.len() - 1))
        );
    };
    too_deep(extended(&format!("\"x\":{}", nested(64))), &"[".repeat(64));
    too_deep(extended(&format!("\"x\":{}", objects(64))), &"{\"a\":".repeat(64)[..64 * 5 - 4]);
    too_deep(with("latitude", &nested(64)).0, &"[".repeat(64));
}

#[test]
fn levels_inside_the_attributes_count_from_the_payload() {
    for (outside, left) in [("{\"1\":", 62), ("{\"1\":{\"a\":", 61), ("{\"1\":{\"__bigint\":", 61)] {
        let attributes = |levels: usize| {
            let close = "}".repeat(outside.matches('{').count());
            with("attributes", &format!("{outside}{}{}{close}", "[".repeat(levels), "]".repeat(levels))).0
        };
        assert_ne!(decode(attributes(left)).unwrap_err().code, Code::TooDeep, "{outside}");
        let payload = attributes(left + 1);
        let deepest = payload.rfind('[').unwrap();
        assert_eq!(decode(payload), Err(Reject::at(Code::TooDeep, deepest)), "{outside}");
    }
}

#[test]
fn a_payload_over_the_limit_is_too_large_whatever_it_holds() {
    let payload = object(MEMBERS);
    let limits = |payload_bytes_max| Limits { payload_bytes_max, ..Limits::default() };
    assert!(decode_under(&limits(payload.len()), &payload).is_ok());
    let too_large = Err(Reject::without_offset(Code::TooLarge, "payload"));
    assert_eq!(decode_under(&limits(payload.len() - 1), &payload), too_large);
    assert_eq!(decode_under(&limits(2), "\u{feff}"), too_large);
    assert_eq!(decode_under(&limits(2), [0xff; 3]), too_large);
}

#[test]
fn extra_keys_are_ignored_whatever_they_hold() {
    let plain = decode(object(MEMBERS)).unwrap();
    for text in [
        "\"x\":null",
        "\"\":\"\"",
        "\"x\":\"\\u0000 \\ud800 \\udc00\"",
        "\"\\u0000\":1,\"\\ud800\":2",
        "\"x\":1e999999999,\"y\":-0.0e-999999999",
        "\"x\":{\"device_id\":1,\"attributes\":[]}",
        "\"x\":[[],{},[{\"a\":[]}],\"]\",\"}\"],\"x\":{}",
        "\"Device_id\":1,\"device_id \":1,\"latitude\\u0000\":1",
        "\"codec\":\"99\",\"faulty\":true,\"ingested_at\":0",
        "\"speed\\ud800\":\"x\"",
    ] {
        assert_eq!(decode(extended(text)).as_ref(), Ok(&plain), "{text}");
    }
}

#[test]
fn keys_may_come_in_any_order_with_any_white_space() {
    let plain = decode(object(MEMBERS)).unwrap();
    for turn in 0..MEMBERS.len() {
        let mut members = MEMBERS;
        members.rotate_left(turn);
        assert_eq!(decode(object(members)).as_ref(), Ok(&plain));
        members.reverse();
        let spaced = object(members).replace('{', " {\t").replace('}', "\r}\n").replace(",\"", " ,\n\"");
        let row = decode(spaced.replace("\":", "\" \n:  ")).unwrap();
        assert_eq!(row.attributes.replace(char::is_whitespace, ""), plain.attributes);
        assert_eq!(crate::copy_reader::Row { attributes: plain.attributes.clone(), ..row }, plain);
    }
}

/// A value of each key that is refused, with the code and the place behind its beginning.
const BAD: [(&str, &str, Code, usize); 10] = [
    ("device_id", "\"\"", Code::OutOfRange, 1),
    ("timestamp", "\"noon\"", Code::BadTimestamp, 1),
    ("latitude", "91", Code::OutOfRange, 0),
    ("longitude", "\"19\"", Code::BadType, 0),
    ("altitude", "1e39", Code::OutOfRange, 0),
    ("angle", "[]", Code::BadType, 0),
    ("speed", "null", Code::BadType, 0),
    ("satellites", "1.0", Code::BadType, 0),
    ("priority", "32768", Code::OutOfRange, 0),
    ("attributes", "[]", Code::BadType, 0),
];

#[test]
fn a_bad_value_superseded_by_a_good_one_does_not_count() {
    let plain = decode(object(MEMBERS)).unwrap();
    for (key, bad, _, _) in BAD {
        let good = MEMBERS.iter().find(|(name, _)| *name == key).unwrap().1;
        let payload = with(key, bad).0;
        let payload = format!("{},\"x\":0,\"{key}\":{good}}}", payload.strip_suffix('}').unwrap());
        assert_eq!(decode(payload).as_ref(), Ok(&plain), "{key}");
    }
}

#[test]
fn a_good_value_superseded_by_a_bad_one_is_refused_at_the_last() {
    for (key, bad, code, shift) in BAD {
        for spelling in [key.to_owned(), format!("\\u{:04x}{}", key.as_bytes()[0], &key[1..])] {
            let payload = extended(&format!("\"{spelling}\":{bad}"));
            let place = payload.len() - 1 - bad.len();
            assert_eq!(decode(payload), Err(Reject::of(code, key, place + shift)), "{spelling}");
        }
    }
}

#[test]
fn of_repeated_attributes_the_last_object_is_stored_alone() {
    for (first, last) in [("{\"1\":1,\"9\":9}", "{\"2\":2}"), ("{\"1\":[]}", "{\"2\":2}"), ("7", "{\"2\":2}")] {
        let payload = with("attributes", first).0;
        let payload = format!("{},\"attributes\":{last}}}", payload.strip_suffix('}').unwrap());
        assert_eq!(decode(payload).map(|row| row.attributes), Ok(last.to_owned()), "{first}");
    }
    for last in ["{\"1\":[]}", "null"] {
        let refusal = decode(extended(&format!("\"attributes\":{last}"))).unwrap_err();
        assert_eq!((refusal.code, refusal.field), (Code::BadType, Some("attributes")), "{last}");
    }
}

#[test]
fn what_is_not_json_is_refused_before_any_value_is_judged() {
    for (key, bad, _, _) in BAD {
        let payload = with(key, bad).0;
        let broken = payload.strip_suffix('}').unwrap();
        assert_eq!(decode(broken), Err(Reject::at(Code::BadJson, broken.len())), "{key}");
    }
}
