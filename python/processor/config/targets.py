"""Where the servers are: the two connection URLs taken apart far enough that a bad one is found at the start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from processor.config.parsers import PORT_MAX, Unacceptable

REDIS_PORT = 6379
POSTGRES_PORT = 5432

REDIS_ACCEPTED = (
    "accepted: redis://[user:password@]host[:port][/db], rediss://..., unix:///path[?db=n]"
)
POSTGRES_ACCEPTED = (
    "accepted: postgres:// or postgresql://[user:password@]host[:port]/database[?option=value]"
)
ENCODE = "percent-encode special characters in user and password"

TLS_OPTIONS = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
REDIS_OPTIONS = ("db", "client_name", "username", "password", *TLS_OPTIONS)
CERTIFICATE_REQUIREMENTS = ("none", "optional", "required")


@dataclass(frozen=True, slots=True)
class RedisTls:
    """The TLS options of a `rediss://` URL, under the names that the `redis` package gave them."""

    ca_certs: str | None
    """Path of the trusted certificates; None: the system's."""
    cert_reqs: str
    """`none`, `optional` or `required`."""
    certfile: str | None
    """Path of the client's certificate."""
    keyfile: str | None
    """Path of its key."""
    check_hostname: bool


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """A Redis server, and as whom to talk to it."""

    host: str
    port: int
    path: str | None
    """Of a Unix socket; then host and port mean nothing."""
    db: int
    username: str | None
    password: str | None = field(repr=False)
    client_name: str | None
    tls: RedisTls | None

    @property
    def where(self) -> str:
        """Host and port, or the path, for messages."""
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A PostgreSQL database: the URL for libpq, and what messages may say of it."""

    conninfo: str = field(repr=False)
    """The URL as given, password included."""
    host: str
    """As in the URL; several are separated by commas. A local socket when the URL names none."""
    port: str
    database: str
    user: str | None

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def redis_target(raw: str) -> RedisTarget:
    """Take a Redis URL apart as the `redis` package does, without its silence about what it ignores."""
    parts = _split(raw, ("redis", "rediss", "unix"), REDIS_ACCEPTED)
    options = _redis_options(raw)
    _refuse_what_redis_ignores(parts, options)
    return RedisTarget(
        host=options.get("host", "localhost"),
        port=options.get("port", REDIS_PORT),
        path=options.get("path"),
        db=options.get("db", 0),
        username=options.get("username"),
        password=options.get("password"),
        client_name=options.get("client_name"),
        tls=_redis_tls(options) if parts.scheme == "rediss" else None,
    )


def postgres_target(raw: str) -> PostgresTarget:
    """Have libpq check a PostgreSQL URL and name its parts."""
    _split(raw, ("postgres", "postgresql"), POSTGRES_ACCEPTED)
    # Imported late: commands that need no PostgreSQL do not wait for libpq.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        options = conninfo_to_dict(raw)
    except ProgrammingError:
        # libpq quotes the piece that it stumbled over, and that may be of the password.
        raise Unacceptable(f"is refused by libpq; {ENCODE}; {POSTGRES_ACCEPTED}") from None
    ports = str(options.get("port") or POSTGRES_PORT)
    if not all(_is_port(port) for port in ports.split(",")):
        raise Unacceptable(f"has a port that is none; accepted: 1 to {PORT_MAX}; {ENCODE}")
    user = options.get("user")
    return PostgresTarget(
        conninfo=raw,
        host=str(options.get("host") or options.get("hostaddr") or "local socket"),
        port=ports,
        database=str(options.get("dbname") or user or ""),
        user=None if user is None else str(user),
    )


def _is_port(text: str) -> bool:
    """An empty one, in a list of several hosts, stands for the default."""
    return not text or (text.isdecimal() and 1 <= int(text) <= PORT_MAX)


def _split(raw: str, schemes: tuple[str, ...], accepted: str) -> SplitResult:
    if not raw.startswith(tuple(f"{scheme}://" for scheme in schemes)) or not raw.isprintable():
        raise Unacceptable(f"is not such a URL; {accepted}")
    try:
        parts = urlsplit(raw)
    except ValueError:
        raise Unacceptable(f"does not parse; {ENCODE}; {accepted}") from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise Unacceptable(
            f"has an unescaped `/`, `?` or `#` in user or password, or a fragment; {ENCODE}"
        )
    return parts


def _redis_options(raw: str) -> dict[str, Any]:
    # Imported late: the package takes longer to load than the rest of the configuration.
    from redis.connection import parse_url  # noqa: PLC0415

    try:
        options: dict[str, Any] = parse_url(raw)  # type: ignore[no-untyped-call]
    except ValueError:
        raise Unacceptable(f"does not parse; {ENCODE}; {REDIS_ACCEPTED}") from None
    options.pop("connection_class", None)
    return options


def _refuse_what_redis_ignores(parts: SplitResult, options: dict[str, Any]) -> None:
    unknown = options.keys() - {"host", "port", "path", *REDIS_OPTIONS}
    if unknown or (parts.scheme == "unix" and parts.hostname):
        raise Unacceptable(
            f"has an option or a part that is not supported; accepted options: {', '.join(REDIS_OPTIONS)}; "
            f"{REDIS_ACCEPTED}"
        )
    if parts.scheme == "unix" and not options.get("path"):
        raise Unacceptable("names no socket; accepted: unix:///path/of/the/socket")
    if parts.scheme != "unix" and not re.fullmatch(r"(/[0-9]{0,9})?", parts.path):
        raise Unacceptable("has a path that is not a database number; accepted: /0, /1, ...")
    if options.get("db", 0) < 0:
        raise Unacceptable("has a negative database number; accepted: 0, 1, ...")
    if parts.scheme != "rediss" and options.keys() & set(TLS_OPTIONS):
        raise Unacceptable("has options for TLS; accepted with rediss:// only")


def _redis_tls(options: dict[str, Any]) -> RedisTls:
    cert_reqs = options.get("ssl_cert_reqs", "required")
    if cert_reqs not in CERTIFICATE_REQUIREMENTS:
        raise Unacceptable(
            f"has an unknown ssl_cert_reqs; accepted: {', '.join(CERTIFICATE_REQUIREMENTS)}"
        )
    check_hostname = options.get("ssl_check_hostname", cert_reqs != "none")
    if check_hostname and cert_reqs == "none":
        raise Unacceptable(
            "has ssl_check_hostname beside ssl_cert_reqs=none; accepted: one of both"
        )
    return RedisTls(
        ca_certs=options.get("ssl_ca_certs"),
        cert_reqs=cert_reqs,
        certfile=options.get("ssl_certfile"),
        keyfile=options.get("ssl_keyfile"),
        check_hostname=check_hostname,
    )
