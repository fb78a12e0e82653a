from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.batches import position
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import WAIT_S_MAX, RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.core.in_flight import InFlight
    from processor.journal.journal import Journal
    from telemetry._codec import Delivery
    from telemetry.chassis.backoff import Backoff
    from tests.processor.conftest import LogLines


async def test_own_pending_entries_come_first_and_in_pieces(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, logged: LogLines
) -> None:
    old = harness.publish(7)
    await harness.read()
    new = harness.publish(2, first_second=100)
    nursery.start_soon(harness.consumer().run)
    assert [await harness.receive() for _ in range(3)] == [old[:5], old[5:], new]
    lines = logged.fields("batch consumed")
    assert [(line["n"], line["redelivered"]) for line in lines] == [
        (5, True),
        (2, True),
        (2, False),
    ]
    nursery.cancel_scope.cancel()


async def test_nothing_new_is_read_before_the_own_pending_entries_are_looked_at(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    harness.publish(3)
    harness.stream.faults.before["list_pending"] += [harness.stream.unavailable()] * 3
    looked_at: list[str] = []

    async def note(call: str, moment: object) -> None:
        await trio.lowlevel.checkpoint()
        looked_at.append(call)

    harness.stream.faults.intercept = note
    nursery.start_soon(harness.consumer().run)
    await harness.receive()
    assert looked_at.count("list_pending") >= 4
    assert "read_new" not in looked_at[: looked_at.index("list_pending")]
    assert "read_new" in looked_at
    assert looked_at.index("read_new") > max(
        place for place, call in enumerate(looked_at) if call == "list_pending"
    )
    nursery.cancel_scope.cancel()


async def test_after_a_lost_connection_what_is_in_flight_is_not_read_again(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, journal: Journal
) -> None:
    nursery.start_soon(harness.consumer().run)
    first = harness.publish(2)
    assert await harness.receive() == first
    harness.server.go_away()
    await trio.sleep(30)
    assert not journal.snapshot().dependencies["redis"].ready
    harness.server.come_back()
    later = harness.publish(1, first_second=100)
    assert await harness.receive() == later
    assert journal.snapshot().dependencies["redis"].ready
    assert journal.snapshot().records_read == 3
    assert len(harness.in_flight) == 3
    nursery.cancel_scope.cancel()


async def test_a_delivery_whose_answer_was_lost_is_read_before_what_is_new(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    swallowed = harness.publish(2)
    harness.stream.faults.after["read_new"].append(harness.stream.unavailable())
    nursery.start_soon(harness.consumer().run)
    await trio.sleep(0.5)
    new = harness.publish(1, first_second=100)
    assert [await harness.receive() for _ in range(2)] == [swallowed, new]
    nursery.cancel_scope.cancel()


async def test_a_read_delivery_is_admitted_although_a_stop_is_requested(
    clock: MockClock, nursery: trio.Nursery, busy_harness: RedisHarness
) -> None:
    read = busy_harness.publish(3)
    ended = trio.Event()
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await busy_harness.consumer().run()
        ended.set()

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    assert len(busy_harness.in_flight) == 3
    scope.cancel()
    await wait_all_tasks_blocked()
    assert not ended.is_set()
    assert await busy_harness.receive() == read
    await ended.wait()


async def test_a_delivery_that_is_on_its_way_at_the_stop_is_admitted(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await harness.consumer().run()

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    late = harness.publish(2)
    scope.cancel()
    assert await harness.receive() == late
    assert len(harness.in_flight) == 2


async def test_a_cancelled_consumer_reads_no_more(clock: MockClock, harness: RedisHarness) -> None:
    with trio.move_on_after(10) as scope:
        await harness.consumer().run()
    assert scope.cancelled_caught
    harness.publish(5)
    await wait_all_tasks_blocked()
    assert not harness.server.pending
    assert harness.admitted() == []


async def test_it_ends_by_itself_when_the_writers_are_gone(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.inlets[0].abandon()
    harness.publish(3)
    with trio.fail_after(10):
        await harness.consumer().run()
    assert len(harness.in_flight) == len(harness.server.pending) == 3


async def test_a_device_always_goes_to_the_same_writer(
    clock: MockClock,
    nursery: trio.Nursery,
    in_flight: InFlight,
    journal: Journal,
    backoff: Backoff,
) -> None:
    harness = RedisHarness(in_flight, journal, backoff, writers=2)
    await harness.open()
    device_of = {
        harness.add(position(device, second)): device for second in range(4) for device in range(20)
    }
    nursery.start_soon(harness.consumer().run)
    await wait_all_tasks_blocked()
    shares: list[set[int]] = []
    for inlet in harness.inlets:
        batches = inlet.take_nowait()
        shares.append({device_of[each] for batch in batches for each in batch.entry_ids})
    assert shares[0] | shares[1] == set(range(20))
    assert not shares[0] & shares[1]
    assert all(shares)
    nursery.cancel_scope.cancel()


async def test_a_group_that_is_gone_is_created_again_and_logged(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    ids = harness.publish(2)
    nursery.start_soon(harness.consumer().run)
    assert await harness.receive() == ids
    harness.server.destroy_group()
    assert await harness.receive() == ids
    assert len(logged.lines("consumer group is gone")) == 1
    assert journal.snapshot().reads["error"] == 1
    assert journal.snapshot().dependencies["redis"].ready
    # They were delivered by two groups, and are counted once.
    assert harness.in_flight.ledger.read == len(harness.in_flight) == 2
    nursery.cancel_scope.cancel()


async def test_a_stream_that_is_deleted_under_a_blocked_read_is_created_again_and_logged(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, logged: LogLines
) -> None:
    nursery.start_soon(harness.consumer().run)
    await wait_all_tasks_blocked()
    harness.server.delete_stream()
    await trio.sleep(10)
    ids = harness.publish(2)
    assert await harness.receive() == ids
    [line] = logged.fields("consumer group is gone")
    assert "UNBLOCKED" in line["error"]
    nursery.cancel_scope.cancel()


async def test_a_read_that_is_refused_for_long_is_repeated_with_pauses_and_logged(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    refusal = harness.stream.refused("NOPERM", "this user has no permissions to run 'xreadgroup'")
    harness.stream.read_failures += [refusal] * 6
    ids = harness.publish(2)
    began = trio.current_time()
    nursery.start_soon(harness.consumer().run)
    assert await harness.receive() == ids
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    lines = logged.fields("read failed and is repeated")
    assert len(lines) == 6
    assert lines[0]["retry_ms"] == 0
    assert all("NOPERM" in line["error"] for line in lines)
    assert journal.snapshot().reads["error"] == 6
    nursery.cancel_scope.cancel()


async def test_a_read_whose_reply_is_too_large_is_repeated_in_halves_until_it_fits(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, logged: LogLines
) -> None:
    harness.server.reply_entries_max = 1
    ids = harness.publish(12)
    nursery.start_soon(harness.consumer().run)
    taken: list[str] = []
    while len(taken) < len(ids):
        taken += await harness.receive()
    assert sorted(taken, key=parse_id) == ids
    assert trio.current_time() < 10
    assert [line["count"] for line in logged.fields("read failed")][:2] == [2, 2]
    nursery.cancel_scope.cancel()


async def test_after_a_lost_read_full_replies_lead_back_to_the_whole_count(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    counts = noted_counts(harness)
    harness.stream.faults.before["read_new"] += [harness.stream.unavailable()] * 3
    harness.publish(20)
    nursery.start_soon(harness.consumer().run)
    await trio.sleep(30)
    assert counts[:8] == [5, 2, 1, 1, 2, 4, 5, 5]
    assert len(harness.in_flight) == 20
    nursery.cancel_scope.cancel()


async def test_a_reply_that_is_not_full_does_not_show_that_a_larger_one_would_arrive(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    counts = noted_counts(harness)
    harness.stream.faults.before["read_new"].append(harness.stream.unavailable())
    nursery.start_soon(harness.consumer().run)
    for second in range(5):
        harness.publish(1, first_second=second)
        await trio.sleep(2)
    assert set(counts[1:]) == {2}
    nursery.cancel_scope.cancel()


async def test_a_failover_moves_reading_to_the_new_master_and_no_group_is_reported_gone(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    nursery.start_soon(harness.consumer().run)
    first = harness.publish(2)
    assert await harness.receive() == first
    await wait_all_tasks_blocked()
    began = trio.current_time()
    harness.server.change_masters()
    later = harness.publish(2, first_second=100)
    assert await harness.receive() == later
    assert trio.current_time() == began
    [line] = logged.fields("read failed")
    assert "instance state changed" in line["error"]
    assert not logged.lines("consumer group is gone")
    assert journal.snapshot().dependencies["redis"].ready
    nursery.cancel_scope.cancel()


async def test_a_read_that_a_replica_refuses_is_repeated_elsewhere(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, logged: LogLines
) -> None:
    harness.server.change_masters()
    ids = harness.publish(2)
    nursery.start_soon(harness.consumer().run)
    assert await harness.receive() == ids
    assert not logged.lines("consumer group is gone")
    nursery.cancel_scope.cancel()


async def test_a_group_that_is_missing_after_a_lost_connection_is_logged_too(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, logged: LogLines
) -> None:
    nursery.start_soon(harness.consumer().run)
    await wait_all_tasks_blocked()
    harness.server.go_away()
    harness.server.delete_stream()
    harness.server.come_back()
    ids = harness.publish(2)
    assert await harness.receive() == ids
    assert len(logged.lines("consumer group is gone")) == 1
    nursery.cancel_scope.cancel()


async def test_a_full_memory_stops_no_reading_where_the_group_is_there(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    ids = harness.publish(2)
    harness.server.is_full = True
    harness.server.go_away()
    harness.server.come_back()
    nursery.start_soon(harness.consumer().run)
    assert await harness.receive() == ids
    nursery.cancel_scope.cancel()


async def test_a_lost_connection_is_replaced_at_once_every_time(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    nursery.start_soon(harness.consumer().run)
    for second in range(5):
        await wait_all_tasks_blocked()
        began = trio.current_time()
        harness.server.go_away()
        harness.server.come_back()
        ids = harness.publish(1, first_second=second)
        with trio.fail_after(WAIT_S_MAX):
            assert await harness.receive() == ids
        assert trio.current_time() == began
    nursery.cancel_scope.cancel()


def noted_counts(harness: RedisHarness) -> list[int]:
    """The count that each read asks for from now on."""
    counts: list[int] = []
    read = harness.stream.read_new

    async def note(count: int, block_ms: int) -> Delivery:
        counts.append(count)
        return await read(count, block_ms)

    harness.stream.read_new = note  # type: ignore[method-assign]
    return counts
