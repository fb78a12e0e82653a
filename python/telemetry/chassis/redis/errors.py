"""What a failure on a connection means: the system's and the server's words as our errors, fit for a log."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Final

from telemetry.chassis.errors import RedisMoved, RedisRefused

ELSEWHERE_CODES: Final = frozenset(
    {
        "READONLY",  # a replica, since a failover
        "MASTERDOWN",  # a replica that has lost its master
        "NOREPLICAS",  # a master that was cut off from its replicas, of which one may be master now
        "LOADING",  # the right server, which is not ready
        "CLUSTERDOWN",  # a node without its cluster
        "MOVED",  # a node that has given the slot away
    }
)
"""The first words of errors after which only a new connection helps."""

ROLE_CHANGED: Final = "instance state changed"
"""In the error that ends a blocked read when a master becomes a replica; its code ends other reads as well."""

# Redis ends the refusal of an unknown command with its arguments, and those of AUTH are secret.
_ECHOED_ARGUMENTS: Final = ", with args beginning with"
# It ends the error of a command in a script with the script's hash and line.
_SCRIPT_TRACE: Final = " script: "


def points_elsewhere(message: str) -> bool:
    """Whether only a new connection helps, to wherever the name points by then.

    `message` is the whole error, its code first. Redis' own names for these errors: src/server.c,
    "shared.*err", and src/replication.c, replicationSetMaster.
    """
    return message.partition(" ")[0] in ELSEWHERE_CODES or ROLE_CHANGED in message


def refusal_of(message: str, *, where: str) -> RedisRefused:
    """The error for what Redis answered, without what it may echo of secrets; RedisMoved if it points elsewhere."""
    text = message.partition(_ECHOED_ARGUMENTS)[0].partition(_SCRIPT_TRACE)[0]
    kind = RedisMoved if points_elsewhere(text) else RedisRefused
    return kind(text, where=where, code=text.partition(" ")[0])


def plain_reason(error: BaseException) -> str:
    """What the system or the TLS library said at the bottom of `error`, for operators; empty if it said nothing."""
    if isinstance(error, ExceptionGroup):
        # One failure for each address of a name, and mostly the same.
        return ", ".join(dict.fromkeys(map(plain_reason, error.exceptions)))
    if error.__cause__ is not None:
        return plain_reason(error.__cause__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return _system_reason(error)
    return str(error)


def _system_reason(error: OSError) -> str:
    # By number, since Trio puts the address into the text; name resolution has numbers of its own.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error)
