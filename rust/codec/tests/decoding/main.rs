//! Replies to rows, by the contract: a table for every clause, a second reader for every value, a model for every state.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails by panicking, and rows are compared bit by bit"
)]

#[path = "../support/array_reader.rs"]
mod array_reader;
#[path = "../support/copy_reader.rs"]
mod copy_reader;
#[path = "../support/payload_properties.rs"]
mod payload_properties;
#[path = "../support/replies.rs"]
mod replies;
#[path = "../support/reply_properties.rs"]
mod reply_properties;
#[path = "../support/samples.rs"]
mod samples;

mod arrays;
mod attributes;
mod batches;
mod devices;
mod documents;
mod entries;
mod fields;
mod generated_payloads;
mod generated_replies;
mod in_flight;
mod keys;
mod read_ranges;
mod values;
mod window;
