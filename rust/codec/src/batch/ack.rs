//! Acknowledgements: the XACK command for exactly the records of a batch.

use super::Batch;
use crate::StreamId;

/// `ms-seq` is 3 to 41 bytes long, and its length as text one or two digits.
const ID_WIRE_BYTES: usize = 32;

impl Batch {
    /// `XACK stream group id …` for every record, repeats included, in Redis's wire form (an array of bulk strings).
    #[must_use]
    pub fn ack_command(&self, stream: &str, group: &str) -> Vec<u8> {
        let mut wire = Vec::with_capacity(64usize.saturating_add(self.len().saturating_mul(ID_WIRE_BYTES)));
        let mut digits = itoa::Buffer::new();
        wire.push(b'*');
        wire.extend_from_slice(digits.format(self.len().saturating_add(3)).as_bytes());
        wire.extend_from_slice(b"\r\n");
        for argument in ["XACK", stream, group] {
            push_bulk(&mut wire, argument.as_bytes());
        }
        let mut id_text = Vec::new();
        for id in self.ids() {
            id_text.clear();
            push_id(&mut id_text, id);
            push_bulk(&mut wire, &id_text);
        }
        wire
    }
}

fn push_id(out: &mut Vec<u8>, id: StreamId) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(id.ms).as_bytes());
    out.push(b'-');
    out.extend_from_slice(digits.format(id.seq).as_bytes());
}

fn push_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
