//! Properties of the counter of replies as plain functions; each panics where it does not hold.

use std::sync::LazyLock;

use codec::avl::{AcceptedFrame, Datagram, decode_datagram};
use codec::resp::{Outcome, Refusal, ReplyCounter};
use codec::xadd::StreamWriters;

static WRITERS: LazyLock<StreamWriters> = LazyLock::new(|| StreamWriters::new(&["s"], 0).unwrap());

/// A codec 8 record without elements.
const RECORD_BYTES: usize = 30;

/// A frame with this number of records.
pub(crate) fn frame_of(records: u8) -> AcceptedFrame {
    let header = [&[0xca, 0xfe, 1, 5, 0, 15], b"356307042441013".as_slice()].concat();
    let content = vec![0; RECORD_BYTES * usize::from(records)];
    let bytes = [&header, &[8, records][..], &content, &[records]].concat();
    let datagram = [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes[..]].concat();
    match decode_datagram(&datagram, &WRITERS, &mut Vec::new()) {
        Datagram::Accepted(frame) => frame,
        other => panic!("{other:?}"),
    }
}

/// What was sent: a frame with this number of records, or another command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent {
    Frame(u8),
    Other,
}

/// What a counter made of some replies; a confirmation is checked against the frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) settled: Vec<(usize, String)>,
    pub(crate) owed: usize,
    pub(crate) broken: Option<&'static str>,
    pub(crate) dropped: Vec<usize>,
}

pub(crate) fn counted<'a>(sent: &[Sent], pieces: impl IntoIterator<Item = &'a [u8]>) -> Counted {
    let frames: Vec<_> = sent
        .iter()
        .map(|one| match one {
            Sent::Frame(records) => Some(frame_of(*records)),
            Sent::Other => None,
        })
        .collect();
    let mut counter = ReplyCounter::new();
    for (place, frame) in frames.iter().enumerate() {
        match frame {
            Some(frame) => counter.expect(frame, place),
            None => counter.expect_other(place),
        }
    }
    let mut broken = None;
    let mut settled = Vec::new();
    for piece in pieces {
        broken = counter.feed(piece).err().map(|error| error.0);
        settled.extend(counter.take_settled());
    }
    let settled = settled.into_iter().map(|(place, outcome)| (place, described(&frames, place, &outcome))).collect();
    let owed = counter.owed();
    let dropped = counter.drop_expected();
    assert_eq!(counter.owed(), 0);
    Counted { settled, owed, broken, dropped }
}

fn described(frames: &[Option<AcceptedFrame>], place: usize, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(Refusal { error, .. }) => format!("{} | {}", error.code, error.message),
        Outcome::Reply(reply) => format!("{reply:?}"),
        Outcome::Confirmed(confirmation) => {
            for (other, frame) in frames.iter().enumerate() {
                let Some(frame) = frame else { continue };
                assert_eq!(frame.answer(confirmation).is_ok(), other == place);
            }
            "confirmed".to_owned()
        }
    }
}

/// Any bytes are counted or refused, the same however they are cut; waiters come out in order, each once.
pub(crate) fn cut_anywhere_is_whole(sent: &[Sent], wire: &[u8], cuts: &[usize]) -> Counted {
    let whole = counted(sent, [wire]);
    assert_eq!(counted(sent, wire.chunks(1)), whole, "byte by byte");
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    places.extend([0, wire.len()]);
    places.sort_unstable();
    let pieces = places.windows(2).map(|place| &wire[place[0]..place[1]]);
    assert_eq!(counted(sent, pieces), whole, "cut at {places:?}");
    let waiters = whole.settled.iter().map(|(place, _)| *place).chain(whole.dropped.iter().copied());
    assert!(waiters.eq(0..sent.len()), "{whole:?}");
    whole
}
