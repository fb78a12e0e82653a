//! What the server decides about a session: logins, frames in hand, and the end.

use super::buffer::Buffer;
use super::clocks::Awaited;
use super::{Expiry, Looked, Session, State, WrongState};
use crate::avl::{AcceptedFrame, RefusedFrame};

const NO_LOGIN: WrongState = WrongState("no login waits for its verdict");

impl Session {
    /// The device may send frames. Its answer.
    ///
    /// # Errors
    ///
    /// [`WrongState`] if no login waits for its verdict.
    pub fn admit(&mut self) -> Result<[u8; 1], WrongState> {
        let State::Verdict(imei) = self.state else { return Err(NO_LOGIN) };
        self.imei = Some(imei);
        self.state = State::Open;
        Ok([1])
    }

    /// The device may not send frames: what it sends is discarded. Its answer.
    ///
    /// # Errors
    ///
    /// [`WrongState`] if no login waits for its verdict.
    pub fn refuse(&mut self, now_ms: u64) -> Result<[u8; 1], WrongState> {
        let State::Verdict(_) = self.state else { return Err(NO_LOGIN) };
        self.discard(State::Refused, now_ms);
        Ok([0])
    }

    /// The frame in hand was answered or dropped: its device may go on.
    ///
    /// # Errors
    ///
    /// [`WrongState`] if no frame is in hand.
    pub fn settle(&mut self) -> Result<(), WrongState> {
        if self.state != State::InHand {
            return Err(WrongState("no frame is in hand"));
        }
        self.state = State::Open;
        Ok(())
    }

    /// Takes the frame that was refused last into the hand after all: one command keeps it whole, and its answer is the
    /// number of records that it declares. The session goes on.
    ///
    /// # Errors
    ///
    /// [`WrongState`] unless that frame has just ended the session, with a right checksum.
    pub fn keep(&mut self, refused: &RefusedFrame, stream: usize) -> Result<AcceptedFrame, WrongState> {
        let (State::Over { keepable: true }, Some(imei), Some(_)) = (self.state, self.imei, &refused.frame) else {
            return Err(WrongState("no frame to be kept has just ended the session"));
        };
        self.state = State::InHand;
        Ok(AcceptedFrame::kept(imei, refused.codec, refused.records, stream))
    }

    /// FIN was sent: what the device still sends is discarded.
    pub fn linger(&mut self, now_ms: u64) {
        self.discard(State::Lingering, now_ms);
    }

    fn discard(&mut self, state: State, now_ms: u64) {
        self.state = state;
        self.buffer = Buffer::default();
        self.looked = Looked::Missing(None);
        self.clocks.end(now_ms);
    }

    /// The clock that has run out; None while something is in hand, since nothing is read then: the clocks of a frame
    /// and of silence begin again.
    pub fn expired(&mut self, now_ms: u64) -> Option<Expiry> {
        let awaited = match self.state {
            State::InHand | State::Verdict(_) => {
                self.clocks.pause(now_ms);
                return None;
            }
            State::Refused => Awaited::RefusedEnd,
            State::Lingering => Awaited::LingerEnd,
            State::Open if self.imei.is_none() => Awaited::Login,
            State::Open if !self.is_at_boundary() => Awaited::Frame,
            State::Open | State::Over { .. } => Awaited::Bytes,
        };
        self.clocks.expired(awaited, now_ms, &self.limits)
    }
}
