//! The one form in which the producer writes a Position: compact JSON, the keys in its order, nothing escaped.
//!
//! Checking a guess is several times cheaper than reading whatever may stand there. A wrong guess anywhere gives `None`,
//! and [`super::fields`] reads the payload again from its beginning. So nothing is ever refused here, and what is
//! accepted here is accepted there with the same result.

use std::borrow::Cow;

use super::attributes::{self, Members};
use super::json::Scanner;
use super::window::leading_digits;
use super::{Attributes, Limits, Position, timestamp};

/// Decodes a payload in the usual form, leaving the attributes in `members`.
pub(super) fn decode<'a>(
    payload: &'a [u8],
    limits: &Limits,
    now_us: i64,
    members: &mut Members,
) -> Option<Position<'a>> {
    let mut cursor = Cursor { rest: payload };
    cursor.take(b"{\"device_id\":\"")?;
    let device_id = Cow::Borrowed(cursor.decimal_text()?);
    cursor.take(b"\",\"timestamp\":\"")?;
    let ts_us = cursor.timestamp().filter(|&ts_us| limits.admits(ts_us, now_us))?;
    cursor.take(b"\",\"latitude\":")?;
    let latitude = cursor.degrees(90.0)?;
    cursor.take(b",\"longitude\":")?;
    let longitude = cursor.degrees(180.0)?;
    cursor.take(b",\"altitude\":")?;
    let altitude = cursor.real()?;
    cursor.take(b",\"angle\":")?;
    let angle = cursor.real()?;
    cursor.take(b",\"speed\":")?;
    let speed = cursor.real()?;
    cursor.take(b",\"satellites\":")?;
    let satellites = cursor.small_integer()?;
    cursor.take(b",\"priority\":")?;
    let priority = cursor.small_integer()?;
    cursor.take(b",\"attributes\":")?;
    let attributes = cursor.attributes(payload, members)?;
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

/// What is left of the payload.
#[derive(Debug)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    fn take<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    #[inline]
    fn split(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    /// One to fifteen digits; an IMEI has fifteen.
    #[inline]
    fn decimal_text(&mut self) -> Option<&'a str> {
        let (words, _) = self.rest.first_chunk::<16>()?.as_chunks();
        let [first, second] = *words else { return None };
        let digits = match leading_digits(first) {
            8 => leading_digits(second).saturating_add(8),
            fewer => fewer,
        };
        let text = self.split(digits).filter(|_| (1..=15).contains(&digits))?;
        std::str::from_utf8(text).ok()
    }

    /// `YYYY-MM-DDThh:mm:ss.sssZ`, as JavaScript's `toISOString` writes it.
    #[inline]
    fn timestamp(&mut self) -> Option<i64> {
        timestamp::parse(self.split(24)?)
    }

    /// One to nine digits, as a number and how many they are.
    #[inline]
    fn digits(&mut self) -> Option<(u32, usize)> {
        let mut value = 0u32;
        let mut count = 0usize;
        for &byte in self.rest.iter().take(9) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
            count = count.wrapping_add(1);
        }
        self.split(count).filter(|_| count > 0)?;
        Some((value, count))
    }

    /// A whole number as JSON allows it: no zero before other digits.
    #[inline]
    fn whole(&mut self) -> Option<u32> {
        let leading_zero = self.rest.first() == Some(&b'0');
        let (value, count) = self.digits()?;
        (count == 1 || !leading_zero).then_some(value)
    }

    #[inline]
    fn minus(&mut self) -> bool {
        self.take(b"-").is_some()
    }

    /// Both the digits and the power of ten are exact as doubles, so that the quotient is rounded once, as it has to be.
    #[inline]
    fn degrees(&mut self, bound: f64) -> Option<f64> {
        const POWERS: [(u64, f64); 10] = [
            (1, 1e0),
            (10, 1e1),
            (100, 1e2),
            (1_000, 1e3),
            (10_000, 1e4),
            (100_000, 1e5),
            (1_000_000, 1e6),
            (10_000_000, 1e7),
            (100_000_000, 1e8),
            (1_000_000_000, 1e9),
        ];
        let minus = self.minus();
        let whole = self.whole()?;
        let (fraction, places) = if self.take(b".").is_some() { self.digits()? } else { (0, 0) };
        let (power, divisor) = *POWERS.get(places)?;
        let digits = u64::from(whole).checked_mul(power)?.checked_add(u64::from(fraction))?;
        let size = f64::from(u32::try_from(digits).ok()?) / divisor;
        (size <= bound).then_some(if minus { -size } else { size })
    }

    #[inline]
    fn real(&mut self) -> Option<f32> {
        let minus = self.minus();
        let size = f32::from(u16::try_from(self.whole()?).ok()?);
        Some(if minus { -size } else { size })
    }

    #[inline]
    fn small_integer(&mut self) -> Option<i16> {
        i16::try_from(self.whole()?).ok()
    }

    /// The attributes, if they can be stored and nothing but the Position's brace is behind them.
    #[inline]
    fn attributes(&self, payload: &[u8], members: &mut Members) -> Option<attributes::Found> {
        if self.rest.first() != Some(&b'{') {
            return None;
        }
        let mut scanner = Scanner::new(payload, payload.len().wrapping_sub(self.rest.len()));
        let found = attributes::scan(payload, &mut scanner, members).ok()?.ok()?;
        (scanner.rest() == b"}").then_some(found)
    }
}
