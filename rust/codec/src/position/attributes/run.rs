//! Runs of attributes in the producer's common form, `"<element id>":<digits>`, taken many bytes at a time.
//!
//! Such a member has four bytes that are no digits: two quotes, a colon, a comma. One bit mask has their places for
//! several members at once, so that no member waits for the one before it. An object of 23 attributes, two of them
//! sentinels, takes 4,000 instructions in this way, and 10,400 token by token.
#![allow(clippy::arithmetic_side_effects, reason = "every operand is a place in a window of 64 bytes, or was checked")]

use super::{Attribute, Form, Members, Place};
use crate::position::json::Scanner;
use crate::swar::{WINDOW_BYTES, Window, non_digits};

/// Element ids have 16 bits. Such a key, its quotes and the colon fit into one word of eight bytes.
const KEY_DIGITS_MAX: u32 = 5;

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Behind the object's closing brace.
    Closed,
    /// Before a member that is not whole in the window.
    WindowEnd,
    /// Before a member in another form.
    Uncommon,
}

/// A member by the places in the window of the bytes that are no digits.
#[derive(Clone, Copy, Debug)]
struct Breaks {
    start: u32,
    key_close: u32,
    colon: u32,
    end: u32,
}

impl Members {
    /// Takes the members at the scanner that are in the common form; true if the object has ended with them.
    #[inline]
    pub(super) fn take_run(&mut self, scanner: &mut Scanner<'_>) -> bool {
        while let Some((window, skipped)) = scanner.window() {
            let (end, stop) = self.take_window(window, scanner.at().saturating_sub(skipped), skipped);
            scanner.advance(end.saturating_sub(skipped));
            match stop {
                Stop::Closed => return true,
                Stop::WindowEnd if end > skipped => {}
                Stop::WindowEnd | Stop::Uncommon => return false,
            }
        }
        false
    }

    /// Takes the members from `start` on in the window that stands at `base` in the payload; where they end in it.
    #[inline]
    fn take_window(&mut self, window: &Window, base: usize, start: usize) -> (usize, Stop) {
        let base = u32::try_from(base).unwrap_or(u32::MAX);
        let mut start = u32::try_from(start).unwrap_or(u32::MAX);
        let mut bits = non_digits(window) >> start << start;
        loop {
            pop(&mut bits);
            let breaks = Breaks { start, key_close: pop(&mut bits), colon: pop(&mut bits), end: pop(&mut bits) };
            let (Some(head), Some(last)) = (breaks.head(window), window.get(breaks.end as usize)) else {
                return (start as usize, Stop::WindowEnd);
            };
            let Some(rank) = breaks.rank(head).filter(|_| breaks.has_number(window)) else {
                return (start as usize, Stop::Uncommon);
            };
            if !matches!(last, b',' | b'}') {
                return (start as usize, Stop::Uncommon);
            }
            self.push_ranked(breaks.attribute(rank, base));
            start = breaks.end + 1;
            if *last == b'}' {
                return (start as usize, Stop::Closed);
            }
        }
    }
}

impl Breaks {
    /// The member's first eight bytes.
    #[inline]
    fn head(&self, window: &Window) -> Option<u64> {
        window.get(self.start as usize..)?.first_chunk().copied().map(u64::from_be_bytes)
    }

    /// The key's rank, if it is one to five digits between quotes with a colon behind.
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

    /// One digit at least, and none behind a leading zero. How many there are cannot be predicted: this compiles without
    /// a branch on it.
    #[inline]
    fn has_number(&self, window: &Window) -> bool {
        let leading_zero = window.get(self.colon as usize + 1) == Some(&b'0');
        let digits_max = if leading_zero { 1 } else { WINDOW_BYTES };
        (1..=digits_max).contains(&((self.end - self.colon - 1) as usize))
    }

    #[inline]
    fn attribute(&self, rank: u64, base: u32) -> Attribute {
        Attribute {
            rank,
            key: Place { start: base + self.start, end: base + self.key_close + 1 },
            value: Place { start: base + self.colon + 1, end: base + self.end },
            form: Form::AsItStands,
        }
    }
}

/// Takes the lowest bit out and gives its place; 64 if there is none.
#[inline]
fn pop(bits: &mut u64) -> u32 {
    let place = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    place
}
