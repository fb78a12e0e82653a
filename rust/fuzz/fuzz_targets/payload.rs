//! Any bytes through the Position decoder, with `serde_json` as the second opinion: as they are, and as the attributes
//! of a Position that is sound otherwise.
#![no_main]

#[path = "../../codec/tests/support/copy_reader.rs"]
mod copy_reader;
#[path = "../../codec/tests/support/payload_properties.rs"]
mod payload_properties;
#[path = "../../codec/tests/support/samples.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod samples;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hold(bytes);
    hold(&samples::with_bytes(&samples::with("attributes", "?").0, bytes).0);
});

fn hold(payload: &[u8]) {
    payload_properties::any_payload_is_decoded_or_refused(payload);
    payload_properties::bad_json_is_what_serde_json_refuses(payload);
    payload_properties::stored_attributes_are_those_that_were_sent(payload);
}
