//! Properties of reply parsing over generated replies and noise: how the bytes are cut, and how entries are grouped,
//! changes nothing.

use codec::StreamId;
use codec::batch::Batch;
use codec::position::Limits;
use codec::resp::{Delivery, Expect, Outside};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::replies::{Entry, PROTOCOLS, Protocol, claim_reply, comparable, delivery, outcomes, read_reply};
use crate::reply_properties as properties;
use crate::samples::{MEMBERS, NOW_MS, object, with, with_bytes};

/// 2026-05-01T09:30:00Z, the first of the times in the payloads.
const FIRST_TS_MS: u64 = 1_777_627_800_000;

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..5u8).prop_map(|second| with("timestamp", &format!("\"2026-05-01T09:30:0{second}Z\"")).0.into_bytes()),
        1 => Just(object(MEMBERS).as_bytes()[..90].to_vec()),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 1..4).prop_map(|bytes| with_bytes(&with("attributes", "{\"239\":\"?\"}").0, &bytes).0),
        1 => Just(vec![b' '; 600]),
        1 => Just(Vec::new()),
    ]
}

fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    prop_oneof![
        4 => payload().prop_map(|payload| (b"payload".to_vec(), payload)),
        4 => select(vec!["8", "8E", "16", "", "99", "a label that is far too long"])
            .prop_map(|label| (b"codec".to_vec(), label.as_bytes().to_vec())),
        2 => vec(any::<u8>(), 0..80).prop_map(|text| (b"device_id".to_vec(), text)),
        1 => (vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..400)),
    ]
}

/// Mostly a time within the window of the payloads above or at its edges, else whatever an id may hold.
fn id_ms() -> impl Strategy<Value = u64> {
    const EDGES_MS: [u64; 2] = [FIRST_TS_MS - 86_400_000, FIRST_TS_MS + 3650 * 86_400_000];
    prop_oneof![
        8 => NOW_MS..NOW_MS + 3,
        2 => (select(&EDGES_MS[..]), 0..5_000u64).prop_map(|(edge, after)| edge + after),
        1 => 0..3u64,
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

/// When a server may think that it is; every time there is, and mostly one near the payloads.
fn server_us() -> impl Strategy<Value = i64> {
    let near = (id_ms(), -1000..1000i64).prop_map(|(ms, us)| StreamId { ms, seq: 0 }.time_us().saturating_add(us));
    prop_oneof![4 => near, 1 => any::<i64>()]
}

fn entry() -> impl Strategy<Value = Entry> {
    let id = || (id_ms(), 0..1_000_000u64).prop_map(|(ms, seq)| StreamId { ms, seq });
    let common = (id(), payload()).prop_map(|(id, payload)| Entry { id, ..Entry::common(0, &payload) });
    let odd = (id(), proptest::option::weighted(0.8, vec(field(), 0..6))).prop_map(|(id, fields)| Entry { id, fields });
    prop_oneof![3 => common, 1 => odd]
}

/// Entries in the order of the stream.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec(entry(), 0..12).prop_map(|mut entries| {
        entries.sort_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        entries
    })
}

/// A connection's replies, one behind the other, as both protocols have them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let protocol = || select(&PROTOCOLS[..]);
    let reply = prop_oneof![
        (protocol(), vec(entry(), 0..4)).prop_map(|(protocol, entries)| read_reply(protocol, &entries)),
        (protocol(), vec(entry(), 0..3)).prop_map(|(protocol, entries)| { claim_reply(protocol, &entries) }),
        select(vec![
            "*-1\r\n",
            "_\r\n",
            "+OK\r\n",
            ":5\r\n",
            "$3\r\nabc\r\n",
            "-NOGROUP no\r\n",
            "!5\r\nERR x\r\n",
            ">1\r\n+x\r\n",
            "%1\r\n+a\r\n:1\r\n",
            "|1\r\n+a\r\n:1\r\n,1.5\r\n",
            "#t\r\n",
            "*3\r\n_\r\n*-1\r\n$-1\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec(reply, 0..4).prop_map(|replies| replies.concat())
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (stream(), vec((any::<Index>(), any::<u8>()), 0..3)).prop_map(|(mut wire, damages)| {
        for (place, byte) in damages {
            if !wire.is_empty() {
                let place = place.index(wire.len());
                wire[place] = byte;
            }
        }
        wire
    })
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..6)
}

fn one_by_one(protocol: Protocol, entries: &[Entry]) -> Vec<Delivery> {
    entries.iter().map(|entry| delivery(Expect::Read, &read_reply(protocol, std::slice::from_ref(entry)))).collect()
}

proptest! {
    #[test]
    fn replies_come_out_the_same_however_they_are_cut(wire in stream(), cuts in cuts()) {
        properties::cut_anywhere_is_whole(&wire, &cuts);
    }

    #[test]
    fn damaged_replies_come_out_the_same_however_they_are_cut(wire in damaged(), cuts in cuts()) {
        properties::cut_anywhere_is_whole(&wire, &cuts);
    }

    #[test]
    fn noise_comes_out_the_same_however_it_is_cut(wire in "[-+:$*%_#,(!=~>|0-9a\\r\\n]{0,60}", cuts in cuts()) {
        properties::cut_anywhere_is_whole(wire.as_bytes(), &cuts);
    }

    #[test]
    fn both_protocols_say_the_same(entries in vec(entry(), 0..8)) {
        let [two, three] = PROTOCOLS.map(|protocol| comparable(&delivery(Expect::Read, &read_reply(protocol, &entries))));
        assert_eq!(two, three);
    }

    #[test]
    fn a_claim_is_a_read_without_the_streams_name(entries in vec(entry(), 0..8)) {
        for protocol in PROTOCOLS {
            let claim = delivery(Expect::Claim, &claim_reply(protocol, &entries));
            assert_eq!(comparable(&claim), comparable(&delivery(Expect::Read, &read_reply(protocol, &entries))));
        }
    }

    #[test]
    fn a_delivery_is_its_entries_one_by_one(entries in entries(), server_us in server_us()) {
        let together = delivery(Expect::Read, &read_reply(Protocol::Resp3, &entries)).judged(server_us);
        let each: Vec<Delivery> =
            one_by_one(Protocol::Resp3, &entries).into_iter().map(|one| one.judged(server_us)).collect();
        let batches: Vec<&Batch> = each.iter().map(|delivery| &delivery.batch).collect();
        let spans = each.iter().filter_map(|delivery| delivery.span);
        let joined = Delivery {
            entries: each.iter().map(|delivery| delivery.entries).sum(),
            batch: Batch::merge(&batches),
            rejections: each.iter().flat_map(|delivery| delivery.rejections.clone()).collect(),
            outside: Outside::default(),
            missing: each.iter().flat_map(|delivery| delivery.missing.clone()).collect(),
            span: spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))),
        };
        assert_eq!(comparable(&together), comparable(&joined));
    }

    #[test]
    fn outside_is_what_is_outside_of_both_windows(entries in entries(), server_us in server_us()) {
        let outside =
            properties::outside_is_what_is_outside_of_both_windows(&read_reply(Protocol::Resp2, &entries), server_us);
        assert!(outside.is_some(), "the reply is sound");
    }
}

#[test]
fn a_header_line_is_too_long_however_it_is_cut() {
    for (length, fits) in [(65_535, true), (65_536, true), (65_537, false), (70_000, false)] {
        let wire = format!("+{}\r\n", "x".repeat(length));
        for piece_bytes in [wire.len(), wire.len() - 1, 65_538, 1000] {
            let (replies, error) = outcomes(None, Limits::default(), wire.as_bytes().chunks(piece_bytes));
            assert_eq!((replies.len() == 1, error.is_none()), (fits, fits), "{length} in pieces of {piece_bytes}");
        }
    }
}
