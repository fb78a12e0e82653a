"""Free TCP ports for servers that may be stopped and started again."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from dev.servers.errors import ServerError

HOST = "127.0.0.1"
FIRST_PORT = 10_000
TRIES = 200
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL_FIRST_DEFAULT = 32_768


def free_port() -> int:
    """A port below the ephemeral range on which nothing listens.

    Not a port that the kernel picks: while a server is down, a client that keeps connecting to a port of
    the ephemeral range is, sooner or later, given that very port as its own, connects to itself
    and keeps the server from coming back (TCP simultaneous open).
    """
    for _ in range(TRIES):
        port = random.randrange(FIRST_PORT, _ephemeral_first())  # noqa: S311  # not a secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    raise ServerError(
        f"no free port on {HOST} in {TRIES} tries; is something listening on all of them?"
    )


def _ephemeral_first() -> int:
    try:
        return max(int(EPHEMERAL_RANGE.read_text().split()[0]), FIRST_PORT + TRIES)
    except FileNotFoundError:
        return EPHEMERAL_FIRST_DEFAULT
