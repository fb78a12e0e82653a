"""The proof that records are in the table, and its way from those who commit to the one who acknowledges."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import trio

from processor.core.in_flight import InFlight
from processor.edges.ports import Commit
from telemetry._codec import Batch


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a batch is decided; nothing is acknowledged without one.

    This module alone makes them, and each holds the commit that proves it.
    """

    batch: Batch
    """Every record of it is in the table, by this commit or an earlier one, or a trigger has discarded it."""
    commit: Commit
    inserted: int
    """Rows that were not there before."""
    discarded: int = 0
    """Rows that a trigger of the table swallowed."""

    @property
    def duplicates(self) -> int:
        """Records whose key was in the table already, or earlier in the batch."""
        return self.batch.records - self.inserted - self.discarded


@dataclass(frozen=True, slots=True)
class Sighted:
    """Records whose rows a probe has seen. That proves nothing yet: a standby may not have confirmed them."""

    batch: Batch
    session: int
    """The session that saw them."""

    def proven_by(self, commit: Commit) -> Receipt | None:
        """The receipt, if the commit came behind the sight, on the same session: then those rows are durable, too."""
        return Receipt(self.batch, commit, 0) if commit.session == self.session else None


def written(batch: Batch, commit: Commit) -> Receipt:
    """The receipt of a batch that a commit wrote."""
    return Receipt(batch, commit, commit.inserted, commit.discarded)


class Receipts:
    """A sending end; each task that commits has its own, and closes it."""

    def __init__(self, channel: trio.MemorySendChannel[Receipt], in_flight: InFlight) -> None:
        self._channel = channel
        self._in_flight = in_flight

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def clone(self) -> Receipts:
        """Another end, for another task."""
        return Receipts(self._channel.clone(), self._in_flight)

    def close(self) -> None:
        """No more will come from here."""
        self._channel.close()

    async def send(self, receipt: Receipt) -> None:
        """Have it acknowledged. Cancelled, it is not forgotten: the last step of a life looks for it."""
        self._in_flight.committed(receipt.batch)
        await self._channel.send(receipt)

    def leave(self, batch: Batch) -> None:
        """The records get none: they stay pending without an attempt, and are tried again when they are claimed."""
        for entry_id in batch.entry_ids:
            self._in_flight.left_pending(entry_id, recorded=False)
