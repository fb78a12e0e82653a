//! Any bytes as a device's conversation, cut at places that the first bytes choose: as they are, and as the data fields
//! of frames.
#![no_main]

#[path = "../../codec/tests/support/avl_encoder.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod avl_encoder;
#[path = "../../codec/tests/support/session_properties.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod session_properties;
#[path = "../../codec/tests/support/sessions.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod sessions;

use libfuzzer_sys::fuzz_target;

/// Bytes that choose the cuts.
const CUTS: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let (cuts, wire) = bytes.split_at(bytes.len().min(CUTS));
    let keeps = cuts.first().is_some_and(|byte| byte % 2 == 1);
    let choices = sessions::Choices { admits: true, keeps };
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut)).collect();
    session_properties::cut_anywhere_is_whole(wire, &cuts, choices);
    session_properties::cut_anywhere_is_whole(&session_properties::as_frames(wire), &cuts, choices);
});
