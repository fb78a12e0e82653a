//! Bytes received and not yet consumed, and the smallest tokens in them.

use memchr::memchr;

use super::ProtocolError;

/// Redis' own limit of a bulk string (`proto-max-bulk-len`), and far above what any aggregate here should count.
const LENGTH_MAX: i64 = 512 * 1024 * 1024;
/// A header line holds a type byte and a number, or an error's text.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Consumed bytes stay in front until there are this many, so that the rest is rarely moved.
const CONSUMED_BYTES_MAX: usize = 64 * 1024;

/// `Ok(None)`: more bytes are needed.
pub(super) type Scan<T> = Result<Option<T>, ProtocolError>;

/// A header: the type byte and what stands behind it up to the line's end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub kind: u8,
    pub text: &'a [u8],
    /// Where the next token begins.
    pub end: usize,
}

impl Line<'_> {
    /// The text as a length or count; `None` for -1, RESP2's way to say null.
    pub fn length(&self) -> Result<Option<usize>, ProtocolError> {
        match self.integer()? {
            -1 => Ok(None),
            length @ 0..=LENGTH_MAX => {
                usize::try_from(length).map(Some).map_err(|_| ProtocolError("a length does not fit this machine"))
            }
            _ => Err(ProtocolError("a length is out of range")),
        }
    }

    pub fn integer(&self) -> Result<i64, ProtocolError> {
        // Nearly every length has one to three digits.
        if let 1..=3 = self.text.len() {
            let small = self.text.iter().try_fold(0i64, |value, &byte| {
                let digit = byte.wrapping_sub(b'0');
                (digit <= 9).then(|| value.wrapping_mul(10).wrapping_add(i64::from(digit)))
            });
            if let Some(value) = small {
                return Ok(value);
            }
        }
        std::str::from_utf8(self.text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(ProtocolError("a number was expected"))
    }
}

/// Unconsumed input; places are counted from its beginning.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Received bytes lie in `consumed..end`; what is behind them is room that was zeroed once and is used again.
    bytes: Vec<u8>,
    consumed: usize,
    end: usize,
}

impl Buffer {
    pub fn feed(&mut self, data: &[u8]) {
        self.space(data.len()).copy_from_slice(data);
        self.filled(data.len());
    }

    /// Room for `count` bytes behind those that are held.
    pub fn space(&mut self, count: usize) -> &mut [u8] {
        self.compact();
        let room_end = self.end.saturating_add(count);
        if self.bytes.len() < room_end {
            self.bytes.resize(room_end, 0);
        }
        self.bytes.get_mut(self.end..room_end).unwrap_or_default()
    }

    /// The first `count` bytes of the room have been written.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    fn compact(&mut self) {
        if self.consumed == self.end {
            self.end = 0;
        } else if self.consumed > CONSUMED_BYTES_MAX {
            self.bytes.copy_within(self.consumed..self.end, 0);
            self.end = self.end.saturating_sub(self.consumed);
        } else {
            return;
        }
        self.consumed = 0;
    }

    /// The bytes that are not consumed.
    #[inline]
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.consumed..self.end).unwrap_or_default()
    }

    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.consumed = self.consumed.saturating_add(count).min(self.end);
    }

    /// Removes up to `count` bytes at `at`, keeping what stands before them; the number removed.
    pub fn remove(&mut self, at: usize, count: usize) -> usize {
        let start = self.consumed.saturating_add(at).min(self.end);
        let end = start.saturating_add(count).min(self.end);
        self.bytes.copy_within(end..self.end, start);
        let removed = end.saturating_sub(start);
        self.end = self.end.saturating_sub(removed);
        removed
    }

    /// The header that begins at `at`.
    #[inline]
    pub fn line(&self, at: usize) -> Scan<Line<'_>> {
        line(self.rest(), at)
    }
}

/// The header that begins at `at`.
#[inline]
pub(super) fn line(bytes: &[u8], at: usize) -> Scan<Line<'_>> {
    let Some((kind, tail)) = bytes.get(at..).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    let found = memchr(b'\r', tail);
    // Judged by its length alone, so that a line cut in two is refused exactly where a whole one is.
    if found.unwrap_or(tail.len()) > LINE_BYTES_MAX {
        return Err(ProtocolError("a header line is too long"));
    }
    let Some(length) = found else {
        return Ok(None);
    };
    let (text, ending) = tail.split_at_checked(length).unwrap_or((tail, &[]));
    match ending.get(1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(Line { kind: *kind, text, end: at.saturating_add(length).saturating_add(3) })),
        Some(_) => Err(ProtocolError("a line ends in CR without LF")),
    }
}

/// The contents of a bulk string of `length` bytes at `at`, its line end checked.
#[inline]
pub(super) fn bulk(bytes: &[u8], at: usize, length: usize) -> Scan<&[u8]> {
    let end = at.saturating_add(length);
    let Some(contents) = bytes.get(at..end) else {
        return Ok(None);
    };
    match bytes.get(end..end.saturating_add(2)) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some(contents)),
        Some(_) => Err(ProtocolError("a bulk string is longer than it says")),
    }
}
