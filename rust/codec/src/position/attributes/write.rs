//! The attributes as JSON text that `jsonb` stores without changing a digit.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::sentinel::bytes;
use super::{Attribute, Form, Found};
use crate::position::json::Scanner;
use crate::position::number::{self, Stored};

/// Appends the object.
pub(in crate::position) fn write(json: &[u8], found: &Found, members: &[Attribute], out: &mut Vec<u8>) {
    if found.as_it_stands {
        out.extend_from_slice(json.get(found.place.clone()).unwrap_or_default());
        return;
    }
    let start = out.len();
    // Neighbours stay neighbours in most objects, also in those that were sorted: they are copied together, with the
    // commas between them.
    let mut run: Range<usize> = 0..0;
    for member in members {
        if member.form == Form::AsItStands {
            let place = member.key.range().start..member.value.range().end;
            if !run.is_empty() && run.end.saturating_add(1) == place.start {
                run.end = place.end;
            } else {
                write_run(json, std::mem::replace(&mut run, place), out);
            }
        } else {
            write_run(json, std::mem::take(&mut run), out);
            out.push(b',');
            out.extend_from_slice(member.key.of(json));
            out.push(b':');
            write_value(json, member, out);
        }
    }
    write_run(json, run, out);
    // Each member was written with a comma before it; the first one's place is the brace's.
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Members that stand side by side, none if the range is empty.
#[inline]
fn write_run(json: &[u8], run: Range<usize>, out: &mut Vec<u8>) {
    if !run.is_empty() {
        out.push(b',');
        out.extend_from_slice(json.get(run).unwrap_or_default());
    }
}

pub(super) fn write_value(json: &[u8], member: &Attribute, out: &mut Vec<u8>) {
    match member.form {
        Form::AsItStands | Form::Unwrapped => out.extend_from_slice(member.value.of(json)),
        Form::Expanded => write_expanded(json, member, out),
        Form::Bytes => {
            let bytes: Vec<u8> = bytes(json, &member.value.range()).flatten().collect();
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        // `scan` lets no refused value through.
        Form::Refused(_) => out.extend_from_slice(b"null"),
    }
}

/// The number is read again: exponents are too rare to be carried in every member.
fn write_expanded(json: &[u8], member: &Attribute, out: &mut Vec<u8>) {
    if let Ok(number) = Scanner::new(json, member.value.range().start).number()
        && let Stored::Expanded(exponent) = number::stored(json, &number)
    {
        number::write_expanded(json, &number, exponent, out);
    }
}
