//! Text looked at 64 bytes at a time: one bit for each byte, the first byte's lowest.

use wide::u8x16;

/// Several attributes, and one bit for each byte in a `u64`.
pub(crate) const WINDOW_BYTES: usize = 64;

/// The bytes from one place of a text on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    lanes: [u8x16; 4],
    /// Bytes before the place. At the text's end the window holds its last bytes.
    before: u32,
}

impl Window {
    /// `None` at the end, and in texts that fill no window.
    #[inline]
    pub fn at(text: &[u8], at: usize) -> Option<Self> {
        let rest = text.get(at..)?;
        if let Some(bytes) = rest.first_chunk() {
            return Some(Self::of(bytes, 0));
        }
        let before = WINDOW_BYTES.checked_sub(rest.len()).filter(|before| *before < WINDOW_BYTES)?;
        Some(Self::of(text.last_chunk()?, u32::try_from(before).ok()?))
    }

    #[inline]
    fn of(bytes: &[u8; WINDOW_BYTES], before: u32) -> Self {
        let mut lanes = [u8x16::default(); 4];
        let (chunks, _) = bytes.as_chunks();
        for (lane, chunk) in lanes.iter_mut().zip(chunks) {
            *lane = u8x16::new(*chunk);
        }
        Self { lanes, before }
    }

    #[inline]
    fn bits(&self, matches: impl Fn(u8x16) -> u8x16) -> u64 {
        let bits_of = |lane| u64::from(matches(lane).move_mask().cast_unsigned());
        let bits = self.lanes.into_iter().rev().fold(0, |bits, lane| bits << 16 | bits_of(lane));
        bits >> self.before
    }

    /// The bytes that are `byte`.
    #[inline]
    pub fn equal(&self, byte: u8) -> u64 {
        self.bits(|lane| lane.cmp_eq(u8x16::splat(byte)))
    }

    /// Curly braces, and `y` and DEL: bytes that are the same but for the bits in which the braces differ.
    #[inline]
    pub fn braces(&self) -> u64 {
        self.bits(|lane| (lane | u8x16::splat(b'{' ^ b'}')).cmp_eq(u8x16::splat(b'{' | b'}')))
    }

    /// Decimal digits.
    #[inline]
    pub fn digits(&self) -> u64 {
        self.bits(|lane| between(lane, b'0', 9))
    }

    /// The standard base64 alphabet without its padding.
    #[inline]
    pub fn base64(&self) -> u64 {
        self.bits(|lane| {
            let lower_case = lane | u8x16::splat(0x20);
            // `+` is 0x2B, and `/`, with which the digits' row begins, 0x2F.
            between(lower_case, b'a', 25) | between(lane, b'/', 10) | lane.cmp_eq(u8x16::splat(b'+'))
        })
    }
}

/// How many digits the text begins with.
#[inline]
pub(crate) fn leading_digits(text: &[u8; 16]) -> usize {
    let digits = between(u8x16::new(*text), b'0', 9).move_mask();
    (!digits).trailing_zeros() as usize
}

/// The bytes from `first` on, `more` behind it included.
#[allow(clippy::arithmetic_side_effects, reason = "lanes wrap")]
#[inline]
fn between(lane: u8x16, first: u8, more: u8) -> u8x16 {
    let above = lane - u8x16::splat(first);
    above.min(u8x16::splat(more)).cmp_eq(above)
}

#[cfg(test)]
mod tests {
    use super::{Window, leading_digits};

    /// What each kind of byte is, in plain words.
    type Kind = (fn(&Window) -> u64, fn(u8) -> bool);
    const KINDS: [Kind; 4] = [
        (|window| window.equal(b'"'), |byte| byte == b'"'),
        (Window::braces, |byte| matches!(byte, b'{' | b'}' | b'y' | 0x7F)),
        (Window::digits, |byte| byte.is_ascii_digit()),
        (Window::base64, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')),
    ];

    #[test]
    fn every_byte_is_of_its_kinds_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..64 {
                for filler in [b'0', b'9', b'"', b'z', 0, 0x7F, 0xFF] {
                    let mut text = [filler; 64];
                    text[place] = byte;
                    let window = Window::at(&text, 0).unwrap();
                    for (number, (bits, is)) in KINDS.iter().enumerate() {
                        let expected = text.iter().rev().fold(0, |bits, &byte| bits << 1 | u64::from(is(byte)));
                        assert_eq!(bits(&window), expected, "kind {number}: {byte} at {place} among {filler}");
                    }
                }
            }
        }
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_byte() {
        for digits in 0..=16 {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"0192837465564738";
                text.iter_mut().skip(digits).step_by(2).for_each(|byte| *byte = other);
                assert_eq!(leading_digits(&text), digits);
            }
        }
    }

    #[test]
    fn a_window_begins_where_it_is_asked_for_and_has_no_bits_behind_the_end() {
        let text: Vec<u8> = (0..100u8).map(|place| if place.is_multiple_of(7) { b'1' } else { b'x' }).collect();
        for at in 0..text.len() {
            let expected = text[at..].iter().take(64).rev().fold(0, |bits, &byte| bits << 1 | u64::from(byte == b'1'));
            assert_eq!(Window::at(&text, at).unwrap().digits(), expected, "{at}");
        }
        assert!(Window::at(&text, 100).is_none());
        assert!(Window::at(&text, 101).is_none());
        assert!(Window::at(&text[..63], 0).is_none());
    }
}
