"""What the process has in hand, by id: read, and neither settled nor left pending. Keeps the ledger's counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import trio

from processor._codec import Batch, Delivery
from processor._codec import InHand as HeldIds
from processor.core.ledger import Ledger
from processor.core.reading import SpansRead
from processor.statistics import Recorder


class InHand:
    """Owned by the whole process, changed by its tasks, never across an await."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.held = HeldIds()
        self._attempted: set[str] = set()
        self._on_trial: set[str] = set()
        self._committed: dict[int, Batch] = {}
        # Whether a failure is recorded, by id.
        self._left: dict[str, bool] = {}
        self._spans = SpansRead()
        # Of what is held, what a group that was created anew has delivered once more: it has its class.
        self._classed: set[str] = set()
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

    @property
    def undecided(self) -> int:
        """Entries in hand whose class is not known yet."""
        return len(self.held) - len(self._classed)

    def take(self, delivery: Delivery) -> None:
        """New entries came in: records, and refused ones."""
        again = self._read_before(delivery) if self._spans.is_repeated else set[str]()
        self._read += self._hold(delivery) - len(again)
        self._classed |= again - self._left.keys()
        self._no_longer_left(again)
        if delivery.first_id is not None and delivery.last_id is not None:
            self._spans.add(delivery.first_id, delivery.last_id)
        self._changed()

    def take_again(self, delivery: Delivery, attempted: Collection[str] = ()) -> None:
        """Pending entries came in once more; `attempted` are the ids with a recorded failure."""
        taken = self._hold(delivery)
        self._read += taken - self._no_longer_left(_ids_of(delivery) if self._left else ())
        self._attempted.update(set(attempted).difference(self.held.absent([*attempted])))
        self._changed()

    def group_is_new(self) -> None:
        """The group was created anew: what is new to it may not be new to us."""
        self._spans.repeat()

    def absent(self, entry_ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in hand."""
        return self.held.absent(entry_ids)

    def held_for(self, seconds: float) -> list[str]:
        """Ids that have been in hand for so long, ascending."""
        return self.held.held_since(now_ms() - round(seconds * 1000))

    def attempted(self, batch: Batch) -> list[str]:
        """Those of the batch that have a recorded failure, which goes when they are acknowledged."""
        return batch.ids_among([*self._attempted]) if self._attempted else []

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
        classed = batch.ids_among([*self._classed]) if self._classed else []
        self._classed.difference_update(classed)
        self._acked += self.held.settle(batch) - len(classed)
        self._recorder.records_acked(batch.records)
        self._changed()

    def acked_first(self, batch: Batch, records: int) -> Batch | None:
        """XACKs of the first `records` were answered; the others, which wait for theirs, if there are any."""
        if records == batch.records:
            self.acked(batch)
            return None
        rest = batch.piece(records, batch.records)
        self._committed.pop(id(batch), None)
        self.committed(rest)
        self.acked(batch.piece(0, records))
        return rest

    @property
    def on_trial(self) -> Collection[str]:
        """Ids whose trial is recorded, and neither settled nor taken back yet."""
        return tuple(self._on_trial)

    def tried(self, entry_id: str) -> None:
        """Its trial is recorded."""
        self._on_trial.add(entry_id)

    def left(self, entry_id: str, *, recorded: bool) -> None:
        """It stays pending: its failure is recorded, or its trial taken back.

        A trial that ended before the entry was delivered leaves one that was never read.
        """
        if self._let_go(entry_id):
            self._left[entry_id] = recorded
        self._changed()

    @property
    def refused(self) -> Collection[str]:
        """Ids that were left pending with a recorded failure."""
        return [entry_id for entry_id, recorded in self._left.items() if recorded]

    def dead(self, entry_id: str) -> None:
        """It is a dead letter now."""
        self._dead += self._falls_into_a_class(entry_id)
        self._changed()

    def gone(self, entry_id: str) -> None:
        """Somebody else has settled it."""
        self._gone += self._let_go(entry_id)
        self._changed()

    def lost(self, entry_ids: Sequence[str]) -> list[str]:
        """Pending entries turned out not to be in the stream any more; those that are losses.

        What is in hand is none: it was read before, and is settled in the normal way.
        """
        losses = self.held.absent(entry_ids)
        for entry_id in losses:
            self.lost_in_hand(entry_id)
        return losses

    def lost_in_hand(self, entry_id: str) -> None:
        """An entry whose failure was to be recorded is not in the stream any more."""
        self._lost += self._falls_into_a_class(entry_id)
        self._changed()

    def released(self, entry_ids: Sequence[str]) -> None:
        """Anybody can claim them now; among them may be some that were delivered and never came to us."""
        for entry_id in entry_ids:
            self._released += self._falls_into_a_class(entry_id)
        self._changed()

    def still_ours(self, entry_ids: Collection[str]) -> None:
        """All that is pending under our own name: what else we had was taken over."""
        had = {*self.held.held_since(now_ms()), *self._left}
        for entry_id in had.difference(entry_ids):
            self.gone(entry_id)

    def _falls_into_a_class(self, entry_id: str) -> bool:
        """Let go of an id for good; whether it counts, which it does once."""
        if entry_id in self._classed:
            self._let_go(entry_id)
            return False
        self._read += not self._let_go(entry_id)
        return True

    def _let_go(self, entry_id: str) -> bool:
        """Whether it was read before and is in no class yet."""
        self._attempted.discard(entry_id)
        self._on_trial.discard(entry_id)
        is_open = bool(self.held.settle_ids([entry_id]) + self._no_longer_left([entry_id]))
        if entry_id in self._classed:
            self._classed.remove(entry_id)
            return False
        return is_open

    def _read_before(self, delivery: Delivery) -> set[str]:
        """Of new entries, those that were read before and are not in hand."""
        entry_ids = _ids_of(delivery)
        again = {*self._spans.again(entry_ids), *(self._left.keys() & entry_ids)}
        return {*self.held.absent([*again])}

    def _hold(self, delivery: Delivery) -> int:
        """How many of a delivery's entries were not held before."""
        refused = [rejection.entry_id for rejection in delivery.rejections]
        now = now_ms()
        return self.held.take(delivery.batch, now) + self.held.take_ids(refused, now)

    def _no_longer_left(self, entry_ids: Collection[str]) -> int:
        again = self._left.keys() & entry_ids
        for entry_id in again:
            del self._left[entry_id]
        return len(again)

    def _changed(self) -> None:
        self._recorder.in_hand(len(self.held), self.ledger)


def now_ms() -> int:
    """The clock that entries are held with: Trio's, in milliseconds."""
    return round(trio.current_time() * 1000)


def _ids_of(delivery: Delivery) -> list[str]:
    return [
        *delivery.batch.entry_ids,
        *(rejection.entry_id for rejection in delivery.rejections),
    ]
