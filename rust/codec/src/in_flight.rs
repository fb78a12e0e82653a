//! The ids of the entries in flight: from their delivery until they are settled.

use hashbrown::HashMap;

use crate::StreamId;

/// Entry ids, each with the time at which it came, in milliseconds of the caller's clock.
#[derive(Debug, Default)]
pub struct InFlightIds {
    came_ms: HashMap<StreamId, i64>,
}

impl InFlightIds {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.came_ms.len()
    }

    /// True if there is no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came_ms.is_empty()
    }

    /// Adds the ids and returns how many were new. An id that is there already keeps its first time.
    pub fn take(&mut self, ids: impl IntoIterator<Item = StreamId>, now_ms: i64) -> usize {
        let before = self.came_ms.len();
        let ids = ids.into_iter();
        self.came_ms.reserve(ids.size_hint().0);
        for id in ids {
            self.came_ms.entry(id).or_insert(now_ms);
        }
        self.came_ms.len().saturating_sub(before)
    }

    /// Removes the ids and returns how many of them were there.
    pub fn settle(&mut self, ids: impl IntoIterator<Item = StreamId>) -> usize {
        ids.into_iter().filter(|id| self.came_ms.remove(id).is_some()).count()
    }

    /// The given ids that are not in flight, in their order.
    #[must_use]
    pub fn absent(&self, ids: impl IntoIterator<Item = StreamId>) -> Vec<StreamId> {
        ids.into_iter().filter(|id| !self.came_ms.contains_key(id)).collect()
    }

    /// The ids that came at `before_ms` or earlier, ascending.
    #[must_use]
    pub fn in_flight_since(&self, before_ms: i64) -> Vec<StreamId> {
        let mut ids: Vec<StreamId> =
            self.came_ms.iter().filter_map(|(id, came_ms)| (*came_ms <= before_ms).then_some(*id)).collect();
        ids.sort_unstable();
        ids
    }
}
