//! Stream entry ids: `<milliseconds>-<sequence>`.

use std::fmt;

/// The id of a stream entry; ordered as Redis orders entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds of the Unix time at which Redis took the entry.
    pub ms: u64,
    /// Sequence number within that millisecond.
    pub seq: u64,
}

/// Twice the 20 digits of `u64::MAX`, and the dash.
const TEXT_BYTES_MAX: usize = 41;

impl StreamId {
    /// Parses `ms-seq`; `None` for anything else, signs and leading `+` included.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (ms, seq) = (text.get(..dash)?, text.get(dash.checked_add(1)?..)?);
        Some(Self { ms: decimal(ms)?, seq: decimal(seq)? })
    }

    /// The time in the id, in microseconds of the Unix time; `i64::MAX` if it is later than that.
    #[must_use]
    pub fn time_us(self) -> i64 {
        i64::try_from(self.ms.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::StreamId;

    #[test]
    fn text_and_value_are_each_other() {
        for text in ["0-0", "1526919030474-55", "18446744073709551615-18446744073709551615"] {
            assert_eq!(StreamId::parse(text.as_bytes()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_id_has_a_time() {
        let last_ms = i64::MAX as u64 / 1000;
        for (ms, time_us) in [
            (0, 0),
            (1, 1000),
            (last_ms, i64::MAX - 807),
            (last_ms + 1, i64::MAX),
            (u64::MAX / 1000 + 1, i64::MAX),
            (u64::MAX, i64::MAX),
        ] {
            assert_eq!(StreamId { ms, seq: 7 }.time_us(), time_us, "{ms}");
        }
    }

    #[test]
    fn what_is_not_an_id_is_none() {
        for text in ["", "-", "1", "1-", "-1", "+1-0", "1-0x", "18446744073709551616-0", " 1-0"] {
            assert_eq!(StreamId::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
