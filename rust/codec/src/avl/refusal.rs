//! Why a frame is refused: a stable code, the byte offset, and where the next frame may begin.

use std::fmt;

/// The stable codes, one a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The first four bytes are not zeros: this is no frame.
    BadPreamble,
    /// The length field asks for more than is allowed.
    Oversize,
    /// The bytes end before the frame does; on an open connection: wait for more.
    Truncated,
    /// The checksum field is not the CRC-16/IBM of the data field.
    CrcFail,
    /// The codec id is none of 8, 8E, 16 and 12 to 15.
    UnknownCodec,
    /// The two quantities differ, or the data field holds fewer or more records than they say.
    CountMismatch,
    /// An element, or a command's message, reaches beyond the data field.
    IoOverrun,
    /// A datagram's IMEI is not fifteen digits.
    BadImei,
}

impl RefusalCode {
    /// The code as it stands in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadPreamble => "bad_preamble",
            Self::Oversize => "oversize",
            Self::Truncated => "truncated",
            Self::CrcFail => "crc_fail",
            Self::UnknownCodec => "unknown_codec",
            Self::CountMismatch => "count_mismatch",
            Self::IoOverrun => "io_overrun",
            Self::BadImei => "bad_imei",
        }
    }
}

/// A frame that was refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub code: RefusalCode,
    /// Where, in bytes from the frame's first byte; never beyond the bytes that were given.
    pub offset: usize,
    /// The frame's length in bytes if its bytes are all there, so that the next frame can be found.
    pub frame_bytes: Option<usize>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.code.as_str(), self.offset)
    }
}

impl std::error::Error for Refusal {}
