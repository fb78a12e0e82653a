//! Bytes that were received and belong to no whole login or frame yet.

/// Never more than what was received, and nothing on the heap while it is empty.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    consumed: usize,
}

impl Buffer {
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The room grows with what came, never with what a length field announces.
    pub(super) fn extend(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.consumed > 0 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        self.bytes.extend_from_slice(data);
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.consumed = self.consumed.saturating_add(count);
        if self.consumed >= self.bytes.len() {
            *self = Self::default();
        }
    }
}
