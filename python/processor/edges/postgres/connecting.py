"""From a PostgreSQL URL to a connection with the first of its hosts that accepts us, each within its time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg
import trio
from psycopg._conninfo_utils import get_param, is_ip_address, split_attempts
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import ConnectionTimeout

from processor.edges.postgres.errors import one_line
from processor.edges.postgres.waiting import drive_connecting
from telemetry.chassis import progress
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg.abc import ConnDict, PQGenConn

C = TypeVar("C")

# A host that swallows everything must not eat the time of those behind it.
_ONE_OF_SEVERAL_MS_MAX = 2_000
# A standby accepts sessions, and no rows.
_OF_SEVERAL_HOSTS = {"target_session_attrs": "read-write"}

# A peer that vanished silently is noticed after 15 + 3 x 5 s when the connection is idle, and after 30 s
# when it owes an acknowledgement.
_HALF_OPEN_PARAMETERS = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def parse_url(url: str) -> ConnDict:
    """The URL's parameters, with keepalives unless it sets its own; of several hosts the one that takes rows.

    Raises ConfigError.
    """
    try:
        params = {**_HALF_OPEN_PARAMETERS, **conninfo_to_dict(url)}
        hosts = host_attempts(params)
        if len(hosts) > 1:
            params = {**_OF_SEVERAL_HOSTS, **params}
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
    """Whether host and port may be shown: a raw `@` or `/` in a password makes it part of them."""
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


async def connect_to_first(
    hosts: Sequence[ConnDict], begin: Callable[[str], PQGenConn[C]], timeout_ms: int
) -> C:
    """Return what `begin` gives for the first host that accepts us.

    Resolving a host's name and connecting to each of its addresses may each take `timeout_ms`, or less where there are
    several hosts. Raises psycopg.OperationalError with what each host answered.
    """
    failures: list[str] = []
    if len(hosts) > 1:
        timeout_ms = min(timeout_ms, _ONE_OF_SEVERAL_MS_MAX)
    for host in hosts:
        try:
            return await _connect(host, begin, timeout_ms)
        except psycopg.OperationalError as error:
            failures.append(one_line(str(error)))
    raise psycopg.OperationalError("; ".join(failures))


async def _connect(host: ConnDict, begin: Callable[[str], PQGenConn[C]], timeout_ms: int) -> C:
    failures: list[str] = []
    with _limited(timeout_ms, "the host's name was not resolved"):
        addresses = await _resolve(host)
    for address in addresses:
        try:
            with _limited(timeout_ms, "no answer to the connection attempt"):
                return await drive_connecting(begin(make_conninfo("", **address)))
        except psycopg.OperationalError as error:
            failures.append(one_line(str(error)))
    # Two addresses may fail with the same words.
    raise psycopg.OperationalError("; ".join(dict.fromkeys(failures)))


@contextmanager
def _limited(limit_ms: int, what: str) -> Iterator[None]:
    ends_at = trio.current_time() + limit_ms / 1000
    with trio.move_on_at(ends_at) as scope, progress.waiting(ends_at):
        yield
    if scope.cancelled_caught:
        raise ConnectionTimeout(f"{what} within {limit_ms} ms")


async def _resolve(attempt: ConnDict) -> list[ConnDict]:
    """One set of parameters for each address of the host. Raises psycopg.OperationalError.

    libpq would resolve the name itself, and block the event loop.
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
