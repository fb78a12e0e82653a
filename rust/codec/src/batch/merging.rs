//! Batches put together, without moving a row.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Batch;
use super::record::Record;
use super::segment::Segment;

/// The segments of a batch that is put together, each once: parts of one batch share theirs, and to split and
/// merge again and again would multiply them.
#[derive(Default)]
struct Segments {
    held: Vec<Arc<Segment>>,
    places: HashMap<*const Segment, u32>,
}

impl Segments {
    fn place(&mut self, segment: &Arc<Segment>) -> u32 {
        let held = &mut self.held;
        *self.places.entry(Arc::as_ptr(segment)).or_insert_with(|| {
            held.push(Arc::clone(segment));
            u32::try_from(held.len().saturating_sub(1)).unwrap_or(u32::MAX)
        })
    }
}

impl Batch {
    /// All records of `batches` as one batch.
    #[must_use]
    pub fn merge(batches: &[&Batch]) -> Self {
        if let [only] = batches {
            return (*only).clone();
        }
        let mut segments = Segments::default();
        let mut records = Vec::with_capacity(batches.iter().map(|batch| batch.len()).sum());
        for batch in batches {
            let places: Vec<u32> = batch.segments.iter().map(|segment| segments.place(segment)).collect();
            records.extend(batch.records.iter().map(|record| {
                let place = usize::try_from(record.segment).ok().and_then(|place| places.get(place));
                Record { segment: place.copied().unwrap_or(u32::MAX), ..*record }
            }));
        }
        Self::new(segments.held.into(), records)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Batch, Record};
    use crate::StreamId;
    use crate::batch::device_key::DeviceKey;

    #[test]
    fn parts_of_one_batch_that_are_merged_again_share_what_it_holds() {
        let records = (0..4).map(|ts_us| Record {
            device: DeviceKey::new(b"356307042441013"),
            ts_us,
            id: StreamId::default(),
            segment: 0,
            row_bytes: 0,
            row_start: 0,
        });
        let mut batch = Batch::new(Arc::from([Arc::default()]), records.collect());
        for _ in 0..10 {
            let (first, second) = batch.split().unwrap();
            batch = Batch::merge(&[&first, &second]);
        }
        assert_eq!((batch.segments.len(), batch.rows()), (1, 4));
    }
}
