//! Any bytes through the counter of replies, cut at places that the first bytes choose; they choose the frames, too.
#![no_main]

#[path = "../../codec/tests/support/counter_properties.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod counter_properties;

use libfuzzer_sys::fuzz_target;

use counter_properties::Sent;

/// Bytes that choose the cuts, and what was sent.
const CHOICES: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let (choices, wire) = bytes.split_at(bytes.len().min(CHOICES));
    let (cuts, sent) = choices.split_at(choices.len() / 2);
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut)).collect();
    let sent: Vec<Sent> =
        sent.iter().map(|&byte| if byte % 4 == 0 { Sent::Other } else { Sent::Frame(byte % 4) }).collect();
    counter_properties::cut_anywhere_is_whole(&sent, wire, &cuts);
});
