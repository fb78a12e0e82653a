"""What the process has in flight, by id: read, and neither settled nor left pending. Keeps the ledger's counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from processor.core.classing import Class, Classing, Place
from processor.core.ledger import Ledger
from processor.journal.journal import Journal
from telemetry._codec import Batch, Delivery, ReadRanges
from telemetry._codec import InFlightIds as HeldIds
from telemetry.chassis import clocks

# A stretch is one read of new entries, or one pending entry that was delivered again: 16 MB at most. Only what the
# stream still has can be delivered again: with a million entries in it this many hold reads of four each.
STRETCHES_MAX = 250_000


class InFlight:
    """Owned by the whole process, changed by its tasks, never across an await.

    Batches of ids stay in the codec; `Classing` hears of numbers, and of single entries where they
    are no plain case.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.held = HeldIds()
        self._read = ReadRanges(STRETCHES_MAX)
        self._classing = Classing()
        self._attempted: set[str] = set()
        self._on_trial: set[str] = set()
        self._committed: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self.held)

    @property
    def ledger(self) -> Ledger:
        """What became of everything read so far, but for what is in flight."""
        return self._classing.ledger

    @property
    def undecided(self) -> int:
        """Entries in flight that are in no class yet."""
        return len(self.held) - len(self._classing.again)

    def take(self, delivery: Delivery) -> None:
        """New entries came in: records, and refused ones."""
        self._take(delivery, self._read.note_new(delivery))

    def take_again(self, delivery: Delivery, attempted: Collection[str] = ()) -> None:
        """Pending entries came in once more; `attempted` are the ids with a recorded failure."""
        self._take(delivery, self._read.note_again(delivery))
        self._attempted.update(set(attempted).difference(self.held.absent([*attempted])))

    def absent(self, entry_ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in flight."""
        return self.held.absent(entry_ids)

    def held_for(self, seconds: float) -> list[str]:
        """Ids that have been in flight for that time, ascending."""
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

    @property
    def uncommitted(self) -> list[str]:
        """Ids in flight of which no commit is known, ascending."""
        committed = {entry_id for batch in self.unacknowledged for entry_id in batch.entry_ids}
        held = self.held_for(0)
        return [entry_id for entry_id in held if entry_id not in committed] if committed else held

    def acked(self, batch: Batch) -> None:
        """An XACK of the batch, or of a part of one, was answered."""
        self._committed.pop(id(batch), None)
        self._forget(self.attempted(batch))
        classing = self._classing
        again = batch.ids_among([*classing.again]) if classing.again else []
        let_go = self.held.settle(batch)
        # On the good path everything acknowledged was in flight.
        known = batch.ids_among([*classing.known]) if let_go < batch.records or again else []
        classing.acked(let_go, again=set(again), known=set(known))
        self._journal.records_acked(batch.records)
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
        self._become([entry_id], Class.REFUSED if recorded else Class.SET_ASIDE)

    @property
    def refused(self) -> Collection[str]:
        """Ids that were left pending with a recorded failure."""
        return self._classing.refused

    def dead_lettered(self, entry_id: str) -> None:
        """It is a dead letter now."""
        self._become([entry_id], Class.DEAD_LETTERED)

    def taken_over(self, entry_id: str) -> None:
        """Somebody else has settled it."""
        self._become([entry_id], Class.TAKEN_OVER)

    def lost(self, entry_ids: Sequence[str]) -> list[str]:
        """Pending entries turned out not to be in the stream any more; those that are losses.

        What is in flight is not counted: it was read before, and is settled in the normal way. What was
        settled is not counted either.
        """
        return self._become(self.held.absent(entry_ids), Class.LOST)

    def lost_in_flight(self, entry_id: str) -> None:
        """An entry whose failure was to be recorded is not in the stream any more."""
        self._become([entry_id], Class.LOST)

    def released(self, entry_ids: Sequence[str]) -> None:
        """Anybody can claim them now; among them may be some that were delivered and never came to us."""
        again = self._classing.again
        single = {*self.held.absent(entry_ids), *(again & set(entry_ids) if again else ())}
        many = [entry_id for entry_id in entry_ids if entry_id not in single]
        self._forget(many)
        self._classing.released(self.held.settle_ids(many))
        self._become(sorted(single), Class.RELEASED)

    def still_ours(self, entry_ids: Collection[str]) -> None:
        """All that is pending under our own name: what else we had was taken over."""
        had = {*self.held.held_since(now_ms()), *self._classing.left}
        self._become(sorted(had.difference(entry_ids)), Class.TAKEN_OVER)

    def _take(self, delivery: Delivery, read_before: list[str]) -> None:
        """Hold a delivery's entries; what is in flight is so since its first time."""
        again = self.held.absent(read_before)
        refused = [rejection.entry_id for rejection in delivery.rejections]
        now = now_ms()
        taken = self.held.take(delivery.batch, now) + self.held.take_ids(refused, now)
        if self._classing.released_unread:
            self._classing.came_after_all({*delivery.batch.entry_ids, *refused})
        self._classing.read_new(taken - len(again))
        self._classing.read_again(again)
        self._changed()

    def _become(self, entry_ids: Sequence[str], new: Class) -> list[str]:
        """Let go of entries; those whose class it changes."""
        self._forget(entry_ids)
        changed = [
            entry_id
            for entry_id in entry_ids
            if self._classing.becomes(entry_id, new, self._let_go(entry_id))
        ]
        # News makes an entry known that never came.
        self._read.note_ids(changed)
        self._changed()
        return changed

    def _let_go(self, entry_id: str) -> Place:
        if self.held.settle_ids([entry_id]):
            return Place.IN_HAND
        return Place.READ if self._read.among([entry_id]) else Place.UNREAD

    def _forget(self, entry_ids: Collection[str]) -> None:
        self._attempted.difference_update(entry_ids)
        self._on_trial.difference_update(entry_ids)

    def _changed(self) -> None:
        self._journal.in_flight_changed(len(self.held), self.ledger)


def now_ms() -> int:
    """The clock that entries are held with: Trio's, in milliseconds."""
    return round(clocks.elapsing_s() * 1000)
