"""Connects to the first of several hosts that lets us in, each within its time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg
import trio
from psycopg.conninfo import make_conninfo
from psycopg.errors import ConnectionTimeout

from processor.edges.postgres.conninfo import resolve
from processor.edges.postgres.waiting import drive_connecting
from processor.edges.postgres.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg.abc import ConnDict, PQGenConn

C = TypeVar("C")


async def connect_to_first(
    hosts: Sequence[ConnDict], begin: Callable[[str], PQGenConn[C]], timeout_ms: int
) -> C:
    """What `begin` gives for the first host that answers, whose name and addresses may each take `timeout_ms`.

    Raises psycopg.OperationalError with what each host answered.
    """
    failures: list[str] = []
    for host in hosts:
        try:
            return await _connect(host, begin, timeout_ms)
        except psycopg.OperationalError as error:
            failures.append(one_line(str(error)))
    raise psycopg.OperationalError("; ".join(failures))


async def _connect(host: ConnDict, begin: Callable[[str], PQGenConn[C]], timeout_ms: int) -> C:
    failures: list[str] = []
    with _limited(timeout_ms, "the host's name was not resolved"):
        addresses = await resolve(host)
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
    with trio.move_on_after(limit_ms / 1000) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectionTimeout(f"{what} within {limit_ms} ms")
