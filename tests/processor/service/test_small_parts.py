"""The small parts that the tasks are made with: the stop request, connecting, and asking until it is answered."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.edges.ports import SweepResult
from processor.errors import PostgresError
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.stopping import StopRequest, cancel_on
from tests.support.fakes.store import FakeStore

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.edges.retrying import Dependency
    from processor.journal.statistics import Recorder
    from tests.processor.conftest import Told
    from tests.support.redis_harness import RedisHarness


async def test_the_first_signal_requests_the_stop_and_the_second_insists(
    nursery: trio.Nursery,
) -> None:
    send, signals = trio.open_memory_channel[int](0)
    stop = StopRequest()
    nursery.start_soon(stop.listen, signals)
    assert not stop.requested.is_set()
    await send.send(signal.SIGINT)
    await wait_all_tasks_blocked()
    assert stop.requested.is_set()
    assert not stop.insisted.is_set()
    assert stop.signal_name == "SIGINT"
    await send.send(signal.SIGTERM)
    await wait_all_tasks_blocked()
    assert stop.insisted.is_set()
    assert stop.signal_name == "SIGINT"
    nursery.cancel_scope.cancel()


async def test_signals_that_end_are_a_mistake_of_the_program() -> None:
    send, signals = trio.open_memory_channel[int](0)
    send.close()
    with pytest.raises(AssertionError, match="does not end"):
        await StopRequest().listen(signals)


async def test_an_event_cancels_a_scope(nursery: trio.Nursery) -> None:
    event = trio.Event()
    with trio.CancelScope() as scope:
        nursery.start_soon(cancel_on, event, scope)
        event.set()
        await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_connecting_goes_on_until_it_succeeds(
    clock: MockClock,
    nursery: trio.Nursery,
    postgres: Dependency,
    recorder: Recorder,
    backoff: Backoff,
    told: Told,
) -> None:
    store = FakeStore()
    store.table.reachable = False

    async def mend() -> None:
        await trio.sleep(600)
        assert not recorder.snapshot().dependencies["postgres"].ready
        store.table.reachable = True

    nursery.start_soon(mend)
    await postgres.connect(store.connect, backoff)
    assert recorder.snapshot().dependencies["postgres"].ready
    lines = told.fields("Postgres unreachable")
    assert [line["attempt"] for line in lines] == list(range(1, len(lines) + 1))
    # Pauses of 5 s at most, half of that on average.
    assert 600 / 5 <= len(lines) < 600
    assert {(line["where"], line["attempts_max"]) for line in lines} == {("fake:5432", None)}


async def test_connecting_gives_up_after_its_attempts(
    clock: MockClock, postgres: Dependency, recorder: Recorder, told: Told
) -> None:
    store = FakeStore()
    store.table.reachable = False
    with pytest.raises(PostgresError, match="fake:5432: connection refused"):
        await postgres.connect(store.connect, Backoff(base_ms=100, max_ms=5_000, attempts_max=4))
    assert [line["attempt"] for line in told.fields("Postgres unreachable")] == [1, 2, 3]
    assert "connection refused" in recorder.snapshot().dependencies["postgres"].reason


async def test_a_mistake_of_the_program_is_not_retried(
    postgres: Dependency, backoff: Backoff
) -> None:
    async def mistaken() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await postgres.connect(mistaken, backoff)


async def test_what_redis_does_not_answer_is_asked_again_on_a_new_connection(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    harness.server.go_away()
    harness.server.come_back()
    assert await harness.redis.until_answered(
        harness.stream.sweep_attempts, what="sweep"
    ) == SweepResult(0, frozenset())
    assert len(told.lines("sweep failed and is repeated")) == 1


async def test_what_redis_refuses_is_asked_again_with_growing_pauses_on_the_same_connection(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    busy = harness.stream.refused("BUSY", "Redis is busy running a script.")
    harness.stream.faults.before["sweep_attempts"] += [busy] * 5
    connect = harness.stream.faults.before["connect"]
    connect.append(harness.stream.unavailable("nobody asks for a connection"))
    began = trio.current_time()
    await harness.redis.until_answered(harness.stream.sweep_attempts, what="sweep")
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    assert [line["retry_ms"] <= 100 << n for n, line in enumerate(told.fields("sweep"))] == [
        True
    ] * 5
    assert len(connect) == 1


@pytest.mark.parametrize("refusable", [False, True])
async def test_what_a_replica_refuses_is_asked_again_on_new_connections_even_where_a_refusal_is_an_answer(
    clock: MockClock, harness: RedisHarness, told: Told, refusable: bool
) -> None:
    harness.server.change_masters()
    swept = await harness.redis.until_answered(
        harness.stream.sweep_attempts, what="sweep", refusable=refusable
    )
    assert swept == SweepResult(0, frozenset())
    [line] = told.fields("sweep failed and is repeated")
    assert "READONLY" in line["error"]


async def test_while_the_name_still_leads_to_a_replica_the_pauses_grow(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    loading = harness.stream.refused("LOADING", "Redis is loading the dataset in memory")
    harness.stream.faults.before["sweep_attempts"] += [loading] * 5
    began = trio.current_time()
    await harness.redis.until_answered(harness.stream.sweep_attempts, what="sweep")
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    assert len(told.lines("sweep failed and is repeated")) == 5
