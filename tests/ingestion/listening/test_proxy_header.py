from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.listening.proxy_header import ProxyHeaderError, announced_peer, header_bytes
from tests.support.proxy_headers import LOGIN, v1, v2, v2_addresses

FOUR, SIX = "203.0.113.7", "2001:db8::7"
HEADERS = {
    "v1 of IPv4": (v1(FOUR), f"{FOUR}:4711"),
    "v1 of IPv6": (v1(SIX), f"[{SIX}]:4711"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with addresses": (
        b"PROXY UNKNOWN " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
        None,
    ),
    "v1 of IPv4 within IPv6": (v1(f"::ffff:{FOUR}", "::1"), f"{FOUR}:4711"),
    "v2 of IPv4": (v2(v2_addresses(FOUR)), f"{FOUR}:4711"),
    "v2 of IPv6": (v2(v2_addresses(SIX), family=0x21), f"[{SIX}]:4711"),
    "v2 with extensions": (v2(v2_addresses(FOUR) + b"\x04\x00\x03abc"), f"{FOUR}:4711"),
    "v2 local": (v2(command=0x20, family=0x00), None),
    "v2 local with a family from the future": (v2(b"??", command=0x20, family=0xFF), None),
    "v2 unspecified": (v2(family=0x00), None),
    "v2 of Unix sockets": (v2(bytes(216), family=0x31), None),
    "v2 of datagrams": (v2(v2_addresses(FOUR), family=0x12), None),
    "v2 as long as it may be": (v2(v2_addresses(FOUR) + bytes(2036)), f"{FOUR}:4711"),
}
MALFORMED = {
    "v1 with another family": b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
    "v1 with an address of the other family": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "v1 with a bad address": b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
    "v1 with a bad destination": b"PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n",
    "v1 with a name": b"PROXY TCP4 localhost 1.2.3.4 1 2\r\n",
    "v1 with a port too many": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
    "v1 with a port too few": b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "v1 with a port beyond 65535": b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "v1 with a bad port of the destination": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n",
    "v1 with a port of other digits": "PROXY TCP4 1.2.3.4 1.2.3.4 ٣ 2\r\n".encode(),
    "v1 with a signed port": b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
    "v1 with two spaces": b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
    "v1 without a carriage return": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
    "v1 without a family": b"PROXY \r\n",
    "v2 with a family that is not defined": v2(v2_addresses(FOUR), family=0x41),
    "v2 with a transport that is not defined": v2(v2_addresses(FOUR), family=0x13),
    "v2 of IPv4 without room for it": v2(v2_addresses(FOUR)[:-1]),
    "v2 of IPv6 without room for it": v2(v2_addresses(FOUR), family=0x21),
}
NO_HEADERS = {
    "a login": LOGIN,
    "TLS": b"\x16\x03\x01",
    "HTTP": b"GET / HTTP/1.1\r\n",
    "PROXY in lower case": b"proxy TCP4",
    "v1 of 108 bytes": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "v1 without an end": b"PROXY UNKNOWN " + b"x" * 200,
    "v2 of version 1": v2(v2_addresses(FOUR), command=0x11),
    "v2 of a command that is not defined": v2(v2_addresses(FOUR), command=0x22),
    "v2 of 2049 bytes": v2(bytes(2049)),
    "v2 with another signature": b"\r\n\r\n\x00\r\nQUIT\r",
}


def rows(table: dict[str, Any]) -> list[Any]:
    return [pytest.param(row, id=name) for name, row in table.items()]


@pytest.mark.parametrize("case", rows(HEADERS))
def test_a_header_announces_who_connected_to_the_proxy(case: tuple[bytes, str | None]) -> None:
    header, expected = case
    peer = announced_peer(header)
    assert (None if peer is None else str(peer)) == expected


@pytest.mark.parametrize("case", rows(HEADERS))
def test_the_end_of_a_header_is_known_whatever_stands_behind_it(case: tuple[bytes, Any]) -> None:
    header, _ = case
    for rest in (b"", LOGIN, header, b"\n"):
        assert header_bytes(header + rest, "any") == len(header)


@pytest.mark.parametrize("case", rows(HEADERS))
def test_as_long_as_the_end_is_not_known_every_byte_belongs_to_the_header(
    case: tuple[bytes, Any],
) -> None:
    header, _ = case
    for cut in range(1, len(header)):
        assert header_bytes(header[:cut], "any") in {None, len(header)}


@pytest.mark.parametrize("malformed", rows(MALFORMED))
def test_a_header_that_breaks_the_protocol_announces_nobody(malformed: bytes) -> None:
    assert header_bytes(malformed, "any") == len(malformed)
    with pytest.raises(ProxyHeaderError):
        announced_peer(malformed)


@pytest.mark.parametrize("bytes_", rows(NO_HEADERS))
def test_what_is_no_header_is_refused_before_its_end(bytes_: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        header_bytes(bytes_, "any")


@pytest.mark.parametrize(("first", "version"), [(LOGIN, "any"), (b"P", "v2"), (b"\r", "v1")])
def test_the_first_byte_tells_another_protocol(first: bytes, version: str) -> None:
    with pytest.raises(ProxyHeaderError):
        header_bytes(first[:1], version)


def test_a_version_that_is_not_configured_is_refused() -> None:
    for version, header in (("v1", v2(v2_addresses(FOUR))), ("v2", v1(FOUR))):
        with pytest.raises(ProxyHeaderError):
            header_bytes(header, version)


@given(
    st.binary(max_size=80).map(lambda end: b"PROXY TCP4 " + end)
    | st.binary(max_size=80).map(v2)
    | st.binary()
)
def test_any_bytes_are_a_bounded_header_or_refused(data: bytes) -> None:
    try:
        length = header_bytes(data, "any") if data else None
        if length is not None and length <= len(data):
            announced_peer(data[:length])
    except ProxyHeaderError:
        return
    assert length is None or length <= (107 if data.startswith(b"P") else 16 + 2048)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_each_address_is_read_as_it_was_announced(address: Any, port: int) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    headers = [
        v1(str(address), port=port),
        v2(v2_addresses(str(address), port=port), family=0x11 if address.version == 4 else 0x21),
    ]
    for header in headers:
        assert header_bytes(header + LOGIN, "any") == len(header)
        peer = announced_peer(header)
        assert peer is not None
        assert (peer.address, peer.port) == (ip_address(str(expected)), port)
