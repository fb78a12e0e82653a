//! The ids of all entries that were ever read, so that an entry which Redis delivers again is recognised.

use std::collections::BTreeMap;

use crate::StreamId;

/// The ids that were read since the process started, as stretches.
///
/// One read of new entries takes a whole stretch of the stream, so that it costs one stretch whatever it brings; a
/// pending entry that is delivered again is a stretch of its own. Beyond a fixed number of stretches the lowest
/// are forgotten, whose entries are the first to be trimmed from the stream: exact for everything behind them.
#[derive(Debug)]
pub struct ReadRanges {
    /// First ids to last ids; none touches another.
    stretches: BTreeMap<StreamId, StreamId>,
    stretches_max: usize,
}

impl ReadRanges {
    /// An empty set.
    #[must_use]
    pub fn new(stretches_max: usize) -> Self {
        Self { stretches: BTreeMap::new(), stretches_max }
    }

    /// Whether the entry was read; false for one whose stretch was forgotten.
    #[must_use]
    pub fn contains(&self, id: StreamId) -> bool {
        self.stretches.range(..=id).next_back().is_some_and(|(_, last)| id <= *last)
    }

    /// Notes a read of new entries, which gave `ids` and all that there is from `first` to `last`; those that
    /// were read before.
    pub fn note_stretch(
        &mut self,
        first: StreamId,
        last: StreamId,
        ids: impl IntoIterator<Item = StreamId>,
    ) -> Vec<StreamId> {
        // As a rule a read begins behind everything that was ever read, and no id is looked at.
        let goes_back = self.stretches.last_key_value().is_some_and(|(_, newest)| first <= *newest);
        let again = if goes_back { self.among(ids) } else { Vec::new() };
        self.insert(first, last);
        again
    }

    /// Notes single entries; those that were read before.
    pub fn note(&mut self, ids: impl IntoIterator<Item = StreamId>) -> Vec<StreamId> {
        let mut again = Vec::new();
        for id in ids {
            if self.contains(id) {
                again.push(id);
            } else {
                self.insert(id, id);
            }
        }
        again
    }

    /// Number of stretches.
    #[must_use]
    pub fn stretches(&self) -> usize {
        self.stretches.len()
    }

    fn among(&self, ids: impl IntoIterator<Item = StreamId>) -> Vec<StreamId> {
        ids.into_iter().filter(|id| self.contains(*id)).collect()
    }

    fn insert(&mut self, first: StreamId, last: StreamId) {
        let (mut first, mut last) = (first, last);
        while let Some((other_first, other_last)) = self.overlapping(first, last) {
            self.stretches.remove(&other_first);
            first = first.min(other_first);
            last = last.max(other_last);
        }
        self.stretches.insert(first, last);
        while self.stretches.len() > self.stretches_max {
            self.stretches.pop_first();
        }
    }

    fn overlapping(&self, first: StreamId, last: StreamId) -> Option<(StreamId, StreamId)> {
        let (other_first, other_last) = self.stretches.range(..=last).next_back()?;
        (*other_last >= first).then_some((*other_first, *other_last))
    }
}
