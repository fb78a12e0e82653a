"""The Redis edge of the hot path: bytes between Trio streams and the Rust codec, no object for an entry."""
