//! The conversation with one device over TCP, without I/O: bytes, times and verdicts in, steps out.
//!
//! | state | what it takes | what ends it |
//! | --- | --- | --- |
//! | open, no login yet | a ping, a login | a whole login: `Verdict`; anything else: `Over` |
//! | open, logged in | a ping, a frame, a login of the same device | records: `InHand`; a login: `Verdict`; a refusal: `Over` |
//! | `Verdict` | nothing | `admit`: open; `refuse`: `Refused` |
//! | `InHand` | nothing | `settle`: open |
//! | `Over` | bytes are discarded | `keep`, if the last frame was only undecodable: `InHand` |
//! | `Refused`, `Lingering` | bytes are discarded | time |
//!
//! The first frame with a wrong checksum in a row is skipped: every other refusal ends the session.

mod buffer;
mod clocks;
mod deciding;
mod limits;
mod login;
mod message;
mod step;

use std::fmt;
use std::sync::Arc;

use buffer::Buffer;
use clocks::Clocks;
pub use clocks::Expiry;
pub use limits::SessionLimits;
use message::{Front, Message, Sender, read_before_login};
pub use step::{BadLogin, Step};

use super::accepted::Transport;
use super::{EmptyFrame, Imei, RefusalCode, RefusedFrame};
use crate::xadd::StreamWriters;

/// What is received at once where no frame has begun: more than nearly every frame.
pub const RECEIVE_BYTES: usize = 4_096;

/// The session is not in a state for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongState(pub &'static str);

impl fmt::Display for WrongState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for WrongState {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// This device wants to log in.
    Verdict(Imei),
    InHand,
    /// `keepable`: what ended it is a frame that can be kept.
    Over {
        keepable: bool,
    },
    Refused,
    Lingering,
}

/// The conversation with one device.
///
/// Times are milliseconds of one clock that goes forward.
#[derive(Debug)]
pub struct Session {
    limits: Arc<SessionLimits>,
    writers: Arc<StreamWriters>,
    buffer: Buffer,
    clocks: Clocks,
    received_bytes: u64,
    imei: Option<Imei>,
    state: State,
    /// The last frame had a wrong checksum.
    crc_failed: bool,
    looked: Looked,
}

/// What is known of the bytes that are buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// They may hold a step.
    NotYet,
    /// They hold none. The number of bytes that are missing is known once a frame's header is there.
    Missing(Option<usize>),
}

impl Session {
    /// A session of a connection that was accepted now.
    #[must_use]
    pub fn new(limits: Arc<SessionLimits>, writers: Arc<StreamWriters>, now_ms: u64) -> Self {
        Self {
            limits,
            writers,
            buffer: Buffer::default(),
            clocks: Clocks::start(now_ms),
            received_bytes: 0,
            imei: None,
            state: State::Open,
            crc_failed: false,
            looked: Looked::Missing(None),
        }
    }

    /// The device, once it was admitted.
    #[must_use]
    pub fn imei(&self) -> Option<Imei> {
        self.imei
    }

    /// All bytes so far; 0: the connection may be a probe.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// A frame waits to be settled, or a login for its verdict. Nothing is to be received meanwhile.
    #[must_use]
    pub fn in_hand(&self) -> bool {
        matches!(self.state, State::InHand | State::Verdict(_))
    }

    /// No byte of a login or frame is buffered.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Bytes that are buffered.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.rest().len()
    }

    /// How many bytes to receive at most: what is missing of the frame that has begun, once its header is there, else
    /// up to [`RECEIVE_BYTES`] in the buffer. At least 1.
    ///
    /// While no more are fed at a time, and the steps are taken in between, the buffer holds a frame or
    /// [`RECEIVE_BYTES`] at most.
    #[must_use]
    pub fn wanted_bytes(&self) -> usize {
        match self.looked {
            Looked::Missing(Some(missing)) => missing,
            _ => RECEIVE_BYTES.saturating_sub(self.buffered_bytes()).max(1),
        }
    }

    /// The buffered bytes may hold a step that [`Session::next_step`] has not looked for yet.
    #[must_use]
    pub fn may_hold_step(&self) -> bool {
        self.state == State::Open && self.looked == Looked::NotYet
    }

    /// Takes bytes that were received now, and gives the next step, if there is one.
    ///
    /// The commands of an accepted frame are written behind what `commands` holds.
    ///
    /// # Errors
    ///
    /// [`WrongState`] while something is in hand.
    pub fn feed(&mut self, data: &[u8], now_ms: u64, commands: &mut Vec<u8>) -> Result<Option<Step>, WrongState> {
        if self.in_hand() {
            return Err(WrongState("bytes came while a frame or login is in hand"));
        }
        self.received_bytes = self.received_bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.clocks.hear(now_ms, self.buffer.is_empty());
        if self.state != State::Open {
            return Ok(None);
        }
        if !self.buffer.is_empty() {
            self.buffer.extend(data);
            return Ok(self.next_step(commands));
        }
        let (step, used) = self.advance(data, commands);
        if self.goes_on() {
            self.buffer.extend(data.get(used..).unwrap_or_default());
        }
        Ok(step)
    }

    /// What else the buffered bytes hold; None: more are needed, or something is in hand.
    pub fn next_step(&mut self, commands: &mut Vec<u8>) -> Option<Step> {
        if self.state != State::Open {
            return None;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let (step, used) = self.advance(buffer.rest(), commands);
        if self.goes_on() {
            buffer.consume(used);
            self.buffer = buffer;
        }
        step
    }

    /// The next step in these bytes, and how many of them it takes.
    fn advance(&mut self, bytes: &[u8], commands: &mut Vec<u8>) -> (Option<Step>, usize) {
        let front = match self.imei {
            _ if bytes.is_empty() => Front::Missing(None),
            None => read_before_login(bytes),
            Some(imei) => Sender { imei, writers: &self.writers, frame_bytes_max: self.limits.frame_bytes_max }
                .read(bytes, commands),
        };
        match front {
            Front::Missing(missing) => {
                self.looked = Looked::Missing(missing);
                (None, 0)
            }
            Front::Whole(message, used) => {
                self.looked = if used < bytes.len() { Looked::NotYet } else { Looked::Missing(None) };
                self.clocks.step();
                (Some(self.take(message)), used)
            }
        }
    }

    fn take(&mut self, message: Message) -> Step {
        if !matches!(message, Message::Ping | Message::Login(_) | Message::BadLogin(_) | Message::Refused(_)) {
            self.crc_failed = false;
        }
        match message {
            Message::Ping => Step::Ping,
            Message::Login(imei) => self.take_login(imei),
            Message::BadLogin(bad) => self.end(bad),
            Message::Empty(codec) => Step::Empty(EmptyFrame { codec, answer: Transport::Tcp.answer(0) }),
            Message::Command(codec) => Step::Command(codec),
            Message::Refused(refused) => self.take_refusal(refused),
            Message::Accepted(frame) => {
                self.state = State::InHand;
                Step::Accepted(frame)
            }
        }
    }

    fn take_login(&mut self, imei: Imei) -> Step {
        if self.imei.is_some_and(|known| known != imei) {
            return self.end(BadLogin::OtherImei);
        }
        self.state = State::Verdict(imei);
        Step::Login { imei, again: self.imei.is_some() }
    }

    fn end(&mut self, bad: BadLogin) -> Step {
        self.state = State::Over { keepable: false };
        Step::BadLogin(bad)
    }

    fn take_refusal(&mut self, refused: RefusedFrame) -> Step {
        let crc_failed = refused.code == RefusalCode::CrcFail;
        let closes = !crc_failed || self.crc_failed;
        self.crc_failed = crc_failed;
        if closes {
            self.state = State::Over { keepable: refused.frame.is_some() };
        }
        Step::Refused(RefusedFrame { closes, ..refused })
    }

    /// The bytes behind the last step may still be looked at.
    fn goes_on(&self) -> bool {
        !matches!(self.state, State::Over { keepable: false } | State::Refused | State::Lingering)
    }
}
