"""psycopg's connection under Trio: connecting, waiting, cancelling and closing without asyncio.

psycopg writes libpq's protocol as generators that yield what they wait for; Trio does the waiting.
This leans on private API, which tests/edges/test_postgres_private_api.py holds to one version.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import psycopg
import trio
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import CancellationTimeout, ConnectionTimeout
from psycopg.rows import TupleRow

from processor.edges.postgres.conninfo import host_attempts, resolve
from processor.edges.postgres.copying import copy_in, leave_command
from processor.edges.postgres.probing import probe_keys
from processor.edges.postgres.results import query_binary
from processor.edges.postgres.waiting import drive, drive_connecting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from psycopg.abc import RV, ConnDict, PQGen

    from processor._codec import Keys

logger = logging.getLogger(__name__)


class TrioConnection(psycopg.AsyncConnection[TupleRow]):
    """A connection in autocommit mode that may be cancelled at any point.

    An exception that ends the wait for a command, Trio's Cancelled above all, first stops the
    command on the server: shielded, within `cancel_grace_ms`. A server that answers in that time
    leaves the connection usable; one that does not finds it closed.
    """

    def __init__(self, pgconn: pq.abc.PGconn, *args: Any) -> None:  # noqa: ANN401  # psycopg's row factory
        super().__init__(pgconn, *args)
        self.lock = trio.Lock()  # type: ignore[assignment]
        self.cancel_grace_ms = 500

    # Of psycopg's own options, those that this connection fixes are left out.
    @classmethod
    async def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        connect_timeout_ms: int = 5_000,
        cancel_grace_ms: int = 500,
        **params: Any,  # noqa: ANN401  # as libpq takes them
    ) -> Self:
        """Connect to the first of the hosts that lets us in; `params` are libpq's.

        Resolving a host's name and connecting to each of its addresses may each take
        `connect_timeout_ms`. Raises psycopg.OperationalError with what each host answered.
        """
        failures: list[str] = []
        for host in host_attempts(conninfo_to_dict(conninfo, **params)):
            try:
                connection = await cls._connect_host(host, connect_timeout_ms)
            except psycopg.OperationalError as error:
                failures.append(str(error))
            else:
                connection._autocommit = True  # noqa: SLF001
                connection.prepare_threshold = None
                connection.cancel_grace_ms = cancel_grace_ms
                return connection
        raise psycopg.OperationalError("; ".join(failures))

    @classmethod
    async def _connect_host(cls, host: ConnDict, timeout_ms: int) -> Self:
        failures: list[str] = []
        with _time_limit(timeout_ms, "the host's name was not resolved"):
            addresses = await resolve(host)
        for address in addresses:
            try:
                with _time_limit(timeout_ms, "no answer to the connection attempt"):
                    return await drive_connecting(cls._connect_gen(make_conninfo("", **address)))
            except psycopg.OperationalError as error:
                failures.append(str(error))
        raise psycopg.OperationalError("; ".join(failures))

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.0,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
    ) -> RV:
        """Run a generator of this connection to its end.

        psycopg's `interval` and `timeout` are of no use here: a cancel scope interrupts any wait.
        """
        try:
            return await drive(gen, self.pgconn.socket)
        except BaseException:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                await self._stop_command()
            raise

    async def copy_in(self, statements: bytes, chunks: Iterable[bytes]) -> int:
        """Run `statements`, a COPY FROM STDIN and maybe others, as one transaction fed by `chunks`.

        Returns the rows that the last statement reports. Raises psycopg.Error.
        """
        async with self.lock:
            return await self.wait(copy_in(self.pgconn, statements, chunks))

    async def probe(self, keys: Keys) -> bytes:
        """Which of the keys are in the table, as `Batch.drop_known` takes it. Raises psycopg.Error."""
        async with self.lock:
            return await self.wait(probe_keys(self.pgconn, keys))

    async def query_binary(
        self, query: bytes, types: Sequence[int], values: Sequence[bytes]
    ) -> list[tuple[bytes, ...]]:
        """The rows of a statement whose parameters and answer are in the binary format. Raises psycopg.Error."""
        async with self.lock:
            return await self.wait(query_binary(self.pgconn, query, types, values))

    async def fetch_raw(self, query: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        """The rows of a query with PostgreSQL's own placeholders, `$1` and on. Raises psycopg.Error."""
        cursor = psycopg.AsyncRawCursor[tuple[object, ...]](self)
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Ask the server to cancel what runs, over a connection of its own.

        When this returns, the server has passed the request on. Raises psycopg.OperationalError,
        CancellationTimeout after `timeout` seconds.
        """
        if not self._should_cancel():
            return
        with trio.move_on_after(timeout) as scope:
            await drive_connecting(self._cancel_gen())
        if scope.cancelled_caught:
            raise CancellationTimeout(f"the server took no cancel request within {timeout} s")

    async def close(self) -> None:
        """Close the connection, without waiting; whoever still waits for it gets an error."""
        if not self.closed:
            trio.lowlevel.notify_closing(self.pgconn.socket)
        await super().close()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def _stop_command(self) -> None:
        with trio.move_on_after(self.cancel_grace_ms / 1000, shield=True):
            try:
                await self.cancel_safe(timeout=self.cancel_grace_ms / 1000)
            except psycopg.Error as error:
                logger.debug("the running command was not cancelled: %s", error)
            try:
                await drive(leave_command(self.pgconn), self.pgconn.socket)
            except psycopg.Error as error:
                logger.debug("the interrupted connection is lost: %s", error)
        if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            await self.close()


@contextmanager
def _time_limit(limit_ms: int, what: str) -> Iterator[None]:
    with trio.move_on_after(limit_ms / 1000) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectionTimeout(f"{what} within {limit_ms} ms")
