"""InFlight against a plain dictionary of states, whatever Redis delivers again, and when.

The dictionary follows the rules in `after`, which are written without the table. Each step compares the transition
with the table, and what InFlight counts and knows with the dictionary. Hypothesis takes the events in any order;
the last test takes every row of the table.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from processor.core.entry_states import (
    AGAIN,
    ILLEGAL,
    TABLE,
    Event,
    IllegalEvent,
    State,
    next_state,
)
from processor.core.in_flight import STRETCHES_MAX, InFlight
from processor.core.known_states import KNOWN_MAX
from processor.core.ledger import Ledger
from telemetry._codec import CodecError, Delivery, ReplyParser
from tests.support.batches import position
from tests.support.fakes.redis import NOON_US
from tests.support.wire import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

ENTRIES = 16
numbers = st.integers(1, ENTRIES)
some = st.lists(numbers, min_size=1, max_size=6, unique=True).map(sorted)

FINAL = frozenset(AGAIN.values())
UNREAD = frozenset({State.UNREAD, State.RELEASED_UNREAD})
LEFT = frozenset({State.REFUSED, State.SET_ASIDE})
IN_FLIGHT = frozenset({State.IN_FLIGHT, *AGAIN})


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


RECORDS = [n for n in range(1, ENTRIES + 1) if not is_refused(n)]
ALL_RECORDS = delivered(RECORDS).batch


def after(old: State, event: Event) -> State:
    """The rules once more, by event where the table goes by state."""
    if event is Event.READ:
        return _read(old)
    if event is Event.MISSING and old in IN_FLIGHT:
        return old
    if old in AGAIN:
        old = AGAIN[old]
    elif old is State.IN_FLIGHT:
        return State[event.name]
    return _news(old, event)


def _read(old: State) -> State:
    if old in FINAL:
        return State[f"{old.name}_AGAIN"]
    return old if old in AGAIN else State.IN_FLIGHT


def _news(old: State, event: Event) -> State:
    """News of an entry that is not in flight."""
    match event:
        case Event.ACKED:
            return old if old is State.RELEASED else State.ACKED
        case Event.RELEASED:
            return State.RELEASED_UNREAD if old is State.UNREAD else old
        case Event.REFUSED | Event.SET_ASIDE:
            is_news = old is State.SET_ASIDE and event is Event.REFUSED
            return State.REFUSED if is_news else old
        case Event.TAKEN_OVER:
            return old if old in FINAL | UNREAD else State.TAKEN_OVER
        case Event.DEAD_LETTERED:
            return old if old in FINAL else State.DEAD_LETTERED
        case _:
            return old if old in FINAL else State.LOST


class Model:
    """An InFlight, and the dictionary that says what it has to know. Each event happens to both."""

    def __init__(self, *, stretches_max: int = STRETCHES_MAX, known_max: int = KNOWN_MAX) -> None:
        self.acks = 0
        self.in_flight = InFlight(
            clock=lambda: 0,
            on_acked=self._on_acked,
            stretches_max=stretches_max,
            known_max=known_max,
        )
        self.states = dict.fromkeys(range(1, ENTRIES + 1), State.UNREAD)
        self.on_trial: set[int] = set()
        self.attempted: set[int] = set()
        # Whether it has room for all ids; without, what was forgotten may count twice.
        self.is_exact = known_max >= ENTRIES

    def _on_acked(self, records: int) -> None:
        self.acks += records

    def do(self, event: Event, chosen: Sequence[int]) -> None:
        """Report the event in the way in which the tasks report it."""
        in_flight = self.in_flight
        match event:
            case Event.READ:
                in_flight.take_again(delivered(chosen), [id_of(chosen[0])])
            case Event.ACKED:
                in_flight.acked(delivered(chosen).batch)
            case Event.MISSING:
                lost = in_flight.missing([*map(id_of, chosen)])
                elsewhere = [n for n in chosen if after(self.states[n], event) != self.states[n]]
                assert not self.is_exact or lost == [*map(id_of, elsewhere)]
            case Event.RELEASED:
                in_flight.released([*map(id_of, chosen)])
            case _:
                for number in chosen:
                    self._single(event)(id_of(number))
        self.happened(event, chosen)
        if event is Event.READ:
            self.attempted.add(chosen[0])

    def _single(self, event: Event) -> Callable[[str], None]:
        left_pending = self.in_flight.left_pending
        reports: dict[Event, Callable[[str], None]] = {
            Event.REFUSED: lambda entry_id: left_pending(entry_id, recorded=True),
            Event.SET_ASIDE: lambda entry_id: left_pending(entry_id, recorded=False),
            Event.DEAD_LETTERED: self.in_flight.dead_lettered,
            Event.TAKEN_OVER: self.in_flight.taken_over,
            Event.LOST: self.in_flight.lost,
        }
        return reports[event]

    def happened(self, event: Event, chosen: Iterable[int]) -> None:
        """The transitions of the dictionary, which are those of the table."""
        for number in chosen:
            old = self.states[number]
            self.states[number] = new = after(old, event)
            assert next_state(old, event) is new, (old, event)
            if new not in IN_FLIGHT:
                # An acknowledgement ends a trial only where it also removes a recorded failure.
                if event is not Event.ACKED or number in self.attempted:
                    self.on_trial.discard(number)
                self.attempted.discard(number)

    def refuses(self, error: type[Exception], report: Callable[[], object]) -> None:
        """A mistake raises, and leaves everything as it was."""
        before = self._visible()
        with pytest.raises(error):
            report()
        assert self._visible() == before
        self.check()

    def _visible(self) -> tuple[object, ...]:
        in_flight = self.in_flight
        return (
            in_flight.ledger,
            in_flight.older_than(0),
            in_flight.undecided,
            sorted(in_flight.refused),
            in_flight.unacknowledged,
            self.acks,
        )

    def among(self, states: Collection[State]) -> list[str]:
        return [id_of(n) for n, state in sorted(self.states.items()) if state in states]

    def check(self) -> None:
        """What InFlight counts, and what it knows by id."""
        in_flight, ledger = self.in_flight, self.in_flight.ledger
        assert ledger.unaccounted == in_flight.undecided
        assert ledger.closed(in_flight.undecided).unaccounted == 0
        assert min(asdict(ledger).values()) >= 0
        assert in_flight.older_than(0) == self.among(IN_FLIGHT)
        assert {*in_flight.on_trial} == {*map(id_of, self.on_trial)}
        attempted = {*map(id_of, self.attempted.intersection(RECORDS))}
        assert {*in_flight.attempted(ALL_RECORDS)} == attempted
        if self.is_exact:
            self._check_each_counts_once()
        else:
            assert ledger.read >= len(in_flight)

    def _check_each_counts_once(self) -> None:
        counts = Counter(AGAIN.get(state, state) for state in self.states.values())
        assert self.in_flight.ledger == Ledger(
            read=ENTRIES - counts[State.UNREAD] - counts[State.RELEASED_UNREAD],
            acked=counts[State.ACKED],
            dead_lettered=counts[State.DEAD_LETTERED],
            lost=counts[State.LOST],
            taken_over=counts[State.TAKEN_OVER],
            released=counts[State.RELEASED],
            left_pending=counts[State.REFUSED] + counts[State.SET_ASIDE],
            released_unread=counts[State.RELEASED_UNREAD],
        )
        assert self.in_flight.undecided == counts[State.IN_FLIGHT]
        assert sorted(self.in_flight.refused) == sorted(self.among({State.REFUSED}))


class InFlightMachine(RuleBasedStateMachine):
    """The events of one run, in any order; the group's last delivery may be set back at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.model = self.make_model()
        self.next = 1

    def make_model(self) -> Model:
        return Model()

    @rule(of_others=st.integers(0, 3), ours=st.integers(1, 6))
    def read_new(self, of_others: int, ours: int) -> None:
        first = min(self.next + of_others, ENTRIES + 1)
        self.next = min(first + ours, ENTRIES + 1)
        if chosen := range(first, self.next):
            self.model.in_flight.take(delivered(chosen))
            self.model.happened(Event.READ, chosen)

    @rule(number=numbers)
    def set_the_group_back(self, number: int) -> None:
        self.next = min(self.next, number)

    @rule()
    def create_the_group_again(self) -> None:
        self.next = 1

    @rule(chosen=some, event=st.sampled_from([each for each in Event if each is not Event.ACKED]))
    def report(self, chosen: list[int], event: Event) -> None:
        self.model.do(event, chosen)

    @rule(chosen=some)
    def acknowledge(self, chosen: list[int]) -> None:
        """What was read: what is in flight, what was acknowledged before, what was refused meanwhile."""
        if sound := self._sound(chosen):
            self.model.do(Event.ACKED, sound)

    @rule(chosen=some, data=st.data())
    def commit_and_acknowledge_in_turns(self, chosen: list[int], data: st.DataObject) -> None:
        if sound := self._sound(chosen):
            in_flight, batch, acks = self.model.in_flight, delivered(sound).batch, self.model.acks
            in_flight.committed(batch)
            assert [*in_flight.unacknowledged] == [batch]
            first = data.draw(st.integers(1, len(sound)))
            rest = in_flight.acked_first(batch, first)
            assert self.model.acks == acks + first
            if rest is not None:
                assert [*in_flight.unacknowledged] == [rest]
                in_flight.acked(rest)
            assert [*in_flight.unacknowledged] == []
            self.model.happened(Event.ACKED, sound)

    @rule(number=numbers)
    def begin_a_trial(self, number: int) -> None:
        """The trial of any entry may begin; for one that is on trial already it is a mistake."""
        begin = partial(self.model.in_flight.trial_begun, id_of(number))
        if number in self.model.on_trial:
            self.model.refuses(IllegalEvent, begin)
        else:
            begin()
            self.model.on_trial.add(number)

    @rule(chosen=some)
    def list_the_pending(self, chosen: list[int]) -> None:
        """Everything else that was in flight or left was taken over."""
        states = self.model.states
        ours = {n for n, state in states.items() if state in IN_FLIGHT | LEFT}
        self.model.in_flight.reconcile({*map(id_of, chosen)})
        self.model.happened(Event.TAKEN_OVER, ours.difference(chosen))

    @rule(chosen=some, beyond=st.sampled_from([-1, 1, 5]))
    def acknowledge_fewer_than_one_or_more_than_all(self, chosen: list[int], beyond: int) -> None:
        if (batch := delivered(chosen).batch).records:
            records = 0 if beyond < 0 else batch.records + beyond
            acked = partial(self.model.in_flight.acked_first, batch, records)
            self.model.refuses(IllegalEvent, acked)

    @rule(chosen=some)
    def report_what_is_no_id(self, chosen: list[int]) -> None:
        in_flight, ids = self.model.in_flight, [*map(id_of, chosen), "no id"]
        for report in (in_flight.missing, in_flight.released):
            self.model.refuses(CodecError, partial(report, ids))
        self.model.refuses(CodecError, partial(in_flight.dead_lettered, "no id"))

    def _sound(self, chosen: list[int]) -> list[int]:
        return [n for n in chosen if n in RECORDS and self.model.states[n] not in UNREAD]

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        self.model.check()


class ForgetfulMachine(InFlightMachine):
    """The same with room for next to nothing: an entry may count twice then, and the ledger balances."""

    def make_model(self) -> Model:
        return Model(stretches_max=2, known_max=1)


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


def ways() -> dict[State, tuple[Event, ...]]:
    """For each state that the model can reach, the shortest way there."""
    found: dict[State, tuple[Event, ...]] = {State.UNREAD: ()}
    for state in (reached := [State.UNREAD]):
        for event in Event:
            if event is Event.ACKED and state in UNREAD:
                continue
            if (new := after(state, event)) not in found:
                found[new] = (*found[state], event)
                reached.append(new)
    return found


WAYS = ways()
PAIRS = [pair for pair in product(State, Event) if pair not in ILLEGAL]


def test_every_row_of_the_table_is_taken() -> None:
    assert {*TABLE} <= {*PAIRS}
    assert {*WAYS} == {*State}


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda each: getattr(each, "name", None))
def test_a_row_is_taken_by_one_entry_and_by_one_among_others(state: State, event: Event) -> None:
    """Also an event without a row, which changes nothing. The others are in flight, or in the same state."""
    for number, others in ((1, []), (2, [1, 3]), (3, [2, 4])):
        model = Model()
        if others:
            model.do(Event.READ, others)
        for step in WAYS[state]:
            model.do(step, [number] if others != [2, 4] else [2, 3])
        assert model.states[number] is state
        model.do(event, [number])
        model.check()
