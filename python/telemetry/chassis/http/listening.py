"""Opens what the endpoints listen on: one address, or every one of the machine."""

from __future__ import annotations

import socket
from typing import Final

import trio

from telemetry.chassis.errors import ConfigError

EVERY_IPV6: Final = "::"


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on an address; `::` means IPv4 as well, as elsewhere; port 0 takes a free one.

    Raises ConfigError when the address is taken, not this machine's or not allowed.
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
    """Host and port that it listens on, as a URL has them."""
    host, port, *_ = listener.socket.getsockname()
    return _joined(host, port)


async def _listen_on_both_families(port: int) -> trio.SocketListener:
    """Trio's own listeners take IPv6 for IPv6 alone."""
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
