//! The beginning of a device id as a number, which comparisons look at first.

/// The first 16 bytes of a device id, big-endian, so that comparing numbers is comparing text. An IMEI fits whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeviceKey(u128);

impl DeviceKey {
    pub(super) const BYTES: usize = 16;

    #[inline]
    pub(super) fn new(device_id: &[u8]) -> Self {
        // Nearly every id is an IMEI: both halves are read without a loop, of which the second overlaps the first.
        if let (8..=Self::BYTES, Some(head), Some(tail)) =
            (device_id.len(), device_id.first_chunk(), device_id.last_chunk())
        {
            let [head, tail] = [head, tail].map(|half| u64::from_be_bytes(*half));
            let absent_bits = u32::try_from(Self::BYTES.saturating_sub(device_id.len()).saturating_mul(8));
            let tail = absent_bits.ok().and_then(|bits| tail.checked_shl(bits)).unwrap_or(0);
            return Self(u128::from(head) << 64 | u128::from(tail));
        }
        let mut bytes = [0; Self::BYTES];
        let length = device_id.len().min(Self::BYTES);
        if let (Some(places), Some(id)) = (bytes.get_mut(..length), device_id.get(..length)) {
            places.copy_from_slice(id);
        }
        Self(u128::from_be_bytes(bytes))
    }

    /// The first 16 bytes of the id, zeros behind its end.
    #[inline]
    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// Device ids hold no zero byte: the key is the whole id if its last byte is zero.
    pub(super) fn is_whole(self) -> bool {
        self.0.to_le_bytes()[0] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceKey;

    #[test]
    fn a_key_is_the_first_sixteen_bytes_whatever_the_length() {
        let id = b"ABCDEFGHIJKLMNOPQRST";
        for length in 0..=id.len() {
            let mut expected = [0; 16];
            let bytes = length.min(16);
            expected[..bytes].copy_from_slice(&id[..bytes]);
            let key = DeviceKey::new(&id[..length]);
            assert_eq!((key.bytes(), key.is_whole()), (expected, length < 16), "{length}");
        }
    }
}
