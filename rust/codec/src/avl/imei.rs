//! The device's identity.

use std::fmt;

/// Fifteen decimal digits. The check digit is not verified: vendor manuals themselves show IMEIs that fail it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Imei([u8; Imei::DIGITS]);

impl Imei {
    /// The number of digits.
    pub const DIGITS: usize = 15;

    /// None unless `text` is fifteen ASCII digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_digits(text.as_bytes())
    }

    /// None unless `digits` is fifteen ASCII digits.
    #[must_use]
    pub fn from_digits(digits: &[u8]) -> Option<Self> {
        let digits = <[u8; Self::DIGITS]>::try_from(digits).ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The digits in ASCII.
    #[must_use]
    pub const fn digits(&self) -> &[u8; Self::DIGITS] {
        &self.0
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // ASCII digits are UTF-8: the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Imei({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imei_is_fifteen_digits() {
        for text in ["", "35630704244101", "3563070424410130", "35630704244101a", "٣٥٦٣٠٧٠"] {
            assert_eq!(Imei::parse(text), None);
        }
        assert_eq!(Imei::parse("356307042441013").unwrap().as_str(), "356307042441013");
    }
}
