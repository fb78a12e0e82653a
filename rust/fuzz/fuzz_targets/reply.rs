//! Any bytes through the reply parser, cut at places that the first bytes choose; they are the server's clock, too.
#![no_main]

#[path = "../../codec/tests/support/copy_reader.rs"]
mod copy_reader;
#[path = "../../codec/tests/support/replies.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod replies;
#[path = "../../codec/tests/support/reply_properties.rs"]
mod reply_properties;
#[path = "../../codec/tests/support/samples.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod samples;

use libfuzzer_sys::fuzz_target;

/// Bytes that choose the cuts.
const CUTS: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let (cuts, wire) = bytes.split_at(bytes.len().min(CUTS));
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut)).collect();
    reply_properties::cut_anywhere_is_whole(wire, &cuts);
    let server_s = cuts.iter().fold(0, |seconds: i64, &cut| (seconds << 8) | cut as i64);
    reply_properties::outside_is_what_is_outside_of_both_windows(wire, server_s * 1_000_000);
});
