"""Redis as the processor uses it: one consumer's work on the group, over three connections.

`stream` is the door. Behind it `connections` keeps the connections open, `pending` has the pending entries list,
`acks` the acknowledgements, and `attempts_log` the attempts hash and dead letters. What has to happen in one atomic
step is a Lua script in `scripts`.
"""
