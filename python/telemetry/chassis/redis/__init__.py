"""The one door to clients of Redis, for every service.

`connection` and `opening` are our own client: bytes between Trio streams and the Rust codec, without a Python object
for a single entry. Every exchange has a deadline, and a connection whose exchange was cut short is closed: a late
reply must never be taken for the next one. `client` opens the `redis` package's client, for tools that may block.
"""
