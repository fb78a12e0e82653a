"""The sockets that devices reach: their queue, and how the kernel finds out that a link is dead.

What is set on a listening socket holds for each connection that it accepts: Linux copies the options.
"""

from __future__ import annotations

import socket
from typing import Final

from telemetry.chassis.sockets import EVERY_IPV6, open_sockets

EVERY_IPV4: Final = "0.0.0.0"  # noqa: S104  # devices are to reach every address
# After a restart all devices come at once. The kernel cuts it to net.core.somaxconn.
BACKLOG: Final = 4096
# Carriers' NAT forgets a silent link after about 350 s: this keeps it, and costs the device one packet in five minutes.
KEEPALIVE_IDLE_S: Final = 300
KEEPALIVE_INTERVAL_S: Final = 20
KEEPALIVE_COUNT: Final = 3
# Linux uses this bound in place of the count: a shorter one would end a link at its first lost probe.
USER_TIMEOUT_MS: Final = (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_COUNT) * 1000


async def open_tcp(host: str, port: int, *, variable: str) -> list[socket.socket]:
    """Listen for devices; an empty host means every address of both families, as far as the machine has them.

    Raises ConfigError, which names `variable` as that of the port.
    """
    return await open_sockets(
        socket.SOCK_STREAM,
        host or every_address(),
        port,
        variables=("TELTONIKA_HOST", variable),
        prepare=_prepare,
        backlog=BACKLOG,
    )


def every_address() -> str:
    """What to bind for all addresses of the machine."""
    return EVERY_IPV6 if socket.has_dualstack_ipv6() else EVERY_IPV4


def _prepare(listening: socket.socket) -> None:
    tcp = socket.IPPROTO_TCP
    listening.setsockopt(tcp, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(tcp, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    listening.setsockopt(tcp, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    listening.setsockopt(tcp, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    listening.setsockopt(tcp, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
