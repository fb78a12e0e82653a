"""Which errors of Redis say that this server is not, or not yet, the one to work on."""

from __future__ import annotations

from typing import Final

ELSEWHERE_CODES: Final = frozenset(
    {
        "READONLY",  # a replica, since a failover
        "MASTERDOWN",  # a replica that has lost its master
        "NOREPLICAS",  # a master that was cut off from its replicas, of which one may be master now
        "LOADING",  # the right one, which is not ready
        "CLUSTERDOWN",  # a node without its cluster
        "MOVED",  # a node that has given the slot away
    }
)
"""The first words of such errors."""

ROLE_CHANGED: Final = "instance state changed"
"""In the error that ends a blocked read when a master becomes a replica; its code ends other reads as well."""


def points_elsewhere(message: str) -> bool:
    """Whether only a new connection helps, to wherever the name points by then.

    `message` is the whole error, its code first. Redis' own names for these errors: src/server.c,
    "shared.*err", and src/replication.c, replicationSetMaster.
    """
    return message.partition(" ")[0] in ELSEWHERE_CODES or ROLE_CHANGED in message
