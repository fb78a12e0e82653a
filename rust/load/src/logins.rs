//! The plan of logging in many devices, a bounded number at a time.

use crate::device::{Awaited, Exchange, Outcome};
use crate::fleet::{Action, Due, Plan};
use crate::frames::login;
use crate::tally::Tally;

/// More would wait in the listen queue or, where that is full, for TCP's second try after a second.
pub const DIALS_MAX: usize = 500;

/// Devices that connect and log in, once each.
#[derive(Debug)]
pub struct Logins {
    first: usize,
    next: usize,
    end: usize,
    under_way: usize,
    under_way_max: usize,
    first_device: usize,
    dialled_us: Vec<u64>,
    /// Waits are measured from the dialling.
    pub tally: Tally,
}

impl Logins {
    /// Of the devices `first` to `end`; `first_device` is added to their numbers for the IMEIs.
    pub fn new(first: usize, end: usize, under_way_max: usize, first_device: usize, now_us: u64) -> Self {
        let dialled_us = Vec::with_capacity(end.saturating_sub(first));
        Self {
            first,
            next: first,
            end,
            under_way: 0,
            under_way_max,
            first_device,
            dialled_us,
            tally: Tally::begin(now_us),
        }
    }

    /// Whether all have an answer.
    pub fn is_over(&self) -> bool {
        self.next == self.end && self.under_way == 0
    }

    fn done(&mut self) -> Action {
        self.under_way = self.under_way.saturating_sub(1);
        Action::Rest
    }
}

impl Plan for Logins {
    fn due(&mut self, now_us: u64) -> Due {
        if self.is_over() {
            return Due::Over;
        }
        if self.next == self.end || self.under_way >= self.under_way_max {
            return Due::At(u64::MAX);
        }
        let device = self.next;
        self.next = self.next.saturating_add(1);
        self.under_way = self.under_way.saturating_add(1);
        self.dialled_us.push(now_us);
        Due::Now(device, Action::Dial)
    }

    fn react(&mut self, device: usize, outcome: Outcome, now_us: u64) -> Action {
        match outcome {
            Outcome::Connected => Action::Send(Exchange {
                bytes: login(self.first_device.saturating_add(device)),
                awaited: Awaited::Admission,
            }),
            Outcome::Done => {
                let dialled_us = self.dialled_us.get(device.saturating_sub(self.first)).copied().unwrap_or(now_us);
                self.tally.note(0, dialled_us, now_us);
                self.done()
            }
            Outcome::Wrong => {
                self.tally.wrong = self.tally.wrong.saturating_add(1);
                self.done()
            }
            Outcome::Ended | Outcome::HungUp => {
                self.tally.closed = self.tally.closed.saturating_add(1);
                self.done()
            }
        }
    }
}
