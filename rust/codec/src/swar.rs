//! Decimal digits eight at a time, in ordinary integers ("SIMD within a register").

const ZEROS: u64 = 0x3030_3030_3030_3030;
const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The number at the beginning of eight bytes: its value, and how many digits it has. No branch depends on that count,
/// which differs from number to number too much to be predicted.
#[inline]
pub(crate) fn leading_number(bytes: [u8; 8]) -> (u32, usize) {
    let word = u64::from_le_bytes(bytes);
    let digit_bits = non_digit_bits(word).trailing_zeros() & !7;
    // The bytes behind the digits are shifted out, and zeros come in before the digits.
    let digits = (word ^ ZEROS).checked_shl(u64::BITS.wrapping_sub(digit_bits)).unwrap_or(0);
    (value_of_eight(digits), (digit_bits / 8) as usize)
}

/// The value of eight digits, a byte each, the first lowest: they are joined to pairs, the pairs to fours, these to one.
#[inline]
fn value_of_eight(digits: u64) -> u32 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    let value = fours.wrapping_mul(10_000).wrapping_add(fours >> 32);
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

/// The high bit of each byte that is no decimal digit: what differs from `0` by more than 9 carries into it.
#[inline]
fn non_digit_bits(word: u64) -> u64 {
    let from_zero = word ^ ZEROS;
    ((from_zero & LOW_BITS).wrapping_add(0x7676_7676_7676_7676) | from_zero) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::leading_number;

    #[test]
    fn every_byte_is_a_digit_or_not_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut text = *b"99999999";
                text[place] = byte;
                let digits = if byte.is_ascii_digit() { 8 } else { place };
                assert_eq!(leading_number(text).1, digits, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn a_number_ends_at_the_first_other_byte() {
        for (text, number) in [
            (b"12345678", (12_345_678, 8)),
            (b"99999999", (99_999_999, 8)),
            (b"1234567,", (1_234_567, 7)),
            (b"1.345678", (1, 1)),
            (b"0042\r\n12", (42, 4)),
            (b"\"2345678", (0, 0)),
        ] {
            assert_eq!(leading_number(*text), number);
        }
    }
}
