//! The fast path: the one form in which the producer writes a Position, compact JSON with its keys in order, no escapes.
//!
//! Checking for that form is several times cheaper than reading any JSON. The first difference gives `None`, and
//! [`super::general`] reads the payload again from its beginning. So nothing is refused here, and a payload that is
//! accepted here is accepted there with the same result.

use std::borrow::Cow;

use super::attributes::{self, Members};
use super::json::Scanner;
use super::{Attributes, Position, timestamp};
use crate::expect::{Matcher, POWERS_OF_TEN};

/// Decodes a payload in the common form, leaving the attributes in `members`.
pub(super) fn decode<'a>(payload: &'a [u8], members: &mut Members) -> Option<Position<'a>> {
    let mut matcher = Matcher { rest: payload };
    matcher.take(b"{\"device_id\":\"")?;
    let device_id = Cow::Borrowed(decimal_text(&mut matcher)?);
    matcher.take(b"\",\"timestamp\":\"")?;
    let ts_offset = payload.len().wrapping_sub(matcher.rest.len());
    let ts_us = timestamp::parse_millis(matcher.chunk()?)?;
    matcher.take(b"\",\"latitude\":")?;
    let latitude = degrees(&mut matcher, 90.0)?;
    matcher.take(b",\"longitude\":")?;
    let longitude = degrees(&mut matcher, 180.0)?;
    matcher.take(b",\"altitude\":")?;
    let altitude = real(&mut matcher)?;
    matcher.take(b",\"angle\":")?;
    let angle = real(&mut matcher)?;
    matcher.take(b",\"speed\":")?;
    let speed = real(&mut matcher)?;
    matcher.take(b",\"satellites\":")?;
    let satellites = small_integer(&mut matcher)?;
    matcher.take(b",\"priority\":")?;
    let priority = small_integer(&mut matcher)?;
    matcher.take(b",\"attributes\":")?;
    let attributes = attributes(payload, &matcher, members)?;
    Some(Position {
        device_id,
        ts_us,
        ts_offset,
        latitude,
        longitude,
        altitude,
        angle,
        speed,
        satellites,
        priority,
        attributes: Attributes { json: payload, found: attributes, members: &[] },
    })
}

/// One to sixteen digits; an IMEI has fifteen.
#[inline]
fn decimal_text<'a>(matcher: &mut Matcher<'a>) -> Option<&'a str> {
    let mut behind = *matcher;
    behind.long_number()?;
    let text = matcher.split(matcher.rest.len().wrapping_sub(behind.rest.len()))?;
    std::str::from_utf8(text).ok()
}

/// A whole number of up to eight digits as JSON allows it: no zero before other digits.
#[inline]
fn whole(matcher: &mut Matcher<'_>) -> Option<u32> {
    let leading_zero = matcher.rest.first() == Some(&b'0');
    let (value, count) = matcher.digits()?;
    (count == 1 || !leading_zero).then_some(value)
}

/// Both the digits and the power of ten are exact as doubles, so that the quotient is rounded once, as it has to be.
#[inline]
fn degrees(matcher: &mut Matcher<'_>, bound: f64) -> Option<f64> {
    const DIVISORS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    let minus = matcher.take(b"-").is_some();
    let whole = whole(matcher)?;
    let (fraction, places) = if matcher.take(b".").is_some() { matcher.digits()? } else { (0, 0) };
    let digits = u64::from(whole).checked_mul(*POWERS_OF_TEN.get(places)?)?.checked_add(u64::from(fraction))?;
    let size = f64::from(u32::try_from(digits).ok()?) / DIVISORS.get(places)?;
    (size <= bound).then_some(if minus { -size } else { size })
}

#[inline]
fn real(matcher: &mut Matcher<'_>) -> Option<f32> {
    let minus = matcher.take(b"-").is_some();
    let size = f32::from(u16::try_from(whole(matcher)?).ok()?);
    Some(if minus { -size } else { size })
}

#[inline]
fn small_integer(matcher: &mut Matcher<'_>) -> Option<i16> {
    i16::try_from(whole(matcher)?).ok()
}

/// The attributes, if they can be stored and nothing but the Position's brace is behind them.
#[inline]
fn attributes(payload: &[u8], matcher: &Matcher<'_>, members: &mut Members) -> Option<attributes::Found> {
    if matcher.rest.first() != Some(&b'{') {
        return None;
    }
    let mut scanner = Scanner::new(payload, payload.len().wrapping_sub(matcher.rest.len()));
    let found = attributes::scan(payload, &mut scanner, members).ok()?.ok()?;
    (scanner.rest() == b"}").then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::super::{Code, Limits, Position, Reject, Scratch, decode, general};
    use super::Members;

    /// Now and then a number that is not in the producer's form, or not valid at all.
    fn number(common: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop_oneof![
            30 => common,
            1 => any::<i64>().prop_map(|value| value.to_string()),
            1 => "-?[0-9]{1,3}(\\.[0-9]{1,9})?(e1)?",
        ]
    }

    fn degrees() -> impl Strategy<Value = String> {
        number((-91.0..91.0, 0..8usize).prop_map(|(value, places)| format!("{value:.places$}")))
    }

    fn whole() -> impl Strategy<Value = String> {
        number((0..400u32).prop_map(|value| value.to_string()))
    }

    fn attribute() -> impl Strategy<Value = String> {
        let key = prop_oneof![20 => "[0-9]{1,6}", 1 => "[a-z_]{0,18}", 1 => Just("\\u0031".to_owned())];
        let value = prop_oneof![
            30 => number((0..1_000_000u32).prop_map(|value| (value >> (value % 20)).to_string())),
            3 => "\\{\"__bigint\":\"-?[0-9]{1,20}\"\\}",
            3 => "\\{\"__buffer_b64\":\"([A-Za-z0-9+/]{4}){1,3}\"\\}",
            1 => select(vec!["\"é\"", "true", "{}", "[1]", "{\"__bigint\":1}", "01", "1.", ""]).prop_map(str::to_owned),
        ];
        (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
    }

    prop_compose! {
        /// One byte in every other payload is not what it should be.
        fn payload()(payload in whole_payload(), place in any::<Index>(), byte in "[09\".x-]?") -> String {
            let place = place.index(payload.len());
            match (payload.get(..place), payload.get(place..).map(str::chars)) {
                (Some(before), Some(mut behind)) if !byte.is_empty() => {
                    behind.next();
                    format!("{before}{byte}{}", behind.as_str())
                }
                _ => payload,
            }
        }
    }

    prop_compose! {
        fn whole_payload()(
            device_id in "[0-9]{13,17}",
            second in 0..61u8,
            coordinates in vec(degrees(), 2),
            others in vec(whole(), 5),
            attributes in vec(attribute(), 0..30),
            end in select(vec!["}", "}", "}", "}", "", "} ", "}}", ",\"speed\":1}"]),
        ) -> String {
            let keys = ["latitude", "longitude", "altitude", "angle", "speed", "satellites", "priority"];
            let numbers: Vec<_> = keys.iter().zip(coordinates.iter().chain(&others)).map(|(key, number)| format!("\"{key}\":{number}")).collect();
            let (numbers, attributes) = (numbers.join(","), attributes.join(","));
            let timestamp = format!("2026-05-01T09:30:{second:02}.123Z");
            format!("{{\"device_id\":\"{device_id}\",\"timestamp\":\"{timestamp}\",{numbers},\"attributes\":{{{attributes}}}{end}")
        }
    }

    fn shown(position: &Position<'_>) -> String {
        let mut attributes = Vec::new();
        position.write_attributes(&mut attributes);
        attributes.retain(|byte| !byte.is_ascii_whitespace());
        let Position { device_id, ts_us, latitude, longitude, altitude, angle, speed, satellites, priority, .. } =
            position;
        let numbers = (latitude, longitude, altitude, angle, speed, satellites, priority);
        format!("{device_id} {ts_us} {numbers:?} {}", attributes.escape_ascii())
    }

    /// Offsets aside, since white space moves them.
    fn outcome(payload: &str) -> Result<String, (Code, Option<&'static str>)> {
        let mut scratch = Scratch::default();
        let decoded = decode(payload.as_bytes(), &Limits::default(), &mut scratch);
        decoded.map(|position| shown(&position)).map_err(|Reject { code, field, .. }| (code, field))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn what_the_fast_path_accepts_the_general_path_accepts_alike(payload in payload()) {
            let (mut fast, mut general) = (Members::default(), Members::default());
            let payload = payload.as_bytes();
            if let Some(mut position) = super::decode(payload, &mut fast) {
                position.attributes.members = fast.as_slice();
                let mut expected = general::decode(payload, &mut general).unwrap();
                expected.attributes.members = general.as_slice();
                prop_assert_eq!(position.ts_offset, expected.ts_offset);
                prop_assert_eq!(shown(&position), shown(&expected));
            }
        }

        /// White space keeps the attributes, too, off the fast path.
        #[test]
        fn white_space_makes_no_difference(payload in payload()) {
            let spaced = payload.replace("\":", "\" :").replace(",\"", " ,\"").replace('}', " }");
            prop_assert_eq!(outcome(&payload), outcome(&spaced));
        }
    }

    #[test]
    fn the_producers_form_takes_the_fast_path_and_no_other_does() {
        let common = r#"{"device_id":"356307042441013","timestamp":"2026-05-01T09:30:00.000Z","latitude":41.3275,"longitude":-19.8187,"altitude":-5,"angle":214,"speed":63,"satellites":14,"priority":0,"attributes":{"239":1,"66":12710,"78":{"__bigint":"18446744073709551615"},"385":{"__buffer_b64":"AQIDBA=="}}}"#;
        let is_fast = |payload: &str| super::decode(payload.as_bytes(), &mut Members::default()).is_some();
        assert!(is_fast(common));
        for (part, other) in
            [(":214", ":0214"), (":14", ":-14"), (":-5", ":-"), ("41.", "041."), ("41.3275", "91"), ("}}}", "}}} ")]
        {
            assert!(!is_fast(&common.replace(part, other)), "{part} as {other}");
        }
    }
}
