//! What was answered, how fast, and what went wrong.

use std::fmt::{Display, Formatter, Result};

/// Counts and latencies of one run.
#[derive(Debug, Default)]
pub struct Tally {
    /// When the run began.
    pub begun_us: u64,
    /// When the last answer came.
    pub last_us: u64,
    /// Frames (or logins) that were answered as they should be.
    pub answered: u64,
    /// Records in them.
    pub records: u64,
    /// Answers with other bytes than were due.
    pub wrong: u64,
    /// Frames that were sent and not answered.
    pub unanswered: u64,
    /// Connections that the server closed.
    pub closed: u64,
    waits_us: Vec<u32>,
}

impl Tally {
    /// Nothing yet.
    pub fn begin(now_us: u64) -> Self {
        Self { begun_us: now_us, last_us: now_us, ..Self::default() }
    }

    /// An answer that came now, to what was due at `since_us`.
    pub fn note(&mut self, records: u64, since_us: u64, now_us: u64) {
        self.answered = self.answered.saturating_add(1);
        self.records = self.records.saturating_add(records);
        self.last_us = now_us;
        self.waits_us.push(u32::try_from(now_us.saturating_sub(since_us)).unwrap_or(u32::MAX));
    }

    /// The figures as a JSON object.
    pub fn report(mut self) -> impl Display {
        self.waits_us.sort_unstable();
        Report(self)
    }
}

struct Report(Tally);

impl Report {
    /// Of the sorted waits; the nearest rank.
    fn permille_ms(&self, permille: usize) -> f64 {
        let last = self.0.waits_us.len().saturating_sub(1);
        let rank = last.saturating_mul(permille).div_ceil(1000);
        self.0.waits_us.get(rank).map_or(0.0, |us| f64::from(*us) / 1e3)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Tally { answered, records, wrong, unanswered, closed, .. } = self.0;
        let micros = self.0.last_us.saturating_sub(self.0.begun_us);
        write!(
            f,
            r#"{{"answered":{answered},"records":{records},"seconds":{}.{:06},"p50_ms":{},"p99_ms":{},"max_ms":{},"wrong":{wrong},"unanswered":{unanswered},"closed":{closed}}}"#,
            micros / 1_000_000,
            micros % 1_000_000,
            self.permille_ms(500),
            self.permille_ms(990),
            self.permille_ms(1000),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_nearest_ranks() {
        let mut tally = Tally::begin(1_000_000);
        for wait_us in (1..=200).rev() {
            tally.note(5, 3_000_000, 3_000_000 + wait_us * 1000);
        }
        assert_eq!(
            tally.report().to_string(),
            r#"{"answered":200,"records":1000,"seconds":2.001000,"p50_ms":101,"p99_ms":199,"max_ms":200,"wrong":0,"unanswered":0,"closed":0}"#
        );
    }
}
