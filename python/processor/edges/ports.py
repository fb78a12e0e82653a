"""The ports: what the tasks ask of Redis and PostgreSQL, as Protocols that real edges and fakes implement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from processor.core.attempts import Failure, PendingEntry, Recorded
from processor.core.write_errors import Evidence
from telemetry._codec import Batch, Delivery, Keys

STREAM_START = "0-0"
"""The id before every entry, where a pass begins."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that wrote WAL and was answered: what its session saw before it is durable as well."""

    session: int
    """Numbers the sessions of one store: two commits of one number were answered by one server."""
    inserted: int
    """Rows that were not in the table before."""
    discarded: int = 0
    """Rows that a trigger dropped; 0 where the way of writing does not show it."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Which keys a probe saw. It proves nothing before a later `Commit` of the same session.

    A row may be visible although no standby has confirmed it.
    """

    session: int
    known: bytes
    """As `Batch.drop_known` takes it."""


class PositionStore(Protocol):
    """One PostgreSQL session that writes positions. Every method may be cancelled at any point.

    All raise PostgresError; after one with `connection_usable` False the next call connects again.
    """

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all hosts before there is one; never a credential."""

    async def connect(self) -> None:
        """Connect unless there is a usable connection. One attempt, no retries."""

    async def check_schema(self) -> tuple[str, ...]:
        """Compare the table with the contract; returns warnings. Raises SchemaMismatch."""

    async def copy_direct(self, batch: Batch) -> Commit:
        """COPY the rows into the table and commit, all of them or none.

        A key that is already in the table raises PostgresError with SQLSTATE 23505.
        """

    async def insert_new(self, batch: Batch) -> Commit:
        """Insert the rows whose keys are not in the table, by INSERT with ON CONFLICT, and commit.

        `discarded` is 0: a row that a trigger drops looks like one whose key is in the table.
        """

    async def probe(self, keys: Keys) -> ProbeResult:
        """Look up which of the keys are in the table, rows included that operators marked as faulty."""

    async def confirm(self) -> Commit:
        """Commit an empty message to the WAL: the fence behind a probe after which nothing is left to write."""

    async def gather_evidence(self, refused: Batch, *, entry_ms: int) -> Evidence:
        """Try copies of sound rows and then the refused row, in one transaction that is rolled back.

        `refused` has one row, `entry_ms` is the Unix time in its entry's id. Raises PostgresError if the
        server does not answer.
        """

    async def try_canary(self) -> Commit:
        """Insert a canary, roll it back, and commit an empty message. Raises PostgresError if either fails."""

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Run an accumulator's query: `$1` is the devices as `text[]`, `$2` is `since` as `timestamptz`.

        Without `since`, `$2` is `-infinity`. Gives up after a few seconds, since writing waits for it.
        """

    async def ping(self) -> None:
        """Run the shortest statement, to see that the server answers."""

    async def awaits_standby(self, pid: int) -> bool:
        """Whether the server's process `pid`, of another session, waits for a standby to confirm its commit."""

    async def aclose(self) -> None:
        """Close the connection; never raises, bounded in time."""


class StandbyObserver(Protocol):
    """Asks over a session of its own whether another one waits for a standby."""

    async def awaits_standby(self, pid: int) -> bool:
        """Whether the server's process `pid` waits for a standby to confirm its commit. Raises PostgresError."""

    def wait_ended(self, pid: int) -> None:
        """The wait of that process has ended, in a commit or not."""


@dataclass(frozen=True, slots=True)
class EnsuredGroup:
    """What was missing before the group was ensured: entries may have been lost with it."""

    stream_was_missing: bool
    group_was_missing: bool
    """Also true with `stream_was_missing`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One step of a pass that claims pending entries."""

    cursor: str
    """Where the next step goes on; STREAM_START after the last one."""
    entries: Sequence[PendingEntry]
    """Ours from now on, without their contents; not counted as delivered yet."""
    lost_ids: Sequence[str]
    """Pending entries that are no longer in the stream; Redis has removed them from the pending list."""


@dataclass(frozen=True, slots=True)
class Redelivered:
    """Pending entries that were delivered once more."""

    delivery: Delivery
    lost_ids: Sequence[str]
    """Ours, but no longer in the stream; Redis has removed them from the pending list."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep of the recorded attempts found."""

    removed: int
    """Entries that were no longer pending, whose attempts are removed."""
    pending: frozenset[str]
    """Pending entries with recorded attempts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueLook:
    """The stream, the group and the dead letters in one moment; ids and time are of Redis' clock."""

    lag: int
    """Entries not yet delivered to the group.

    Redis' own number is not taken where it may be wrong: see `core.lag`. Beyond a million, which is not counted, it
    is what Redis gives, or a million and one.
    """
    pending: int
    """Entries delivered and not settled."""
    oldest_pending_id: str | None
    """Of any consumer; None without one."""
    last_id: str | None
    """The last generated id, whether that entry is still there or not; None before the first."""
    server_ms: int
    """Unix time on the server."""
    length: int
    """Entries in the stream."""
    dead_letters: int | None
    """Entries in the dead-letter stream; None if Redis refuses to count them."""


class PositionStream(Protocol):
    """The consumer group's view of the stream, for one consumer name.

    One task calls `read_new`; any task may call the rest. All raise RedisUnavailable, RedisRefused and its
    subclass RedisMoved; after an error with `wants_new_connection`, `connect` makes whatever connection is
    missing, to where the name points by then. Lists of ids are ascending. Without the group or the stream
    nothing is pending; only `read_new` and `look` raise for it.
    """

    @property
    def where(self) -> str:
        """Host and port, or the socket's path; never a credential."""

    async def connect(self) -> None:
        """Make the connections that are missing. One attempt, no retries."""

    async def keep_alive(self) -> None:
        """Ping on idle connections, and replace those that turn out to be closed."""

    async def ensure_group(self) -> EnsuredGroup:
        """Look for the group, and create it at id 0 with MKSTREAM if it is missing."""

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        """Read new entries; none after `block_ms`. Records outside of the time window are judged.

        A cancellation wakes the read, and entries that were already on their way are returned, never
        lost: the caller's next checkpoint raises Cancelled.
        """

    async def list_pending(self, after_id: str, count: int) -> list[PendingEntry]:
        """List own pending entries behind `after_id`, the oldest first; changes nothing."""

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        """Claim entries that have been idle for `idle_ms` from any consumer, ourselves included.

        Looks at no more than ten times `count` entries from `cursor` on, so that a step may claim few
        or none although it is not the last.
        """

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        """Deliver pending entries once more, which Redis counts, and renew their leases; judged as in `read_new`.

        Those that are not ours any more are left out.
        """

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        """Renew the leases of the entries that are still ours; returns these."""

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        """XACK records of the batch, from the first one on; returns how many an answered XACK named.

        All of them over a fast link. Over a slow one as many as other requests can wait for, at least
        one; the caller asks again for the rest. If a part was answered and the next one fails, the
        answered part is returned, and the next call raises the failure. In the same step the recorded
        attempts of the ids `attempted` are removed.
        """

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        """Count a failure for each record, and make a dead letter of it if it is the `attempts_max`-th.

        Each is one atomic step, which may be repeated: an entry that is no longer pending is left
        alone. Raises RedisRefused at the end if Redis refused some: their entries stay pending. The
        others are recorded, so that the call as a whole must not be repeated.
        """

    async def begin_trial(self, entry_id: str, *, attempts_max: int) -> Recorded:
        """Record that a suspect is about to be tried in isolation, and renew its lease.

        LEFT_PENDING: try it. DEAD_LETTERED: the process survived none of `attempts_max` trials; it is a
        dead letter now (stage `crash`). TAKEN_OVER: it is not ours any more. LOST: as for a failure.
        """

    async def end_trial(self, entry_id: str) -> None:
        """Take the record of a trial back: the process has survived it."""

    async def sweep_attempts(self) -> SweepResult:
        """Remove the recorded attempts of entries that are no longer pending."""

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        """Make pending entries claimable at once by any consumer; returns those that were still ours.

        No delivery is counted, and recorded attempts stay as they are.
        """

    async def leave_group(self) -> bool:
        """Delete our name from the group if nothing is pending under it. True if it is deleted."""

    async def look(self) -> QueueLook:
        """How much is in the stream, how far the group is, and when the stream was last fed; changes nothing."""

    async def aclose(self) -> None:
        """Close the connections at once; never raises."""
