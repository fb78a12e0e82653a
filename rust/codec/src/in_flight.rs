//! The entries that are in flight, from their delivery until they are settled, by id.

use hashbrown::HashMap;

use crate::StreamId;

/// Ids of entries, each with the time at which it came: milliseconds of whatever clock the caller keeps to.
#[derive(Debug, Default)]
pub struct InFlightIds {
    came_ms: HashMap<StreamId, i64>,
}

impl InFlightIds {
    /// Holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of ids held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.came_ms.len()
    }

    /// Holds no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came_ms.is_empty()
    }

    /// Holds the ids, those that are held already since their first time; how many were not.
    pub fn take(&mut self, ids: impl IntoIterator<Item = StreamId>, now_ms: i64) -> usize {
        let before = self.came_ms.len();
        for id in ids {
            self.came_ms.entry(id).or_insert(now_ms);
        }
        self.came_ms.len().saturating_sub(before)
    }

    /// Lets go of the ids; how many were held.
    pub fn settle(&mut self, ids: impl IntoIterator<Item = StreamId>) -> usize {
        ids.into_iter().filter(|id| self.came_ms.remove(id).is_some()).count()
    }

    /// Those of the ids that are not held, in their order.
    #[must_use]
    pub fn absent(&self, ids: impl IntoIterator<Item = StreamId>) -> Vec<StreamId> {
        ids.into_iter().filter(|id| !self.came_ms.contains_key(id)).collect()
    }

    /// Those that came at `before_ms` or earlier, ascending.
    #[must_use]
    pub fn held_since(&self, before_ms: i64) -> Vec<StreamId> {
        let mut ids: Vec<StreamId> =
            self.came_ms.iter().filter_map(|(id, came_ms)| (*came_ms <= before_ms).then_some(*id)).collect();
        ids.sort_unstable();
        ids
    }
}
