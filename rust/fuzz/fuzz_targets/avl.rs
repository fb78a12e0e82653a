//! Any bytes through the AVL decoder: as they are, and as the data field of a frame with a right checksum.
#![no_main]

#[path = "../../codec/tests/support/avl_encoder.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod avl_encoder;
#[path = "../../codec/tests/support/avl_properties.rs"]
#[allow(dead_code, reason = "the property tests use the rest")]
mod avl_properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    avl_properties::any_bytes_are_decoded_or_refused(bytes);
    avl_properties::any_data_field_is_decoded_or_refused(bytes);
});
