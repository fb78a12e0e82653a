"""What is in flight against a model that knows each entry's class, whatever Redis delivers again, and when."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from processor.core import classing
from processor.core.classing import FINAL, LEFT, Class
from processor.settling import in_flight
from processor.settling.in_flight import InFlight
from telemetry._codec import Delivery, ReplyParser
from tests.support.batches import position
from tests.support.fakes.redis import NOON_US
from tests.support.journals import new_journal
from tests.support.wire import entry

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

ENTRIES = 24
numbers = st.integers(1, ENTRIES)
some = st.lists(numbers, min_size=1, max_size=6, unique=True).map(sorted)


def id_of(number: int) -> str:
    """Their text and their numbers are ordered differently."""
    return f"{8 + number // 5}-{number % 5}"


def is_refused(number: int) -> bool:
    """Every fifth entry is no Position."""
    return number % 5 == 0


def delivered(chosen: Sequence[int]) -> Delivery:
    """These entries, as the real codec decodes them."""
    payloads = [b"{" if is_refused(n) else json.dumps(position(1, n)).encode() for n in chosen]
    entries = [entry(id_of(n), payload) for n, payload in zip(chosen, payloads, strict=True)]
    parser = ReplyParser()
    parser.feed(b"*%d\r\n" % len(entries) + b"".join(entries))
    delivery = parser.next_claim()
    assert isinstance(delivery, Delivery)
    # The ids are no times of the positions.
    return delivery.judged(NOON_US)


class InFlightMachine(RuleBasedStateMachine):
    """The events of one life, in any order; the group's last delivery may go back at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = patch.object(in_flight, "now_ms", lambda: 0)
        self._clock.start()
        self.in_flight = InFlight(new_journal())
        self.next = 1
        self.held: set[int] = set()
        # The class of all that was read; None while it is open.
        self.classes: dict[int, Class | None] = {}
        self.released_unread: set[int] = set()

    def teardown(self) -> None:
        self._clock.stop()

    @rule(of_others=st.integers(0, 3), ours=st.integers(1, 6))
    def read_new(self, of_others: int, ours: int) -> None:
        first = min(self.next + of_others, ENTRIES + 1)
        self.next = min(first + ours, ENTRIES + 1)
        if chosen := range(first, self.next):
            self.in_flight.take(delivered(chosen))
            self._read(chosen)

    @rule(number=numbers)
    def set_back(self, number: int) -> None:
        self.next = min(self.next, number)

    @rule()
    def create_the_group_anew(self) -> None:
        self.next = 1

    @rule(chosen=some)
    def redeliver(self, chosen: list[int]) -> None:
        self.in_flight.take_again(delivered(chosen), [id_of(chosen[0])])
        self._read(chosen)

    @rule(chosen=some)
    def acknowledge(self, chosen: list[int]) -> None:
        """What was read: what is in flight, what was acknowledged before, what was refused meanwhile."""
        if sound := [n for n in chosen if n in self.classes and not is_refused(n)]:
            batch = delivered(sound).batch
            self.in_flight.committed(batch)
            assert self.in_flight.unacknowledged == (batch,)
            self.in_flight.acked(batch)
            self.held.difference_update(sound)
            # What was released stays so: nothing is acknowledged behind that in one life.
            self.classes |= {n: Class.ACKED for n in sound if self.classes[n] is not Class.RELEASED}

    @rule(number=numbers, recorded=st.booleans())
    def refuse(self, number: int, recorded: bool) -> None:
        self.in_flight.left(id_of(number), recorded=recorded)
        self._news(number, Class.REFUSED if recorded else Class.SET_ASIDE)

    @rule(number=numbers)
    def bury(self, number: int) -> None:
        self.in_flight.dead_lettered(id_of(number))
        self._news(number, Class.DEAD_LETTERED)

    @rule(number=numbers)
    def settle_by_a_peer(self, number: int) -> None:
        self.in_flight.taken_over(id_of(number))
        self._news(number, Class.TAKEN_OVER)

    @rule(chosen=some)
    def trim(self, chosen: list[int]) -> None:
        """Redis strikes pending entries off; what is in flight is settled in the normal way."""
        told = self.in_flight.lost([*map(id_of, chosen)])
        losses = [n for n in chosen if n not in self.held and self._news(n, Class.LOST)]
        assert told == [*map(id_of, losses)]

    @rule(number=numbers)
    def lose(self, number: int) -> None:
        self.in_flight.lost_in_flight(id_of(number))
        self._news(number, Class.LOST)

    @rule(number=numbers)
    def try_alone(self, number: int) -> None:
        self.in_flight.tried(id_of(number))
        self.in_flight.left(id_of(number), recorded=False)
        self._news(number, Class.SET_ASIDE)
        assert not self.in_flight.on_trial

    @rule(chosen=some)
    def release(self, chosen: list[int]) -> None:
        self.in_flight.released([*map(id_of, chosen)])
        for number in chosen:
            self._news(number, Class.RELEASED)

    @rule(chosen=some)
    def find_pending(self, chosen: list[int]) -> None:
        """All else that was in flight or left was taken over."""
        self.in_flight.still_ours({*map(id_of, chosen)})
        left = {n for n, it in self.classes.items() if it in LEFT}
        for number in (self.held | left).difference(chosen):
            self._news(number, Class.TAKEN_OVER)

    def _read(self, chosen: Collection[int]) -> None:
        self.released_unread.difference_update(chosen)
        for number in set(chosen) - self.held:
            if self.classes.get(number) not in FINAL:
                self.classes[number] = None
            self.held.add(number)

    def _news(self, number: int, new: Class) -> bool:
        old, was_read = self.classes.get(number), number in self.classes
        was_held = number in self.held
        self.held.discard(number)
        if not was_read and new is Class.RELEASED:
            self.released_unread.add(number)
        if not was_read:
            counts = new in {Class.LOST, Class.DEAD_LETTERED}
        elif old is None:
            counts = True
        elif old in FINAL or was_held or new in {Class.SET_ASIDE, Class.RELEASED}:
            counts = False
        elif new is Class.REFUSED:
            counts = old is Class.SET_ASIDE
        else:
            counts = new is not old
        if counts:
            self.classes[number] = new
        return counts

    @invariant()
    def the_ledger_balances(self) -> None:
        ledger = self.in_flight.ledger
        assert ledger.unaccounted == self.in_flight.undecided
        assert ledger.closed(self.in_flight.undecided).unaccounted == 0
        assert min(vars_of(ledger).values()) >= 0

    @invariant()
    def each_entry_counts_once_in_its_class(self) -> None:
        counts, ledger = Counter(self.classes.values()), self.in_flight.ledger
        assert vars_of(ledger) == {
            "read": len(self.classes),
            "acked": counts[Class.ACKED],
            "dead_lettered": counts[Class.DEAD_LETTERED],
            "lost": counts[Class.LOST],
            "taken_over": counts[Class.TAKEN_OVER],
            "released": counts[Class.RELEASED],
            "left_pending": counts[Class.REFUSED] + counts[Class.SET_ASIDE],
            "released_unread": len(self.released_unread),
        }
        assert self.in_flight.undecided == counts[None]

    @invariant()
    def what_is_in_flight_is_known_by_id(self) -> None:
        assert self.in_flight.held_for(0) == [*map(id_of, sorted(self.held))]
        refused = {n for n, it in self.classes.items() if it is Class.REFUSED}
        assert set(self.in_flight.refused) == {*map(id_of, refused)}


class ForgetfulMachine(InFlightMachine):
    """The same with room for next to nothing: an entry may count twice then, and the ledger balances."""

    def __init__(self) -> None:
        self._limits = (
            patch.object(in_flight, "STRETCHES_MAX", 2),
            patch.object(classing, "KNOWN_MAX", 1),
        )
        for limit in self._limits:
            limit.start()
        super().__init__()

    def teardown(self) -> None:
        super().teardown()
        for limit in self._limits:
            limit.stop()

    @rule(chosen=some)
    def trim(self, chosen: list[int]) -> None:
        self.in_flight.lost([*map(id_of, chosen)])
        for number in set(chosen) - self.held:
            self._news(number, Class.LOST)

    @invariant()
    def each_entry_counts_once_in_its_class(self) -> None:
        assert self.in_flight.ledger.read >= len(self.held)

    @invariant()
    def what_is_in_flight_is_known_by_id(self) -> None:
        assert self.in_flight.held_for(0) == [*map(id_of, sorted(self.held))]


def vars_of(ledger: Any) -> dict[str, int]:
    return {name: getattr(ledger, name) for name in ledger.__slots__}


SETTINGS = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInFlight = InFlightMachine.TestCase
TestInFlight.settings = SETTINGS
TestInFlightWithoutRoom = ForgetfulMachine.TestCase
TestInFlightWithoutRoom.settings = SETTINGS
