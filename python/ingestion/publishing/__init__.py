"""From accepted frames to the streams in Redis: the only place that may say that a frame is stored.

A publisher a stream, with a connection each, and one bound over all of them. Nothing in Python runs once a record:
frames bring their commands ready for the wire, and Redis' replies are counted in Rust. Nothing is sent twice that may
have been taken. What Redis did not confirm is dropped unanswered, and the device sends it again; but what a node of a
cluster has not taken, since the slot is or goes elsewhere, is sent on.
"""
