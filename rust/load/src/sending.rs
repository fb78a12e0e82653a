//! The plan of sending frames: flat out, each device when its last frame is answered, or at a pace.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::device::{Awaited, Exchange, Outcome};
use crate::fleet::{Action, Due, Plan};
use crate::frames::Frame;
use crate::tally::Tally;

/// What is not answered so long after the end never is.
const LAST_ANSWERS_US: u64 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// A frame is in flight that was due then.
    InFlight(u64, u8),
    Gone,
}

/// Devices that are logged in, and send until a time.
#[derive(Debug)]
pub struct Sending {
    frames: Rc<[Frame]>,
    next_frame: usize,
    devices: Vec<State>,
    /// Frames that are due and wait for their device, by device.
    late: Vec<VecDeque<u64>>,
    in_flight: usize,
    open: usize,
    /// Of the frame, or of the device, that comes next.
    next: usize,
    frames_per_second: Option<u32>,
    begun_us: u64,
    /// No frame is due from then on.
    pub end_us: u64,
    /// Waits are measured from when a frame was due; flat out from when it was sent.
    pub tally: Tally,
}

impl Sending {
    /// By the devices 0 to `devices`; at a pace of all together if it is given.
    pub fn new(frames: Rc<[Frame]>, devices: usize, frames_per_second: Option<u32>, now_us: u64, end_us: u64) -> Self {
        Self {
            frames,
            next_frame: 0,
            devices: vec![State::Idle; devices],
            late: vec![VecDeque::new(); devices],
            in_flight: 0,
            open: devices,
            next: 0,
            frames_per_second,
            begun_us: now_us,
            end_us,
            tally: Tally::begin(now_us),
        }
    }

    /// The figures, with what is in flight now as unanswered.
    pub fn into_tally(mut self) -> Tally {
        self.tally.unanswered = self.tally.unanswered.saturating_add(u64::try_from(self.in_flight).unwrap_or(u64::MAX));
        self.tally
    }

    /// Whether nothing is left to send or to wait for.
    pub fn is_over(&self, now_us: u64) -> bool {
        let waits = self.in_flight > 0 && now_us < self.end_us.saturating_add(LAST_ANSWERS_US);
        self.open == 0 || now_us >= self.end_us && !waits
    }

    fn send(&mut self, device: usize, due_us: u64) -> Action {
        let Some(frame) = self.frames.get(self.next_frame) else { return Action::Rest };
        self.next_frame = self.next_frame.saturating_add(1).checked_rem(self.frames.len()).unwrap_or(0);
        if let Some(state) = self.devices.get_mut(device) {
            *state = State::InFlight(due_us, frame.records);
        }
        self.in_flight = self.in_flight.saturating_add(1);
        Action::Send(Exchange { bytes: Rc::clone(&frame.bytes), awaited: Awaited::Count(frame.records) })
    }

    fn due_flat_out(&mut self, now_us: u64) -> Due {
        if self.next == self.devices.len() || now_us >= self.end_us {
            return self.wait_for_the_end(now_us);
        }
        let device = self.next;
        self.next = self.next.saturating_add(1);
        Due::Now(device, self.send(device, now_us))
    }

    fn due_at_a_pace(&mut self, frames_per_second: u32, now_us: u64) -> Due {
        loop {
            let due_us = self.due_us(self.next, frames_per_second);
            if due_us >= self.end_us {
                return self.wait_for_the_end(now_us);
            }
            if due_us > now_us {
                return Due::At(due_us);
            }
            let device = self.next.checked_rem(self.devices.len()).unwrap_or(0);
            self.next = self.next.saturating_add(1);
            match self.devices.get(device) {
                Some(State::Idle) => return Due::Now(device, self.send(device, due_us)),
                Some(State::InFlight(..)) => {
                    if let Some(late) = self.late.get_mut(device) {
                        late.push_back(due_us);
                    }
                }
                Some(State::Gone) | None => {}
            }
        }
    }

    fn due_us(&self, frame: usize, frames_per_second: u32) -> u64 {
        let since_us = u64::try_from(frame).unwrap_or(u64::MAX).saturating_mul(1_000_000);
        self.begun_us.saturating_add(since_us.checked_div(u64::from(frames_per_second)).unwrap_or(0))
    }

    fn wait_for_the_end(&self, now_us: u64) -> Due {
        Due::At(if now_us < self.end_us { self.end_us } else { self.end_us.saturating_add(LAST_ANSWERS_US) })
    }

    /// Takes the device's frame out of flight: when it was due, and its records.
    fn land(&mut self, device: usize, state: State) -> Option<(u64, u8)> {
        let former = std::mem::replace(self.devices.get_mut(device)?, state);
        if let State::InFlight(due_us, records) = former {
            self.in_flight = self.in_flight.saturating_sub(1);
            Some((due_us, records))
        } else {
            None
        }
    }
}

impl Plan for Sending {
    fn due(&mut self, now_us: u64) -> Due {
        if self.is_over(now_us) {
            return Due::Over;
        }
        match self.frames_per_second {
            None => self.due_flat_out(now_us),
            Some(frames_per_second) => self.due_at_a_pace(frames_per_second, now_us),
        }
    }

    fn react(&mut self, device: usize, outcome: Outcome, now_us: u64) -> Action {
        if outcome != Outcome::Done {
            if self.devices.get(device) == Some(&State::Gone) {
                return Action::Rest;
            }
            let unanswered = self.land(device, State::Gone).is_some();
            self.open = self.open.saturating_sub(1);
            let (wrong, closed) = (outcome == Outcome::Wrong, outcome == Outcome::Ended);
            self.tally.unanswered = self.tally.unanswered.saturating_add(u64::from(unanswered));
            self.tally.wrong = self.tally.wrong.saturating_add(u64::from(wrong));
            self.tally.closed = self.tally.closed.saturating_add(u64::from(closed));
            return Action::Rest;
        }
        if let Some((due_us, records)) = self.land(device, State::Idle) {
            self.tally.note(u64::from(records), due_us, now_us);
        }
        if let Some(due_us) = self.late.get_mut(device).and_then(VecDeque::pop_front) {
            self.send(device, due_us)
        } else if self.frames_per_second.is_none() && now_us < self.end_us {
            self.send(device, now_us)
        } else {
            Action::Rest
        }
    }
}
