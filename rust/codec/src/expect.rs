//! Compares a text with what is expected next: `None` at the first byte that differs.

use crate::swar::leading_number;

/// The rest of a text, from which each match takes the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matcher<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Matcher<'a> {
    /// The literal's length is a constant, so that it is compared in a register or two.
    #[inline]
    pub(crate) fn take<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    #[inline]
    pub(crate) fn split(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(head)
    }

    /// One to eight digits: their value, and how many they are. At least eight bytes must be left.
    #[inline]
    pub(crate) fn digits(&mut self) -> Option<(u32, usize)> {
        let (value, count) = leading_number(*self.rest.first_chunk()?);
        self.split(count)?;
        (count > 0).then_some((value, count))
    }

    /// One to sixteen digits.
    #[inline]
    pub(crate) fn long_number(&mut self) -> Option<u64> {
        let (head, count) = self.digits()?;
        if count < 8 {
            return Some(u64::from(head));
        }
        let (tail, count) = self.digits()?;
        let power = POWERS_OF_TEN.get(count)?;
        Some(u64::from(head).wrapping_mul(*power).wrapping_add(u64::from(tail)))
    }
}

/// For up to eight digits.
pub(crate) const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
