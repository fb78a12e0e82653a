"""Opens the sockets that a service listens on: on one address, or on every address of the machine."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import trio

from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_IPV6: Final = "::"
# After a restart all clients may come at once. The kernel cuts it to net.core.somaxconn.
BACKLOG: Final = 4096


def joined(host: str, port: int) -> str:
    """A host and a port, as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_of(listening: socket.socket | trio.socket.SocketType) -> str:
    """The host and the port that a socket is bound to, as in a URL."""
    host, port, *_ = listening.getsockname()
    return joined(host, port)


def nothing(_: socket.socket) -> None:
    """For a socket that needs no further options."""


async def open_sockets(
    kind: socket.SocketKind,
    host: str,
    port: int,
    *,
    variables: tuple[str, str],
    prepare: Callable[[socket.socket], None] = nothing,
) -> list[socket.socket]:
    """Bind a socket for each address of the host, and listen on it if it is a stream; none of them blocks.

    `::` includes IPv4, as it does elsewhere; port 0 takes a free one, the same for all of them. `prepare` is called
    with each socket before it is bound. Raises ConfigError if the address is in use, not allowed, or not one of this
    machine; `variables` are those of host and port.
    """
    if host == EVERY_IPV6 and not socket.has_dualstack_ipv6():
        raise ConfigError(
            f"{variables[0]}: cannot listen on {host}: this machine has no IPv6; set {variables[0]}=0.0.0.0"
        )
    opened: list[socket.socket] = []
    try:
        for family, address in await _addresses(kind, host, port):
            opened.append(listening := socket.socket(family, kind))
            prepare(listening)
            _listen(listening, (address, port), is_dual=host == EVERY_IPV6)
            port = listening.getsockname()[1]
    except OSError as error:
        _close(opened)
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{', '.join(variables)}: cannot listen on {joined(host, port)}: {reason}; "
            "stop what listens there, or set another port"
        ) from error
    except BaseException:
        _close(opened)
        raise
    return opened


async def _addresses(
    kind: socket.SocketKind, host: str, port: int
) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of a host, of those families that this machine has."""
    found = await trio.socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
    usable: list[tuple[socket.AddressFamily, str]] = [
        (family, str(address[0])) for family, _, _, _, address in found if _has(family)
    ]
    if not usable:
        raise OSError(errno.EAFNOSUPPORT, "this machine has no such addresses")
    return usable


def _has(family: socket.AddressFamily) -> bool:
    try:
        socket.socket(family).close()
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return False
        raise
    return True


def _listen(listening: socket.socket, address: tuple[str, int], *, is_dual: bool) -> None:
    listening.settimeout(0)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual)
    if listening.type == socket.SOCK_STREAM:
        # Connections of an earlier life that linger in TIME_WAIT do not keep the port from us.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(address)
    if listening.type == socket.SOCK_STREAM:
        listening.listen(BACKLOG)


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
