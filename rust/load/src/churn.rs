//! The plan of short lives: devices connect, send frames or rubbish, and go away.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::device::{Awaited, Exchange, Outcome};
use crate::fleet::{Action, Due, Plan};
use crate::frames::{Frame, framed, login, with_wrong_checksum};
use crate::tally::Tally;

/// What is not over so long after the end is counted as unanswered.
const LAST_LIVES_US: u64 = 10_000_000;
const FRAMES_A_LIFE: usize = 5;

/// Lives begin at a pace, each by a device that has none.
#[derive(Debug)]
pub struct Churn {
    frames: Rc<[Frame]>,
    random: Random,
    lives: Vec<Option<Life>>,
    resting: Vec<usize>,
    begun: u64,
    begun_us: u64,
    end_us: u64,
    lives_per_second: u32,
    first_device: usize,
    /// Logins and frames count as answered.
    pub tally: Tally,
}

#[derive(Debug)]
struct Life {
    steps: VecDeque<Exchange>,
    since_us: u64,
    awaited: Awaited,
}

impl Churn {
    /// By the devices 0 to `devices`; `first_device` is added to their numbers for the IMEIs.
    pub fn new(
        frames: Rc<[Frame]>,
        devices: usize,
        lives_per_second: u32,
        first_device: usize,
        now_us: u64,
        end_us: u64,
    ) -> Self {
        Self {
            frames,
            random: Random(0x9e37_79b9_7f4a_7c15),
            lives: (0..devices).map(|_| None).collect(),
            resting: (0..devices).rev().collect(),
            begun: 0,
            begun_us: now_us,
            end_us,
            lives_per_second: lives_per_second.max(1),
            first_device,
            tally: Tally::begin(now_us),
        }
    }

    /// The figures, with the lives that are not over as unanswered.
    pub fn into_tally(mut self) -> Tally {
        let alive = self.lives.iter().flatten().count();
        self.tally.unanswered = self.tally.unanswered.saturating_add(u64::try_from(alive).unwrap_or(u64::MAX));
        self.tally
    }

    /// Half of the lives are a device's; the others hold what strangers and broken devices send.
    fn steps(&mut self, device: usize) -> VecDeque<Exchange> {
        let admitted = Exchange { bytes: login(self.first_device.saturating_add(device)), awaited: Awaited::Admission };
        let frame = self.any_frame();
        let good = Exchange { bytes: Rc::clone(&frame.bytes), awaited: Awaited::Count(frame.records) };
        let sent = |bytes: &[u8], awaited| Exchange { bytes: bytes.into(), awaited };
        let half = frame.bytes.get(..frame.bytes.len() / 2).unwrap_or_default();
        let wrong = with_wrong_checksum(&frame);
        let number = self.random.next().to_be_bytes();
        let steps = match self.random.next() % 16 {
            0 => vec![],
            1 => vec![sent(b"\0\x0f35630", Awaited::Nothing)],
            2 => vec![sent(b"\x16\x03\x01\x02\0\x01\0\x01", Awaited::End)],
            3 => vec![sent(b"GET / HTTP/1.1\r\n\r\n", Awaited::End)],
            4 => vec![admitted, good, sent(half, Awaited::Nothing)],
            5 => vec![
                admitted,
                sent(&wrong, Awaited::Nothing),
                good,
                sent(&wrong, Awaited::Nothing),
                sent(&wrong, Awaited::End),
            ],
            6 => vec![admitted, good, sent(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], Awaited::End)],
            // A sound checksum, and no codec: the number keeps it from being the frame of the life before.
            7 => vec![admitted, sent(&framed(&[[0x77].as_slice(), &number].concat()), Awaited::End)],
            8 => vec![admitted, sent(&[0xff], Awaited::Nothing), good.clone(), sent(&[0xff], Awaited::Nothing), good],
            _ => std::iter::once(admitted).chain(vec![good; FRAMES_A_LIFE]).collect(),
        };
        steps.into()
    }

    fn any_frame(&mut self) -> Frame {
        let number = usize::try_from(self.random.next() >> 32).unwrap_or(0);
        let index = number.checked_rem(self.frames.len()).unwrap_or(0);
        self.frames.get(index).cloned().unwrap_or(Frame { bytes: Rc::new([]), records: 0 })
    }

    fn next_step(&mut self, device: usize, now_us: u64) -> Action {
        let Some(Some(life)) = self.lives.get_mut(device) else { return Action::Rest };
        let Some(step) = life.steps.pop_front() else { return Action::HangUp };
        life.since_us = now_us;
        life.awaited = step.awaited;
        Action::Send(step)
    }

    fn end_life(&mut self, device: usize) {
        if let Some(life) = self.lives.get_mut(device).and_then(Option::take) {
            self.resting.push(device);
            drop(life);
        }
    }
}

impl Plan for Churn {
    fn due(&mut self, now_us: u64) -> Due {
        let alive = self.resting.len() < self.lives.len();
        if now_us >= self.end_us {
            let last_us = self.end_us.saturating_add(LAST_LIVES_US);
            return if alive && now_us < last_us { Due::At(last_us) } else { Due::Over };
        }
        let since_us = self.begun.saturating_mul(1_000_000).checked_div(u64::from(self.lives_per_second)).unwrap_or(0);
        let due_us = self.begun_us.saturating_add(since_us);
        if due_us > now_us {
            return Due::At(due_us.min(self.end_us));
        }
        self.begun = self.begun.saturating_add(1);
        // With no device at rest this life is left out.
        let Some(device) = self.resting.pop() else { return Due::At(now_us) };
        let life = Life { steps: self.steps(device), since_us: now_us, awaited: Awaited::Nothing };
        if let Some(slot) = self.lives.get_mut(device) {
            *slot = Some(life);
        }
        Due::Now(device, Action::Dial)
    }

    fn react(&mut self, device: usize, outcome: Outcome, now_us: u64) -> Action {
        match outcome {
            Outcome::Connected => self.next_step(device, now_us),
            Outcome::Done => {
                if let Some(Some(Life { awaited, since_us, .. })) = self.lives.get(device) {
                    match *awaited {
                        Awaited::Count(records) => self.tally.note(u64::from(records), *since_us, now_us),
                        Awaited::Admission => self.tally.note(0, *since_us, now_us),
                        Awaited::End | Awaited::Nothing => {}
                    }
                    if *awaited == Awaited::End {
                        return Action::HangUp;
                    }
                }
                self.next_step(device, now_us)
            }
            Outcome::Wrong => {
                self.tally.wrong = self.tally.wrong.saturating_add(1);
                Action::HangUp
            }
            Outcome::Ended => {
                self.tally.closed = self.tally.closed.saturating_add(1);
                self.end_life(device);
                Action::Rest
            }
            Outcome::HungUp => {
                self.end_life(device);
                Action::Rest
            }
        }
    }
}

/// Numbers that look random, the same ones each time: xorshift.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
