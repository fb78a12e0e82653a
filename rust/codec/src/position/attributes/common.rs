//! Attributes checked and written in one pass, if their keys come in `jsonb`'s order and nothing is between the members.
//!
//! Nearly all members are in the producer's common form, `"<element id>":<digits>`, and a window of 64 bytes is checked
//! at once. Each such member is a chain of neighbours: a separator, a quote, digits, a quote, a colon, digits, and the
//! next separator. One bit for each byte and kind has all chains of the window, so that no member waits for the one
//! before it, and a number's end is where a carry runs out of its digits. The sentinels that the producer writes are
//! known by their first bytes; other members are read token by token.
#![allow(clippy::arithmetic_side_effects, reason = "every operand is a place in a window of 64 bytes, or was checked")]

use super::{Attribute, Form, plain_rank, quoted, value, write::write_value};
use crate::position::json::Scanner;
use crate::window::{WINDOW_BYTES, Window};

/// Element ids have 16 bits.
const KEY_DIGITS_MAX: u32 = 5;

/// Appends the object that begins at `start`, as it is stored, and gives the place behind it. `None` if it is in another
/// form, or cannot be stored; what was appended then means nothing.
#[inline]
pub(in crate::position) fn write(json: &[u8], start: usize, out: &mut Vec<u8>) -> Option<usize> {
    let mut at = start;
    let mut last_rank = 0;
    loop {
        let run = Run::of(&Window::at(json, at)?);
        let rest = json.get(at..)?;
        last_rank = run.last_rank(rest, last_rank)?;
        copy(rest, run.end as usize, out);
        at += run.end as usize;
        match run.stop {
            Stop::Separator => {}
            Stop::Value => at += sentinel(json, at, out)?,
            Stop::Other => (at, last_rank) = uncommon(json, at, last_rank, out)?,
        }
        match json.get(at)? {
            b',' => {}
            b'}' => {
                out.push(b'}');
                return Some(at + 1);
            }
            _ => return None,
        }
    }
}

/// Appends the first bytes of `text`. A window's are copied whole, without a call, and cut.
#[inline]
fn copy(text: &[u8], bytes: usize, out: &mut Vec<u8>) {
    match text.first_chunk::<WINDOW_BYTES>() {
        Some(window) if bytes <= WINDOW_BYTES => {
            let end = out.len() + bytes;
            out.extend_from_slice(window);
            out.truncate(end);
        }
        _ => out.extend_from_slice(text.get(..bytes).unwrap_or_default()),
    }
}

/// The members of one window in the common form, from its first byte on, which is the separator before them.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Opening quotes.
    opens: u64,
    /// Closing quotes.
    closes: u64,
    /// Where the members end.
    end: u32,
    stop: Stop,
}

/// What stands where a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// A comma, or a brace.
    Separator,
    /// A brace with which the last member's value begins.
    Value,
    /// The separator before a member in another form.
    Other,
}

impl Run {
    #[inline]
    fn of(window: &Window) -> Self {
        let digits = window.digits();
        let behind_first = !1;
        let commas = window.equal(b',') & behind_first;
        let braces = window.braces() & behind_first;
        let last_comma = commas.checked_ilog2().unwrap_or(0);
        let end = if braces == 0 { last_comma } else { braces.trailing_zeros() };
        let end_bit = 1 << end;
        let separators = commas & (end_bit - 1) | 1;
        let opens = separators << 1;
        let keys = opens << 1;
        let closes = digits.wrapping_add(keys) & !digits;
        let values = closes << 2;
        let numbers = values & !(braces & end_bit);
        let number_ends = digits.wrapping_add(numbers) & !digits;
        let wrong = (opens | closes) & !window.equal(b'"')
            | (keys | numbers) & !digits
            | (closes << 1) & !window.equal(b':')
            | numbers & window.equal(b'0') & (digits >> 1)
            | number_ends & !(separators | end_bit);
        if wrong == 0 {
            let stop = if values & end_bit == 0 { Stop::Separator } else { Stop::Value };
            return Self { opens, closes, end, stop };
        }
        // The lowest wrong bit is in the first wrong chain: all before that chain's separator is right.
        let first_wrong = wrong & wrong.wrapping_neg();
        let end = (separators & (first_wrong - 1)).checked_ilog2().unwrap_or(0);
        let right = (1 << end) - 1;
        Self { opens: opens & right, closes: closes & right, end, stop: Stop::Other }
    }

    /// The last key's rank, if each is behind the one before it in `jsonb`'s order: see [`super::rank`].
    #[inline]
    fn last_rank(&self, text: &[u8], before: u64) -> Option<u64> {
        let Self { mut opens, mut closes, .. } = *self;
        let mut last = before;
        let mut ascends = true;
        while opens != 0 {
            let open = opens.trailing_zeros();
            let digits = closes.trailing_zeros().wrapping_sub(open + 1);
            // With the separator, which stands before the quote, even the last member has eight bytes.
            let head = u64::from_be_bytes(*text.get(open as usize - 1..)?.first_chunk()?);
            let rank = (head << 16).checked_shr(64u32.wrapping_sub(8 * digits))?;
            ascends &= rank > last && digits <= KEY_DIGITS_MAX;
            last = rank;
            opens &= opens - 1;
            closes &= closes.wrapping_sub(1);
        }
        ascends.then_some(last)
    }
}

const BIGINT: &[u8; 13] = b"{\"__bigint\":\"";
const BUFFER: &[u8; 17] = b"{\"__buffer_b64\":\"";

/// Appends the separator at `at` and the member behind it; where that ends, and its key's rank.
#[cold]
fn uncommon(json: &[u8], at: usize, last_rank: u64, out: &mut Vec<u8>) -> Option<(usize, u64)> {
    let mut scanner = Scanner::new(json, at + 1);
    let key = scanner.key().ok()?;
    let rank = plain_rank(json, &key).filter(|rank| *rank > last_rank)?;
    out.extend_from_slice(json.get(at..scanner.at())?);
    let is_compact = json.get(key.end + 1) == Some(&b':') && !json.get(scanner.at())?.is_ascii_whitespace();
    let (value, form) = value(json, &mut scanner).ok()?;
    if !is_compact || matches!(form, Form::Refused(_)) || !is_utf8(json, at, scanner.at()) {
        return None;
    }
    write_value(json, &Attribute { rank, key: quoted(&key), value, form }, out);
    Some((scanner.at(), rank))
}

/// To be asked of members that were read token by token: the scanner does not look at the bytes of a string. In all other
/// members each byte has been compared with the few that may stand there.
fn is_utf8(json: &[u8], start: usize, end: usize) -> bool {
    json.get(start..end).is_some_and(|member| std::str::from_utf8(member).is_ok())
}

/// Appends the string within the sentinel that begins at `at`; the sentinel's length.
#[inline]
fn sentinel(json: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let object = json.get(at..)?;
    let (start, length) = if object.starts_with(BIGINT) {
        (BIGINT.len(), integer_bytes(json, at + BIGINT.len())?)
    } else if object.starts_with(BUFFER) {
        (BUFFER.len(), base64_bytes(json, at + BUFFER.len())?)
    } else {
        return None;
    };
    let end = start + length + 2;
    if object.get(end - 2..end)? != b"\"}" {
        return None;
    }
    copy(object.get(start - 1..)?, length + 2, out);
    Some(end)
}

/// Length of the decimal integer at `at`, if there is one that ends within a window.
#[inline]
fn integer_bytes(json: &[u8], at: usize) -> Option<usize> {
    let minus = u32::from(json.get(at) == Some(&b'-'));
    let others = !Window::at(json, at)?.digits();
    let end = (others & !u64::from(minus)).trailing_zeros();
    (end > minus).then_some(end as usize)
}

/// Length of the base64 text at `at`: whole groups of four, padded at the end alone.
#[inline]
fn base64_bytes(json: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        let bytes = (!Window::at(json, end)?.base64()).trailing_zeros() as usize;
        end += bytes;
        if bytes < WINDOW_BYTES {
            break;
        }
    }
    let padding = json.get(end..)?.iter().take(2).take_while(|byte| **byte == b'=').count();
    let length = end - at + padding;
    length.is_multiple_of(4).then_some(length)
}
