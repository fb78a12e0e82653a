"""Redis Cluster: which node has a key, and what a node's redirections mean.

`slots`, `redirections` and `nodes` are pure. `homes` opens connections to where keys are, `following` is a connection
that goes after a slot on the move, `detour` is its way to the node that the slot moves to. On a single server none of
it costs more than a look at what the server said when it was greeted.
"""
