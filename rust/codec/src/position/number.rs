//! Numbers as `jsonb` writes them: no exponent, and not one digit more or less than the wire gave.

use super::json::Number;

/// A number that needs more digits than this without its exponent is `out_of_range` (contract §2): `jsonb` would
/// expand a few bytes of `1e131071` to 131,072 (Q19 of the measured pitfalls).
const DIGITS_MAX: usize = 400;

/// How a number of the wire is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// As it stands.
    Verbatim,
    /// With its point moved by this exponent.
    Expanded(i32),
    /// It would take too many digits.
    TooLong,
}

/// Decides how `number`, a part of `json`, is stored.
pub(super) fn stored(json: &[u8], number: &Number) -> Stored {
    let Some(exponent_at) = number.exponent else {
        let digits = number.integer_digits.saturating_add(number.fraction_digits);
        return if digits <= DIGITS_MAX { Stored::Verbatim } else { Stored::TooLong };
    };
    let exponent = exponent_value(json.get(exponent_at..number.end).unwrap_or_default());
    if plain_digits(json, number, exponent) <= i64::try_from(DIGITS_MAX).unwrap_or(i64::MAX) {
        Stored::Expanded(exponent)
    } else {
        Stored::TooLong
    }
}

/// Digits of the number's form without exponent.
fn plain_digits(json: &[u8], number: &Number, exponent: i32) -> i64 {
    let exponent = i64::from(exponent);
    let count = |digits: usize| i64::try_from(digits).unwrap_or(i64::MAX);
    let fraction = count(number.fraction_digits).saturating_sub(exponent).max(0);
    let leading_zeros = mantissa(json, number).take_while(|&digit| digit == b'0').count();
    let significant = number.integer_digits.saturating_add(number.fraction_digits).saturating_sub(leading_zeros);
    let integer = if significant == 0 {
        1
    } else {
        count(number.integer_digits).saturating_sub(count(leading_zeros)).saturating_add(exponent).max(1)
    };
    integer.saturating_add(fraction)
}

/// The digits before the exponent, without sign and point.
fn mantissa<'a>(json: &'a [u8], number: &Number) -> impl Iterator<Item = u8> + use<'a> {
    let end = number.exponent.map_or(number.end, |at| at.saturating_sub(1));
    json.get(number.start..end).unwrap_or_default().iter().copied().filter(u8::is_ascii_digit)
}

/// Saturates far beyond what could be stored.
fn exponent_value(text: &[u8]) -> i32 {
    const FAR: i32 = 1_000_000_000;
    let negative = text.first() == Some(&b'-');
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let value = digits.fold(0i32, |value, &byte| {
        value.saturating_mul(10).saturating_add(i32::from(byte.wrapping_sub(b'0'))).min(FAR)
    });
    if negative { value.saturating_neg() } else { value }
}

/// Writes `number` without its exponent, as PostgreSQL's `numeric` would print it.
pub(super) fn write_expanded(json: &[u8], number: &Number, exponent: i32, out: &mut Vec<u8>) {
    let point = i64::try_from(number.integer_digits).unwrap_or(i64::MAX).saturating_add(i64::from(exponent));
    let fraction_digits =
        i64::try_from(number.fraction_digits).unwrap_or(i64::MAX).saturating_sub(i64::from(exponent)).max(0);
    if json.get(number.start) == Some(&b'-') {
        out.push(b'-');
    }
    let digit_at = Digits { digits: mantissa(json, number).collect() };
    let integer_start = out.len();
    // Zero has no digit to move, however large its exponent.
    let integer_places = if digit_at.is_zero() { 0 } else { point.max(0) };
    for place in 0..integer_places {
        let digit = digit_at.get(place);
        if digit != b'0' || out.len() > integer_start {
            out.push(digit);
        }
    }
    if out.len() == integer_start {
        out.push(b'0');
    }
    if fraction_digits > 0 {
        out.push(b'.');
        for place in 0..fraction_digits {
            out.push(digit_at.get(point.saturating_add(place)));
        }
    }
}

/// A mantissa with endless zeros on both sides.
struct Digits {
    digits: Vec<u8>,
}

impl Digits {
    fn is_zero(&self) -> bool {
        self.digits.iter().all(|&digit| digit == b'0')
    }

    fn get(&self, place: i64) -> u8 {
        usize::try_from(place).ok().and_then(|place| self.digits.get(place)).copied().unwrap_or(b'0')
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Scanner;
    use super::{Stored, stored, write_expanded};

    fn plain(text: &str) -> Option<String> {
        let number = Scanner::new(text.as_bytes(), 0).number().unwrap();
        match stored(text.as_bytes(), &number) {
            Stored::Verbatim => Some(text.to_owned()),
            Stored::TooLong => None,
            Stored::Expanded(exponent) => {
                let mut out = Vec::new();
                write_expanded(text.as_bytes(), &number, exponent, &mut out);
                Some(String::from_utf8(out).unwrap())
            }
        }
    }

    #[test]
    fn exponents_are_resolved_as_numeric_prints_them() {
        for (wire, text) in [
            ("1.10", "1.10"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("1.5e1", "15"),
            ("1.50e1", "15.0"),
            ("-1.25e1", "-12.5"),
            ("0.001e3", "1"),
            ("0.001e2", "0.1"),
            ("12e-1", "1.2"),
            ("12e-5", "0.00012"),
            ("1e0", "1"),
            ("0e5", "0"),
            ("0e999999999999", "0"),
            ("0.0e1", "0"),
            ("0.00e1", "0.0"),
            ("0e-2", "0.00"),
        ] {
            assert_eq!(plain(wire).as_deref(), Some(text), "{wire}");
        }
    }

    #[test]
    fn four_hundred_digits_are_stored_and_one_more_is_not() {
        for (wire, fits) in [
            (format!("1{}", "0".repeat(399)), true),
            (format!("1{}", "0".repeat(400)), false),
            (format!("-1{}", "0".repeat(399)), true),
            (format!("0.{}", "1".repeat(399)), true),
            (format!("0.{}", "1".repeat(400)), false),
            ("1e399".to_owned(), true),
            ("1e400".to_owned(), false),
            ("0.01e401".to_owned(), true),
            ("0.01e402".to_owned(), false),
            ("1e-399".to_owned(), true),
            ("1e-400".to_owned(), false),
            ("1e131071".to_owned(), false),
            ("0e-131071".to_owned(), false),
            ("1e99999999999999999999".to_owned(), false),
            ("1e-99999999999999999999".to_owned(), false),
        ] {
            assert_eq!(plain(&wire).is_some(), fits, "{wire}");
        }
    }
}
