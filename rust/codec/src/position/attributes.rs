//! The Position's `attributes`: what each value is stored as, and the object as `jsonb` wants it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{Code, Reject};
use super::json::{Kind, Number, Scanner, Text, unescape};
use super::number::{self, Stored};

/// The field's name in a [`Reject`].
pub(super) const FIELD: &str = "attributes";
/// Nesting level of the attributes' values: the Position is level 1, `attributes` level 2.
const VALUE_DEPTH: usize = 3;

/// One member, as places in the payload.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    key: Text,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// Bytes to copy as they stand: numbers, strings with their quotes, literals, a sentinel's string.
    Verbatim(Range<usize>),
    /// A number that is stored without its exponent.
    Expanded(Number, i32),
    /// The array of a serialised Buffer, stored as base64.
    Bytes(Range<usize>),
    /// Refused, unless a later member with the same key replaces it.
    Refused(Reject),
}

/// What [`scan`] found out about an object on its way through.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The object's place, braces included.
    place: Range<usize>,
    /// It can be stored by one copy of `place`: every value verbatim and every key plain, ascending, unique.
    plain: bool,
}

/// `Err` on the outside: the payload is not JSON. `Err` on the inside: the attributes are refused.
type Scanned = Result<Result<Found, Reject>, Reject>;

/// Reads the object at the scanner, leaving its members in `members`.
pub(super) fn scan(json: &[u8], scanner: &mut Scanner<'_>, members: &mut Vec<Attribute>) -> Scanned {
    members.clear();
    let start = scanner.at();
    let mut ascending = true;
    let mut verbatim = true;
    let mut unstorable_key = None;
    let mut more = scanner.enter(b'}');
    while more {
        let key = scanner.key()?;
        if key.unstorable {
            unstorable_key.get_or_insert(key.start);
        }
        let (value, as_is) = value(json, scanner)?;
        ascending &= !key.escaped && members.last().is_none_or(|last| plain_key_order(json, &last.key, &key).is_lt());
        verbatim &= as_is;
        members.push(Attribute { key, value });
        more = scanner.another(b'}')?;
    }
    let place = start..scanner.at();
    if let Some(offset) = unstorable_key {
        return Ok(Err(Reject::of(Code::UnstorableText, FIELD, offset)));
    }
    if !ascending {
        sort_and_keep_last(json, members);
    }
    if let Some(reject) = first_refusal(members) {
        return Ok(Err(reject));
    }
    Ok(Ok(Found { place, plain: ascending && verbatim }))
}

fn first_refusal(members: &[Attribute]) -> Option<Reject> {
    let refusals = members.iter().filter_map(|member| match member.value {
        Value::Refused(reject) => Some(reject),
        _ => None,
    });
    refusals.min_by_key(|reject| reject.offset)
}

/// The order in which `jsonb` keeps its keys: by length, then by bytes. Coming sorted saves PostgreSQL a fifth of the parsing.
fn key_order(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[inline]
fn plain_key_order(json: &[u8], left: &Text, right: &Text) -> Ordering {
    let raw = |text: &Text| json.get(text.start..text.end).unwrap_or_default();
    key_order(raw(left), raw(right))
}

fn plain_text<'a>(json: &'a [u8], text: &Text) -> Cow<'a, [u8]> {
    let raw = json.get(text.start..text.end).unwrap_or_default();
    if text.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
}

/// Of repeated keys the last counts: it comes first among its equals, the others are dropped.
fn sort_and_keep_last(json: &[u8], members: &mut Vec<Attribute>) {
    let order =
        |left: &Attribute, right: &Attribute| key_order(&plain_text(json, &left.key), &plain_text(json, &right.key));
    members.sort_by(|left, right| order(left, right).then(right.key.start.cmp(&left.key.start)));
    members.dedup_by(|later, kept| order(later, kept).is_eq());
}

/// One attribute value, and whether it is stored just as it stands.
#[inline]
fn value(json: &[u8], scanner: &mut Scanner<'_>) -> Result<(Value, bool), Reject> {
    let kind = scanner.kind()?;
    let start = scanner.at();
    match kind {
        Kind::Number => {
            let number = scanner.number()?;
            Ok(match number::stored(json, &number) {
                Stored::Verbatim => (Value::Verbatim(number.start..number.end), true),
                Stored::Expanded(exponent) => (Value::Expanded(number, exponent), false),
                Stored::TooLong => (refused(Code::OutOfRange, start), false),
            })
        }
        Kind::Text => {
            let text = scanner.text()?;
            if text.unstorable {
                return Ok((refused(Code::UnstorableText, text.start), false));
            }
            Ok((Value::Verbatim(start..scanner.at()), true))
        }
        Kind::Literal => {
            scanner.literal()?;
            Ok((Value::Verbatim(start..scanner.at()), true))
        }
        Kind::Object => Ok((sentinel(json, scanner)?, false)),
        Kind::Array => {
            scanner.skip_value(VALUE_DEPTH)?;
            Ok((refused(Code::BadType, start), false))
        }
    }
}

fn refused(code: Code, offset: usize) -> Value {
    Value::Refused(Reject::of(code, FIELD, offset))
}

/// What stands under one key of an object that may be a sentinel.
#[derive(Clone, Debug, Default)]
enum Member {
    #[default]
    Absent,
    Text(Text),
    Array(Range<usize>),
    Other,
}

/// The keys by which a sentinel is known; of repeated ones the last counts.
#[derive(Clone, Debug, Default)]
struct Sentinel {
    bigint: Member,
    buffer_b64: Member,
    buffer_type: Member,
    buffer_data: Member,
    strangers: bool,
}

fn sentinel(json: &[u8], scanner: &mut Scanner<'_>) -> Result<Value, Reject> {
    let start = scanner.at();
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
    Ok(sentinel.judge(json, start))
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
    fn judge(&self, json: &[u8], start: usize) -> Value {
        use Member::{Absent, Array, Text};
        match (&self.bigint, &self.buffer_b64, &self.buffer_type, &self.buffer_data, self.strangers) {
            (Text(text), Absent, Absent, Absent, false) if is_decimal(&plain_text(json, text)) => quoted(text),
            (Absent, Text(text), Absent, Absent, false) if is_base64(&plain_text(json, text)) => quoted(text),
            (Absent, Absent, Text(name), Array(data), false)
                if is_buffer(json, name) && bytes(json, data).all(|byte| byte.is_some()) =>
            {
                Value::Bytes(data.clone())
            }
            (Absent, Absent, Text(name), _, _) if is_buffer(json, name) => refused(Code::BadSentinel, start),
            (Absent, Absent, _, _, _) => refused(Code::BadType, start),
            _ => refused(Code::BadSentinel, start),
        }
    }
}

fn quoted(text: &Text) -> Value {
    Value::Verbatim(text.start.saturating_sub(1)..text.end.saturating_add(1))
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
fn bytes<'a>(json: &'a [u8], array: &Range<usize>) -> impl Iterator<Item = Option<u8>> + use<'a> {
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

/// Writes the object as JSON text that `jsonb` stores without changing a digit.
pub(super) fn write(json: &[u8], found: &Found, members: &[Attribute], out: &mut Vec<u8>) {
    if found.plain {
        out.extend_from_slice(json.get(found.place.clone()).unwrap_or_default());
        return;
    }
    out.push(b'{');
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let key = member.key.start.saturating_sub(1)..member.key.end.saturating_add(1);
        out.extend_from_slice(json.get(key).unwrap_or_default());
        out.push(b':');
        write_value(json, &member.value, out);
    }
    out.push(b'}');
}

fn write_value(json: &[u8], value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Verbatim(place) => out.extend_from_slice(json.get(place.clone()).unwrap_or_default()),
        Value::Expanded(number, exponent) => number::write_expanded(json, number, *exponent, out),
        Value::Bytes(array) => {
            let bytes: Vec<u8> = bytes(json, array).flatten().collect();
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        // `scan` lets no refused value through.
        Value::Refused(_) => out.extend_from_slice(b"null"),
    }
}
