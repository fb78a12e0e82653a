"""The proof that records are decided, and its way from the tasks that commit to the one that acknowledges."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import trio

from processor.core.in_flight import InFlight
from processor.edges.ports import Commit
from telemetry._codec import Batch
from telemetry.chassis import progress
from telemetry.chassis.nudge import Nudge


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a batch is decided; nothing is acknowledged without one.

    This module alone makes them, and each holds the commit that proves it.
    """

    batch: Batch
    """Each record of it is in the table, by this commit or an earlier one, or was discarded by a trigger."""
    commit: Commit
    inserted: int
    """Rows that were not in the table before."""
    discarded: int = 0
    """Rows that a trigger of the table discarded."""

    @property
    def duplicates(self) -> int:
        """Records whose key was in the table already, or earlier in the batch."""
        return self.batch.records - self.inserted - self.discarded


@dataclass(frozen=True, slots=True)
class SeenRows:
    """Records whose rows a probe has seen. That is no proof yet: a standby may not have confirmed them."""

    batch: Batch
    session: int
    """The session that saw them."""

    def proven_by(self, commit: Commit) -> Receipt | None:
        """The receipt, if the commit came after the probe on the same session: then these rows are durable, too."""
        return Receipt(self.batch, commit, 0) if commit.session == self.session else None


def written(batch: Batch, commit: Commit) -> Receipt:
    """The receipt of a batch that a commit wrote."""
    return Receipt(batch, commit, commit.inserted, commit.discarded)


class Receipts:
    """A sending end; each task that commits has its own, and closes it."""

    def __init__(
        self, channel: trio.MemorySendChannel[Receipt], in_flight: InFlight, due: Nudge
    ) -> None:
        """`due`: given where the acker should let receipts gather no longer."""
        self._channel = channel
        self._due = due
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
        return Receipts(self._channel.clone(), self._in_flight, self._due)

    def close(self) -> None:
        """Send no more."""
        self._channel.close()
        self._due.give()

    def note_committed(self, batch: Batch) -> None:
        """A batch is in the table, and its receipt follows: the release at the end finds it, whatever comes first."""
        self._in_flight.committed(batch)

    async def send(self, receipt: Receipt) -> None:
        """Have a batch acknowledged. If cancelled, it is still known as committed: the release at the end finds it."""
        self._in_flight.committed(receipt.batch)
        # Cut together with the acker, it may find the channel broken: that is a cancellation, and no fault.
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._channel.send_nowait(receipt)
        except trio.WouldBlock:
            self._due.give()
            with progress.resting():
                await self._channel.send(receipt)

    def leave(self, batch: Batch) -> None:
        """The records get no receipt: they stay pending without an attempt, and are tried again when claimed."""
        for entry_id in batch.entry_ids:
            self._in_flight.left_pending(entry_id, recorded=False)
