"""Opens the listeners of the endpoints: on one address, or on every address of the machine."""

from __future__ import annotations

import socket

import trio

from telemetry.chassis import sockets


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on an address. `::` includes IPv4, as it does elsewhere; port 0 takes a free port.

    Raises ConfigError if the address is in use, not allowed, or not one of this machine.
    """
    opened = await sockets.open_sockets(
        socket.SOCK_STREAM, host, port, variables=("METRICS_HOST", "METRICS_PORT")
    )
    return [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in opened]


def address_of(listener: trio.SocketListener) -> str:
    """The host and port of a listener, as in a URL."""
    return sockets.address_of(listener.socket)
