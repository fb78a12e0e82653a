"""Connections to Redis: bytes between Trio streams and the Rust codec, no object for a single entry."""
