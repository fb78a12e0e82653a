//! The memory of encoded rows, which is used again from one batch to the next: new memory of this size has to be mapped
//! and zeroed page by page each time.

use std::ops::{Deref, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};

/// As many as the reads of one large batch, which are given back together.
const SPARE_MAX: usize = 4;
/// Smaller ones cost little to make, and larger ones too much to keep.
const SPARE_BYTES: RangeInclusive<usize> = 64 * 1024..=4 * 1024 * 1024;

/// The encoded rows of one reply.
#[derive(Debug, Default)]
pub(super) struct Segment {
    rows: Vec<u8>,
    spares: Spares,
}

impl Deref for Segment {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.rows
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.spares.give(std::mem::take(&mut self.rows));
    }
}

/// Memory that no batch needs any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spares {
    /// Empty memory for about this number of bytes.
    pub fn take(&self, bytes: usize) -> Vec<u8> {
        let spare = if SPARE_BYTES.contains(&bytes) { self.with(Vec::pop) } else { None };
        let mut rows = spare.unwrap_or_default();
        rows.reserve(bytes);
        rows
    }

    /// Rows whose memory comes back when the last batch is dropped that holds them.
    pub fn lend(&self, rows: Vec<u8>) -> Arc<Segment> {
        Arc::new(Segment { rows, spares: self.clone() })
    }

    fn give(&self, mut rows: Vec<u8>) {
        if !SPARE_BYTES.contains(&rows.capacity()) {
            return;
        }
        rows.clear();
        self.with(|spares| {
            if spares.len() < SPARE_MAX {
                spares.push(rows);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{SPARE_BYTES, SPARE_MAX, Spares};

    #[test]
    fn memory_is_used_again_when_its_last_holder_is_gone() {
        let spares = Spares::default();
        let rows = spares.take(100_000);
        let first_place = rows.as_ptr();
        let segment = spares.lend(rows);
        let other_holder = Arc::clone(&segment);
        drop(segment);
        let meanwhile = spares.take(100_000);
        assert_ne!(meanwhile.as_ptr(), first_place);
        drop(other_holder);
        let again = spares.take(100_000);
        assert_eq!((again.as_ptr(), again.len()), (first_place, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let spares = Spares::default();
        let sizes = [SPARE_BYTES.start() - 1, SPARE_BYTES.end() + 1];
        drop(sizes.map(|bytes| spares.lend(Vec::with_capacity(bytes))));
        assert_eq!(spares.with(|spares| spares.len()), 0);
        let segments: Vec<_> = (0..10).map(|_| spares.lend(Vec::with_capacity(100_000))).collect();
        drop(segments);
        assert_eq!(spares.with(|spares| spares.len()), SPARE_MAX);
    }
}
