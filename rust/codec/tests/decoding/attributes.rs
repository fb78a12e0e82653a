//! `attributes`: the stored form of every kind of value, sentinels and their wrong shapes, and keys.

use codec::position::{Code, Reject};

use crate::samples::{decode, with};

fn stored(attributes: &str) -> String {
    decode(with("attributes", attributes).0).unwrap_or_else(|reject| panic!("{attributes}: {reject}")).attributes
}

/// Asserts the refusal of the value of key `1`, `shift` bytes behind its beginning.
fn refused(code: Code, value: &str, shift: usize) {
    let (payload, place) = with("attributes", &format!("{{\"1\":{value}}}"));
    let offset = place + "{\"1\":".len() + shift;
    assert_eq!(decode(payload), Err(Reject::of(code, "attributes", offset)), "{value}");
}

#[test]
fn plain_values_are_stored_as_they_stand() {
    for value in [
        "0",
        "-0",
        "1",
        "-17",
        "1.10",
        "0.000",
        "-0.50",
        "12345678901234567890.10",
        "true",
        "false",
        "null",
        "\"\"",
        "\"text\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\\uD83D\\uDE9A\"",
        "\"é🚚\"",
        "\"\\u0001\"",
        "\"18446744073709551615\"",
    ] {
        let attributes = format!("{{\"1\":{value}}}");
        assert_eq!(stored(&attributes), attributes);
    }
    assert_eq!(stored("{}"), "{}");
    let forty = "1234567890".repeat(4);
    assert_eq!(stored(&format!("{{\"1\":{forty}}}")), format!("{{\"1\":{forty}}}"));
}

#[test]
fn exponents_are_resolved_and_no_digit_is_lost() {
    for (wire, text) in [
        ("1e2", "100"),
        ("1E+2", "100"),
        ("1.10e0", "1.10"),
        ("1.10e1", "11.0"),
        ("-1.5e3", "-1500"),
        ("1.5e-3", "0.0015"),
        ("100e-2", "1.00"),
        ("0e7", "0"),
        ("0.00e1", "0.0"),
        ("-0e0", "-0"),
        ("0e99999999999999999999", "0"),
        ("1e0000000000000000000000000000002", "100"),
    ] {
        assert_eq!(stored(&format!("{{\"1\":{wire}}}")), format!("{{\"1\":{text}}}"), "{wire}");
    }
}

#[test]
fn four_hundred_digits_are_stored_and_one_more_is_out_of_range() {
    let digits = |count: usize| "7".repeat(count);
    for value in [
        digits(400),
        format!("-{}", digits(400)),
        format!("{}.{}", digits(200), digits(200)),
        format!("0.{}", digits(399)),
        "1e399".to_owned(),
        "-1e-399".to_owned(),
        "0.001e402".to_owned(),
        format!("{}e-399", digits(399)),
        format!("{}e1", digits(399)),
    ] {
        stored(&format!("{{\"1\":{value}}}"));
    }
    for value in [
        digits(401),
        format!("-{}", digits(401)),
        format!("{}.{}", digits(200), digits(201)),
        format!("0.{}", digits(400)),
        "1e400".to_owned(),
        "-1e-400".to_owned(),
        "0.001e403".to_owned(),
        format!("{}e1", digits(400)),
        "1e131071".to_owned(),
        "0e-131071".to_owned(),
        "1e99999999999999999999".to_owned(),
        "1e-99999999999999999999".to_owned(),
    ] {
        refused(Code::OutOfRange, &value, 0);
    }
}

#[test]
fn sentinels_are_stored_as_their_text() {
    for (wire, text) in [
        ("{\"__bigint\":\"18446744073709551615\"}", "18446744073709551615"),
        ("{\"__bigint\":\"-9223372036854775808\"}", "-9223372036854775808"),
        ("{\"__bigint\":\"0\"}", "0"),
        ("{\"__bigint\":\"007\"}", "007"),
        ("{ \"__bigint\" : \"1\" }", "1"),
        ("{\"__buffer_b64\":\"AQIDBA==\"}", "AQIDBA=="),
        ("{\"__buffer_b64\":\"AQIDBAU=\"}", "AQIDBAU="),
        ("{\"__buffer_b64\":\"+/+/\"}", "+/+/"),
        ("{\"__buffer_b64\":\"\"}", ""),
        ("{\"type\":\"Buffer\",\"data\":[1,2,3,4]}", "AQIDBA=="),
        ("{\"data\":[ 1 , 2,\\t3,4 ],\"type\":\"Buffer\"}", "AQIDBA=="),
        ("{\"type\":\"Buffer\",\"data\":[]}", ""),
        ("{\"type\":\"Buffer\",\"data\":[0,255,-0]}", "AP8A"),
        ("{\"t\\u0079pe\":\"B\\u0075ffer\",\"data\":[251,239]}", "++8="),
    ] {
        let wire = wire.replace("\\t", "\t");
        assert_eq!(stored(&format!("{{\"1\":{wire}}}")), format!("{{\"1\":\"{text}\"}}"), "{wire}");
    }
}

#[test]
fn escapes_in_a_sentinel_mean_what_they_spell() {
    let json = stored("{\"1\":{\"__\\u0062igint\":\"\\u0031\\u0032\"},\"2\":{\"__buffer_b64\":\"AQ\\u003d=\"}}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value, serde_json::json!({"1": "12", "2": "AQ=="}));
}

#[test]
fn a_sentinel_of_another_shape_is_refused() {
    for value in [
        "{\"__bigint\":1}",
        "{\"__bigint\":null}",
        "{\"__bigint\":{}}",
        "{\"__bigint\":[\"1\"]}",
        "{\"__bigint\":\"\"}",
        "{\"__bigint\":\"-\"}",
        "{\"__bigint\":\"+1\"}",
        "{\"__bigint\":\"1.0\"}",
        "{\"__bigint\":\"1e3\"}",
        "{\"__bigint\":\" 1\"}",
        "{\"__bigint\":\"--1\"}",
        "{\"__bigint\":\"0x1F\"}",
        "{\"__bigint\":\"١\"}",
        "{\"__bigint\":\"1\\u0000\"}",
        "{\"__bigint\":\"\\ud800\"}",
        "{\"__bigint\":\"1\",\"x\":1}",
        "{\"x\":1,\"__bigint\":\"1\"}",
        "{\"__bigint\":\"1\",\"__buffer_b64\":\"\"}",
        "{\"__bigint\":\"1\",\"type\":\"Buffer\",\"data\":[]}",
        "{\"__buffer_b64\":1}",
        "{\"__buffer_b64\":null}",
        "{\"__buffer_b64\":\"A\"}",
        "{\"__buffer_b64\":\"AQ\"}",
        "{\"__buffer_b64\":\"AQ=\"}",
        "{\"__buffer_b64\":\"A===\"}",
        "{\"__buffer_b64\":\"====\"}",
        "{\"__buffer_b64\":\"AQ==AQ==\"}",
        "{\"__buffer_b64\":\"A=Q=\"}",
        "{\"__buffer_b64\":\"-_-_\"}",
        "{\"__buffer_b64\":\"AQI \"}",
        "{\"__buffer_b64\":\"AQ\\n==\"}",
        "{\"__buffer_b64\":\"AQID\",\"y\":0}",
        "{\"type\":\"Buffer\"}",
        "{\"type\":\"Buffer\",\"data\":\"AQ==\"}",
        "{\"type\":\"Buffer\",\"data\":null}",
        "{\"type\":\"Buffer\",\"data\":{\"0\":1}}",
        "{\"type\":\"Buffer\",\"data\":[256]}",
        "{\"type\":\"Buffer\",\"data\":[-1]}",
        "{\"type\":\"Buffer\",\"data\":[1.0]}",
        "{\"type\":\"Buffer\",\"data\":[1e0]}",
        "{\"type\":\"Buffer\",\"data\":[\"1\"]}",
        "{\"type\":\"Buffer\",\"data\":[\"1,2\"]}",
        "{\"type\":\"Buffer\",\"data\":[null]}",
        "{\"type\":\"Buffer\",\"data\":[[1,2]]}",
        "{\"type\":\"Buffer\",\"data\":[1,[],2]}",
        "{\"type\":\"Buffer\",\"data\":[1],\"length\":1}",
    ] {
        refused(Code::BadSentinel, value, 0);
    }
}

#[test]
fn another_object_or_an_array_has_the_wrong_type() {
    for value in [
        "{}",
        "{\"a\":1}",
        "{\"bigint\":\"1\"}",
        "{\"__BIGINT\":\"1\"}",
        "{\"type\":\"buffer\",\"data\":[]}",
        "[]",
        "[1,2]",
        "[{\"__bigint\":\"1\"}]",
    ] {
        refused(Code::BadType, value, 0);
    }
}

#[test]
fn of_repeated_keys_in_a_sentinel_the_last_counts() {
    for (wire, text) in [
        ("{\"__bigint\":1,\"__bigint\":\"2\"}", "2"),
        ("{\"__bigint\":\"x\",\"__bigin\\u0074\":\"2\"}", "2"),
        ("{\"__buffer_b64\":\"!\",\"__buffer_b64\":\"AQID\"}", "AQID"),
        ("{\"type\":\"x\",\"data\":7,\"type\":\"Buffer\",\"data\":[1,2,3]}", "AQID"),
    ] {
        assert_eq!(stored(&format!("{{\"1\":{wire}}}")), format!("{{\"1\":\"{text}\"}}"), "{wire}");
    }
    refused(Code::BadSentinel, "{\"__bigint\":\"2\",\"__bigint\":2}", 0);
    refused(Code::BadSentinel, "{\"type\":\"Buffer\",\"data\":[1],\"data\":[256]}", 0);
}

#[test]
fn of_repeated_attribute_keys_the_last_counts_however_it_is_spelt() {
    for (wire, json) in [
        ("{\"1\":1,\"1\":2}", "{\"1\":2}"),
        ("{\"1\":[],\"1\":2}", "{\"1\":2}"),
        ("{\"1\":{\"__bigint\":1},\"2\":0,\"1\":2}", "{\"1\":2,\"2\":0}"),
        ("{\"1\":\"\\u0000\",\"1\":2}", "{\"1\":2}"),
        ("{\"1\":1e999,\"1\":2,\"1\":3}", "{\"1\":3}"),
        ("{\"\\u0031\":1,\"1\":2}", "{\"1\":2}"),
    ] {
        assert_eq!(stored(wire), json, "{wire}");
    }
    let json: serde_json::Value = serde_json::from_str(&stored("{\"1\":1,\"\\u0031\":2}")).unwrap();
    assert_eq!(json, serde_json::json!({"1": 2}));
    let (payload, place) = with("attributes", "{\"1\":1,\"1\":[]}");
    assert_eq!(decode(payload), Err(Reject::of(Code::BadType, "attributes", place + "{\"1\":1,\"1\":".len())));
}

#[test]
fn of_several_refusals_the_first_in_the_text_is_given() {
    let (payload, place) = with("attributes", "{\"9\":{\"__bigint\":1},\"1\":[]}");
    assert_eq!(decode(payload), Err(Reject::of(Code::BadSentinel, "attributes", place + "{\"9\":".len())));
}

#[test]
fn keys_are_stored_in_the_order_of_jsonb() {
    assert_eq!(
        stored("{\"10\":1,\"9\":2,\"__generation_type\":3,\"239\":4}"),
        "{\"9\":2,\"10\":1,\"239\":4,\"__generation_type\":3}"
    );
    assert_eq!(stored("{ \"1\" : 1 ,\n\"2\":2 }").replace(char::is_whitespace, ""), "{\"1\":1,\"2\":2}");
    assert_eq!(stored("{\"\":1}"), "{\"\":1}");
}

#[test]
fn text_that_jsonb_cannot_hold_is_refused_in_values_and_keys() {
    for text in ["\\u0000", "a\\u0000", "\\ud800", "\\udc00", "\\ud800\\ud800\\udc00", "\\uD800x", "\\ud800\\n"] {
        refused(Code::UnstorableText, &format!("\"{text}\""), 1);
        let (payload, place) = with("attributes", &format!("{{\"{text}\":1}}"));
        assert_eq!(decode(payload), Err(Reject::of(Code::UnstorableText, "attributes", place + 2)), "{text}");
    }
    assert_eq!(stored("{\"1\":\"\\\\u0000\"}"), "{\"1\":\"\\\\u0000\"}");
}

#[test]
fn attributes_of_another_type_are_refused() {
    for json in ["null", "[]", "1", "\"{}\"", "true"] {
        let (payload, place) = with("attributes", json);
        assert_eq!(decode(payload), Err(Reject::of(Code::BadType, "attributes", place)), "{json}");
    }
}
