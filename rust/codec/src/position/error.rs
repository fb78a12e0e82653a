//! Why an entry is not a Position: stable codes, as metrics, logs and dead letters show them.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The stable code of a decode failure (contract §2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code, in the contract's order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The code's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)+ }
            }
        }
    };
}

codes! {
    /// The entry has no field `payload`.
    MissingPayload = "missing_payload",
    /// The entry has no field `codec`.
    MissingCodec = "missing_codec",
    /// The codec label is none of `8`, `8E`, `16`.
    UnknownCodec = "unknown_codec",
    /// The payload is not JSON, or not UTF-8.
    BadJson = "bad_json",
    /// The Position lacks a key.
    MissingField = "missing_field",
    /// A value has the wrong JSON type.
    BadType = "bad_type",
    /// A value is outside what its column or the contract allows.
    OutOfRange = "out_of_range",
    /// The timestamp is not in the contract's form, or no date.
    BadTimestamp = "bad_timestamp",
    /// The timestamp is too far from the entry's id and from the server's clock.
    TsOutOfWindow = "ts_out_of_window",
    /// An attribute object has a sentinel's key, but not its shape.
    BadSentinel = "bad_sentinel",
    /// Text that `text` or `jsonb` cannot hold: `\u0000` or a lone surrogate.
    UnstorableText = "unstorable_text",
    /// The payload is longer than the limit.
    TooLarge = "too_large",
    /// JSON nested deeper than 64 levels.
    TooDeep = "too_deep",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A decode failure: what is wrong, in which field, at which byte of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The stable code.
    pub code: Code,
    /// The Position's key or the entry's field, where one is to blame.
    pub field: Option<&'static str>,
    /// Byte offset in the payload, at most its length, where one applies.
    pub offset: Option<usize>,
}

impl Reject {
    /// A failure of the payload as a whole at `offset`.
    #[must_use]
    pub const fn at(code: Code, offset: usize) -> Self {
        Self { code, field: None, offset: Some(offset) }
    }

    /// A failure of one field, found at `offset`.
    #[must_use]
    pub const fn of(code: Code, field: &'static str, offset: usize) -> Self {
        Self { code, field: Some(field), offset: Some(offset) }
    }

    /// A failure of a field that is not there or has no place in the payload.
    #[must_use]
    pub const fn without_offset(code: Code, field: &'static str) -> Self {
        Self { code, field: Some(field), offset: None }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        if let Some(field) = self.field {
            write!(f, " in {field}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        Ok(())
    }
}
