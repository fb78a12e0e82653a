//! Runs of attributes in the producer's usual form, `"<element id>":<digits>`, taken many bytes at a time.
//!
//! A quote, a quote, a colon, a comma: the four bytes of such a member that are no digits. Their places come from one
//! bit mask for several members, so that no member waits for the one before it. Against reading token by token
//! this takes a quarter of the time on records of 23 attributes.
#![allow(clippy::arithmetic_side_effects, reason = "every operand is a place in a window of 64 bytes, or was checked")]

use super::{Attribute, Form, Members, Place};
use crate::position::json::Scanner;
use crate::swar::{WINDOW_BYTES, Window, non_digits};

/// Element ids have 16 bits. Such a key, its quotes and the colon fit into one word of eight bytes.
const KEY_DIGITS_MAX: usize = 5;

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Behind the object's closing brace.
    Closed,
    /// Before a member that is not whole in the window.
    WindowEnd,
    /// Before a member in another form.
    Unusual,
}

/// A member by the places of its breaks in the window.
#[derive(Clone, Copy, Debug)]
struct Breaks {
    start: usize,
    key_close: usize,
    colon: usize,
    end: usize,
}

impl Members {
    /// Takes the members at the scanner that are in the usual form; true if the object has ended with them.
    #[inline]
    pub(super) fn take_run(&mut self, scanner: &mut Scanner<'_>) -> bool {
        loop {
            let (taken, stop) = self.take_window(&scanner.window(), scanner.at());
            scanner.advance(taken);
            match stop {
                Stop::Closed => return true,
                Stop::WindowEnd if taken > 0 => {}
                Stop::WindowEnd | Stop::Unusual => return false,
            }
        }
    }

    /// The members in the window, whose first byte stands at `at`; and how many bytes they take.
    #[inline]
    fn take_window(&mut self, window: &Window, at: usize) -> (usize, Stop) {
        let mut bits = non_digits(window);
        let mut start = 0;
        loop {
            pop(&mut bits);
            let breaks = Breaks { start, key_close: pop(&mut bits), colon: pop(&mut bits), end: pop(&mut bits) };
            let Some(head) = window.get(start..).and_then(<[u8]>::first_chunk) else {
                return (start, Stop::WindowEnd);
            };
            if breaks.end >= WINDOW_BYTES {
                return (start, Stop::WindowEnd);
            }
            let Some(rank) = breaks.rank(u64::from_be_bytes(*head)).filter(|_| breaks.has_number(window)) else {
                return (start, Stop::Unusual);
            };
            let last = window.get(breaks.end).copied();
            if !matches!(last, Some(b',' | b'}')) {
                return (start, Stop::Unusual);
            }
            self.push_ranked(breaks.attribute(rank, at));
            start = breaks.end + 1;
            if last == Some(b'}') {
                return (start, Stop::Closed);
            }
        }
    }
}

impl Breaks {
    /// The key's rank, if it is one to five digits between quotes with a colon behind; `head` is the member's beginning.
    #[inline]
    fn rank(&self, head: u64) -> Option<u64> {
        const QUOTE_COLON: u64 = 0x223A;
        let digits = self.key_close.wrapping_sub(self.start + 1);
        if !(1..=KEY_DIGITS_MAX).contains(&digits) || head >> 56 != u64::from(b'"') {
            return None;
        }
        let behind_key = head << (8 * digits + 8) >> 48;
        (behind_key == QUOTE_COLON).then(|| head << 8 >> (64 - 8 * digits))
    }

    /// One digit at least, and no zero before others.
    #[inline]
    fn has_number(&self, window: &Window) -> bool {
        match self.end - self.colon {
            0 | 1 => false,
            2 => true,
            _ => window.get(self.colon + 1) != Some(&b'0'),
        }
    }

    #[inline]
    fn attribute(&self, rank: u64, at: usize) -> Attribute {
        Attribute {
            rank,
            key: Place::new(at + self.start, at + self.key_close + 1),
            value: Place::new(at + self.colon + 1, at + self.end),
            form: Form::AsItStands,
        }
    }
}

/// Takes the lowest bit out and gives its place; 64 if there is none.
#[inline]
fn pop(bits: &mut u64) -> usize {
    let place = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    place as usize
}
