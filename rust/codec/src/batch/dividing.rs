//! Parts of a batch: by rows, by records, by devices and by time.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::{Batch, Misuse};

impl Batch {
    /// Two halves by rows, each row with its repeats.
    ///
    /// # Errors
    ///
    /// Below two rows there is nothing to split.
    pub fn split(&self) -> Result<(Self, Self), Misuse> {
        let middle = self.rows / 2;
        let Some((start, _)) = self.rows_from(0).nth(middle).filter(|_| middle > 0) else {
            return Err(Misuse("a batch of fewer than two rows cannot be split"));
        };
        let (left, right) = self.records.split_at_checked(start).unwrap_or((&self.records, &[]));
        Ok((self.part(left.to_vec()), self.part(right.to_vec())))
    }

    /// Records number `start` up to `stop`, from 0: to acknowledge a large batch piece by piece. A row may be cut from its
    /// repeats, of which the first is a row in the piece then.
    #[must_use]
    pub fn piece(&self, start: usize, stop: usize) -> Self {
        let stop = stop.min(self.len());
        self.part(self.records.get(start.min(stop)..stop).unwrap_or_default().to_vec())
    }

    /// (rest, taken): takes the first record of row number `row` out; its next repeat, if any, takes its place.
    ///
    /// # Errors
    ///
    /// There is no such row.
    pub fn take_out(&self, row: usize) -> Result<(Self, Self), Misuse> {
        let Some((index, record)) = self.rows_from(0).nth(row) else {
            return Err(Misuse("the batch has no such row"));
        };
        let taken = self.part(vec![*record]);
        let mut rest = self.records.to_vec();
        rest.remove(index);
        Ok((self.part(rest), taken))
    }

    /// `parts` batches, some maybe empty: all records of a device fall into the same one, in every batch of this process.
    ///
    /// # Errors
    ///
    /// `parts` is zero.
    pub fn partition(&self, parts: usize) -> Result<Vec<Self>, Misuse> {
        let mut records = vec![Vec::new(); parts];
        for device in self.devices() {
            let part = Self::part_of(device.device_id, parts)?;
            if let Some(part) = records.get_mut(part) {
                part.extend_from_slice(device.records);
            }
        }
        Ok(records.into_iter().map(|records| self.part(records)).collect())
    }

    /// The number, from 0, of the part that [`Batch::partition`] puts this device into.
    ///
    /// # Errors
    ///
    /// `parts` is zero.
    pub fn part_of(device_id: &[u8], parts: usize) -> Result<usize, Misuse> {
        let count = u64::try_from(parts).unwrap_or(u64::MAX);
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(device_id);
        hash.checked_rem(count)
            .and_then(|part| usize::try_from(part).ok())
            .ok_or(Misuse("a batch cannot be partitioned into no parts"))
    }

    /// (these, the others): parts the records, whose times are microseconds of the Unix time; a row's repeats go with it.
    pub(crate) fn parted_by_time(&self, mut is_these: impl FnMut(i64) -> bool) -> (Self, Self) {
        let (these, others) = self.records.iter().partition(|record| is_these(record.ts_us));
        (self.part(these), self.part(others))
    }
}
