"""Opens the listeners of the endpoints: on one address, or on every address of the machine."""

from __future__ import annotations

import socket
from typing import Final

import trio

from telemetry.chassis.errors import ConfigError

EVERY_IPV6: Final = "::"


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on an address. `::` includes IPv4, as it does elsewhere; port 0 takes a free port.

    Raises ConfigError if the address is in use, not allowed, or not one of this machine.
    """
    try:
        if host == EVERY_IPV6:
            return [await _listen_on_both_families(port)]
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"METRICS_HOST, METRICS_PORT: cannot listen on {_joined(host, port)}: {reason}; "
            "stop what listens there, or set another port"
        ) from error


def address_of(listener: trio.SocketListener) -> str:
    """The host and port of a listener, as in a URL."""
    host, port, *_ = listener.socket.getsockname()
    return _joined(host, port)


async def _listen_on_both_families(port: int) -> trio.SocketListener:
    """Trio's own listeners take `::` for IPv6 alone."""
    if not socket.has_dualstack_ipv6():
        raise ConfigError(
            f"METRICS_HOST: cannot listen on {EVERY_IPV6}: this machine has no IPv6; "
            "set METRICS_HOST=0.0.0.0"
        )
    listening = trio.socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        await listening.bind((EVERY_IPV6, port))
        listening.listen(socket.SOMAXCONN)
    except BaseException:
        listening.close()
        raise
    return trio.SocketListener(listening)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
