//! The fast path: the one form in which the producer writes a Position, compact JSON with its keys in order, no escapes.
//!
//! Checking for that form is several times cheaper than reading any JSON. The first difference gives `None`, and
//! [`super::general`] reads the payload again from its beginning. So nothing is refused here, and a payload that is
//! accepted here is accepted there with the same result.

use std::borrow::Cow;

use super::attributes::{self, Members};
use super::json::Scanner;
use super::{Attributes, Columns, Position, timestamp};
use crate::expect::{Matcher, POWERS_OF_TEN};
use crate::window::leading_digits;

/// A payload whose columns are in the common form, and maybe its attributes.
#[derive(Clone, Debug)]
pub(crate) struct Common<'a> {
    pub columns: Columns<'a>,
    payload: &'a [u8],
    /// Where the attributes begin.
    attributes_at: usize,
}

impl<'a> Common<'a> {
    /// `None` if the columns are in another form.
    #[inline]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let mut matcher = Matcher { rest: payload };
        let columns = columns(payload, &mut matcher)?;
        Some(Self { columns, payload, attributes_at: payload.len().wrapping_sub(matcher.rest.len()) })
    }

    /// Appends the attributes as they are stored; `None` if they are in another form, or something is behind them. What
    /// was appended then means nothing.
    #[inline]
    pub fn write_attributes(&self, out: &mut Vec<u8>) -> Option<()> {
        let end = attributes::write_common(self.payload, self.attributes_at, out)?;
        (self.payload.get(end..) == Some(b"}")).then_some(())
    }
}

/// Decodes a payload whose columns are in the common form, leaving the attributes in `members`.
pub(super) fn decode<'a>(payload: &'a [u8], members: &mut Members) -> Option<Position<'a>> {
    let Common { columns, attributes_at, .. } = Common::read(payload)?;
    let mut scanner = Scanner::new(payload, attributes_at);
    let found = attributes::scan(payload, &mut scanner, members).ok()?.ok()?;
    let attributes = Attributes { json: payload, found, members: &[] };
    (scanner.rest() == b"}").then_some(Position { columns, attributes })
}

/// The columns, up to the brace with which the attributes begin.
#[inline]
fn columns<'a>(payload: &'a [u8], matcher: &mut Matcher<'a>) -> Option<Columns<'a>> {
    matcher.take(b"{\"device_id\":\"")?;
    let device_id = Cow::Borrowed(decimal_text(matcher)?);
    matcher.take(b"\",\"timestamp\":\"")?;
    let ts_offset = payload.len().wrapping_sub(matcher.rest.len());
    let ts_us = timestamp::parse_millis(matcher.chunk()?)?;
    matcher.take(b"\",\"latitude\":")?;
    let latitude = degrees(matcher, 90.0)?;
    matcher.take(b",\"longitude\":")?;
    let longitude = degrees(matcher, 180.0)?;
    matcher.take(b",\"altitude\":")?;
    let altitude = real(matcher)?;
    matcher.take(b",\"angle\":")?;
    let angle = real(matcher)?;
    matcher.take(b",\"speed\":")?;
    let speed = real(matcher)?;
    matcher.take(b",\"satellites\":")?;
    let satellites = small_integer(matcher)?;
    matcher.take(b",\"priority\":")?;
    let priority = small_integer(matcher)?;
    matcher.take(b",\"attributes\":")?;
    (matcher.rest.first() == Some(&b'{')).then_some(())?;
    Some(Columns { device_id, ts_us, ts_offset, latitude, longitude, altitude, angle, speed, satellites, priority })
}

/// One to sixteen digits; an IMEI has fifteen.
#[inline]
fn decimal_text<'a>(matcher: &mut Matcher<'a>) -> Option<&'a [u8]> {
    let digits = matcher.rest.first_chunk().map_or(0, leading_digits);
    (digits > 0).then_some(())?;
    matcher.split(digits)
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::super::{Code, Columns, Limits, Position, Reject, Scratch, decode, general};
    use super::{Common, Members};

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
            60 => number((0..1_000_000u32).prop_map(|value| (value >> (value % 20)).to_string())),
            3 => "\\{\"__bigint\":\"-?[0-9]{1,20}\"\\}",
            3 => "\\{\"__buffer_b64\":\"([A-Za-z0-9+/]{4}){1,3}\"\\}",
            1 => select(vec!["\"é\"", "true", "{}", "[1]", "{\"__bigint\":1}", "01", "1.", ""]).prop_map(str::to_owned),
        ];
        (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
    }

    /// In any order, or in the order of `jsonb`, as producers send them.
    fn attributes() -> impl Strategy<Value = String> {
        (vec(attribute(), 0..30), any::<bool>()).prop_map(|(mut attributes, ordered)| {
            if ordered {
                let key = |attribute: &String| attribute.split('"').nth(1).map(|key| (key.len(), key.to_owned()));
                attributes.sort_by_key(key);
                attributes.dedup_by_key(|attribute| key(attribute));
            }
            attributes.join(",")
        })
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
            attributes in attributes(),
            end in select(vec!["}", "}", "}", "}", "", "} ", "}}", ",\"speed\":1}"]),
        ) -> String {
            let keys = ["latitude", "longitude", "altitude", "angle", "speed", "satellites", "priority"];
            let numbers: Vec<_> = keys.iter().zip(coordinates.iter().chain(&others)).map(|(key, number)| format!("\"{key}\":{number}")).collect();
            let numbers = numbers.join(",");
            let timestamp = format!("2026-05-01T09:30:{second:02}.123Z");
            format!("{{\"device_id\":\"{device_id}\",\"timestamp\":\"{timestamp}\",{numbers},\"attributes\":{{{attributes}}}{end}")
        }
    }

    fn shown(position: &Position<'_>) -> String {
        let mut attributes = Vec::new();
        position.write_attributes(&mut attributes);
        shown_with(&position.columns, attributes)
    }

    /// The Position and its timestamp's place, if the attributes were written as they were read.
    fn written_at_once(payload: &[u8]) -> Option<(String, usize)> {
        let common = Common::read(payload)?;
        let mut attributes = Vec::new();
        common.write_attributes(&mut attributes)?;
        Some((shown_with(&common.columns, attributes), common.columns.ts_offset))
    }

    fn shown_with(columns: &Columns<'_>, mut attributes: Vec<u8>) -> String {
        attributes.retain(|byte| !byte.is_ascii_whitespace());
        let Columns { device_id, ts_us, latitude, longitude, altitude, angle, speed, satellites, priority, .. } =
            columns;
        let numbers = (latitude, longitude, altitude, angle, speed, satellites, priority);
        let [device_id, attributes] = [device_id.escape_ascii(), attributes.escape_ascii()];
        format!("{device_id} {ts_us} {numbers:?} {attributes}")
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
            let expected = general::decode(payload, &mut general).map(|mut position| {
                position.attributes.members = general.as_slice();
                (shown(&position), position.columns.ts_offset)
            });
            if let Some(mut position) = super::decode(payload, &mut fast) {
                position.attributes.members = fast.as_slice();
                prop_assert_eq!(Ok((shown(&position), position.columns.ts_offset)), expected.clone());
            }
            if let Some((written, ts_offset)) = written_at_once(payload) {
                prop_assert_eq!(Ok((written, ts_offset)), expected);
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
        let common = r#"{"device_id":"356307042441013","timestamp":"2026-05-01T09:30:00.000Z","latitude":41.3275,"longitude":-19.8187,"altitude":-5,"angle":214,"speed":63,"satellites":14,"priority":0,"attributes":{"66":12710,"78":{"__bigint":"18446744073709551615"},"239":1,"385":{"__buffer_b64":"AQIDBA=="}}}"#;
        let is_fast = |payload: &str| written_at_once(payload.as_bytes()).is_some();
        assert!(is_fast(common));
        for (part, other) in [
            (":214", ":0214"),
            (":14", ":-14"),
            (":-5", ":-"),
            ("41.", "041."),
            ("41.3275", "91"),
            ("}}}", "}}} "),
            ("239", "24"),
            ("239", "66"),
            ("239", "78"),
            ("12710", " -1"),
            ("66\":12710", "66\" :-1"),
            ("66", "066"),
            ("12710", "012710"),
            ("12710", "12710 "),
            ("12710", "[1]"),
            ("12710", "{}"),
            ("12710", "1y"),
            ("12710", ""),
            ("1844", "x844"),
            ("18446744073709551615", "-"),
            ("AQIDBA==", "AQIDBA="),
            ("AQIDBA==", "AQIDBA===="),
            ("AQIDBA==", "AQ=DBA=="),
            ("AQIDBA==", "AQID_A=="),
        ] {
            let payload = common.replacen(part, other, 1);
            assert_ne!(payload, common);
            assert!(!is_fast(&payload), "{part} as {other}");
        }
    }

    #[test]
    fn a_member_in_another_form_does_not_keep_its_neighbours_off_the_fast_path() {
        let members = r#""1":-1,"2":1.50,"3":1e2,"16":true,"17":null,"18":"é","66":0,"__generation_type":5"#;
        let sentinels = format!(r#""78":{{"__buffer_b64":"{}"}},{members}"#, "AQID".repeat(40));
        for attributes in [members, &sentinels] {
            let attributes = attributes.replace("\"78\"", "\"0\"");
            let payload = format!(
                r#"{{"device_id":"356307042441013","timestamp":"2026-05-01T09:30:00.000Z","latitude":1,"longitude":1,"altitude":1,"angle":1,"speed":1,"satellites":1,"priority":0,"attributes":{{{attributes}}}}}"#
            );
            let mut scratch = Scratch::default();
            let expected = decode(payload.as_bytes(), &Limits::default(), &mut scratch).unwrap();
            assert_eq!(written_at_once(payload.as_bytes()).unwrap().0, shown(&expected));
        }
    }
}
