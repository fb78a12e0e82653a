//! Any conversation and any replies: how the bytes are cut changes nothing, and nothing panics.

use codec::avl::{Codec, Record};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::avl_encoder::{encode_frame, encode_records};
use crate::counter_properties::{self, Sent};
use crate::session_properties as properties;
use crate::sessions::{Choices, IMEI, login_of};

fn any_choices() -> impl Strategy<Value = Choices> {
    (prop::bool::weighted(0.9), any::<bool>()).prop_map(|(admits, keeps)| Choices { admits, keeps })
}

fn any_cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..6)
}

fn any_codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::C8), Just(Codec::C8E), Just(Codec::C16)]
}

fn sound_frame() -> impl Strategy<Value = Vec<u8>> {
    let record = (any::<u64>(), any::<i32>()).prop_map(|(timestamp_ms, place)| Record {
        timestamp_ms,
        priority: 0,
        longitude_e7: place,
        latitude_e7: place,
        altitude_m: 0,
        angle_deg: 0,
        satellites: 0,
        speed_kmh: 0,
        event_id: 0,
        generation_type: None,
        elements: vec![],
    });
    (any_codec(), vec(record, 0..5)).prop_map(|(codec, mut records)| {
        for record in &mut records {
            record.generation_type = (codec == Codec::C16).then_some(1);
        }
        encode_records(codec, &records)
    })
}

/// What devices send, damaged now and then.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (sound_frame(), any::<Index>(), any::<u8>()).prop_map(|(mut frame, place, byte)| {
        let place = place.index(frame.len());
        frame[place] = byte;
        frame
    });
    let checked =
        (any::<u8>(), vec(0..3_u8, 0..60)).prop_map(|(codec, data)| encode_frame(&[&[codec], &data[..]].concat()));
    prop_oneof![
        8 => sound_frame(),
        2 => Just(vec![0xff]),
        1 => Just(login_of(IMEI)),
        1 => Just(login_of("123456789012345")),
        2 => damaged,
        1 => (4_000..5_100_usize).prop_map(|length| encode_frame(&vec![0x99; length])),
        2 => checked,
        1 => vec(any::<u8>(), 0..30),
    ]
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| {
            let id = format!("{ms}-{seq}");
            format!("${}\r\n{id}\r\n", id.len()).into_bytes()
        }),
        2 => vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..20).prop_map(|text| error_line(&text)),
        1 => any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        1 => prop_oneof![Just("+OK"), Just("_"), Just("$-1"), Just("*0")].prop_map(|line| [line.as_bytes(), b"\r\n"].concat()),
    ]
}

/// Whatever is in it, but for its own end.
fn error_line(text: &[u8]) -> Vec<u8> {
    let mut line = vec![b'-'];
    for byte in text {
        if !(*byte == b'\n' && line.last() == Some(&b'\r')) {
            line.push(*byte);
        }
    }
    [&line, b"\r\n".as_slice()].concat()
}

fn any_sent() -> impl Strategy<Value = Vec<Sent>> {
    vec(prop_oneof![4 => (1..6_u8).prop_map(Sent::Frame), 1 => Just(Sent::Other)], 0..8)
}

/// What the counter has to say, from the replies one by one.
fn expected(sent: &[Sent], replies: &[Vec<u8>]) -> Vec<(usize, bool)> {
    let mut replies = replies.iter();
    let mut expected = Vec::new();
    for (place, one) in sent.iter().enumerate() {
        let count = if let Sent::Frame(records) = one { usize::from(*records) } else { 1 };
        let own: Vec<_> = replies.by_ref().take(count).collect();
        let is_frame = matches!(one, Sent::Frame(_));
        let is_in_place = |reply: &&Vec<u8>| match reply[0] {
            b'-' => true,
            b'$' => !is_frame || reply.get(1) != Some(&b'-'),
            b'*' => false,
            _ => !is_frame,
        };
        if own.len() < count || !own.iter().all(is_in_place) {
            break;
        }
        expected.push((place, own.iter().all(|reply| reply[0] != b'-')));
    }
    expected
}

proptest! {
    #[test]
    fn any_conversation_is_the_same_however_it_is_cut(
        messages in vec(message(), 0..8),
        logs_in in prop::bool::weighted(0.9),
        cuts in any_cuts(),
        choices in any_choices(),
    ) {
        let login = if logs_in { login_of(IMEI) } else { Vec::new() };
        let wire = [login, messages.concat()].concat();
        properties::cut_anywhere_is_whole(&wire, &cuts, choices);
    }

    #[test]
    fn any_bytes_are_the_same_conversation_however_they_are_cut(
        bytes in vec(any::<u8>(), 0..200),
        cuts in any_cuts(),
        choices in any_choices(),
    ) {
        properties::cut_anywhere_is_whole(&bytes, &cuts, choices);
        properties::cut_anywhere_is_whole(&properties::as_frames(&bytes), &cuts, choices);
    }

    #[test]
    fn any_datagram_is_decoded_or_refused(
        frame in sound_frame(),
        bytes in vec(prop_oneof![3 => 0..16_u8, 1 => any::<u8>()], 0..100),
        place in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut datagram = properties::as_datagram(&frame[8..frame.len() - 4]);
        properties::any_datagram_is_decoded_or_refused(&datagram);
        let place = place.index(datagram.len());
        datagram[place] = byte;
        properties::any_datagram_is_decoded_or_refused(&datagram);
        properties::any_datagram_is_decoded_or_refused(&bytes);
        properties::any_datagram_is_decoded_or_refused(&properties::as_datagram(&bytes));
    }

    #[test]
    fn replies_are_counted_the_same_however_they_are_cut_and_as_their_frames_need_them(
        sent in any_sent(),
        replies in vec(reply(), 0..24),
        cuts in any_cuts(),
    ) {
        let counted = counter_properties::cut_anywhere_is_whole(&sent, &replies.concat(), &cuts);
        let settled: Vec<_> =
            counted.settled.iter().map(|(place, outcome)| (*place, !outcome.contains(" | "))).collect();
        prop_assert_eq!(settled, expected(&sent, &replies));
    }

    #[test]
    fn any_bytes_are_counted_or_refused(sent in any_sent(), bytes in vec(any::<u8>(), 0..100), cuts in any_cuts()) {
        counter_properties::cut_anywhere_is_whole(&sent, &bytes, &cuts);
    }
}
