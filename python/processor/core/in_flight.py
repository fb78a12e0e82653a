"""What this process has in flight: the state of each entry from its delivery until it is settled or left pending.

The states, the events and the table of transitions are in `core/entry_states.py`. Read that first. This
class turns what the tasks report into events:

    method                             event of each entry
    take, take_again                   READ
    acked, acked_first                 ACKED
    left_pending                       REFUSED if its failure is recorded, else SET_ASIDE
    dead_lettered                      DEAD_LETTERED
    taken_over, reconcile              TAKEN_OVER
    missing                            MISSING
    lost                               LOST
    released                           RELEASED

Two marks stand beside the state of an entry: *attempted*, it has a recorded failure, and *on trial*, its trial
is recorded. Every event but READ and MISSING removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from processor.core.entry_states import Event, IllegalEvent, State
from processor.core.known_states import KNOWN_MAX, KnownStates
from processor.core.ledger import Ledger
from telemetry._codec import Batch, Delivery, InFlightIds, ReadRanges

# A stretch is one read of new entries, or one pending entry that was delivered again: 16 MB at most. Only what the
# stream still has can be delivered again: with a million entries in it this many hold reads of four each.
STRETCHES_MAX = 250_000


class InFlight:
    """Owned by the whole process, changed by its tasks, never across an await.

    Batches of ids stay in the codec: on the common path a whole batch is one event, and nothing is looked
    up or allocated for a record. What is no id raises CodecError. That, and each IllegalEvent, leaves everything
    as it was.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        on_acked: Callable[[int], None],
        stretches_max: int = STRETCHES_MAX,
        known_max: int = KNOWN_MAX,
    ) -> None:
        """`clock` gives milliseconds; `on_acked` gets the number of records in an answered XACK."""
        self._clock = clock
        self._on_acked = on_acked
        self.ids = InFlightIds()
        """Ids of the entries in flight, with the time at which each was read."""
        self._ever_read = ReadRanges(stretches_max)
        self._states = KnownStates(known_max)
        self._attempted: set[str] = set()
        self._on_trial: set[str] = set()
        self._committed: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ledger(self) -> Ledger:
        """What became of everything read so far, except for what is in flight."""
        return self._states.ledger

    @property
    def undecided(self) -> int:
        """Entries in flight that no field of the ledger counts, apart from `read`."""
        return len(self.ids) - len(self._states.again)

    @property
    def refused(self) -> Collection[str]:
        """Ids that were left pending with a recorded failure."""
        return self._states.refused

    @property
    def on_trial(self) -> Collection[str]:
        """Ids whose trial is recorded and has not ended."""
        return tuple(self._on_trial)

    @property
    def unacknowledged(self) -> Sequence[Batch]:
        """Batches that are in the table and wait for their acknowledgement."""
        return tuple(self._committed.values())

    @property
    def uncommitted(self) -> list[str]:
        """Ids in flight of which no commit is known, ascending."""
        committed = {entry_id for batch in self.unacknowledged for entry_id in batch.entry_ids}
        in_flight = self.older_than(0)
        return [each for each in in_flight if each not in committed] if committed else in_flight

    def absent(self, entry_ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in flight."""
        return self.ids.absent(entry_ids)

    def older_than(self, seconds: float) -> list[str]:
        """Ids that have been in flight for this time or longer, ascending."""
        return self.ids.in_flight_since(self._clock() - round(seconds * 1000))

    def attempted(self, batch: Batch) -> list[str]:
        """Ids of the batch with a recorded failure, which is deleted when they are acknowledged."""
        return batch.ids_among([*self._attempted]) if self._attempted else []

    def take(self, delivery: Delivery) -> None:
        """New entries were delivered: records, and refused ones."""
        self._take(delivery, self._ever_read.note_new(delivery))

    def take_again(self, delivery: Delivery, attempted: Collection[str] = ()) -> None:
        """Pending entries were delivered once more; `attempted` are the ids with a recorded failure."""
        self._take(delivery, self._ever_read.note_again(delivery))
        self._attempted.update(set(attempted).difference(self.ids.absent([*attempted])))

    def committed(self, batch: Batch) -> None:
        """The batch is in the table: whatever happens, it is to be acknowledged."""
        self._committed[id(batch)] = batch

    def committed_together(self, batches: Sequence[Batch]) -> Batch:
        """Committed batches, some at least, as one that is acknowledged at once."""
        if len(batches) == 1:
            return batches[0]
        for batch in batches:
            self._committed.pop(id(batch), None)
        whole = Batch.merge(batches)
        self.committed(whole)
        return whole

    def acked(self, batch: Batch) -> None:
        """An XACK of the whole batch was answered."""
        self._committed.pop(id(batch), None)
        self._remove_marks(self.attempted(batch))
        states = self._states
        again = batch.ids_among([*states.again]) if states.again else []
        settled = self.ids.settle(batch)
        # On the common path everything acknowledged was in flight. An id of which nothing is known is taken for one
        # that was acknowledged before.
        is_common = settled == batch.records and not again
        others = [] if is_common else batch.ids_among([*states.changed_by_ack])
        states.happened_to_many(State.IN_FLIGHT, Event.ACKED, settled - len(again))
        for entry_id in again:
            states.happened(entry_id, states.in_flight(entry_id), Event.ACKED)
        for entry_id in others:
            states.happened(entry_id, states.known(entry_id) or State.ACKED, Event.ACKED)
        self._on_acked(batch.records)

    def acked_first(self, batch: Batch, records: int) -> Batch | None:
        """XACKs of the first `records` were answered. Returns the rest, which is still to be acknowledged."""
        if records == batch.records:
            self.acked(batch)
            return None
        if not 0 < records < batch.records:
            raise IllegalEvent(f"{records} of {batch.records} records cannot be acknowledged")
        rest = batch.piece(records, batch.records)
        self._committed.pop(id(batch), None)
        self.committed(rest)
        self.acked(batch.piece(0, records))
        return rest

    def trial_begun(self, entry_id: str) -> None:
        """The entry's trial is recorded. Raises IllegalEvent if one is already."""
        if entry_id in self._on_trial:
            raise IllegalEvent(f"entry {entry_id} is on trial already")
        self._on_trial.add(entry_id)

    def left_pending(self, entry_id: str, *, recorded: bool) -> None:
        """It stays pending: its failure is recorded, or no failure is.

        This may be an entry that was never read, whose trial ended before it was delivered.
        """
        self._happened([entry_id], Event.REFUSED if recorded else Event.SET_ASIDE)

    def dead_lettered(self, entry_id: str) -> None:
        """It is a dead letter now."""
        self._happened([entry_id], Event.DEAD_LETTERED)

    def taken_over(self, entry_id: str) -> None:
        """Another consumer has settled it."""
        self._happened([entry_id], Event.TAKEN_OVER)

    def missing(self, entry_ids: Sequence[str]) -> list[str]:
        """Pending entries turned out to be missing from the stream. Returns those that are lost.

        What is in flight was read before and is settled in the normal way. What is settled is not lost either.
        """
        return self._happened(entry_ids, Event.MISSING)

    def lost(self, entry_id: str) -> None:
        """An entry whose failure was to be recorded is missing from the stream."""
        self._happened([entry_id], Event.LOST)

    def released(self, entry_ids: Sequence[str]) -> None:
        """Others can claim them now. Some may have been delivered under our name without being read."""
        again = self._states.again
        single = {*self.ids.absent(entry_ids), *(again & set(entry_ids) if again else ())}
        many = [entry_id for entry_id in entry_ids if entry_id not in single]
        self._remove_marks(many)
        settled = self.ids.settle_ids(many)
        self._states.happened_to_many(State.IN_FLIGHT, Event.RELEASED, settled)
        self._happened(sorted(single), Event.RELEASED)

    def reconcile(self, pending: Collection[str]) -> None:
        """`pending` is everything pending under our name: what else we had was taken over."""
        ours = {*self.older_than(0), *self._states.left_pending}
        self._happened(sorted(ours.difference(pending)), Event.TAKEN_OVER)

    def _take(self, delivery: Delivery, read_before: Iterable[str]) -> None:
        """Take a delivery's entries in flight. One that is in flight already keeps its time."""
        states, now_ms = self._states, self._clock()
        refused = [rejection.entry_id for rejection in delivery.rejections]
        known = dict.fromkeys(self.ids.absent([*read_before]))
        if states.released_unread:
            delivered = {*delivery.batch.entry_ids, *refused}
            known |= dict.fromkeys(states.released_unread & delivered)
        taken = self.ids.take(delivery.batch, now_ms) + self.ids.take_ids(refused, now_ms)
        states.happened_to_many(State.UNREAD, Event.READ, taken - len(known))
        for entry_id in known:
            states.happened(entry_id, states.known(entry_id) or State.ACKED, Event.READ)

    def _happened(self, entry_ids: Sequence[str], event: Event) -> list[str]:
        """Let an event happen to single entries. Returns the ids whose state it changed, except for `again`."""
        before = self._states_of(entry_ids)
        after = {each: self._states.happened(each, old, event) for each, old in before.items()}
        ended = [each for each, new in after.items() if not new.is_in_flight]
        self._remove_marks(ended)
        self.ids.settle_ids([each for each in ended if before[each].is_in_flight])
        # News of an entry that was never delivered: from now on it counts as read.
        self._ever_read.note_ids(
            [each for each, new in after.items() if new.is_read and not before[each].is_read]
        )
        return [
            each for each, new in after.items() if new.counted_as is not before[each].counted_as
        ]

    def _states_of(self, entry_ids: Sequence[str]) -> dict[str, State]:
        absent = self.ids.absent(entry_ids)
        ever_read = {*self._ever_read.among(absent)}
        states = {each: self._states.in_flight(each) for each in entry_ids}
        for each in absent:
            unknown = State.ACKED if each in ever_read else State.UNREAD
            states[each] = self._states.known(each) or unknown
        return states

    def _remove_marks(self, entry_ids: Iterable[str]) -> None:
        self._attempted.difference_update(entry_ids)
        self._on_trial.difference_update(entry_ids)
