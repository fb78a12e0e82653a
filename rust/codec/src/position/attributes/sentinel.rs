//! Attribute values that are objects: the sentinels for what JSON's numbers cannot hold (contract §2).

use std::ops::Range;

use super::{Form, Place, VALUE_DEPTH, plain_text, quoted};
use crate::position::error::{Code, Reject};
use crate::position::json::{Kind, Scanner, Text};

const CLOSING_BRACE_BYTES: usize = 1;

/// The string, with its quotes, of a sentinel exactly as the producer writes it, which nearly every object here is.
fn common(rest: &[u8]) -> Option<Range<usize>> {
    let (text, is_stored): (_, fn(&[u8]) -> bool) = if let Some(text) = rest.strip_prefix(b"{\"__bigint\":\"") {
        (text, is_decimal)
    } else {
        (rest.strip_prefix(b"{\"__buffer_b64\":\"")?, is_base64)
    };
    let (text, behind) = text.split_at_checked(memchr::memchr(b'"', text)?)?;
    let start = rest.len().checked_sub(text.len().checked_add(behind.len())?)?.checked_sub(1)?;
    let end = start.checked_add(text.len())?.checked_add(2)?;
    (behind.starts_with(b"\"}") && is_stored(text)).then_some(start..end)
}

/// The value under one key of an object that may be a sentinel.
#[derive(Clone, Debug, Default)]
enum Member {
    #[default]
    Absent,
    Text(Text),
    Array(Range<usize>),
    Other,
}

/// The keys of a sentinel; the last of repeated ones counts.
#[derive(Clone, Debug, Default)]
struct Sentinel {
    bigint: Member,
    buffer_b64: Member,
    buffer_type: Member,
    buffer_data: Member,
    strangers: bool,
}

/// The object at the scanner as an attribute's value: what is stored of it, and how.
pub(super) fn value(json: &[u8], scanner: &mut Scanner<'_>) -> Result<(Place, Form), Reject> {
    let start = scanner.at();
    if let Some(string) = common(scanner.rest()) {
        scanner.advance(string.end.saturating_add(CLOSING_BRACE_BYTES));
        let value = Place::new(start.saturating_add(string.start), start.saturating_add(string.end));
        return Ok((value, Form::Unwrapped));
    }
    let mut sentinel = Sentinel::default();
    let mut more = scanner.enter(b'}');
    while more {
        let key = scanner.key()?;
        let member = member(scanner)?;
        match plain_text(json, &key).as_ref() {
            b"__bigint" => sentinel.bigint = member,
            b"__buffer_b64" => sentinel.buffer_b64 = member,
            b"type" => sentinel.buffer_type = member,
            b"data" => sentinel.buffer_data = member,
            _ => sentinel.strangers = true,
        }
        more = scanner.another(b'}')?;
    }
    Ok(sentinel.judge(json, start..scanner.at()))
}

fn member(scanner: &mut Scanner<'_>) -> Result<Member, Reject> {
    let kind = scanner.kind()?;
    let start = scanner.at();
    if kind == Kind::Text {
        return Ok(Member::Text(scanner.text()?));
    }
    scanner.skip_value(VALUE_DEPTH.saturating_add(1))?;
    Ok(if kind == Kind::Array { Member::Array(start..scanner.at()) } else { Member::Other })
}

impl Sentinel {
    fn judge(&self, json: &[u8], object: Range<usize>) -> (Place, Form) {
        use Member::{Absent, Array, Text};
        let refused = |code| (Place::new(object.start, object.end), Form::Refused(code));
        match (&self.bigint, &self.buffer_b64, &self.buffer_type, &self.buffer_data, self.strangers) {
            (Text(text), Absent, Absent, Absent, false) if is_decimal(&plain_text(json, text)) => unwrapped(text),
            (Absent, Text(text), Absent, Absent, false) if is_base64(&plain_text(json, text)) => unwrapped(text),
            (Absent, Absent, Text(name), Array(data), false)
                if is_buffer(json, name) && bytes(json, data).all(|byte| byte.is_some()) =>
            {
                (Place::new(data.start, data.end), Form::Bytes)
            }
            (Absent, Absent, Text(name), _, _) if is_buffer(json, name) => refused(Code::BadSentinel),
            (Absent, Absent, _, _, _) => refused(Code::BadType),
            _ => refused(Code::BadSentinel),
        }
    }
}

fn unwrapped(text: &Text) -> (Place, Form) {
    (quoted(text), Form::Unwrapped)
}

fn is_buffer(json: &[u8], name: &Text) -> bool {
    plain_text(json, name).as_ref() == b"Buffer"
}

/// An optional minus and at least one decimal digit.
fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Whole groups of four of the standard alphabet, padded at the end alone.
fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let (body, _) = text.split_at_checked(text.len().saturating_sub(padding)).unwrap_or_default();
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len().is_multiple_of(4) && padding <= 2 && body.iter().all(in_alphabet)
}

/// The members of a checked array, each as a byte if it is one.
pub(super) fn bytes<'a>(json: &'a [u8], array: &Range<usize>) -> impl Iterator<Item = Option<u8>> + use<'a> {
    let end = array.end.saturating_sub(1);
    let inside = json.get(array.start.saturating_add(1)..end).unwrap_or_default().trim_ascii();
    let mut members = (!inside.is_empty()).then(|| inside.split(|&byte| byte == b','));
    std::iter::from_fn(move || {
        let member = members.as_mut()?.next()?.trim_ascii();
        Some(std::str::from_utf8(member).ok().and_then(|digits| {
            // The array has passed JSON's grammar, so that no sign but the minus can stand here.
            if digits == "-0" { Some(0) } else { digits.parse().ok() }
        }))
    })
}
