//! The one form in which the producer writes a Position: compact JSON, the keys in its order, nothing escaped.
//!
//! Checking a guess is several times cheaper than reading whatever may stand there. A wrong guess anywhere gives `None`,
//! and [`super::fields`] reads the payload again from its beginning. So nothing is ever refused here, and what is
//! accepted here is accepted there with the same result.

use std::borrow::Cow;

use super::attributes::{self, Members};
use super::json::Scanner;
use super::{Attributes, Limits, Position, timestamp};
use crate::cursor::{Cursor, POWERS_OF_TEN};

/// Decodes a payload in the usual form, leaving the attributes in `members`.
pub(super) fn decode<'a>(
    payload: &'a [u8],
    limits: &Limits,
    now_us: i64,
    members: &mut Members,
) -> Option<Position<'a>> {
    let mut cursor = Cursor { rest: payload };
    cursor.take(b"{\"device_id\":\"")?;
    let device_id = Cow::Borrowed(decimal_text(&mut cursor)?);
    cursor.take(b"\",\"timestamp\":\"")?;
    let ts_us = timestamp::parse_millis(cursor.chunk()?).filter(|&ts_us| limits.admits(ts_us, now_us))?;
    cursor.take(b"\",\"latitude\":")?;
    let latitude = degrees(&mut cursor, 90.0)?;
    cursor.take(b",\"longitude\":")?;
    let longitude = degrees(&mut cursor, 180.0)?;
    cursor.take(b",\"altitude\":")?;
    let altitude = real(&mut cursor)?;
    cursor.take(b",\"angle\":")?;
    let angle = real(&mut cursor)?;
    cursor.take(b",\"speed\":")?;
    let speed = real(&mut cursor)?;
    cursor.take(b",\"satellites\":")?;
    let satellites = small_integer(&mut cursor)?;
    cursor.take(b",\"priority\":")?;
    let priority = small_integer(&mut cursor)?;
    cursor.take(b",\"attributes\":")?;
    let attributes = attributes(payload, &cursor, members)?;
    Some(Position {
        device_id,
        ts_us,
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
fn decimal_text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let mut behind = *cursor;
    behind.long_number()?;
    let text = cursor.split(cursor.rest.len().wrapping_sub(behind.rest.len()))?;
    std::str::from_utf8(text).ok()
}

/// A whole number of up to eight digits as JSON allows it: no zero before other digits.
#[inline]
fn whole(cursor: &mut Cursor<'_>) -> Option<u32> {
    let leading_zero = cursor.rest.first() == Some(&b'0');
    let (value, count) = cursor.digits()?;
    (count == 1 || !leading_zero).then_some(value)
}

/// Both the digits and the power of ten are exact as doubles, so that the quotient is rounded once, as it has to be.
#[inline]
fn degrees(cursor: &mut Cursor<'_>, bound: f64) -> Option<f64> {
    const DIVISORS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    let minus = cursor.take(b"-").is_some();
    let whole = whole(cursor)?;
    let (fraction, places) = if cursor.take(b".").is_some() { cursor.digits()? } else { (0, 0) };
    let digits = u64::from(whole).checked_mul(*POWERS_OF_TEN.get(places)?)?.checked_add(u64::from(fraction))?;
    let size = f64::from(u32::try_from(digits).ok()?) / DIVISORS.get(places)?;
    (size <= bound).then_some(if minus { -size } else { size })
}

#[inline]
fn real(cursor: &mut Cursor<'_>) -> Option<f32> {
    let minus = cursor.take(b"-").is_some();
    let size = f32::from(u16::try_from(whole(cursor)?).ok()?);
    Some(if minus { -size } else { size })
}

#[inline]
fn small_integer(cursor: &mut Cursor<'_>) -> Option<i16> {
    i16::try_from(whole(cursor)?).ok()
}

/// The attributes, if they can be stored and nothing but the Position's brace is behind them.
#[inline]
fn attributes(payload: &[u8], cursor: &Cursor<'_>, members: &mut Members) -> Option<attributes::Found> {
    if cursor.rest.first() != Some(&b'{') {
        return None;
    }
    let mut scanner = Scanner::new(payload, payload.len().wrapping_sub(cursor.rest.len()));
    let found = attributes::scan(payload, &mut scanner, members).ok()?.ok()?;
    (scanner.rest() == b"}").then_some(found)
}
