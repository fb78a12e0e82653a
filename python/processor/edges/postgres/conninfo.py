"""A PostgreSQL URL as connection attempts: defaults filled in, hosts told apart, names resolved by Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import trio
from psycopg._conninfo_utils import get_param, is_ip_address, split_attempts
from psycopg.conninfo import conninfo_to_dict

from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from psycopg.abc import ConnDict

# A peer that vanished without a word is noticed after 15 + 3 x 5 s when the connection is idle, and
# after 30 s when it owes an acknowledgement.
_HALF_OPEN_PARAMETERS = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def parse_url(url: str) -> ConnDict:
    """The URL's parameters, with keepalives where it has none of its own. Raises ConfigError."""
    try:
        params = {**_HALF_OPEN_PARAMETERS, **conninfo_to_dict(url)}
        hosts = host_attempts(params)
    except psycopg.Error:
        # libpq's words quote the URL, password included.
        raise ConfigError("POSTGRES_URL is not a valid postgresql:// URL") from None
    if not all(_is_place(host) for host in hosts):
        raise ConfigError(
            "POSTGRES_URL has no valid host and port: a special character in the user's name or"
            " password must be percent-encoded"
        )
    return params


def _is_place(attempt: ConnDict) -> bool:
    """Whether host and port can be shown: a raw `@` or `/` in a password makes it part of them."""
    host, port = str(attempt.get("host", "")), str(attempt.get("port") or 0)
    return "@" not in host[1:] and port.isdecimal()


def describe_hosts(params: ConnDict) -> str:
    """Hosts and ports (or the socket's path) for messages: `db1:5432,db2:5432`. Never a credential."""
    return ",".join(_describe_host(attempt) for attempt in split_attempts(params))


def _describe_host(attempt: ConnDict) -> str:
    host = get_param(attempt, "host") or get_param(attempt, "hostaddr") or "local socket"
    return f"{host}:{get_param(attempt, 'port') or 5432}"


def host_attempts(params: ConnDict) -> list[ConnDict]:
    """One set of parameters for each host of the URL, in its order. Raises psycopg.OperationalError."""
    return split_attempts(params)


async def resolve(attempt: ConnDict) -> list[ConnDict]:
    """One set of parameters for each address of the host. Raises psycopg.OperationalError.

    libpq would resolve the name itself, blocking the loop.
    """
    host = get_param(attempt, "host")
    if not host or host.startswith(("/", "@")) or get_param(attempt, "hostaddr"):
        return [attempt]
    if is_ip_address(host):
        return [{**attempt, "hostaddr": host}]
    try:
        found = await trio.socket.getaddrinfo(
            host, get_param(attempt, "port") or 5432, type=trio.socket.SOCK_STREAM
        )
    except OSError as error:
        raise psycopg.OperationalError(f"the host name {host} is not known: {error}") from error
    return [{**attempt, "hostaddr": str(address[0])} for *_, address in found]
