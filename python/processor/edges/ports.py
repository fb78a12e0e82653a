"""The ports: what the tasks ask of Redis and PostgreSQL, as Protocols that real edges and fakes obey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from processor.core.attempts import Failure, PendingEntry, Recorded
from processor.core.write_errors import Evidence
from telemetry._codec import Batch, Delivery, Keys

FIRST_ID = "0-0"
"""Before every entry: where a pass begins."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that wrote WAL and was answered: whatever its session had seen before is durable, too."""

    session: int
    """Numbers the sessions of one store: two commits of one number were answered by one server."""
    inserted: int
    """Rows that were not in the table before."""
    discarded: int = 0
    """Rows that a trigger swallowed, where the way of writing shows it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a probe saw, which proves nothing before a `Commit` of the same session.

    A row may be visible that no standby has confirmed.
    """

    session: int
    known: bytes
    """As `Batch.drop_known` takes it."""


class PositionStore(Protocol):
    """One PostgreSQL session that writes positions. Every method is cancellable at any point.

    Raises PostgresError; after an error with `connection_usable` False the next call connects again.
    """

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all candidates without one; never a credential."""

    async def connect(self) -> None:
        """Connect if there is no usable connection. Idempotent; one attempt, no retries."""

    async def check_schema(self) -> tuple[str, ...]:
        """Raises SchemaMismatch when the table is not what the contract says; returns warnings."""

    async def copy_direct(self, batch: Batch) -> Commit:
        """COPY the rows straight into the table and commit, all of them or none.

        A key that is already in the table raises PostgresError with sqlstate 23505.
        """

    async def copy_staged(self, batch: Batch) -> Commit:
        """COPY into the session's staging table, insert what is new, and commit."""

    async def probe(self, keys: Keys) -> Sighting:
        """Which of the keys are in the table.

        Rows that operators have marked as faulty count: their keys are taken.
        """

    async def confirm(self) -> Commit:
        """Commit an empty message to the WAL: the fence behind what was seen, where nothing is left to write."""

    async def cross_examine(self, accused: Batch, *, entry_ms: int) -> Evidence:
        """Rehearse the accused beside copies of sound rows, in one transaction that is rolled back.

        `accused` has one row, `entry_ms` is the Unix time in its entry's id. Raises PostgresError when
        the server does not answer.
        """

    async def try_canary(self) -> Commit:
        """See that the server takes a row, which is rolled back, and confirms a commit. Raises PostgresError."""

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Run an accumulator's query: `$1` is the devices as `text[]`, `$2` is `since` as `timestamptz`.

        Without `since`, `$2` is `-infinity`. Gives up after a few seconds, since writing waits for it.
        """

    async def ping(self) -> None:
        """Have the server answer once."""

    async def awaits_standby(self, pid: int) -> bool:
        """Whether the server's process `pid`, of another session, waits for a standby to confirm its commit."""

    async def aclose(self) -> None:
        """Close the connection; never raises, bounded in time."""


class Bystander(Protocol):
    """Sees over another session what a silent one waits for."""

    async def sees_waiting(self, pid: int) -> bool:
        """Whether the server's process `pid` waits for a standby to confirm its commit. Raises PostgresError."""

    def settled(self, pid: int) -> None:
        """The wait of that process is over, whatever its end."""


@dataclass(frozen=True, slots=True)
class Ensured:
    """What was missing before the group was ensured: entries may have gone with it."""

    stream_was_missing: bool
    group_was_missing: bool
    """True with `stream_was_missing`, too."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A step of a claim pass."""

    cursor: str
    """Where the pass goes on; FIRST_ID at its end."""
    entries: Sequence[PendingEntry]
    """Ours from now on, without their contents; not counted as a delivery yet."""
    lost_ids: Sequence[str]
    """Pending entries that are no longer in the stream; Redis has taken them off the pending list."""


@dataclass(frozen=True, slots=True)
class Redelivered:
    """Pending entries that were delivered once more."""

    delivery: Delivery
    lost_ids: Sequence[str]
    """Ours, but no longer in the stream; Redis has taken them off the pending list."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of the recorded failures found."""

    forgotten: int
    """Entries that were no longer pending."""
    remembered: frozenset[str]
    """Entries that are pending, and have a recorded failure."""


class PositionStream(Protocol):
    """The consumer group's view of the stream, for one consumer name.

    One task calls `read_new`; any may call the rest. Raises RedisUnavailable, RedisRefused and, as one of
    these, RedisMoved; after an error with `wants_new_connection`, `connect` makes whatever connection is
    missing, to where the name points by then. Lists of ids are ascending. Where the group or the stream
    does not exist, nothing is pending: only `read_new` and `lag` complain of it.
    """

    @property
    def where(self) -> str:
        """Host and port, or the socket's path; never a credential."""

    async def connect(self) -> None:
        """Make the connections that are missing. Idempotent; one attempt, no retries."""

    async def keep_alive(self) -> None:
        """Have connections that are idle say something, and replace those that turn out to be closed."""

    async def ensure_group(self) -> Ensured:
        """Look for the group, and create it at id 0 with MKSTREAM if it is missing."""

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        """New entries; none after `block_ms`. What is outside of the window of time is judged.

        A cancellation wakes the read, and what was already on its way is returned, never lost: the
        caller meets its cancellation at its next checkpoint.
        """

    async def list_pending(self, after_id: str, count: int) -> list[PendingEntry]:
        """Own pending entries behind `after_id`, the oldest first; changes nothing."""

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        """Make entries ours that have been idle for `idle_ms`, whoever had them, ourselves included.

        Looks at no more than ten times `count` entries from `cursor` on, so that a step may claim
        few or none and not be the last.
        """

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        """Deliver pending entries once more, which counts, and renew their leases; judged as in `read_new`.

        Those that are not ours any more are left out.
        """

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        """Renew the leases of those that are still ours, which are returned."""

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        """XACK records of the batch, from the first one on; how many were named in an answered XACK.

        All of them over a fast link. Otherwise what other requests need not wait for, one at least:
        the rest is to be asked for again. Where a part is answered and the next one fails, the part
        is returned, and the failure is met with the rest. In the same step the recorded failures of
        the ids `attempted` are forgotten.
        """

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        """Count a failure for each record, and make it a dead letter if it is the `attempts_max`-th.

        Each is one step, which may be repeated: an entry that is no longer pending changes nothing.
        Raises RedisRefused at the end if Redis refused some: their entries stay pending, and the
        others are recorded, so that the call as a whole is not to be repeated.
        """

    async def begin_trial(self, entry_id: str, *, attempts_max: int) -> Recorded:
        """Record that a suspect is about to be tried alone, and renew its lease.

        LEFT_PENDING: try it. DEAD: so many trials were survived by nobody, and it is a dead letter now
        (stage `crash`). GONE: it is not ours any more. LOST: as for a failure.
        """

    async def end_trial(self, entry_id: str) -> None:
        """Take the record of a trial back: the process has survived it."""

    async def sweep_attempts(self) -> Swept:
        """Forget the recorded failures of entries that are no longer pending."""

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        """Make pending entries claimable at once by anybody; those that were still ours.

        No delivery is counted, and recorded failures stay as they are.
        """

    async def leave_group(self) -> bool:
        """Delete our name from the group if nothing is pending under it; whether it is gone."""

    async def lag(self) -> tuple[int | None, int]:
        """(entries not yet delivered to the group or None when Redis cannot tell, pending entries)."""

    async def oldest_pending(self) -> str | None:
        """Id of the group's oldest pending entry, whoever has it; None without one."""

    async def aclose(self) -> None:
        """Close the connections at once; never raises."""
