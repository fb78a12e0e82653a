"""The address that a datagram was sent to, from the kernel and back to it.

A machine may have several addresses, and an answer from another one than the device wrote to is dropped by its NAT.
Source: ip(7), IP_PKTINFO; RFC 3542, section 6.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Ancillary: TypeAlias = tuple[int, int, bytes]

# linux/in.h; Python has a name for it from 3.14 on.
IP_PKTINFO: Final = 8
# The interface's index, the local address, the destination in the header.
IPV4_INFO: Final = struct.Struct("=I4s4s")
# The destination, which for IPv4 is mapped into IPv6, and the interface's index.
IPV6_INFO: Final = struct.Struct("=16sI")
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(IPV6_INFO.size)


def ask_for_destination(listening: socket.socket) -> None:
    """Have the kernel say with each datagram which address it was sent to."""
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        listening.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def from_destination(ancillary: Iterable[Ancillary]) -> list[Ancillary]:
    """What makes the answer leave from the address that the datagram came to; routing picks the interface."""
    answer: list[Ancillary] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            destination, _ = IPV6_INFO.unpack(data)
            answer.append((level, kind, IPV6_INFO.pack(destination, 0)))
        elif (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _, local, _ = IPV4_INFO.unpack(data)
            answer.append((level, kind, IPV4_INFO.pack(0, local, bytes(4))))
    return answer
