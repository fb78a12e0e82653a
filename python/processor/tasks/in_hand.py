"""What the process has in hand, by id: read, and neither settled nor left pending. Keeps the ledger's counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import trio

from processor._codec import Batch, Delivery
from processor._codec import InHand as HeldIds
from processor.core.attempts import PendingEntry
from processor.core.ledger import Ledger
from processor.statistics import Recorder


class InHand:
    """Owned by the whole process, changed by its tasks, never across an await."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.held = HeldIds()
        self._attempted: set[str] = set()
        self._left: set[str] = set()
        self._committed: dict[int, Batch] = {}
        self._on_trial: set[str] = set()
        self._read = self._acked = self._dead = self._lost = self._gone = self._released = 0

    def __len__(self) -> int:
        return len(self.held)

    @property
    def ledger(self) -> Ledger:
        """What became of everything read so far, but for what is in hand."""
        return Ledger(
            read=self._read,
            acked=self._acked,
            dead_lettered=self._dead,
            lost=self._lost,
            taken_over=self._gone,
            released=self._released,
            left_pending=len(self._left),
        )

    def take(self, delivery: Delivery, attempted: Collection[str] = ()) -> None:
        """Records and refused entries came in; `attempted` are the ids with a recorded failure."""
        refused = [rejection.entry_id for rejection in delivery.rejections]
        now = now_ms()
        taken = self.held.take(delivery.batch, now) + self.held.take_ids(refused, now)
        self._read += taken - self._no_longer_left([*refused, *self._left_of(delivery.batch)])
        came = set(attempted).difference(self.held.absent([*attempted]))
        self._attempted.update(came)
        self._changed()

    def absent(self, entry_ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in hand."""
        return self.held.absent(entry_ids)

    def held_for(self, seconds: float) -> list[str]:
        """Ids that have been in hand for so long, ascending."""
        return self.held.held_since(now_ms() - round(seconds * 1000))

    def attempted(self, batch: Batch) -> list[str]:
        """Those of the batch that have a recorded failure, which goes when they are acknowledged."""
        return batch.ids_among(list(self._attempted)) if self._attempted else []

    def committed(self, batch: Batch) -> None:
        """The batch is in the table: whatever happens, it is to be acknowledged."""
        self._committed[id(batch)] = batch

    @property
    def unacknowledged(self) -> Sequence[Batch]:
        """What is in the table and waits for its acknowledgement."""
        return tuple(self._committed.values())

    def acked(self, batch: Batch) -> None:
        """An XACK of the batch was answered."""
        self._committed.pop(id(batch), None)
        attempted = self.attempted(batch)
        self._attempted.difference_update(attempted)
        self._on_trial.difference_update(attempted)
        self._acked += self.held.settle(batch)
        self._changed()

    @property
    def on_trial(self) -> Collection[str]:
        """Ids whose trial is recorded, and neither settled nor taken back yet."""
        return tuple(self._on_trial)

    def tried(self, entry_id: str) -> None:
        """Its trial is recorded."""
        self._on_trial.add(entry_id)

    def left(self, entry_id: str) -> None:
        """It stays pending: its failure is recorded, or its trial taken back.

        A trial that ended before the entry was delivered leaves one that was never read.
        """
        if self._settle(entry_id):
            self._left.add(entry_id)
        self._changed()

    def dead(self, entry_id: str) -> None:
        """It is a dead letter now."""
        self._read += not self._settle(entry_id)
        self._dead += 1
        self._changed()

    def gone(self, entry_id: str) -> None:
        """Somebody else has settled it."""
        if self._settle(entry_id):
            self._gone += 1
            self._changed()

    def lost(self, entry_ids: Sequence[str]) -> list[str]:
        """Pending entries turned out not to be in the stream any more; those that are losses.

        What is in hand is none: it was read before, and is settled in the normal way.
        """
        losses = self.held.absent(entry_ids)
        self._read += len(losses) - self._no_longer_left(losses)
        self._lost += len(losses)
        self._changed()
        return losses

    def lost_in_hand(self, entry_id: str) -> None:
        """An entry whose failure was to be recorded is not in the stream any more."""
        self._read += not self._settle(entry_id)
        self._lost += 1
        self._changed()

    def undecided(self, pending: Sequence[PendingEntry]) -> list[str]:
        """Of the own pending list, what is to be released: all but what was refused, in this life or before."""
        idle = set(self.held.absent([entry.entry_id for entry in pending]))
        return [
            entry.entry_id
            for entry in pending
            if entry.attempts is None or entry.entry_id not in idle
        ]

    def released(self, entry_ids: Sequence[str]) -> None:
        """Anybody can claim them now; among them may be some that were delivered and never came to us."""
        for entry_id in entry_ids:
            self._read += not self._settle(entry_id)
            self._released += 1
        self._changed()

    def still_ours(self, entry_ids: Collection[str]) -> None:
        """All that is pending under our own name: what else we had was taken over."""
        had = {*self.held.held_since(now_ms()), *self._left}
        for entry_id in had.difference(entry_ids):
            self.gone(entry_id)

    def _settle(self, entry_id: str) -> bool:
        """Let go of an id; whether it counts as read already."""
        self._attempted.discard(entry_id)
        self._on_trial.discard(entry_id)
        held = self.held.settle_ids([entry_id])
        return bool(held + self._no_longer_left([entry_id]))

    def _left_of(self, batch: Batch) -> list[str]:
        return batch.ids_among(list(self._left)) if self._left else []

    def _no_longer_left(self, entry_ids: Sequence[str]) -> int:
        again = self._left.intersection(entry_ids)
        self._left -= again
        return len(again)

    def _changed(self) -> None:
        self._recorder.in_hand(len(self.held), self.ledger)


def now_ms() -> int:
    """The clock that entries are held with: Trio's, in milliseconds."""
    return round(trio.current_time() * 1000)
