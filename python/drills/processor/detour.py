"""Run, the frozen PostgreSQL: the URL that leads through the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from drills.relay import RELAY_HOST, user_in

if TYPE_CHECKING:
    from drills.processor.table import PostgresPlace


def postgres_detour(url: str, place: PostgresPlace, port: int) -> str:
    """A PostgreSQL URL through the relay on `port`; the host's name stays, for the check of its certificate.

    Raises ConfigError for a URL without exactly one host.
    """
    host, _ = place.single()
    parts = urlsplit(url)
    options = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in {"host", "hostaddr", "port"}
    ]
    name = RELAY_HOST if host.startswith("/") else host
    netloc = user_in(parts.netloc) + (f"[{name}]" if ":" in name else name) + f":{port}"
    query = urlencode([*options, ("hostaddr", RELAY_HOST)])
    return parts._replace(netloc=netloc, query=query).geturl()
