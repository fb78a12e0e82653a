//! The plan of a storm: many devices log in at once while others send at a pace.

use crate::device::Outcome;
use crate::fleet::{Action, Due, Plan};
use crate::logins::Logins;
use crate::sending::Sending;

/// Ends when the last newcomer has its answer, and the senders' frames that were due by then have theirs.
#[derive(Debug)]
pub struct Storm {
    /// The devices up to `senders`.
    pub sending: Sending,
    /// The devices from `senders` on.
    pub logins: Logins,
    /// The number of those that send.
    pub senders: usize,
}

impl Plan for Storm {
    fn due(&mut self, now_us: u64) -> Due {
        let coming = match self.logins.due(now_us) {
            Due::Over => {
                self.sending.end_us = self.sending.end_us.min(now_us);
                u64::MAX
            }
            Due::At(at_us) => at_us,
            now @ Due::Now(..) => return now,
        };
        match self.sending.due(now_us) {
            Due::At(at_us) => Due::At(at_us.min(coming)),
            other => other,
        }
    }

    fn react(&mut self, device: usize, outcome: Outcome, now_us: u64) -> Action {
        if device < self.senders {
            self.sending.react(device, outcome, now_us)
        } else {
            self.logins.react(device, outcome, now_us)
        }
    }
}
