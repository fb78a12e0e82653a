//! Properties of decoding over generated payloads: noise, near-JSON and Positions with a little of everything.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::payload_properties as properties;
use crate::samples::{MEMBERS, with, with_bytes};

/// Pieces of JSON, and of what is nearly JSON.
const TOKENS: [&str; 46] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    " ",
    "\n",
    "\"a\"",
    "\"a\":",
    "\"\\u0041\"",
    "\"\\ud83d\\ude9a\"",
    "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\\u00\"",
    "\\u",
    "0",
    "1",
    "-",
    "-0",
    "1.5",
    "1.",
    ".5",
    "1e5",
    "1E-5",
    "1e",
    "01",
    "1e999",
    "true",
    "false",
    "null",
    "nul",
    "NaN",
    "é",
    "\u{1}",
    "\u{7f}",
    "{}",
    "[]",
    "[1]",
    "{\"a\":1}",
    "\u{feff}",
    "\t",
    "//",
    "\r",
];

fn near_json() -> impl Strategy<Value = String> {
    vec(select(&TOKENS[..]), 0..12).prop_map(|tokens| tokens.concat())
}

fn string() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "b",
        "1",
        "é",
        "🚚",
        "\\u0041",
        "\\n",
        "\\\\",
        "\\\"",
        "\\/",
        "\\ud83d\\ude9a",
        "\\u0000",
        "\\ud800",
        "\\udc00",
        "__",
        "=",
        "sixteen bytes of text, and more",
    ]);
    vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Key strings from a small set, so that they repeat, some spelt with escapes.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(vec![
            "\"1\"", "\"2\"", "\"10\"", "\"239\"", "\"\\u0031\"", "\"1\\u0030\"", "\"\"", "\"é\"", "\"\\u00e9\"",
            "\"__generation_type\"",
        ]).prop_map(str::to_owned),
        1 => string(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![
        4 => Just(String::new()),
        3 => (-20..20i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (380..420i32).prop_map(|exponent| format!("E+{exponent}")),
        1 => (-420..-380i32).prop_map(|exponent| format!("E{exponent}")),
        1 => Just("e99999999999999999999".to_owned()),
    ];
    ("-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?", exponent).prop_map(|(mantissa, exponent)| mantissa + &exponent)
}

fn sentinel() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        "\"__bigint\":\"-?[0-9]{0,20}\"",
        "\"__buffer_b64\":\"[A-Za-z0-9+/]{0,8}={0,2}\"",
        "\"type\":\"(Buffer|other)\"",
        "\"data\":\\[(1,255|0|256|1\\.0|\"1\"|-0)?\\]",
        "\"data\":(null|\"AQ==\")",
        "\"x\":1",
    ];
    vec(member, 0..3).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn attribute_value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => number(),
        6 => string(),
        2 => select(vec!["true", "false", "null"]).prop_map(str::to_owned),
        6 => sentinel(),
        1 => "[0-9]{20}(\\.[0-9]{360,400})?",
        1 => select(vec!["[]", "[1,2]", "{}", "{\"a\":[]}"]).prop_map(str::to_owned),
    ]
}

fn attributes() -> impl Strategy<Value = String> {
    let space = select(vec!["", "", "", " ", "\n\t"]);
    let member =
        (key(), space, attribute_value()).prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
    vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// A Position with generated attributes, which come once or twice.
fn position() -> impl Strategy<Value = String> {
    (attributes(), proptest::option::weighted(0.2, attributes())).prop_map(|(first, second)| {
        let payload = with("attributes", &first).0;
        let second = second.map(|second| format!(",\"attributes\":{second}")).unwrap_or_default();
        format!("{}{second}}}", payload.strip_suffix('}').unwrap())
    })
}

/// A Position with some of its bytes replaced, removed or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), 0..3u8, any::<u8>());
    (position(), vec(damage, 1..4)).prop_map(|(payload, damages)| {
        let mut payload = payload.into_bytes();
        for (place, kind, byte) in damages {
            let place = place.index(payload.len());
            match kind {
                0 => payload[place] = byte,
                1 => drop(payload.remove(place)),
                _ => payload.insert(place, payload[place]),
            }
        }
        payload
    })
}

/// A Position with any bytes in a key or a text of its attributes, which are in the producer's form otherwise.
fn bytes_among_attributes() -> impl Strategy<Value = Vec<u8>> {
    let attributes = select(vec![
        "{\"239\":\"?\"}",
        "{\"?\":1}",
        "{\"66\":1,\"239\":\"text ?\",\"385\":-1}",
        "{\"78\":{\"__bigint\":\"?\"}}",
    ]);
    (attributes, vec(any::<u8>(), 1..6))
        .prop_map(|(attributes, bytes)| with_bytes(&with("attributes", attributes).0, &bytes).0)
}

/// A Position where one column's value is near-JSON or a number.
fn odd_column() -> impl Strategy<Value = String> {
    let value = prop_oneof![near_json(), number(), string()];
    (select(MEMBERS.map(|(key, _)| key).to_vec()), value).prop_map(|(key, value)| with(key, &value).0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_decoded_or_refused(payload in vec(any::<u8>(), 0..200)) {
        properties::any_payload_is_decoded_or_refused(&payload);
    }

    #[test]
    fn any_damaged_position_is_decoded_or_refused(payload in damaged()) {
        properties::any_payload_is_decoded_or_refused(&payload);
        properties::bad_json_is_what_serde_json_refuses(&payload);
        properties::stored_attributes_are_those_that_were_sent(&payload);
    }

    #[test]
    fn any_bytes_among_attributes_are_decoded_or_refused(payload in bytes_among_attributes()) {
        properties::any_payload_is_decoded_or_refused(&payload);
        properties::bad_json_is_what_serde_json_refuses(&payload);
        properties::stored_attributes_are_those_that_were_sent(&payload);
    }

    #[test]
    fn near_json_is_bad_json_where_serde_json_says_so(payload in near_json()) {
        properties::bad_json_is_what_serde_json_refuses(payload.as_bytes());
    }

    #[test]
    fn odd_columns_are_decoded_or_refused(payload in odd_column()) {
        properties::any_payload_is_decoded_or_refused(payload.as_bytes());
        properties::bad_json_is_what_serde_json_refuses(payload.as_bytes());
    }

    #[test]
    fn attributes_are_stored_as_they_were_sent(payload in position()) {
        properties::any_payload_is_decoded_or_refused(payload.as_bytes());
        properties::stored_attributes_are_those_that_were_sent(payload.as_bytes());
    }
}

#[test]
fn nesting_is_refused_here_before_serde_json_would() {
    for levels in [64, 65, 127, 128, 129, 5000] {
        let payload = "[".repeat(levels) + &"]".repeat(levels);
        properties::any_payload_is_decoded_or_refused(payload.as_bytes());
        properties::bad_json_is_what_serde_json_refuses(payload.as_bytes());
    }
}
