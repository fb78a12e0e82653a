//! The Position's `attributes`: what each value is stored as, and the object as `jsonb` wants it.

mod common;
mod sentinel;
mod write;

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::ops::Range;

pub(super) use common::write as write_common;
pub(super) use write::write;

use super::error::{Code, Reject};
use super::json::{Kind, Scanner, Text};
use super::number::{self, Stored};
use super::unescape::unescape;

/// The field's name in a [`Reject`].
pub(super) const FIELD: &str = "attributes";
/// Nesting level of the attributes' values: the Position is level 1, `attributes` level 2.
const VALUE_DEPTH: usize = 3;

/// Where something stands in the payload, in half of a range's memory; payloads are shorter than 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    #[inline]
    fn new(start: usize, end: usize) -> Self {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end) }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    #[inline]
    fn of(self, json: &[u8]) -> &[u8] {
        json.get(self.range()).unwrap_or_default()
    }
}

/// One member: 32 bytes, since objects in another order are sorted by moving these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    /// Stands for the key in comparisons; see [`rank`].
    rank: u64,
    /// The key with its quotes.
    key: Place,
    /// The value, or the string within a sentinel.
    value: Place,
    form: Form,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The member as it stands in the payload.
    AsItStands,
    /// The string within a sentinel in place of the sentinel.
    Unwrapped,
    /// A number without its exponent.
    Expanded,
    /// The array of a serialised Buffer as base64.
    Bytes,
    /// Not at all, unless a later member with the same key replaces it; the offset is the value's start.
    Refused(Code),
}

/// The result of [`scan`]: where the object stands, and how it can be stored.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The object's place, braces included.
    place: Range<usize>,
    /// It can be stored by one copy of `place`.
    as_it_stands: bool,
}

/// The members of an object; the memory is used again from one payload to the next.
#[derive(Debug, Default)]
pub(super) struct Members {
    list: Vec<Attribute>,
    /// Every key so far is behind the one before it in `jsonb`'s order.
    ascending: bool,
    /// Every value so far is stored as it stands.
    as_they_stand: bool,
}

impl Members {
    pub fn as_slice(&self) -> &[Attribute] {
        &self.list
    }

    fn clear(&mut self) {
        self.list.clear();
        self.ascending = true;
        self.as_they_stand = true;
    }

    fn push(&mut self, json: &[u8], member: Attribute) {
        self.ascending &= self.list.last().is_none_or(|last| key_order(json, last, &member).is_lt());
        self.as_they_stand &= member.form == Form::AsItStands;
        self.list.push(member);
    }

    /// The last of repeated keys counts: it comes first among equal keys, the others are dropped.
    fn sort_and_keep_last(&mut self, json: &[u8]) {
        self.list.sort_by(|left, right| {
            key_order(json, left, right).then_with(|| Reverse(left.key.start).cmp(&Reverse(right.key.start)))
        });
        self.list.dedup_by(|later, kept| key_order(json, later, kept).is_eq());
    }

    fn first_refusal(&self) -> Option<Reject> {
        if self.as_they_stand {
            return None;
        }
        let refusals = self.list.iter().filter_map(|member| match member.form {
            Form::Refused(code) => Some(Reject::of(code, FIELD, member.value.start as usize)),
            _ => None,
        });
        refusals.min_by_key(|reject| reject.offset)
    }
}

/// `Err` on the outside: the payload is not JSON. `Err` on the inside: the attributes are refused.
type Scanned = Result<Result<Found, Reject>, Reject>;

/// Reads the object at the scanner, leaving its members in `members`.
pub(super) fn scan(json: &[u8], scanner: &mut Scanner<'_>, members: &mut Members) -> Scanned {
    members.clear();
    let start = scanner.at();
    let mut unstorable_key = None;
    let mut more = scanner.enter(b'}');
    while more {
        scanner.skip_space();
        let key = scanner.key()?;
        if key.unstorable {
            unstorable_key.get_or_insert(key.start);
        }
        let (value, form) = value(json, scanner)?;
        members.push(json, Attribute { rank: rank(&plain_text(json, &key)), key: quoted(&key), value, form });
        more = scanner.another(b'}')?;
    }
    if let Some(offset) = unstorable_key {
        return Ok(Err(Reject::of(Code::UnstorableText, FIELD, offset)));
    }
    if !members.ascending {
        members.sort_and_keep_last(json);
    }
    if let Some(reject) = members.first_refusal() {
        return Ok(Err(reject));
    }
    Ok(Ok(Found { place: start..scanner.at(), as_it_stands: members.ascending && members.as_they_stand }))
}

/// Keys of more bytes have no rank of their own.
const RANKED_BYTES_MAX: usize = 7;

/// A number that orders keys as `jsonb` does, by length, then by bytes: coming sorted saves PostgreSQL a fifth of the
/// parsing. Short keys are their bytes read as one number, since a storable key holds no zero byte; long ones come
/// behind all of those by their length alone, and ties are decided by their text.
fn rank(plain_key: &[u8]) -> u64 {
    if plain_key.len() <= RANKED_BYTES_MAX {
        plain_key.iter().fold(0, |rank, &byte| rank << 8 | u64::from(byte))
    } else {
        u64::try_from(plain_key.len()).unwrap_or(u64::MAX).saturating_add(RANK_OF_LONG)
    }
}

/// The key's rank, if it has no escapes. Two long keys may have the same.
fn plain_rank(json: &[u8], key: &Text) -> Option<u64> {
    (!key.escaped).then(|| rank(json.get(key.start..key.end).unwrap_or_default()))
}

const RANK_OF_LONG: u64 = 1 << (8 * RANKED_BYTES_MAX);

#[inline]
fn key_order(json: &[u8], left: &Attribute, right: &Attribute) -> Ordering {
    left.rank.cmp(&right.rank).then_with(|| {
        if left.rank < RANK_OF_LONG { Ordering::Equal } else { long_key(json, left).cmp(&long_key(json, right)) }
    })
}

fn long_key<'a>(json: &'a [u8], member: &Attribute) -> Cow<'a, [u8]> {
    let Range { start, end } = member.key.range();
    let raw = json.get(start.saturating_add(1)..end.saturating_sub(1)).unwrap_or_default();
    if raw.contains(&b'\\') { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
}

fn plain_text<'a>(json: &'a [u8], text: &Text) -> Cow<'a, [u8]> {
    let raw = json.get(text.start..text.end).unwrap_or_default();
    if text.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
}

/// The string's place with its quotes.
fn quoted(text: &Text) -> Place {
    Place::new(text.start.saturating_sub(1), text.end.saturating_add(1))
}

/// One attribute value: what is stored of it, and how.
fn value(json: &[u8], scanner: &mut Scanner<'_>) -> Result<(Place, Form), Reject> {
    let kind = scanner.kind()?;
    let start = scanner.at();
    let mut offset = start;
    let form = match kind {
        Kind::Number => match number::stored(json, &scanner.number()?) {
            Stored::Verbatim => Form::AsItStands,
            Stored::Expanded(_) => Form::Expanded,
            Stored::TooLong => Form::Refused(Code::OutOfRange),
        },
        Kind::Text => {
            let text = scanner.text()?;
            if text.unstorable {
                offset = text.start;
                Form::Refused(Code::UnstorableText)
            } else {
                Form::AsItStands
            }
        }
        Kind::Literal => {
            scanner.literal()?;
            Form::AsItStands
        }
        Kind::Object => return sentinel::value(json, scanner),
        Kind::Array => {
            scanner.skip_value(VALUE_DEPTH)?;
            Form::Refused(Code::BadType)
        }
    };
    Ok((Place::new(offset, scanner.at()), form))
}
