"""Parsers of variables that only tcp-ingestion has."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias

from telemetry.chassis.config.parsers import Unacceptable, port, text

OFF: Final = "off"
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


def optional_port(raw: str) -> int | None:
    """A port, or None for `off`."""
    return None if raw == OFF else port(raw)


def optional_text(raw: str) -> str | None:
    """A name or path, or None if it is empty."""
    return text(raw) if raw else None


def switch(raw: str) -> bool:
    """`true` or `false`."""
    if raw not in {"true", "false"}:
        raise Unacceptable("is unknown; accepted: true, false")
    return raw == "true"


def stream_names(raw: str) -> tuple[str, ...]:
    """Names of streams, separated by commas, each once."""
    names = tuple(name.strip() for name in text(raw).split(","))
    if not all(names) or len(set(names)) < len(names):
        raise Unacceptable(
            "is not a list of streams; accepted: names separated by commas, each once"
        )
    return names


def networks(raw: str) -> Networks:
    """Networks in CIDR notation, separated by commas; empty: none."""
    try:
        return tuple(ip_network(each.strip()) for each in raw.split(",") if raw)
    except ValueError as error:
        raise Unacceptable(
            f"is not a list of networks ({error}); accepted: 10.0.0.0/8,2001:db8::/32"
        ) from None
