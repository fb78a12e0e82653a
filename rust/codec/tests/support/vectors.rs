//! The published vectors, row by row.

use serde_json::Value as Json;

const FRAMES: &str = include_str!("../../../../tests/vectors/frames.jsonl");
const MALFORMED: &str = include_str!("../../../../tests/vectors/malformed.jsonl");
const CONVERSATIONS: &str = include_str!("../../../../tests/vectors/handshake.jsonl");

fn rows(text: &'static str) -> impl Iterator<Item = Json> {
    text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap())
}

/// Packets over `tcp` or `udp`.
pub(crate) fn frames(transport: &'static str) -> impl Iterator<Item = Json> {
    rows(FRAMES).filter(move |row| row["transport"] == transport)
}

/// Damaged inputs: `tcp_frame`, `udp_datagram` or `imei`.
pub(crate) fn malformed(input: &'static str) -> impl Iterator<Item = Json> {
    rows(MALFORMED).filter(move |row| row["input"] == input)
}

/// Conversations, step by step.
pub(crate) fn conversations() -> impl Iterator<Item = Json> {
    rows(CONVERSATIONS)
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What stands under the key `hex`.
pub(crate) fn bytes_of(row: &Json) -> Vec<u8> {
    from_hex(row["hex"].as_str().unwrap())
}
