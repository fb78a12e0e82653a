"""Takes apart what a Redis URL with sentinels has that the others do not: several hosts, and the service's name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from telemetry.chassis.config.parsers import Unacceptable

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SENTINEL_PORT: Final = 26379
SENTINEL_SCHEMES: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""And the scheme of a URL that leads to one of the servers."""
SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
SENTINEL_FORM: Final = (
    "redis[s]+sentinel://[user:password@]host[:26379][,host...]/service[/db][?options]"
)

_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:,]+))(?::([0-9]{1,5}))?")
_SERVICE_AND_DB: Final = re.compile(r"/([^/]+)(/[0-9]{0,9})?")
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class SentinelGroup:
    """The sentinels of a service, which know where its master is."""

    service: str
    places: tuple[tuple[str, int], ...]
    """Host and port of each sentinel that the URL names."""
    username: str | None
    """The sentinels' own; user and password of the service's servers stand elsewhere."""
    password: str | None = field(repr=False)

    @property
    def where(self) -> str:
        """The service and its sentinels, for messages."""
        return f"{self.service} (sentinels {', '.join(place_text(*each) for each in self.places)})"


def place_text(host: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def sentinel_group(parts: SplitResult, options: dict[str, Any]) -> SentinelGroup:
    """The sentinels of a URL. Raises Unacceptable, whose text quotes nothing of it."""
    if (path := _SERVICE_AND_DB.fullmatch(parts.path)) is None:
        raise Unacceptable(f"names no service of the sentinels; accepted: {SENTINEL_FORM}")
    return SentinelGroup(
        service=unquote(path[1]),
        places=tuple(map(_place, parts.netloc.rpartition("@")[2].split(","))),
        username=options.get("sentinel_username"),
        password=options.get("sentinel_password"),
    )


def as_server_url(parts: SplitResult) -> SplitResult:
    """The URL of a server that the sentinels may lead to, without its host: user, database and options."""
    path = _SERVICE_AND_DB.fullmatch(parts.path)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(
        scheme=SENTINEL_SCHEMES[parts.scheme],
        netloc=user + at,
        path=(path[2] or "") if path is not None else "",
    )


def _place(text: str) -> tuple[str, int]:
    match = _PLACE.fullmatch(text)
    port = int(match[3] or SENTINEL_PORT) if match is not None else 0
    if match is None or not 0 < port <= _PORT_MAX:
        raise Unacceptable(
            f"has a sentinel that is not a host with or without a port; accepted: {SENTINEL_FORM}"
        )
    return match[1] or unquote(match[2]), port
