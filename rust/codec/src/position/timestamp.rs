//! Timestamps of the contract's form (§2) to microseconds of the Unix time.
#![allow(clippy::arithmetic_side_effects, reason = "every operand comes from at most nine decimal digits")]

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Parses `YYYY-MM-DDThh:mm:ss`, then nothing or a point and 1 to 9 digits, then `Z` or `±hh:mm`.
///
/// Digits after the sixth are cut off, not rounded. `None` for anything else, also for a date that does not exist.
#[must_use]
pub fn parse(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, b'T', h0, h1, b':', mi0, mi1, b':', s0, s1] = *head else {
        return None;
    };
    let year = i64::from(two(y0, y1)?) * 100 + i64::from(two(y2, y3)?);
    let day = days_since_epoch(year, two(mo0, mo1)?, two(d0, d1)?)?;
    let clock = seconds(two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?)?;
    let (micros, zone) = fraction(tail)?;
    let offset = zone_seconds(zone)?;
    Some((day * SECONDS_A_DAY + clock - offset) * MICROS_A_SECOND + micros)
}

/// Bytes of `YYYY-MM-DDThh:mm:ss.sssZ`, as JavaScript's `toISOString` writes it.
pub(super) const MILLIS_BYTES: usize = 24;

/// As [`parse`], for the producer's form alone, eight bytes at a time, in about a third of the instructions.
pub(super) fn parse_millis(text: &[u8; MILLIS_BYTES]) -> Option<i64> {
    let ([date, time, second], _) = text.as_chunks() else { return None };
    let ([century, _, year, _, _, month, ..], _) = pairs::<{ u64::from_le_bytes(*b"0000-00-") }>(*date)?;
    let ([day, _, _, hour, _, _, minute, _], _) = pairs::<{ u64::from_le_bytes(*b"00T00:00") }>(*time)?;
    let ([_, second, _, _, centis, ..], [.., millis, _]) = pairs::<{ u64::from_le_bytes(*b":00.000Z") }>(*second)?;
    let day = days_since_epoch(i64::from(century) * 100 + i64::from(year), month, day)?;
    let millis = i64::from(centis) * 10 + i64::from(millis);
    Some((day * SECONDS_A_DAY + seconds(hour, minute, second)?) * MICROS_A_SECOND + millis * 1000)
}

/// For each place the number that its digit and the next one are, and the digits alone, if the text has digits where
/// the pattern has zeros and is the same elsewhere.
fn pairs<const PATTERN: u64>(text: [u8; 8]) -> Option<([u8; 8], [u8; 8])> {
    const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let digits = u64::from_le_bytes(text) ^ PATTERN;
    let beyond = ((digits & LOW_BITS) + const { carries_beyond(PATTERN) }) | digits;
    let tens = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    (beyond & !LOW_BITS == 0).then(|| (tens.to_le_bytes(), digits.to_le_bytes()))
}

/// What makes each byte carry into its high bit if it is more than 9 where the pattern has a zero, more than 0 elsewhere.
const fn carries_beyond(pattern: u64) -> u64 {
    let mut carries = 0;
    let mut bits = 0;
    while bits < u64::BITS {
        let digit = (pattern >> bits) & 0xFF == b'0' as u64;
        carries |= (if digit { 0x76 } else { 0x7F }) << bits;
        bits += 8;
    }
    carries
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

fn seconds(hour: u8, minute: u8, second: u8) -> Option<i64> {
    (hour <= 23 && minute <= 59 && second <= 59)
        .then(|| i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
}

/// (microseconds, what follows the fraction)
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    const DIGITS_MAX: usize = 9;
    let Some((b'.', rest)) = tail.split_first() else {
        return Some((0, tail));
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let (fraction, zone) = rest.split_at_checked(digits)?;
    let padded = fraction.iter().chain([b'0'; 6].iter()).take(6);
    let micros = padded.fold(0, |micros, &byte| micros * 10 + i64::from(byte.wrapping_sub(b'0')));
    Some((micros, zone))
}

fn zone_seconds(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let seconds = seconds(two(h0, h1)?, two(m0, m1)?, 0)?;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, for a year of four digits.
fn days_since_epoch(year: i64, month: u8, day: u8) -> Option<i64> {
    if day == 0 || day > days_in_month(year, month)? {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last (Hinnant, "chrono-compatible date algorithms").
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn days_in_month(year: i64, month: u8) -> Option<u8> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_millis};

    #[test]
    fn the_producers_form_gives_the_same_and_nothing_else_is_in_it() {
        for text in [b"2026-05-01T09:30:00.123Z", b"2024-02-29T23:59:59.999Z", b"0000-01-01T00:00:00.000Z"] {
            assert_eq!(parse_millis(text), parse(text));
            for place in 0..text.len() {
                for byte in 0..=u8::MAX {
                    let mut other = *text;
                    other[place] = byte;
                    // `parse` also takes a fraction that ends earlier, with another zone behind it.
                    let expected = parse(&other).filter(|_| other.ends_with(b"Z"));
                    assert_eq!(parse_millis(&other), expected, "{}", other.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn known_instants() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-01-01T00:00:00.000Z", 946_684_800_000_000),
            ("2026-05-01T09:30:00.000Z", 1_777_627_800_000_000),
            ("2026-05-01T11:30:00+02:00", 1_777_627_800_000_000),
            ("2026-05-01T04:00:00-05:30", 1_777_627_800_000_000),
            ("2024-02-29T23:59:59.999999Z", 1_709_251_199_999_999),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
            ("9999-12-31T23:59:59.999999-23:59", 253_402_387_139_999_999),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(micros), "{text}");
        }
    }

    #[test]
    fn digits_after_the_sixth_are_cut_off() {
        let whole = parse(b"2026-05-01T09:30:00.123456Z");
        assert!(whole.is_some());
        assert_eq!(parse(b"2026-05-01T09:30:00.123456999Z"), whole);
        assert_eq!(parse(b"1960-05-01T09:30:00.123456999Z"), parse(b"1960-05-01T09:30:00.123456Z"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2026-05-01",
            "2026-05-01T09:30:00",
            "2026-05-01 09:30:00Z",
            "2026-05-01t09:30:00Z",
            "2026-05-01T09:30:00z",
            "2026-05-01T09:30Z",
            "2026-05-01T24:00:00Z",
            "2026-05-01T23:59:60Z",
            "2026-05-01T09:60:00Z",
            "2026-13-01T09:30:00Z",
            "2026-00-01T09:30:00Z",
            "2026-04-31T09:30:00Z",
            "2026-02-29T09:30:00Z",
            "1900-02-29T09:30:00Z",
            "2026-05-00T09:30:00Z",
            "2026-05-01T09:30:00.Z",
            "2026-05-01T09:30:00,5Z",
            "2026-05-01T09:30:00.1234567890Z",
            "2026-05-01T09:30:00+0200",
            "2026-05-01T09:30:00+24:00",
            "2026-05-01T09:30:00+02:60",
            "2026-05-01T09:30:00+02",
            "2026-05-01T09:30:00 Z",
            "2026-05-01T09:30:00ZZ",
            "+026-05-01T09:30:00Z",
            "12026-05-01T09:30:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
