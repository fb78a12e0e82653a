"""The Redis edge of the service: bytes between Trio streams and the Rust codec, no object for an entry.

Every exchange has a deadline, and a connection whose exchange was cut is closed: a late reply must never pass for
the next one. What has to happen in one step is a Lua script in `scripts`.
"""
