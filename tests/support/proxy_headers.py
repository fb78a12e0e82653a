"""Headers of the PROXY protocol, as a proxy writes them, and a login to stand behind them."""

from __future__ import annotations

from ipaddress import ip_address

LOGIN = b"\x00\x0f356307042441013"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def v1(source: str, destination: str | None = None, *, port: int = 4711) -> bytes:
    """A line of version 1; the destination is the source if it does not matter."""
    family = f"TCP{ip_address(source).version}"
    return f"PROXY {family} {source} {destination or source} {port} 5027\r\n".encode()


def v2(block: bytes = b"", *, command: int = 0x21, family: int = 0x11) -> bytes:
    """A header of version 2 with these addresses and extensions."""
    return SIGNATURE + bytes((command, family)) + len(block).to_bytes(2, "big") + block


def v2_addresses(source: str, *, port: int = 4711) -> bytes:
    """The address block of version 2, with the source as its destination."""
    packed = ip_address(source).packed
    return packed * 2 + port.to_bytes(2, "big") + (5027).to_bytes(2, "big")
