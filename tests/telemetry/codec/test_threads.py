"""Threads: the GIL is released while the codec works, and what they share stays whole."""

from __future__ import annotations

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self

import pytest

from telemetry._codec import (
    INCOMPLETE,
    AcceptedFrame,
    Batch,
    Delivery,
    DeviceStates,
    InFlightIds,
    ReadRanges,
    ReplyCounter,
    ReplyParser,
    decode_datagram,
)
from tests.support.devices import (
    ENTRY_ID_REPLY,
    WRITERS,
    admitted_session,
    datagram_of,
    frame_of,
)
from tests.support.wire import (
    FIRST_TS_US,
    acked_ids,
    any_time_parser,
    batch,
    claim_reply,
    copy_stream,
    delivery,
    expect,
    position,
    read_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 10
# A thread that waits for the GIL asks for it after this time only: it gets it earlier if it is released.
NEVER_S = 1000.0
# Whether the scheduler lets the other thread run in time is a matter of luck, in each single call.
TRIES_MAX = 500


@pytest.fixture
def no_switching() -> Iterator[None]:
    """Threads change only where one gives up the GIL of its own accord."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(NEVER_S)
    yield
    sys.setswitchinterval(interval)


class Bystander:
    """Another thread, which looks whether a call is going on as soon as it gets to run."""

    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self._looked = threading.Semaphore(0)
        self._call_going_on = False
        self._saw = False
        self._done = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done = True
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self._done:
                return
            self._saw = self._call_going_on
            self._looked.release()

    def sees(self, call: Callable[[], object]) -> bool:
        """Whether the other thread ran while `call` was going on."""
        self._call_going_on = True
        self._go.release()
        call()
        self._call_going_on = False
        self._looked.acquire()
        return self._saw


PAYLOADS = [position(number, device_id=f"device-{number % 500}") for number in range(5000)]
READ = read_reply(PAYLOADS)
CLAIM = claim_reply(PAYLOADS)
ROWS = batch(PAYLOADS)
DELIVERY = delivery(READ)
IDS = ROWS.entry_ids
STATES = DeviceStates(100)
KEYS = STATES.unproven(ROWS)
FIRST_KEY = (0).to_bytes(4)
TABLE_ROWS = [(f"device-{number}", 0, 0.0, 0.0) for number in range(5000)]


def fed(wire: bytes) -> ReplyParser:
    parser = any_time_parser()
    parser.feed(wire)
    return parser


def outside() -> Delivery:
    """All of it, under ids that speak against each record."""
    parser = ReplyParser()
    parser.feed(READ)
    return expect(Delivery, parser.next_read())


def holding_all() -> InFlightIds:
    in_flight = InFlightIds()
    in_flight.take(ROWS, 0)
    return in_flight


def holding_read() -> ReadRanges:
    read = ReadRanges(10_000)
    read.note_new(DELIVERY)
    return read


LONG_DATA = b"\x08\xff" + bytes(30 * 255) + b"\xff"
LONG_FRAME = frame_of(LONG_DATA)


def counter_of(frame: bytes) -> ReplyCounter:
    counter = ReplyCounter()
    counter.expect(expect(AcceptedFrame, admitted_session().feed(frame, 0)), None)
    return counter


CALLS: dict[str, Callable[[], Callable[[], object]]] = {
    "feed": lambda: partial(ReplyParser().feed, READ),
    "next_reply": lambda: fed(READ).next_reply,
    "next_read": lambda: fed(READ).next_read,
    "next_claim": lambda: fed(CLAIM).next_claim,
    "judged": lambda: partial(outside().judged, FIRST_TS_US),
    "merge": lambda: partial(Batch.merge, [ROWS, ROWS]),
    "split": lambda: ROWS.split,
    "piece": lambda: partial(ROWS.piece, 1, 4000),
    "take_out": lambda: partial(ROWS.take_out, 4000),
    "partition": lambda: partial(ROWS.partition, 4),
    "copy_chunks": lambda: partial(next, ROWS.copy_chunks(1 << 24)),
    "ack_command": lambda: partial(ROWS.ack_command, "stream", "group"),
    "drop_known": lambda: partial(ROWS.drop_known, KEYS, FIRST_KEY),
    "ids_among": lambda: partial(ROWS.ids_among, IDS),
    "unproven": lambda: partial(STATES.unproven, ROWS),
    "restore": lambda: partial(STATES.restore, [row[0] for row in TABLE_ROWS], TABLE_ROWS),
    "take": lambda: partial(InFlightIds().take, ROWS, 0),
    "take_ids": lambda: partial(InFlightIds().take_ids, IDS, 0),
    "settle": lambda: partial(holding_all().settle, ROWS),
    "settle_ids": lambda: partial(holding_all().settle_ids, IDS),
    "absent": lambda: partial(InFlightIds().absent, IDS),
    "in_flight_since": lambda: partial(holding_all().in_flight_since, 0),
    "Session.feed": lambda: partial(admitted_session().feed, LONG_FRAME, 0),
    "decode_datagram": lambda: partial(decode_datagram, datagram_of(LONG_DATA), WRITERS),
    "ReplyCounter.feed": lambda: partial(counter_of(LONG_FRAME).feed, ENTRY_ID_REPLY * 255),
    "note_new": lambda: partial(holding_read().note_new, DELIVERY),
    "note_again": lambda: partial(ReadRanges(10_000).note_again, DELIVERY),
    "note_ids": lambda: partial(ReadRanges(10_000).note_ids, IDS),
    "among": lambda: partial(holding_read().among, IDS),
    "cold": lambda: partial(STATES.cold, ROWS),
    "update": lambda: partial(STATES.update, ROWS, 0),
}


@pytest.mark.usefixtures("no_switching")
@pytest.mark.parametrize("name", CALLS)
def test_another_thread_runs_during_a_call(name: str) -> None:
    with Bystander() as bystander:
        assert any(bystander.sees(CALLS[name]()) for _ in range(TRIES_MAX))


@pytest.mark.usefixtures("no_switching")
def test_another_thread_runs_while_a_session_receives() -> None:
    device, server = socket.socketpair()

    def receive() -> Callable[[], object]:
        session = admitted_session()
        assert session.feed(LONG_FRAME[:4000], 0) is None
        device.sendall(LONG_FRAME[4000:])
        return partial(session.receive, server, 0)

    with device, server, Bystander() as bystander:
        assert any(bystander.sees(receive()) for _ in range(TRIES_MAX))


@pytest.mark.usefixtures("no_switching")
def test_a_bystander_sees_nothing_of_a_call_that_keeps_the_gil() -> None:
    with Bystander() as bystander:
        assert not any(bystander.sees(lambda: sorted(range(100_000))) for _ in range(10))


def in_threads(work: Callable[[int], object]) -> None:
    """Run `work` in all threads at once, with their numbers."""
    barrier = threading.Barrier(THREADS)

    def begin_together(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(begin_together, number) for number in range(THREADS)]:
            future.result()


def test_ten_threads_on_one_parser_lose_no_reply() -> None:
    parser, replies, seen = any_time_parser(), 20, []

    def feed_and_take(thread: int) -> None:
        for number in range(replies):
            first = (thread * replies + number) * 50
            parser.feed(read_reply(PAYLOADS[:50], first_seq=first))
            reply = parser.next_read()
            if isinstance(reply, Delivery):
                seen.extend(reply.batch.entry_ids)

    in_threads(feed_and_take)
    while (reply := parser.next_read()) is not INCOMPLETE:
        assert isinstance(reply, Delivery)
        seen.extend(reply.batch.entry_ids)
    assert sorted(seen) == sorted(f"1-{seq}" for seq in range(THREADS * replies * 50))


def test_ten_threads_on_one_batch_get_the_same_answers() -> None:
    stream, command = copy_stream(ROWS), ROWS.ack_command("s", "g")

    def use(row: int) -> None:
        left, right = ROWS.split()
        assert copy_stream(Batch.merge([right, left])) == stream
        assert copy_stream(Batch.merge(ROWS.partition(3))) == stream
        rest, taken = ROWS.take_out(row)
        assert Batch.merge([taken, rest]).ack_command("s", "g") == command
        new, known = ROWS.drop_known(KEYS, row.to_bytes(4))
        assert known.ack_command("s", "g") == taken.ack_command("s", "g")
        assert copy_stream(Batch.merge([known, new])) == stream

    in_threads(use)


def test_ten_threads_on_one_copy_stream_get_each_piece_once() -> None:
    chunks = ROWS.copy_chunks(1000)
    pieces: list[bytes] = []

    def take(_: int) -> None:
        pieces.extend(chunks)

    in_threads(take)
    assert sorted(pieces) == sorted(ROWS.copy_chunks(1000))


def test_ten_threads_on_the_states_lose_no_record() -> None:
    states = DeviceStates(1000)
    few = batch(PAYLOADS[:500])

    def update(number: int) -> None:
        for _ in range(20):
            states.restore(few.device_ids, TABLE_ROWS[:500])
            states.update(few, number)
            assert states.cold(few) == []
            assert len(states.unproven(few)) == 500

    in_threads(update)
    assert (len(states), states.evictions) == (500, 0)
    state = states.get("device-0")
    assert state is not None
    assert state.session_records == THREADS * 20
    assert acked_ids(few.ack_command("s", "g")) == few.entry_ids


def test_ten_threads_take_and_settle_each_entry_once() -> None:
    in_flight = InFlightIds()
    taken: list[int] = []
    settled: list[int] = []

    def take_all(number: int) -> None:
        taken.append(in_flight.take(ROWS, number))

    def settle_all(_: int) -> None:
        settled.append(in_flight.settle(ROWS))

    in_threads(take_all)
    assert (sum(taken), len(in_flight)) == (5000, 5000)
    in_threads(settle_all)
    assert (sum(settled), len(in_flight)) == (5000, 0)
