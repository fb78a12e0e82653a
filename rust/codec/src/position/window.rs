//! Many bytes at a time with ordinary integers: which bytes of a window are of a kind.

/// Bytes looked at in one step: several attributes, and one bit for each byte in a `u64`.
pub(super) const WINDOW_BYTES: usize = 64;

/// A window; what lies behind the end of the text is zero.
pub(super) type Window = [u8; WINDOW_BYTES];

const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The window at the beginning of `text`.
#[inline]
pub(super) fn window(text: &[u8]) -> Window {
    text.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; WINDOW_BYTES];
        for (place, byte) in padded.iter_mut().zip(text) {
            *place = *byte;
        }
        padded
    })
}

/// One bit for each byte of the window that is no decimal digit, the first byte's lowest.
#[inline]
pub(super) fn non_digits(window: &Window) -> u64 {
    let (words, _) = window.as_chunks();
    words.iter().rev().fold(0, |bits, word| bits << 8 | gather(non_digit_bits(u64::from_le_bytes(*word))))
}

/// How many decimal digits stand at the beginning.
#[inline]
pub(super) fn leading_digits(word: [u8; 8]) -> usize {
    (non_digit_bits(u64::from_le_bytes(word)).trailing_zeros() / 8) as usize
}

/// The high bit of each byte that is no decimal digit: what differs from `0` by more than 9 carries into it.
#[inline]
fn non_digit_bits(word: u64) -> u64 {
    let from_zero = word ^ 0x3030_3030_3030_3030;
    ((from_zero & LOW_BITS).wrapping_add(0x7676_7676_7676_7676) | from_zero) & HIGH_BITS
}

/// The high bits of eight bytes as one byte: the multiplication brings each to its place in the topmost one.
#[inline]
fn gather(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::{leading_digits, non_digits, window};

    #[test]
    fn every_byte_is_a_digit_or_not_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..64 {
                for filler in [b'0', b'9', b'"', 0, 0x7F, 0xFF] {
                    let mut text = [filler; 64];
                    text[place] = byte;
                    let expected =
                        text.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(!byte.is_ascii_digit()));
                    assert_eq!(non_digits(&text), expected, "{byte} at {place} among {filler}");
                }
            }
        }
    }

    #[test]
    fn leading_digits_end_at_the_first_other_byte() {
        for (text, digits) in [(b"12345678", 8), (b"1234567,", 7), (b"1.345678", 1), (b"\"2345678", 0)] {
            assert_eq!(leading_digits(*text), digits);
        }
    }

    #[test]
    fn behind_the_text_there_are_zeros() {
        assert_eq!(&window(b"12")[..3], b"12\0");
    }
}
