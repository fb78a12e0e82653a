//! A batch as PostgreSQL's binary COPY stream, in pieces that stay in the processor's cache on their way to the socket.

use super::Batch;

/// Signature, flags and the length of the header extension (PostgreSQL documentation, "COPY", "Binary Format").
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A field count of -1 ends the stream.
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();

/// Writes a batch out piece by piece; see [`CopyChunks::next_chunk`].
#[derive(Clone, Debug)]
pub struct CopyChunks {
    batch: Batch,
    next_record: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Rows,
    Done,
}

impl Batch {
    /// The whole stream: header, rows in key order, trailer.
    #[must_use]
    pub fn copy_chunks(&self) -> CopyChunks {
        CopyChunks { batch: self.clone(), next_record: 0, stage: Stage::Header }
    }
}

impl CopyChunks {
    /// Appends the next whole rows to `out`, one at least, until it has `chunk_bytes` or more; false when nothing was left.
    pub fn next_chunk(&mut self, chunk_bytes: usize, out: &mut Vec<u8>) -> bool {
        if self.stage == Stage::Done {
            return false;
        }
        if self.stage == Stage::Header {
            out.extend_from_slice(HEADER);
            self.stage = Stage::Rows;
        }
        let mut next_record = None;
        let bytes_before = out.len();
        for (index, record) in self.batch.rows_from(self.next_record) {
            // Without a row of progress in each piece, a size of zero would never come to the end.
            if out.len() > bytes_before && out.len() >= chunk_bytes {
                next_record = Some(index);
                break;
            }
            out.extend_from_slice(self.batch.row_of(record));
        }
        if let Some(next_record) = next_record {
            self.next_record = next_record;
        } else {
            out.extend_from_slice(&TRAILER);
            self.stage = Stage::Done;
        }
        true
    }
}
