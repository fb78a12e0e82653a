"""The last step of a life: what is released, in which order, and how it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.settling import release
from processor.settling.release import Release, reserve_ms
from telemetry.chassis.errors import RedisUnavailable
from tests.support.fakes.faults import Moment
from tests.support.fakes.pending import RELEASED_IDLE_S

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.support.redis_harness import RedisHarness


async def list_pending_hangs(call: str, _: Moment) -> None:
    if call == "list_pending":
        await trio.sleep_forever()


async def test_what_is_in_flight_is_free_before_the_pending_list_is_looked_through(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(3)
    harness.in_flight.take(await harness.read())
    harness.stream.faults.intercept = list_pending_hangs
    with trio.move_on_after(1):
        await Release(harness.stream, harness.in_flight).run()
    assert (harness.in_flight.ledger.released, len(harness.in_flight), harness.unaccounted) == (
        3,
        0,
        0,
    )


async def test_what_never_came_into_our_hands_is_released_too_and_counted_apart(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(2)
    harness.in_flight.take(await harness.read())
    cut_off = harness.publish(3, first_second=100)
    await harness.read()
    await Release(harness.stream, harness.in_flight).run()
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.released, ledger.released_unread) == (2, 2, 3)
    assert (len(harness.in_flight), harness.unaccounted) == (0, 0)
    assert all(harness.pending_entry(each).idle_ms >= RELEASED_IDLE_S * 1000 for each in cut_off)


async def test_what_was_written_and_is_pending_once_more_is_free_and_stays_acknowledged(
    clock: MockClock, harness: RedisHarness
) -> None:
    [entry_id] = harness.publish(1)
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    harness.in_flight.acked(delivery.batch)
    # The acknowledgement never reached the replica that was promoted.
    await Release(harness.stream, harness.in_flight).run()
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.released, ledger.released_unread) == (1, 1, 0, 0)
    assert harness.pending_entry(entry_id).idle_ms >= RELEASED_IDLE_S * 1000


async def test_what_is_committed_is_acknowledged_in_pieces_behind_the_release(
    clock: MockClock, harness: RedisHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "PIECE_ENTRIES", 4)
    harness.stream.redis.ack_records_max = 4
    harness.publish(10)
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    harness.publish(9, first_second=100)
    harness.in_flight.take(await harness.read())
    harness.in_flight.committed(delivery.batch)
    calls: list[str] = []

    async def listen(call: str, moment: Moment) -> None:
        if moment is Moment.AFTER:
            calls.append(call)
        await trio.lowlevel.checkpoint()

    harness.stream.faults.intercept = listen
    await Release(harness.stream, harness.in_flight).run()
    own = ["list_pending"] * 4
    assert calls == ["connect", *["release"] * 3, *["ack"] * 3, *own, "leave_group"]
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.released, harness.unaccounted) == (19, 10, 9, 0)
    assert harness.journal.snapshot().acks == 10


async def test_what_fails_is_tried_again_while_there_is_something_to_release(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(2)
    harness.in_flight.take(await harness.read())
    faults = harness.stream.faults
    faults.before["release"].append(harness.stream.unavailable())
    faults.after["release"].append(harness.stream.unavailable())
    faults.after["release"].append(harness.stream.refused("READONLY", "You can't write"))
    await Release(harness.stream, harness.in_flight).run()
    assert (harness.in_flight.ledger.released, len(harness.in_flight), harness.unaccounted) == (
        2,
        0,
        0,
    )


async def test_nobody_waits_for_a_redis_that_is_away_when_nothing_is_to_be_released(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.server.go_away()
    with pytest.raises(RedisUnavailable):
        await Release(harness.stream, harness.in_flight).run()
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("entries", "budget_ms", "expected"),
    [
        (0, 8_000, 0),
        (999, 8_000, 0),
        (20_000, 8_000, 500),
        (60_000, 8_000, 1_500),
        (1_000_000, 8_000, 2_000),
        (60_000, 100, 25),
    ],
)
def test_the_more_is_in_flight_the_more_of_the_budget_is_kept_for_it_up_to_a_share(
    entries: int, budget_ms: int, expected: float
) -> None:
    assert reserve_ms(entries, budget_ms=budget_ms) == expected


async def test_what_was_refused_is_left_as_it_is(clock: MockClock, harness: RedisHarness) -> None:
    entry_id = harness.add_malformed()
    harness.in_flight.take(await harness.read())
    harness.record(entry_id, 1)
    harness.in_flight.left_pending(entry_id, recorded=True)
    await Release(harness.stream, harness.in_flight).run()
    assert (harness.in_flight.ledger.released, harness.in_flight.ledger.left_pending) == (0, 1)
