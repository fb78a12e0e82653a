//! Plays a server for the bytes of a device: every frame is confirmed by a counter of replies before it is answered.

use std::sync::Arc;

use codec::avl::{AcceptedFrame, RefusedFrame, Session, SessionLimits, Step};
use codec::resp::{Confirmation, Outcome, ReplyCounter};
use codec::xadd::StreamWriters;

pub(crate) const IMEI: &str = "356307042441013";

/// More than is received at once.
pub(crate) const LIMITS: SessionLimits = SessionLimits {
    frame_bytes_max: 5_000,
    login_timeout_ms: 30_000,
    frame_timeout_ms: 20_000,
    idle_timeout_ms: 60_000,
};

pub(crate) fn writers() -> Arc<StreamWriters> {
    Arc::new(StreamWriters::new(&["telemetry:teltonika"], 1_000_000).unwrap())
}

pub(crate) fn session() -> Session {
    Session::new(Arc::new(LIMITS), writers(), 0)
}

pub(crate) fn login_of(imei: &str) -> Vec<u8> {
    [&[0, 15], imei.as_bytes()].concat()
}

/// What Redis answers when it has taken all commands of the frame.
pub(crate) fn confirm(frame: &AcceptedFrame) -> Confirmation {
    let mut counter = ReplyCounter::new();
    counter.expect(frame, ());
    counter.feed(&b"$15\r\n1777627800000-0\r\n".repeat(frame.replies)).unwrap();
    match counter.take_settled().pop() {
        Some(((), Outcome::Confirmed(confirmation))) => confirmation,
        other => panic!("{other:?}"),
    }
}

/// A step, and what the server did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Login {
        imei: String,
        again: bool,
        answer: Vec<u8>,
    },
    BadLogin(&'static str),
    Ping,
    Published {
        codec: &'static str,
        commands: Vec<u8>,
        answer: Vec<u8>,
    },
    Empty {
        codec: &'static str,
        answer: Vec<u8>,
    },
    Command(&'static str),
    Refused(RefusedFrame),
    /// Refused, and then kept.
    Kept {
        refused: RefusedFrame,
        answer: Vec<u8>,
    },
}

impl Seen {
    pub(crate) fn answer(&self) -> &[u8] {
        match self {
            Self::Login { answer, .. }
            | Self::Published { answer, .. }
            | Self::Empty { answer, .. }
            | Self::Kept { answer, .. } => answer,
            Self::BadLogin(_) | Self::Ping | Self::Command(_) | Self::Refused(_) => &[],
        }
    }
}

/// What the server decides where it has a choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) admits: bool,
    pub(crate) keeps: bool,
}

pub(crate) const ADMITS: Choices = Choices { admits: true, keeps: false };

/// A session and everything that happened in it.
pub(crate) struct Conversation {
    pub(crate) session: Session,
    choices: Choices,
    pub(crate) seen: Vec<Seen>,
}

impl Conversation {
    pub(crate) fn new(choices: Choices) -> Self {
        Self { session: session(), choices, seen: Vec::new() }
    }

    /// A device that has logged in.
    pub(crate) fn logged_in() -> Self {
        let mut conversation = Self::new(ADMITS);
        conversation.feed(&login_of(IMEI));
        conversation.seen.clear();
        conversation
    }

    pub(crate) fn feed(&mut self, data: &[u8]) {
        let mut commands = Vec::new();
        let mut step = self.session.feed(data, 0, &mut commands).unwrap();
        while let Some(taken) = step {
            let seen = self.act(taken, commands);
            self.seen.push(seen);
            commands = Vec::new();
            let may_hold_step = self.session.may_hold_step();
            step = self.session.next_step(&mut commands);
            assert!(may_hold_step || step.is_none());
        }
    }

    fn act(&mut self, step: Step, commands: Vec<u8>) -> Seen {
        match step {
            Step::Login { imei, again } => {
                let verdict = if self.choices.admits { self.session.admit() } else { self.session.refuse(0) };
                Seen::Login { imei: imei.to_string(), again, answer: verdict.unwrap().to_vec() }
            }
            Step::BadLogin(bad) => Seen::BadLogin(bad.as_str()),
            Step::Ping => Seen::Ping,
            Step::Accepted(frame) => {
                let answer = self.answer(&frame);
                Seen::Published { codec: frame.codec, commands, answer }
            }
            Step::Empty(empty) => Seen::Empty { codec: empty.codec.label(), answer: empty.answer },
            Step::Command(codec) => Seen::Command(codec.label()),
            Step::Refused(refused) if self.choices.keeps && refused.frame.is_some() => {
                let kept = self.session.keep(&refused, 0).unwrap();
                let answer = self.answer(&kept);
                Seen::Kept { refused, answer }
            }
            Step::Refused(refused) => Seen::Refused(refused),
        }
    }

    fn answer(&mut self, frame: &AcceptedFrame) -> Vec<u8> {
        assert!(self.session.in_hand());
        let answer = frame.answer(&confirm(frame)).unwrap();
        self.session.settle().unwrap();
        answer
    }
}

/// Everything that happens when the bytes come in these pieces.
pub(crate) fn seen<'a>(choices: Choices, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut conversation = Conversation::new(choices);
    for piece in pieces {
        conversation.feed(piece);
    }
    conversation.seen
}
