//! The typed columns: what each accepts, where it ends, and the code, field and place of every refusal.

use codec::position::{Code, Reject};

use crate::copy_reader::Row;
use crate::samples::{MEMBERS, decode, object, with, without};

fn accepted(key: &str, json: &str) -> Row {
    decode(with(key, json).0).unwrap_or_else(|reject| panic!("{key} {json}: {reject}"))
}

/// Asserts the refusal of a value, `shift` bytes behind its beginning.
fn refused(code: Code, key: &'static str, json: &str, shift: usize) {
    let (payload, place) = with(key, json);
    assert_eq!(decode(payload), Err(Reject::of(code, key, place + shift)), "{key} {json}");
}

const NOT_NUMBERS: [&str; 7] = ["null", "true", "false", "\"1\"", "\"\"", "[1]", "{\"value\":1}"];

#[test]
fn the_sample_is_decoded_to_its_columns() {
    let row = decode(object(MEMBERS)).unwrap();
    let expected = Row {
        device_id: "356307042441013".to_owned(),
        ts_us: 1_777_627_800_000_000,
        latitude: 41.3275,
        longitude: 19.8187,
        altitude: 110.0,
        angle: 214.0,
        speed: 63.0,
        satellites: 14,
        priority: 0,
        codec: "8E".to_owned(),
        attributes: "{\"239\":1}".to_owned(),
    };
    assert_eq!(row, expected);
}

#[test]
fn a_position_without_one_of_its_keys_names_the_key() {
    for (key, _) in MEMBERS {
        assert_eq!(decode(without(key)), Err(Reject::without_offset(Code::MissingField, key)));
    }
}

#[test]
fn degrees_are_accepted_up_to_their_bounds() {
    type Column = fn(Row) -> f64;
    let columns: [(&str, f64, Column); 2] =
        [("latitude", 90.0, |row| row.latitude), ("longitude", 180.0, |row| row.longitude)];
    for (key, bound, column) in columns {
        for (json, value) in [
            ("0".to_owned(), 0.0),
            ("-0".to_owned(), -0.0),
            (format!("{bound}"), bound),
            (format!("-{bound}.000"), -bound),
            (format!("{}e1", bound / 10.0), bound),
            (format!("{}E+1", bound / 10.0), bound),
            (format!("{bound}000e-3"), bound),
            ("-0.1".to_owned(), -0.1),
            ("1e-400".to_owned(), 0.0),
            ("89.99999999999999".to_owned(), 89.999_999_999_999_99),
        ] {
            let stored = column(accepted(key, &json));
            assert_eq!(stored.to_bits(), f64::to_bits(value), "{key} {json}");
        }
        for json in
            [format!("{bound}.0000000001"), format!("-{}", bound + 1.0), "1e400".to_owned(), "-1e400".to_owned()]
        {
            refused(Code::OutOfRange, key, &json, 0);
        }
        for json in NOT_NUMBERS {
            refused(Code::BadType, key, json, 0);
        }
    }
}

#[test]
fn reals_are_rounded_once_and_accepted_up_to_the_largest() {
    type Column = fn(Row) -> f32;
    let columns: [(&str, Column); 3] =
        [("altitude", |row| row.altitude), ("angle", |row| row.angle), ("speed", |row| row.speed)];
    for (key, column) in columns {
        for (json, value) in [
            ("0", 0.0),
            ("-0.0", -0.0),
            ("-12.5", -12.5),
            ("16777217", 16_777_216.0),
            ("1e2", 100.0),
            ("3.4028235e38", f32::MAX),
            ("-340282346638528859811704183484516925440", -f32::MAX),
            // Less than half a step above the largest.
            ("3.4028235677973362e38", f32::MAX),
            ("1e-60", 0.0),
            // A double would take this for the middle of two reals, and round it up again.
            ("1.00000017881393432617187499", 1.000_000_1),
        ] {
            assert_eq!(column(accepted(key, json)).to_bits(), f32::to_bits(value), "{key} {json}");
        }
        for json in ["3.4028235677973367e38", "-3.5e38", "1e39", "1e400", "-1e99999999999999999999"] {
            refused(Code::OutOfRange, key, json, 0);
        }
        for json in NOT_NUMBERS {
            refused(Code::BadType, key, json, 0);
        }
    }
}

#[test]
fn small_integers_have_neither_fraction_nor_exponent() {
    type Column = fn(Row) -> i16;
    let columns: [(&str, Column); 2] = [("satellites", |row| row.satellites), ("priority", |row| row.priority)];
    for (key, column) in columns {
        for (json, value) in [("0", 0), ("-0", 0), ("-1", -1), ("32767", i16::MAX), ("-32768", i16::MIN)] {
            assert_eq!(column(accepted(key, json)), value, "{key} {json}");
        }
        for json in ["32768", "-32769", "65536", "99999999999999999999999999"] {
            refused(Code::OutOfRange, key, json, 0);
        }
        for json in ["1.0", "1e0", "1E0", "1e+0", "-0.0", "14.5", "1e400", "99999.0"] {
            refused(Code::BadType, key, json, 0);
        }
        for json in NOT_NUMBERS {
            refused(Code::BadType, key, json, 0);
        }
    }
}

#[test]
fn a_device_id_has_one_to_sixty_four_bytes_once_its_escapes_are_resolved() {
    for (json, device_id) in [
        ("\"1\"".to_owned(), "1".to_owned()),
        (format!("\"{}\"", "7".repeat(64)), "7".repeat(64)),
        (format!("\"{}\"", "\\u0041".repeat(64)), "A".repeat(64)),
        (format!("\"{}\"", "ü".repeat(32)), "ü".repeat(32)),
        (format!("\"{}\"", "\\ud83d\\ude9a".repeat(16)), "🚚".repeat(16)),
        ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"".to_owned(), "\"\\/\u{8}\u{c}\n\r\t".to_owned()),
        ("\" \"".to_owned(), " ".to_owned()),
    ] {
        assert_eq!(accepted("device_id", &json).device_id, device_id);
    }
    let long = [String::new(), "7".repeat(65), "\\u0041".repeat(65), "ü".repeat(33), "\\ud83d\\ude9a".repeat(17)];
    for text in long {
        refused(Code::OutOfRange, "device_id", &format!("\"{text}\""), 1);
    }
    for json in ["356307042441013", "null", "true", "[]", "{}"] {
        refused(Code::BadType, "device_id", json, 0);
    }
}

#[test]
fn a_device_id_that_text_cannot_hold_is_refused() {
    for text in
        ["\\u0000", "7\\u0000", "\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800\\ud800", "\\ud83dx", "\\uD83D\\u0041"]
    {
        refused(Code::UnstorableText, "device_id", &format!("\"{text}\""), 1);
    }
}

#[test]
fn timestamps_are_instants_and_digits_after_the_sixth_are_cut_off() {
    const HALF_PAST_NINE_US: i64 = 1_777_627_800_000_000;
    for (text, ts_us) in [
        ("2026-05-01T09:30:00Z", HALF_PAST_NINE_US),
        ("2026-05-01T09:30:00.1Z", HALF_PAST_NINE_US + 100_000),
        ("2026-05-01T09:30:00.123456Z", HALF_PAST_NINE_US + 123_456),
        ("2026-05-01T09:30:00.123456999Z", HALF_PAST_NINE_US + 123_456),
        ("2026-05-01T11:30:00+02:00", HALF_PAST_NINE_US),
        ("2026-05-01T00:00:00.5-09:30", HALF_PAST_NINE_US + 500_000),
        ("2026-05-01T09:30:00-00:00", HALF_PAST_NINE_US),
        ("2026-05-02T09:29:00+23:59", HALF_PAST_NINE_US),
        ("2026-05-01T09:30:00\\u005a", HALF_PAST_NINE_US),
        ("2024-02-29T23:59:59.999999Z", 1_709_251_199_999_999),
    ] {
        assert_eq!(accepted("timestamp", &format!("\"{text}\"")).ts_us, ts_us, "{text}");
    }
}

#[test]
fn any_other_form_of_a_timestamp_is_refused() {
    for text in [
        "",
        "2026-05-01",
        "2026-05-01T09:30:00",
        "2026-05-01T09:30Z",
        "2026-05-01 09:30:00Z",
        "2026-05-01t09:30:00z",
        "2026-05-01T24:00:00Z",
        "2026-05-01T23:60:00Z",
        "2026-05-01T23:59:60Z",
        "2026-02-29T09:30:00Z",
        "2026-04-31T09:30:00Z",
        "2026-00-01T09:30:00Z",
        "2026-13-01T09:30:00Z",
        "2026-05-00T09:30:00Z",
        "2026-05-01T09:30:00.Z",
        "2026-05-01T09:30:00.1234567890Z",
        "2026-05-01T09:30:00,5Z",
        "2026-05-01T09:30:00+2:00",
        "2026-05-01T09:30:00+0200",
        "2026-05-01T09:30:00+24:00",
        "2026-05-01T09:30:00+02:60",
        "2026-05-01T09:30:00Z ",
        " 2026-05-01T09:30:00Z",
        "2026-05-01T09:30:00\\u0000",
        "2026-05-01T09:30:00Z\\ud800",
        "١٢٣٤-05-01T09:30:00Z",
        "1777627800",
    ] {
        refused(Code::BadTimestamp, "timestamp", &format!("\"{text}\""), 1);
    }
    for json in ["1777627800", "null", "true", "[]", "{}"] {
        refused(Code::BadType, "timestamp", json, 0);
    }
}
