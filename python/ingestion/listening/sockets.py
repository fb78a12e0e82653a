"""The sockets that devices reach, and how the kernel finds out that a link is dead.

What is set on a listening socket holds for each connection that it accepts: Linux copies the options.
"""

from __future__ import annotations

import socket
from typing import Final

from ingestion.listening.packet_info import ask_for_destination
from telemetry.chassis.sockets import open_sockets

HOST_VARIABLE: Final = "TELTONIKA_HOST"
# Carriers' NAT forgets a silent link after about 350 s: this keeps it, and costs the device one packet in five minutes.
KEEPALIVE_IDLE_S: Final = 300
KEEPALIVE_INTERVAL_S: Final = 20
KEEPALIVE_COUNT: Final = 3
# Linux uses this bound in place of the count: a shorter one would end a link at its first lost probe.
USER_TIMEOUT_MS: Final = (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_COUNT) * 1000


async def open_tcp(host: str, port: int, *, port_variable: str) -> list[socket.socket]:
    """Listen for connections of devices. Raises ConfigError if the address cannot be used."""
    return await open_sockets(
        socket.SOCK_STREAM,
        host,
        port,
        variables=(HOST_VARIABLE, port_variable),
        prepare=_prepare_tcp,
    )


async def open_udp(host: str, port: int, *, port_variable: str) -> list[socket.socket]:
    """Bind for datagrams of devices; each comes with the address that it was sent to. Raises ConfigError."""
    return await open_sockets(
        socket.SOCK_DGRAM,
        host,
        port,
        variables=(HOST_VARIABLE, port_variable),
        prepare=ask_for_destination,
    )


def _prepare_tcp(listening: socket.socket) -> None:
    tcp = socket.IPPROTO_TCP
    listening.setsockopt(tcp, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(tcp, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    listening.setsockopt(tcp, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    listening.setsockopt(tcp, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    listening.setsockopt(tcp, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
