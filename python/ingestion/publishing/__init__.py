"""From accepted frames to the streams in Redis: the only place that may say that a frame is stored.

A publisher a stream, with a connection each, and one bound over all of them. Nothing in Python runs once a record:
frames bring their commands ready for the wire, and Redis' replies are counted in Rust. Nothing is sent twice. What
Redis did not confirm is dropped unanswered, and the device sends it again.
"""
