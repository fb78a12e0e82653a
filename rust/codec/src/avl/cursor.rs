//! Checked reads over a slice: the only code that touches offsets.

/// The slice ended before the read did; `offset` is where the read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndOfData {
    pub(super) offset: usize,
}

/// Reads big-endian values from the front of a slice; a read that fails takes nothing.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Over the whole of `bytes`; offsets count from its first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    /// Offset of the next byte to be read.
    pub(super) fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// The bytes that have not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], EndOfData> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(self.end_of_data())?;
        self.rest = rest;
        Ok(taken)
    }

    /// A cursor over the next `length` bytes, which keeps this one's offsets.
    pub(super) fn sub(&mut self, length: usize) -> Result<Self, EndOfData> {
        let rest = self.take(length)?;
        Ok(Self { rest, end: self.offset() })
    }

    /// Takes the last byte instead of the first.
    pub(super) fn take_last(&mut self) -> Result<u8, EndOfData> {
        let (last, rest) = self.rest.split_last().ok_or(self.end_of_data())?;
        self.rest = rest;
        self.end = self.end.saturating_sub(1);
        Ok(*last)
    }

    pub(super) fn u8(&mut self) -> Result<u8, EndOfData> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, EndOfData> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, EndOfData> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, EndOfData> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, EndOfData> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, EndOfData> {
        self.array().map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EndOfData> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.end_of_data())?;
        self.rest = rest;
        Ok(*taken)
    }

    fn end_of_data(&self) -> EndOfData {
        EndOfData { offset: self.offset() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_beyond_the_end_names_its_own_offset_and_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u8(), Ok(1));
        assert_eq!(cursor.u32(), Err(EndOfData { offset: 1 }));
        assert_eq!(cursor.take(usize::MAX), Err(EndOfData { offset: 1 }));
        assert_eq!(cursor.u16(), Ok(0x0203));
        assert_eq!(cursor.u8(), Err(EndOfData { offset: 3 }));
    }

    #[test]
    fn a_sub_cursor_ends_at_its_length_and_keeps_the_offsets() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5]);
        assert_eq!(cursor.u8(), Ok(1));
        let mut sub = cursor.sub(3).unwrap();
        assert_eq!(sub.take_last(), Ok(4));
        assert_eq!(sub.take(2), Ok([2, 3].as_slice()));
        assert_eq!(sub.u8(), Err(EndOfData { offset: 3 }));
        assert_eq!((cursor.offset(), cursor.rest()), (4, [5].as_slice()));
    }
}
