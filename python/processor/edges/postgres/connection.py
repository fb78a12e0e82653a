"""psycopg's connection under Trio: connecting, waiting, committing, cancelling and closing without asyncio.

psycopg writes libpq's protocol as generators that yield what they wait for; Trio does the waiting.
This uses private API, which tests/processor/edges/postgres/test_private_api.py ties to one version.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import psycopg
import trio
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import CancellationTimeout
from psycopg.rows import TupleRow

from processor.edges.postgres.connecting import connect_to_first, host_attempts
from processor.edges.postgres.copying import begin_copy, end_copy
from processor.edges.postgres.inserting import insert_arrays, prepare_insert
from processor.edges.postgres.probing import probe_keys
from processor.edges.postgres.standby import CommitWait
from processor.edges.postgres.statements import leave_command, query_binary, run
from processor.edges.postgres.waiting import (
    drive,
    drive_connecting,
    drive_until_answered,
    unbounded,
)
from telemetry.chassis import progress
from telemetry.chassis.deadlines import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from psycopg.abc import RV, PQGen
    from psycopg.errors import Diagnostic

    from processor.edges.postgres.waiting import Bounded
    from telemetry._codec import Keys

logger = logging.getLogger(__name__)


def libpq_version() -> str:
    """As in `18.0`, with the implementation that psycopg loaded it by: `binary`, `c` or `python`."""
    number = pq.version()
    return f"{number // 10_000}.{number % 10_000} ({pq.__impl__})"


class TrioConnection(psycopg.AsyncConnection[TupleRow]):
    """A connection in autocommit mode that may be cancelled at any point.

    An exception that ends the wait for a command, such as Trio's Cancelled, first stops the command on
    the server: shielded, within `cancel_grace_ms`. Only a command that was stopped leaves the connection
    usable: a cancel request that came too late may stop the next statement.

    psycopg's own methods take the connection's lock, which is a visit to the scheduler. Those of this class do not:
    a session has one task at a time.

    A command that commits is never stopped, since the server would show the rows before a standby has
    them: the connection is closed, and the server finishes by itself.
    """

    def __init__(self, pgconn: pq.abc.PGconn, *args: Any) -> None:  # noqa: ANN401  # psycopg's row factory
        super().__init__(pgconn, *args)
        self.lock = trio.Lock()  # type: ignore[assignment]
        self.cancel_grace_ms = 500
        self._deadline = Deadline()
        self._commit_wait: CommitWait | None = None
        self.add_notice_handler(self._notice)
        # The id of the server's process. Behind a pooler it differs from the one in the connection's cancel key.
        self.backend_pid = self._key_pid = pgconn.backend_pid

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler stands between: its cancel requests may arrive late (pgbouncer#245)."""
        return self.backend_pid != self._key_pid

    # psycopg's own options that this connection fixes are left out.
    @classmethod
    async def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        connect_timeout_ms: int = 5_000,
        cancel_grace_ms: int = 500,
        **params: Any,  # noqa: ANN401  # as libpq takes them
    ) -> Self:
        """Connect to the first of the hosts that accepts us; `params` are libpq's.

        Resolving a host's name and connecting to each of its addresses may each take
        `connect_timeout_ms`. Raises psycopg.OperationalError with what each host answered.
        """
        hosts = host_attempts(conninfo_to_dict(conninfo, **params))
        connection = await connect_to_first(hosts, cls._connect_gen, connect_timeout_ms)
        connection._autocommit = True  # noqa: SLF001
        connection.prepare_threshold = None
        connection.cancel_grace_ms = cancel_grace_ms
        return connection

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.0,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
    ) -> RV:
        """Run a generator of this connection to its end.

        psycopg's `interval` and `timeout` are of no use here: a cancel scope interrupts any wait.
        """
        return await self._drive(gen)

    @contextmanager
    def time_limit(self, deadline: float, limit_ms: float) -> Iterator[None]:
        """Stop the block's command at the deadline, which ends `limit_ms`. Raises psycopg.OperationalError."""
        with trio.move_on_at(deadline) as scope, progress.waiting(deadline):
            yield
        if scope.cancelled_caught:
            raise self._too_slow(limit_ms)

    async def copy_in(
        self, statements: bytes, chunks: Iterable[bytes], wait: CommitWait | None = None
    ) -> int:
        """Run `statements`, a COPY FROM STDIN and maybe others, with `chunks` as its data, as one transaction.

        Returns the rows that the last statement reports. Raises psycopg.Error.
        """
        wait = wait or CommitWait()
        bounded = partial(self._deadline.at, wait.deadline)
        try:
            await self._drive(begin_copy(self.pgconn, statements, chunks), bounded)
        except trio.TooSlowError:
            raise self._too_slow(wait.limit_ms) from None
        return await self._commit(end_copy(self.pgconn), wait)

    async def prepare_insert(self) -> None:
        """Prepare the statement of `insert_arrays`. Raises psycopg.Error."""
        await self.wait(prepare_insert(self.pgconn))

    async def insert_arrays(self, arrays: Sequence[bytes], wait: CommitWait) -> int:
        """Insert rows whose keys are not in the table, as one transaction. Raises psycopg.Error."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._commit(insert_arrays(self.pgconn, arrays), wait)

    async def commit_statement(self, statement: bytes, wait: CommitWait | None = None) -> None:
        """Run a statement that commits by itself. Raises psycopg.Error."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._commit(run(self.pgconn, statement), wait or CommitWait())

    async def probe(self, keys: Keys) -> bytes:
        """Look up which of the keys are in the table, as `Batch.drop_known` takes it. Raises psycopg.Error."""
        return await self.wait(probe_keys(self.pgconn, keys))

    async def query_binary(
        self, query: bytes, types: Sequence[int], values: Sequence[bytes]
    ) -> list[tuple[bytes, ...]]:
        """Run a statement whose parameters and answer are in the binary format. Raises psycopg.Error."""
        return await self.wait(query_binary(self.pgconn, query, types, values))

    async def fetch_raw(self, query: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        """Run a query with PostgreSQL's own placeholders, `$1` and on. Raises psycopg.Error."""
        cursor = psycopg.AsyncRawCursor[tuple[object, ...]](self)
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Ask the server over another connection to cancel the running command.

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
        """Close the connection without waiting; a task that still waits for it gets an error."""
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

    async def _drive(self, gen: PQGen[RV], bounded: Bounded = unbounded) -> RV:
        try:
            return await drive(gen, self.pgconn.socket, bounded)
        except BaseException:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                await self._stop_command()
            raise

    def _too_slow(self, limit_ms: float) -> psycopg.OperationalError:
        """The error for a command that was stopped; a server that took the request to do so is there."""
        kind = psycopg.OperationalError if self.closed else psycopg.errors.QueryCanceled
        return kind(f"no answer within {limit_ms} ms")

    async def _commit(self, gen: PQGen[RV], wait: CommitWait) -> RV:
        self._commit_wait = wait
        try:
            answer = await drive_until_answered(
                gen,
                self.pgconn.socket,
                deadline=self._deadline,
                ends_at_s=wait.deadline,
                extend=wait.extend,
            )
            wait.check()
        except BaseException:
            if wait.awaits_standby or self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                await self.close()
            raise
        finally:
            self._commit_wait = None
            wait.end()
        return answer

    def _notice(self, diagnostic: Diagnostic) -> None:
        if self._commit_wait is not None:
            self._commit_wait.notice(diagnostic)

    async def _stop_command(self) -> None:
        is_stopped = False
        ends_at = trio.current_time() + self.cancel_grace_ms / 1000
        with progress.waiting(ends_at), trio.CancelScope(deadline=ends_at, shield=True):
            try:
                if not self.is_pooled:
                    await self.cancel_safe(timeout=self.cancel_grace_ms / 1000)
                is_stopped = await drive(leave_command(self.pgconn), self.pgconn.socket)
            except psycopg.Error as error:
                logger.debug("the interrupted command was not stopped: %s", error)
        if not is_stopped:
            await self.close()
