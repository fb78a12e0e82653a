"""The header of the PROXY protocol, versions 1 and 2: where it ends, and whom it announces. Does no I/O.

Source: HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2. A header cannot be taken for a login: it begins with
`P` or a carriage return, a login with two bytes of length, 00 0F.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from ingestion.listening.peer import Peer, unmapped

if TYPE_CHECKING:
    from collections.abc import Mapping

V1_PREFIX: Final = b"PROXY "
V1_END: Final = b"\r\n"
V1_BYTES_MAX: Final = 107
V1_FAMILIES: Final[Mapping[bytes, type[IPv4Address | IPv6Address]]] = {
    b"TCP4": IPv4Address,
    b"TCP6": IPv6Address,
}
V1_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
PORT_MAX: Final = 65_535
V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
V2_FIXED_BYTES: Final = 16
# Of addresses and extensions; the largest addresses, those of Unix sockets, take 216.
V2_BYTES_MAX: Final = 2048
V2_LOCAL: Final = 0x20
V2_PROXY: Final = 0x21
V2_FAMILIES: Final = range(4)
V2_TRANSPORTS: Final = range(3)
# By family and transport: source, destination, and their ports.
V2_STREAMS: Final[Mapping[int, tuple[struct.Struct, type[IPv4Address | IPv6Address]]]] = {
    0x11: (struct.Struct("!4s4sHH"), IPv4Address),
    0x21: (struct.Struct("!16s16sHH"), IPv6Address),
}


class ProxyHeaderError(Exception):
    """These bytes do not begin, or are not, a header of an accepted version."""


def header_bytes(begun: bytes, version: str) -> int | None:
    """The length of the header that begins with these bytes; None: they are all of it so far, and do not say yet.

    `version` is `v1`, `v2`, or `any` of the two.

    Raises ProxyHeaderError as soon as they cannot be a header.
    """
    if version != "v2" and _begins(begun, V1_PREFIX):
        return _v1_bytes(begun)
    if version != "v1" and _begins(begun, V2_SIGNATURE):
        return _v2_bytes(begun)
    raise ProxyHeaderError("the connection does not begin with a header of the PROXY protocol")


def announced_peer(header: bytes) -> Peer | None:
    """Whom a whole header announces; None for LOCAL, UNKNOWN, and what is not TCP: the socket's own address counts.

    Raises ProxyHeaderError.
    """
    return _v1_peer(header) if header.startswith(V1_PREFIX) else _v2_peer(header)


def _begins(begun: bytes, with_: bytes) -> bool:
    return begun.startswith(with_) or with_.startswith(begun)


def _v1_bytes(begun: bytes) -> int | None:
    end = begun.find(b"\n", 0, V1_BYTES_MAX) + 1
    if not end and len(begun) >= V1_BYTES_MAX:
        raise ProxyHeaderError(f"the line of version 1 has more than {V1_BYTES_MAX} bytes")
    return end or None


def _v2_bytes(begun: bytes) -> int | None:
    if len(begun) < V2_FIXED_BYTES:
        return None
    command = begun[12]
    if command not in (V2_LOCAL, V2_PROXY):
        raise ProxyHeaderError(f"version and command are 0x{command:02X}")
    length = int.from_bytes(begun[14:16])
    if length > V2_BYTES_MAX:
        raise ProxyHeaderError(f"the header announces {length} bytes, and may have {V2_BYTES_MAX}")
    return V2_FIXED_BYTES + length


def _v1_peer(header: bytes) -> Peer | None:
    family, *fields = header[len(V1_PREFIX) : -len(V1_END)].split(b" ")
    if not header.endswith(V1_END):
        raise ProxyHeaderError("the line of version 1 does not end with CR and LF")
    if family == b"UNKNOWN":
        return None
    if family not in V1_FAMILIES or len(fields) != 4:
        raise ProxyHeaderError("the line of version 1 is malformed")
    parse = V1_FAMILIES[family]
    try:
        source, _ = (parse(field.decode("ascii")) for field in fields[:2])
        port, _ = (_port(field) for field in fields[2:])
    except ValueError as error:
        raise ProxyHeaderError(f"the line of version 1 is malformed: {error}") from None
    return Peer(unmapped(source), port)


def _port(field: bytes) -> int:
    if not V1_PORT.fullmatch(field) or int(field) > PORT_MAX:
        raise ValueError(f"{field!r} is no port")
    return int(field)


def _v2_peer(header: bytes) -> Peer | None:
    if header[12] == V2_LOCAL:
        return None
    family, transport = header[13] >> 4, header[13] & 0x0F
    if family not in V2_FAMILIES or transport not in V2_TRANSPORTS:
        raise ProxyHeaderError(f"family and transport are 0x{header[13]:02X}")
    if header[13] not in V2_STREAMS:
        return None
    layout, parse = V2_STREAMS[header[13]]
    if len(header) < V2_FIXED_BYTES + layout.size:
        raise ProxyHeaderError("the header is too short for its addresses")
    source, _, port, _ = layout.unpack_from(header, V2_FIXED_BYTES)
    return Peer(unmapped(parse(source)), port)
