//! Any bytes as a datagram: as they are, and as the data field of a sound one.
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

fuzz_target!(|bytes: &[u8]| {
    session_properties::any_datagram_is_decoded_or_refused(bytes);
    session_properties::any_datagram_is_decoded_or_refused(&session_properties::as_datagram(bytes));
});
