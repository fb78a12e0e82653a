//! A fault inside a frame, before it becomes a refusal of the whole frame.

use super::cursor::EndOfData;
use super::refusal::RefusalCode;

/// A refusal within a frame whose extent is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) code: RefusalCode,
    /// Counted from the frame's first byte.
    pub(super) offset: usize,
}

impl Fault {
    pub(super) const fn new(code: RefusalCode, offset: usize) -> Self {
        Self { code, offset }
    }

    /// For reads of records and their fixed parts: the data field ends before the announced quantity.
    pub(super) fn missing(end: EndOfData) -> Self {
        Self::new(RefusalCode::CountMismatch, end.offset)
    }

    /// For reads whose length came from the wire.
    pub(super) fn overrun(end: EndOfData) -> Self {
        Self::new(RefusalCode::IoOverrun, end.offset)
    }
}
