//! The device's identity.

use std::fmt;

/// Fifteen decimal digits. The check digit is not verified: vendor manuals themselves show IMEIs that fail it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Imei<'a>(&'a str);

impl<'a> Imei<'a> {
    /// None unless `text` is fifteen ASCII digits.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        (text.len() == 15 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(Self(text))
    }
}

impl fmt::Display for Imei<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
