from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.core.attempts import Failure, FailureStage
from telemetry.chassis import clocks
from tests.support.redis_harness import RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines


async def test_records_go_to_the_writers_and_refused_entries_to_be_recorded(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    bad = harness.add({"device_id": "1"})
    good = harness.publish(2)
    await trio.sleep(30)
    await harness.intake.admit(await harness.read(), redelivered=False)
    assert harness.admitted() == [good]
    [failure] = harness.failed()
    assert failure == Failure(
        entry_id=bad,
        stage=FailureStage.DECODE,
        code="missing_field",
        error="missing_field in timestamp",
        field="timestamp",
        failed_at_ms=clocks.unix_ms(),
    )
    assert len(harness.in_flight) == journal.snapshot().records_read == 3
    assert journal.snapshot().decode_errors["missing_field"] == 1
    [line] = logged.fields("batch consumed n=3")
    assert (line["first_id"], line["last_id"], line["redelivered"]) == (bad, good[-1], False)


async def test_a_delivery_is_admitted_although_a_stop_is_requested_meanwhile(
    clock: MockClock, nursery: trio.Nursery, busy_harness: RedisHarness
) -> None:
    busy_harness.add_malformed()
    good = busy_harness.publish(1)
    delivery = await busy_harness.read()
    scope = trio.CancelScope()
    admitted = trio.Event()

    async def admit() -> None:
        with scope:
            await busy_harness.intake.admit(delivery, redelivered=False)
            admitted.set()

    scope.cancel()
    nursery.start_soon(admit)
    await wait_all_tasks_blocked()
    assert not admitted.is_set()
    assert await busy_harness.receive() == good
    await admitted.wait()
    assert len(busy_harness.sent_reports()) == 1


async def test_abandoned_it_waits_for_no_stage_and_what_is_not_taken_stays_in_flight(
    clock: MockClock, nursery: trio.Nursery, busy_harness: RedisHarness
) -> None:
    waiting = busy_harness.publish(1)
    before = await busy_harness.read()
    late = busy_harness.publish(1, first_second=100)
    nursery.start_soon(partial(busy_harness.intake.admit, before, redelivered=False))
    await wait_all_tasks_blocked()
    busy_harness.intake.abandon()
    # This delivery was on its way meanwhile.
    await busy_harness.intake.admit(await busy_harness.read(), redelivered=False)
    await wait_all_tasks_blocked()
    assert busy_harness.taken() == []
    assert busy_harness.in_flight.older_than(0) == [*waiting, *late]


async def test_it_raises_when_the_stages_have_ended(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(1)
    harness.inlets[0].abandon()
    with pytest.raises(trio.BrokenResourceError):
        await harness.intake.admit(await harness.read(), redelivered=False)


async def test_lost_entries_are_counted_and_logged_with_their_ids(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    harness.intake.write_off(["1-0", "2-0"])
    assert journal.snapshot().entries_lost == harness.in_flight.ledger.lost == 2
    [line] = logged.fields("entries lost")
    assert line["entry_ids"] == ["1-0", "2-0"]


async def test_what_is_in_flight_is_not_written_off(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    ids = harness.publish(2)
    await harness.intake.admit(await harness.read(), redelivered=False)
    harness.intake.write_off(ids)
    assert journal.snapshot().entries_lost == 0
    assert not logged.lines("entries lost")


async def test_closed_it_lets_the_stages_run_dry(clock: MockClock, harness: RedisHarness) -> None:
    harness.publish(1)
    harness.add_malformed()
    await harness.intake.admit(await harness.read(), redelivered=False)
    harness.intake.close()
    assert len(await harness.inlets[0].take()) == 1
    with pytest.raises(trio.EndOfChannel):
        await harness.inlets[0].take()
    assert len([failures async for failures in harness.failures]) == 1
