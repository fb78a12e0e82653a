//! Numbers as decimal text, written behind what a buffer holds.

/// An integer in as few digits as it has.
#[inline]
pub(crate) fn write_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The last `N` digits of a number, zeros in front included.
#[inline]
pub(crate) fn padded<const N: usize>(number: u32) -> [u8; N] {
    let mut rest = number;
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit |= (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_number_has_its_zeros_in_front() {
        assert_eq!(&padded::<4>(7), b"0007");
        assert_eq!(&padded::<2>(59), b"59");
        assert_eq!(&padded::<7>(9_999_999), b"9999999");
    }
}
