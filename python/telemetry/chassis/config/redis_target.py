"""The address of Redis: its URL, taken apart far enough that a bad one is found at the start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.redis_url import redis_url_options
from telemetry.chassis.config.sentinel_url import (
    SENTINEL_FORM,
    SENTINEL_OPTIONS,
    SENTINEL_SCHEMES,
    SentinelGroup,
    as_server_url,
    sentinel_group,
)
from telemetry.chassis.config.urls import ENCODE, split_url

if TYPE_CHECKING:
    from urllib.parse import SplitResult

REDIS_PORT = 6379

REDIS_ACCEPTED = (
    "accepted: redis://[user:password@]host[:port][/db], rediss://..., unix:///path[?db=n], "
    f"{SENTINEL_FORM}"
)

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
    """A Redis server, or sentinels that know which one it is; and the user to log in as."""

    host: str
    port: int
    path: str | None
    """Path of a Unix socket, which is used in the place of host and port."""
    db: int
    username: str | None
    password: str | None = field(repr=False)
    client_name: str | None
    tls: RedisTls | None
    sentinels: SentinelGroup | None = None
    """Whom to ask for host and port, which say nothing then."""
    service: str | None = None
    """The service whose master was found at this host and port."""

    @property
    def where(self) -> str:
        """Host and port, or the path, for messages; with sentinels the service's name as well."""
        if self.sentinels is not None:
            return self.sentinels.where
        place = self.path or f"{self.host}:{self.port}"
        return place if self.service is None else f"{self.service} ({place})"

    @property
    def shown_host(self) -> str:
        """The host, the path of a socket, or the service and its sentinels."""
        return self.where if self.sentinels is not None else self.path or self.host

    @property
    def shown_port(self) -> int | None:
        """The port that belongs to the host, if one does."""
        return self.port if self.sentinels is None and self.path is None else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, which must not be shown."""
        sentinels = self.sentinels
        return (self.password or "", (sentinels and sentinels.password) or "")

    def found_at(self, host: str, port: int) -> RedisTarget:
        """The server that the sentinels have led to."""
        assert self.sentinels is not None
        return replace(self, host=host, port=port, sentinels=None, service=self.sentinels.service)


def redis_target(raw: str) -> RedisTarget:
    """Take a Redis URL apart as the `redis` package does, but refuse what that package silently ignores."""
    parts = split_url(raw, ("redis", "rediss", "unix", *SENTINEL_SCHEMES), REDIS_ACCEPTED)
    sentinels = None
    if parts.scheme in SENTINEL_SCHEMES:
        named, parts = parts, as_server_url(parts)
        options = _redis_options(parts)
        sentinels = sentinel_group(named, options)
        options = {name: options[name] for name in options.keys() - set(SENTINEL_OPTIONS)}
    else:
        options = _redis_options(parts)
    _refuse_what_redis_ignores(parts, options, has_sentinels=sentinels is not None)
    return RedisTarget(
        host=options.get("host", "localhost"),
        port=options.get("port", REDIS_PORT),
        path=options.get("path"),
        db=options.get("db", 0),
        username=options.get("username"),
        password=options.get("password"),
        client_name=options.get("client_name"),
        tls=_redis_tls(options) if parts.scheme == "rediss" else None,
        sentinels=sentinels,
    )


def _redis_options(parts: SplitResult) -> dict[str, Any]:
    try:
        return redis_url_options(parts)
    except ValueError:
        raise Unacceptable(f"does not parse; {ENCODE}; {REDIS_ACCEPTED}") from None


def _refuse_what_redis_ignores(
    parts: SplitResult, options: dict[str, Any], *, has_sentinels: bool
) -> None:
    # Sentinels know the place.
    place = () if has_sentinels else ("host", "port", "path")
    unknown = options.keys() - {*place, *REDIS_OPTIONS}
    if unknown or (parts.scheme == "unix" and parts.hostname):
        raise Unacceptable(
            f"has an option or a part that is not supported; accepted options: {', '.join(REDIS_OPTIONS)}, "
            f"with sentinels {', '.join(SENTINEL_OPTIONS)}; "
            f"{REDIS_ACCEPTED}"
        )
    if parts.scheme == "unix" and not options.get("path"):
        raise Unacceptable("names no socket; accepted: unix:///path/of/the/socket")
    if parts.scheme != "unix" and not re.fullmatch(r"(/[0-9]{0,9})?", parts.path):
        raise Unacceptable("has a path that is not a database number; accepted: /0, /1, ...")
    if options.get("db", 0) < 0:
        raise Unacceptable("has a negative database number; accepted: 0, 1, ...")
    if parts.scheme != "rediss" and options.keys() & set(TLS_OPTIONS):
        raise Unacceptable(
            "has options for TLS; accepted with rediss:// and rediss+sentinel:// only"
        )


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
