"""The whole service in one process: its four rings with fakes at their edges, under a virtual clock."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.in_flight import InFlight
from processor.errors import LedgerImbalance
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.exit_codes import ExitCode
from tests.support.fakes.pending import RELEASED_IDLE_S
from tests.support.fakes.stream import FakeStream
from tests.support.service_harness import in_words, nothing, until

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.edges.ports import Commit
    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.service_harness import ServiceHarness


@pytest.mark.parametrize("writers", [1, 3])
async def test_the_service_reads_writes_acknowledges_and_drains(
    clock: MockClock, service: ServiceHarness, logged: LogLines, writers: int
) -> None:
    service.publish(35)

    async def script() -> None:
        await until(lambda: len(service.table.rows) == 35)
        service.publish(35, first_second=100)
        service.send()

    assert await service.live(script, writers=writers) is ExitCode.CLEAN
    [ledger] = [fields["ledger"] for fields in logged.fields("shutdown: clean exit")]
    assert ledger["read"] == ledger["acked"] == len(service.table.rows)
    assert ledger["left_pending"] == service.pending == 0
    assert in_words(logged) == [
        "processor starting",
        "Postgres connected",
        "Redis connected",
        "consumer started",
        "processor ready",
        "shutdown: starting",
        "shutdown: clean",
    ]
    assert service.armed == 1


async def test_the_drain_ends_at_its_budget_and_says_what_is_left(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.publish(7)
    service.table.answers = trio.Event()
    asked = 0.0

    async def script() -> None:
        nonlocal asked
        await until(lambda: service.pending == 7)
        asked = trio.current_time()
        service.send()

    assert await service.live(script) is ExitCode.TIMED_OUT
    assert trio.current_time() - asked == pytest.approx(4.0)
    [line] = logged.fields("shutdown: timed out")
    assert (line["released"], line["left"]) == (7, 0)
    assert service.pending == 7


async def test_a_ledger_that_does_not_balance_ends_the_service_with_an_error(
    clock: MockClock, service: ServiceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten(self: InFlight, batch: Batch) -> None:
        self.ids.settle(batch)

    monkeypatch.setattr(InFlight, "acked", forgotten)
    service.publish(3)

    async def script() -> None:
        await until(lambda: service.table.rows and not service.pending)
        service.send()

    with pytest.RaisesGroup(LedgerImbalance, flatten_subgroups=True):
        await service.live(script)


async def test_a_second_signal_ends_the_drain_at_once(
    clock: MockClock, service: ServiceHarness
) -> None:
    service.publish(7)
    service.table.answers = trio.Event()
    asked = 0.0

    async def script() -> None:
        nonlocal asked
        await until(lambda: service.pending == 7)
        asked = trio.current_time()
        service.send()
        await trio.sleep(1)
        service.send(signal.SIGINT)

    assert await service.live(script) is ExitCode.TIMED_OUT
    assert trio.current_time() - asked == pytest.approx(1.0)
    assert service.armed == 1


async def test_what_is_in_flight_is_free_before_a_hanging_write_is_cut(
    clock: MockClock, service: ServiceHarness
) -> None:
    freed_at = cut_at = math.inf

    async def hang(batch: Batch) -> Commit:
        nonlocal cut_at
        try:
            await trio.sleep_forever()
        finally:
            # As long as the real edge waits for the answer to its cancel request.
            with trio.CancelScope(shield=True):
                await trio.sleep(0.3)
            cut_at = trio.current_time()

    def is_free(entries: int) -> bool:
        pending = service.stream.redis.pending.values()
        return sum(each.idle_ms >= RELEASED_IDLE_S * 1000 for each in pending) == entries

    async def script() -> None:
        nonlocal freed_at
        # The last read waits until a writer has room for it.
        await until(lambda: service.pending == 30)
        service.send()
        await until(lambda: is_free(30))
        freed_at = trio.current_time()

    service.store.insert_new = hang  # type: ignore[method-assign]
    service.publish(30)
    assert await service.live(script, WRITE_BATCH_SIZE="10") is ExitCode.TIMED_OUT
    assert freed_at < cut_at < math.inf


async def test_a_second_signal_ends_the_release_soon_too(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    asked = 0.0

    async def script() -> None:
        nonlocal asked
        await until(lambda: logged.lines("processor ready"))
        service.stream.redis.answers = trio.Event()
        asked = trio.current_time()
        service.send()
        await trio.sleep(2)
        service.send(signal.SIGINT)

    assert await service.live(script) is ExitCode.CLEAN
    assert trio.current_time() - asked == pytest.approx(2.5)
    # Everything was decided: others have nothing to wait for.
    assert not logged.lines("not handed over")


async def test_writing_ends_the_earlier_the_more_there_is_to_release(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.publish(3_000)
    service.table.answers = trio.Event()

    async def script() -> None:
        await until(lambda: service.pending == 3_000)
        service.send()

    assert (
        await service.live(script, BATCH_SIZE="1500", WRITE_BATCH_SIZE="1500") is ExitCode.TIMED_OUT
    )
    [line] = logged.fields("shutdown: timed out")
    assert line["released"] == 3_000
    assert sum(line["steps_ms"].values()) == pytest.approx(4_000 - 75)


async def test_a_drain_waits_for_acknowledgements_too(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.publish(7)

    def redis_leaves() -> None:
        service.stream.redis.go_away()

    service.store.before_write = redis_leaves

    async def script() -> None:
        await until(lambda: service.table.rows)
        service.send()
        await trio.sleep(2)
        service.stream.redis.come_back()

    assert await service.live(script, CONNECT_BACKOFF_MAX_MS="100") is ExitCode.CLEAN
    assert service.pending == 0
    [ledger] = [fields["ledger"] for fields in logged.fields("shutdown: clean exit")]
    assert (ledger["read"], ledger["acked"]) == (7, 7)


async def test_the_drain_records_failures_too(clock: MockClock, service: ServiceHarness) -> None:
    malformed = service.add_malformed()

    async def script() -> None:
        await until(lambda: service.pending)
        service.send()
        service.stream.redis.go_away()
        await trio.sleep(2)
        service.stream.redis.come_back()

    assert await service.live(script, CONNECT_BACKOFF_MAX_MS="100") is ExitCode.CLEAN
    assert list(service.stream.redis.attempts) == [malformed]


async def test_a_stop_before_ready_is_clean(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.table.reachable = False

    async def script() -> None:
        await until(lambda: logged.lines("Postgres unreachable"))
        service.send()

    assert await service.live(script, CONNECT_ATTEMPTS="1000") is ExitCode.CLEAN
    assert in_words(logged)[-2:] == ["shutdown: starting", "shutdown: clean"]
    assert not logged.lines("processor ready")


async def test_a_server_that_stays_away_ends_the_start(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.stream.redis.reachable = False
    assert await service.live(nothing) is ExitCode.UNREACHABLE
    assert in_words(logged)[-3:] == ["Redis unreachable", "Redis unreachable", "cannot start:"]


async def test_another_schema_ends_the_start(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.table.differences = ("column speed (real) is missing",)
    assert await service.live(nothing) is ExitCode.SCHEMA
    [line] = logged.fields("cannot start:")
    assert line["differences"] == ["column speed (real) is missing"]


CRASHES = {
    "writer": "insert_new",
    "trials": "insert_new",
    "acker": "ack",
    "consumer": "read_new",
    "reclaimer": "claim",
    "recorder of failures": "record_failures",
    "leases": "renew",
    "probe": "look",
}


@pytest.mark.parametrize("place", CRASHES)
async def test_a_crash_anywhere_unwinds_everything_and_comes_out(
    clock: MockClock, service: ServiceHarness, place: str
) -> None:
    async def crash(*_: object, **__: object) -> int:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError(place)

    async def keep_in_flight(batch: Batch) -> Commit:
        await trio.sleep_forever()

    edge = {"writer": service.store, "trials": service.trials}.get(place, service.stream)
    setattr(edge, CRASHES[place], crash)
    if place == "leases":
        service.store.insert_new = keep_in_flight  # type: ignore[method-assign]
    service.publish(7)
    service.add_malformed()
    if place == "trials":
        await service.leave_a_suspect()
    with pytest.raises(BaseExceptionGroup) as caught:
        await service.live(nothing)
    assert caught.group_contains(ZeroDivisionError, match=place)
    # Every edge was closed on the way out.
    with pytest.raises(RedisUnavailable, match="not connected"):
        await FakeStream.look(service.stream)
