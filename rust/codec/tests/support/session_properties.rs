//! Properties of a session as plain functions of bytes; each panics where it does not hold.

use codec::avl::{Datagram, RECEIVE_BYTES, decode_datagram};

use super::avl_encoder::encode_frame;
use super::sessions::{Choices, Conversation, IMEI, LIMITS, Seen, confirm, login_of, seen, writers};

/// Header and checksum of a frame.
const AROUND_DATA_BYTES: usize = 12;

/// The bytes give the same steps in one piece, byte by byte, cut at these places, and received as the session asks for.
pub(crate) fn cut_anywhere_is_whole(wire: &[u8], cuts: &[usize], choices: Choices) {
    let whole = seen(choices, [wire]);
    assert_eq!(seen(choices, wire.chunks(1)), whole, "byte by byte");
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    places.extend([0, wire.len()]);
    places.sort_unstable();
    let pieces = places.windows(2).map(|place| &wire[place[0]..place[1]]);
    assert_eq!(seen(choices, pieces), whole, "cut at {places:?}");
    assert_eq!(seen_within_bounds(choices, wire), whole, "as wanted");
    answers_follow_steps(&whole);
}

/// The buffer holds one frame at most, and a session that wants nothing more of a frame holds nothing.
fn seen_within_bounds(choices: Choices, wire: &[u8]) -> Vec<Seen> {
    let mut conversation = Conversation::new(choices);
    let mut rest = wire;
    while !rest.is_empty() {
        let wanted = conversation.session.wanted_bytes();
        assert!(wanted > 0);
        let (piece, later) = rest.split_at(wanted.min(rest.len()));
        conversation.feed(piece);
        let session = &conversation.session;
        let buffered = session.buffered_bytes();
        assert!(buffered < RECEIVE_BYTES.max(LIMITS.frame_bytes_max + AROUND_DATA_BYTES));
        assert_eq!(session.is_at_boundary(), buffered == 0);
        assert!(!session.in_hand() && !session.may_hold_step());
        rest = later;
    }
    assert_eq!(conversation.session.received_bytes(), wire.len() as u64);
    conversation.seen
}

/// Nothing happens behind an end, and nothing is published before a login.
fn answers_follow_steps(steps: &[Seen]) {
    let mut is_known = false;
    for (place, step) in steps.iter().enumerate() {
        let ends = match step {
            Seen::Login { answer, .. } => {
                is_known = true;
                answer == &[0]
            }
            Seen::BadLogin(_) => true,
            Seen::Refused(refused) => refused.closes,
            Seen::Ping => continue,
            _ => false,
        };
        assert!(is_known || matches!(step, Seen::BadLogin(_)), "{step:?} before a login");
        assert!(!ends || place + 1 == steps.len(), "{step:?} did not end it");
    }
}

/// Each part of the bytes, up to the next `AA`, as the data field of a frame whose header and checksum are right,
/// behind a login: that takes the search into the frames.
pub(crate) fn as_frames(bytes: &[u8]) -> Vec<u8> {
    let frames = bytes.split(|byte| *byte == 0xaa).map(encode_frame);
    [login_of(IMEI)].into_iter().chain(frames).flatten().collect()
}

/// Any datagram is decoded or refused, and is answered as the protocol says.
pub(crate) fn any_datagram_is_decoded_or_refused(bytes: &[u8]) {
    let mut commands = Vec::new();
    match decode_datagram(bytes, &writers(), &mut commands) {
        Datagram::Accepted(frame) => {
            assert_eq!(commands.windows(6).filter(|word| word == b"\r\nXADD").count(), frame.replies);
            let answer = frame.answer(&confirm(&frame)).unwrap();
            assert_eq!(answer, [&[0, 5], &bytes[2..4], &[1, bytes[5], frame.records]].concat());
        }
        Datagram::Empty(_, empty) => {
            assert_eq!(empty.answer, [&[0, 5], &bytes[2..4], &[1, bytes[5], 0]].concat());
            assert!(commands.is_empty());
        }
        Datagram::Command(..) => assert!(commands.is_empty()),
        Datagram::Refused(_, refused) => {
            assert!(refused.offset <= bytes.len(), "{refused:?}");
            assert!(!refused.closes && refused.frame.is_none() && commands.is_empty());
        }
    }
}

/// The bytes as the data field of a datagram that is sound otherwise.
pub(crate) fn as_datagram(data: &[u8]) -> Vec<u8> {
    let header = [&[0xca, 0xfe, 1, 5, 0, 15], IMEI.as_bytes()].concat();
    let length = u16::try_from(header.len() + data.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), &header[..], data].concat()
}
