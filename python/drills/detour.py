"""The URLs that lead through a relay: same user, password, database and options, another place."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from processor.config.postgres_target import PostgresTarget
    from telemetry.chassis.config.redis_target import RedisTarget

RELAY_HOST = "127.0.0.1"
POSTGRES_PORT = 5432


def redis_detour(url: str, target: RedisTarget, port: int) -> str:
    """A Redis URL through the relay on `port`.

    Raises ConfigError for a TLS URL whose host name is checked: the relay has another name.
    """
    if target.tls is not None and target.tls.check_hostname:
        raise ConfigError(
            "REDIS_URL: --fault freeze-redis puts a relay on 127.0.0.1 before the server, and the certificate is for"
            " another name: add ssl_check_hostname=false to the URL for this drill"
        )
    parts = urlsplit(url)
    scheme, path, query = parts.scheme, parts.path, parts.query
    if target.path is not None:
        scheme, path = "redis", f"/{target.db}"
        query = urlencode([(name, value) for name, value in parse_qsl(query) if name != "db"])
    return parts._replace(
        scheme=scheme, netloc=_user(parts.netloc) + f"{RELAY_HOST}:{port}", path=path, query=query
    ).geturl()


def postgres_detour(url: str, target: PostgresTarget, port: int) -> str:
    """A PostgreSQL URL through the relay on `port`; the host's name stays, for the check of its certificate.

    Raises ConfigError for a URL without exactly one host.
    """
    host, _ = postgres_place(target)
    parts = urlsplit(url)
    options = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in {"host", "hostaddr", "port"}
    ]
    name = RELAY_HOST if host.startswith("/") else host
    netloc = _user(parts.netloc) + (f"[{name}]" if ":" in name else name) + f":{port}"
    query = urlencode([*options, ("hostaddr", RELAY_HOST)])
    return parts._replace(netloc=netloc, query=query).geturl()


def postgres_place(target: PostgresTarget) -> tuple[str, int]:
    """Host, or the directory of a local socket, and port. Raises ConfigError for a URL without exactly one host."""
    if "," in target.host or target.host == "local socket":
        raise ConfigError(
            "POSTGRES_URL: --fault freeze-postgres puts a relay before the server: name exactly one host"
        )
    return target.host, int(target.port or POSTGRES_PORT)


def _user(netloc: str) -> str:
    """User and password with their `@`, as they were written."""
    user, at, _ = netloc.rpartition("@")
    return user + at
