"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from telemetry.chassis.sockets import joined


@dataclass(frozen=True, slots=True)
class Peer:
    """An address and a port; an IPv4 address is one, even if it came through a socket of IPv6."""

    address: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return joined(str(self.address), self.port)


def peer_of(address: Any) -> Peer:  # noqa: ANN401  # as the socket module has it
    """The peer that `accept` or `recvmsg` named: a tuple whose first two are host and port."""
    host, port, *_ = address
    return Peer(unmapped(ip_address(host)), port)


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address without the wrapping of IPv4 in IPv6, and without a zone."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(address.packed)
    return address
