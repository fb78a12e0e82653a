"""The ports: what the tasks ask of Redis and PostgreSQL, as Protocols that real edges and fakes obey."""

from __future__ import annotations

from typing import Protocol

from processor._codec import Batch, Delivery


class PositionStore(Protocol):
    """One PostgreSQL session that writes positions. Every method is cancellable at any point.

    Raises PostgresError; after an error with `connection_usable` False the next call connects anew.
    """

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all candidates without one; never a credential."""

    async def connect(self) -> None:
        """Connect if there is no usable connection. Idempotent; one attempt, no retries."""

    async def check_schema(self) -> tuple[str, ...]:
        """Raises SchemaMismatch when the table is not what the contract says; returns warnings."""

    async def copy_direct(self, batch: Batch) -> int:
        """COPY the rows straight into the table and commit; rows inserted, which is all of them or none.

        A key that is already in the table raises PostgresError with sqlstate 23505.
        """

    async def copy_staged(self, batch: Batch) -> int:
        """COPY into the session's staging table, insert what is new, commit; the number of rows inserted."""

    async def ping(self) -> None:
        """Have the server answer once."""

    async def aclose(self) -> None:
        """Close the connection; never raises, bounded in time."""


class PositionStream(Protocol):
    """The consumer group's view of the stream, for one consumer name.

    One task reads; any may call the rest. Raises RedisUnavailable and RedisRefused; after the first,
    `connect` makes whatever connection is missing.
    """

    @property
    def where(self) -> str:
        """Host and port, or the socket's path; never a credential."""

    async def connect(self) -> None:
        """Make the connections that are missing. Idempotent; one attempt, no retries."""

    async def ensure_group(self) -> bool:
        """Create the group at id 0 with MKSTREAM; True when the *stream* did not exist before."""

    async def read_pending(self, after_id: str, count: int) -> Delivery:
        """Own pending entries after `after_id`."""

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        """New entries; none after `block_ms`.

        A cancellation wakes the read, and what was already on its way is returned, never lost: the
        caller meets its cancellation at its next checkpoint.
        """

    async def ack(self, batch: Batch) -> int:
        """XACK every record of the batch; the number that were still pending."""

    async def ack_ids(self, entry_ids: list[str]) -> int:
        """XACK ids whose entries are no longer in the stream."""

    async def lag(self) -> tuple[int | None, int]:
        """(entries not yet delivered to the group or None when Redis cannot tell, pending entries)."""

    async def aclose(self) -> None:
        """Close the connections at once; never raises."""
