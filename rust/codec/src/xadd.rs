//! XADD commands for the streams of Positions, written from a template for each stream.

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use crate::avl::{Codec, Imei, Record};
use crate::digits::write_integer;

/// zlib's CRC-32.
const CRC_32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// Without a stream there is nowhere to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoStream;

impl fmt::Display for NoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("at least one stream is needed")
    }
}

impl std::error::Error for NoStream {}

/// How entries are written for each of the streams among which devices are divided.
///
/// An entry is `XADD <stream> [MAXLEN ~ <entries_max>] * ts … device_id … codec … payload …`.
#[derive(Debug)]
pub struct StreamWriters {
    /// For each stream, the command up to the name of its first field.
    heads: Vec<Box<[u8]>>,
}

impl StreamWriters {
    /// `entries_max` is what the streams are trimmed to; 0: they are not trimmed.
    ///
    /// # Errors
    ///
    /// [`NoStream`] if the list is empty.
    pub fn new<S: AsRef<str>>(streams: &[S], entries_max: u64) -> Result<Self, NoStream> {
        if streams.is_empty() {
            return Err(NoStream);
        }
        Ok(Self { heads: streams.iter().map(|stream| head_of(stream.as_ref(), entries_max)).collect() })
    }

    /// The number of streams.
    #[must_use]
    pub fn count(&self) -> usize {
        self.heads.len()
    }

    /// The place of the device's stream in the list: CRC-32 of the IMEI modulo their number.
    #[must_use]
    pub fn stream_of(&self, imei: Imei) -> usize {
        let checksum = usize::try_from(CRC_32.checksum(imei.digits())).unwrap_or_default();
        checksum.checked_rem(self.heads.len()).unwrap_or_default()
    }

    /// A writer for the records of one frame.
    pub(crate) fn entries_of(&self, imei: Imei, codec: Codec) -> EntryWriter<'_> {
        let stream = self.stream_of(imei);
        let mut middle = Vec::with_capacity(MIDDLE_BYTES);
        for word in [b"device_id".as_slice(), imei.digits(), b"codec", codec.label().as_bytes(), b"payload"] {
            write_bulk(&mut middle, word);
        }
        EntryWriter { imei, stream, head: self.heads.get(stream).map_or(&[], |head| head), middle }
    }
}

/// About what stands between the timestamp and the payload.
const MIDDLE_BYTES: usize = 96;

/// Writes the entries of one frame.
pub(crate) struct EntryWriter<'a> {
    imei: Imei,
    pub(crate) stream: usize,
    head: &'a [u8],
    middle: Vec<u8>,
}

impl EntryWriter<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(self.head);
        write_measured_bulk::<2>(out, |out| record.write_timestamp(out));
        out.extend_from_slice(&self.middle);
        write_measured_bulk::<3>(out, |out| record.write_position_json(self.imei, out));
    }
}

fn head_of(stream: &str, entries_max: u64) -> Box<[u8]> {
    let entries_max = entries_max.to_string();
    let trim: &[&str] = if entries_max == "0" { &[] } else { &["MAXLEN", "~", &entries_max] };
    let words = [&["XADD", stream], trim, &["*", "ts"]].concat();
    let mut head = b"*".to_vec();
    // Behind these words stand the first field's value and three more fields.
    write_integer(&mut head, words.len().saturating_add(7));
    head.extend_from_slice(b"\r\n");
    for word in words {
        write_bulk(&mut head, word.as_bytes());
    }
    head.into()
}

fn write_bulk(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'$');
    write_integer(out, word.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// A bulk string whose length is known only when it is written. It is moved if the length has not `DIGITS` digits.
fn write_measured_bulk<const DIGITS: usize>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'$');
    let length_start = out.len();
    let length_end = length_start.saturating_add(DIGITS);
    out.extend_from_slice(&[b'0'; DIGITS]);
    out.extend_from_slice(b"\r\n");
    let start = out.len();
    write(out);
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(out.len().saturating_sub(start)).as_bytes();
    match out.get_mut(length_start..length_end) {
        Some(room) if room.len() == digits.len() => room.copy_from_slice(digits),
        _ => drop(out.splice(length_start..length_end, digits.iter().copied())),
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_zlibs_crc_32_modulo_the_number_of_streams() {
        let imei = Imei::parse("356307042441013").unwrap();
        // Python: zlib.crc32(b"356307042441013")
        assert_eq!(CRC_32.checksum(imei.digits()), 0x8d63_88ee);
        let three = StreamWriters::new(&["a", "b", "c"], 0).unwrap();
        assert_eq!(three.stream_of(imei), 2);
        assert_eq!(StreamWriters::new(&["a"], 0).unwrap().stream_of(imei), 0);
        assert_eq!(StreamWriters::new::<&str>(&[], 0).unwrap_err(), NoStream);
    }

    #[test]
    fn a_measured_bulk_string_has_the_length_that_was_written() {
        for length in [0, 9, 10, 99, 100, 999, 1_000, 12_345] {
            let (mut measured, mut known) = (b"before".to_vec(), b"before".to_vec());
            let word = vec![b'x'; length];
            write_measured_bulk::<3>(&mut measured, |out| out.extend_from_slice(&word));
            write_bulk(&mut known, &word);
            assert_eq!(measured, known);
        }
    }
}
