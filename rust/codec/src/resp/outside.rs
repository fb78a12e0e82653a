//! Records whose time is outside the window around their entry's id, and the second check of them.
//!
//! The time in an id may be wrong and stay wrong: Redis' clock had jumped when it made the id, or a producer chose the
//! id. So the records are checked once more against Redis' present clock, which somebody will set right. Redis is asked
//! for it only when there are such records.

use hashbrown::HashSet;

use super::Delivery;
use crate::StreamId;
use crate::batch::{Batch, Rejection};
use crate::position::Limits;

/// Records that wait for the second judgement, and the refusal of each in case it is confirmed.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    pub(super) batch: Batch,
    /// In the reply's order.
    pub(super) rejections: Vec<Rejection>,
    /// Under which they were decoded.
    pub(super) limits: Limits,
}

impl Outside {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rejections.len()
    }

    /// No record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rejections.is_empty()
    }
}

impl Delivery {
    /// Decides about the records outside: a record joins the batch if it is in the window around `server_us`, Redis' own time in
    /// microseconds of the Unix time, and the rejections, which are then in the order of their ids, if it is not.
    #[must_use]
    pub fn judged(mut self, server_us: i64) -> Self {
        let Outside { batch, rejections, limits } = std::mem::take(&mut self.outside);
        if rejections.is_empty() {
            return self;
        }
        let (admitted, refused) = batch.parted_by_time(|ts_us| limits.admits(ts_us, server_us));
        let refused: HashSet<StreamId> = refused.ids().collect();
        self.batch = Batch::merge(&[&self.batch, &admitted]);
        self.rejections.extend(rejections.into_iter().filter(|rejection| refused.contains(&rejection.id)));
        self.rejections.sort_by_key(|rejection| rejection.id);
        self
    }
}
