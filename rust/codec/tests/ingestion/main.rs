//! A device's conversation by the contract: published packets, a table for every state, and anything that can be built.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/avl_encoder.rs"]
#[allow(dead_code, reason = "the tests of the decoder use the rest")]
mod avl_encoder;
#[path = "../support/counter_properties.rs"]
mod counter_properties;
#[path = "../support/session_properties.rs"]
mod session_properties;
#[path = "../support/sessions.rs"]
mod sessions;
#[path = "../support/vectors.rs"]
mod vectors;

mod clocks;
mod commands;
mod counting;
mod datagrams;
mod generated;
mod logins;
mod published;
mod refusals;
