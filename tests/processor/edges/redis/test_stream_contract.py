"""The contract of reads, acknowledgements and the lag."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.ports import EnsuredGroup
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from tests.support.stream_contract import LONG_BLOCK_MS, ids_of, lag_of

if TYPE_CHECKING:
    from processor.edges.ports import PositionStream
    from telemetry._codec import Delivery
    from tests.support.stream_contract import StreamHarness, lag_of

WAKE_BOUND_S = 10.0
ALL_MISSING = EnsuredGroup(stream_was_missing=True, group_was_missing=True)
GROUP_MISSING = EnsuredGroup(stream_was_missing=False, group_was_missing=True)
NOTHING_MISSING = EnsuredGroup(stream_was_missing=False, group_was_missing=False)
GROUP_GONE_CODES = {"NOGROUP", "UNBLOCKED"}


async def test_the_group_is_created_with_the_stream_and_reads_from_its_beginning(
    harness: StreamHarness,
) -> None:
    assert await harness.stream.ensure_group() == ALL_MISSING
    entry_id = harness.add(1)
    assert ids_of(await harness.stream.read_new(10, LONG_BLOCK_MS)) == [entry_id]


async def test_a_new_group_on_an_old_stream_begins_with_what_was_there_before(
    harness: StreamHarness,
) -> None:
    entry_ids = [harness.add(number) for number in range(3)]
    assert await harness.stream.ensure_group() == GROUP_MISSING
    assert ids_of(await harness.stream.read_new(10, LONG_BLOCK_MS)) == entry_ids


async def test_ensuring_a_group_that_is_there_changes_nothing(grouped: StreamHarness) -> None:
    grouped.add(1)
    await grouped.stream.read_new(10, LONG_BLOCK_MS)
    before = grouped.pending()
    assert await grouped.stream.ensure_group() == NOTHING_MISSING
    assert grouped.pending() == before
    assert await lag_of(grouped.stream) == (0, 1)


async def test_new_entries_come_in_order_and_no_more_than_asked_for(grouped: StreamHarness) -> None:
    entry_ids = [grouped.add(number) for number in range(5)]
    first = await grouped.stream.read_new(3, LONG_BLOCK_MS)
    second = await grouped.stream.read_new(3, LONG_BLOCK_MS)
    assert [ids_of(first), ids_of(second)] == [entry_ids[:3], entry_ids[3:]]
    assert (first.entries, first.first_id, first.last_id) == (3, entry_ids[0], entry_ids[2])
    assert grouped.pending() == dict.fromkeys(entry_ids, 1)


async def test_a_delivery_is_decoded_and_has_what_it_refused(grouped: StreamHarness) -> None:
    good, bad = grouped.add(1), grouped.add_malformed()
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert delivery.entries == 2
    assert ids_of(delivery) == [good]
    assert [(refusal.entry_id, refusal.code) for refusal in delivery.rejections] == [
        (bad, "bad_json")
    ]


async def test_a_read_of_an_idle_stream_comes_back_empty_when_its_block_is_over(
    grouped: StreamHarness,
) -> None:
    before = trio.current_time()
    delivery = await grouped.stream.read_new(10, 50)
    assert (delivery.entries, delivery.first_id, delivery.last_id) == (0, None, None)
    assert 0.04 < trio.current_time() - before < WAKE_BOUND_S


async def test_a_blocked_read_wakes_when_an_entry_is_published(grouped: StreamHarness) -> None:
    delivered: list[Delivery] = []

    async def read() -> None:
        delivered.append(await grouped.stream.read_new(10, LONG_BLOCK_MS))

    with trio.fail_after(WAKE_BOUND_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await grouped.until_blocked()
            entry_id = grouped.add(1)
    assert ids_of(delivered[0]) == [entry_id]


async def test_what_one_consumer_was_given_no_other_is(
    grouped: StreamHarness, other: PositionStream
) -> None:
    first, second = grouped.add(1), grouped.add(2)
    assert ids_of(await grouped.stream.read_new(1, LONG_BLOCK_MS)) == [first]
    assert ids_of(await other.read_new(10, LONG_BLOCK_MS)) == [second]
    assert grouped.pending() == {first: 1}
    assert grouped.pending("other") == {second: 1}


async def test_an_ack_takes_every_record_off_repeats_included_and_counts_what_it_named(
    grouped: StreamHarness,
) -> None:
    for number in (1, 2, 1, 3):
        grouped.add(number)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert (delivery.batch.records, delivery.batch.rows) == (4, 3)
    assert await grouped.stream.ack(delivery.batch) == 4
    assert grouped.pending() == {}
    # Once more is no harm.
    assert await grouped.stream.ack(delivery.batch) == 4


async def test_an_ack_leaves_alone_what_is_not_in_the_batch(grouped: StreamHarness) -> None:
    grouped.add(1)
    kept = grouped.add(2)
    delivery = await grouped.stream.read_new(1, LONG_BLOCK_MS)
    await grouped.stream.read_new(1, LONG_BLOCK_MS)
    assert await grouped.stream.ack(delivery.batch) == 1
    assert grouped.pending() == {kept: 1}


async def test_an_ack_asks_no_owner(grouped: StreamHarness, other: PositionStream) -> None:
    grouped.add(1)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert await other.ack(delivery.batch) == 1
    assert grouped.pending() == {}


async def test_acking_nothing_is_no_error(grouped: StreamHarness) -> None:
    empty = await grouped.stream.read_new(1, 1)
    assert await grouped.stream.ack(empty.batch) == 0


async def test_an_ack_takes_off_what_was_deleted_while_it_was_pending(
    grouped: StreamHarness,
) -> None:
    entry_id = grouped.add(1)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    grouped.delete(entry_id)
    assert await grouped.stream.ack(delivery.batch) == 1
    assert grouped.pending() == {}


async def test_an_ack_removes_the_recorded_attempts_of_the_ids_that_it_names(
    grouped: StreamHarness,
) -> None:
    attempted, other = grouped.add(1), grouped.add(2)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    for entry_id in (attempted, other):
        grouped.put_attempts(entry_id, '{"n":1}')
    assert await grouped.stream.ack(delivery.batch, attempted=[attempted]) == 2
    assert grouped.pending() == {}
    assert grouped.attempts() == {other: {"n": 1}}
    # Once more is no harm.
    assert await grouped.stream.ack(delivery.batch, attempted=[attempted]) == 2


async def test_an_ack_to_a_group_that_is_gone_is_no_error(grouped: StreamHarness) -> None:
    grouped.add(1)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    grouped.destroy_group()
    assert await grouped.stream.ack(delivery.batch) == 1


async def test_the_lag_is_what_the_group_was_not_given_yet(grouped: StreamHarness) -> None:
    assert await lag_of(grouped.stream) == (0, 0)
    for number in range(5):
        grouped.add(number)
    assert await lag_of(grouped.stream) == (5, 0)
    delivery = await grouped.stream.read_new(3, LONG_BLOCK_MS)
    assert await lag_of(grouped.stream) == (2, 3)
    await grouped.stream.ack(delivery.batch)
    assert await lag_of(grouped.stream) == (2, 0)


async def test_the_oldest_pending_entry_of_any_consumer_is_found(
    grouped: StreamHarness, other: PositionStream
) -> None:
    assert (await grouped.stream.look()).oldest_pending_id is None
    first, second = grouped.add(1), grouped.add(2)
    delivery = await grouped.stream.read_new(1, LONG_BLOCK_MS)
    await other.read_new(1, LONG_BLOCK_MS)
    assert (await grouped.stream.look()).oldest_pending_id == first
    await grouped.stream.ack(delivery.batch)
    assert (await grouped.stream.look()).oldest_pending_id == second


async def test_the_end_of_the_stream_is_its_last_generated_id_and_the_servers_time(
    grouped: StreamHarness,
) -> None:
    empty = await grouped.stream.look()
    assert (empty.last_id, empty.length, empty.dead_letters) == (None, 0, 0)
    grouped.add(1)
    grouped.add(2)
    assert (await grouped.stream.look()).length == 2
    # The entry may be gone: that it was published stays true.
    last_id = grouped.add(3)
    grouped.delete(last_id)
    end = await grouped.stream.look()
    assert (end.last_id, end.length) == (last_id, 2)
    published_ms = int(last_id.partition("-")[0])
    assert empty.server_ms <= published_ms <= end.server_ms < published_ms + 60_000
    grouped.delete_stream()
    with pytest.raises(RedisRefused):
        await grouped.stream.look()


async def test_the_lag_is_counted_once_an_entry_ahead_of_the_group_was_deleted(
    grouped: StreamHarness,
) -> None:
    entry_ids = [grouped.add(number) for number in range(5)]
    await grouped.stream.read_new(1, LONG_BLOCK_MS)
    grouped.delete(entry_ids[2])
    assert await lag_of(grouped.stream) == (3, 1)


async def test_entries_that_were_trimmed_before_they_were_delivered_are_skipped_and_no_lag(
    grouped: StreamHarness,
) -> None:
    entry_ids = [grouped.add(number) for number in range(10)]
    await grouped.stream.read_new(3, LONG_BLOCK_MS)
    grouped.trim(2)
    assert await lag_of(grouped.stream) == (2, 3)
    assert ids_of(await grouped.stream.read_new(1, LONG_BLOCK_MS)) == entry_ids[-2:-1]
    assert await lag_of(grouped.stream) == (1, 4)
    assert ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == entry_ids[-1:]
    assert await lag_of(grouped.stream) == (0, 5)


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_without_a_group_every_reading_call_is_refused_and_ensuring_it_heals(
    grouped: StreamHarness, loss: str
) -> None:
    getattr(grouped, loss)()
    with pytest.raises(RedisRefused) as caught:
        await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert caught.value.code == "NOGROUP"
    with pytest.raises(RedisRefused):
        await grouped.stream.look()
    missing = ALL_MISSING if loss == "delete_stream" else GROUP_MISSING
    assert await grouped.stream.ensure_group() == missing
    entry_id = grouped.add(1)
    assert ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == [entry_id]


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_a_read_that_is_blocked_when_the_group_goes_is_refused_at_once(
    grouped: StreamHarness, loss: str
) -> None:
    refused: list[RedisRefused] = []

    async def read() -> None:
        with pytest.raises(RedisRefused) as caught:
            await grouped.stream.read_new(10, LONG_BLOCK_MS)
        refused.append(caught.value)

    with trio.fail_after(WAKE_BOUND_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await grouped.until_blocked()
            getattr(grouped, loss)()
    assert refused[0].code in GROUP_GONE_CODES
    await grouped.stream.ensure_group()
    entry_id = grouped.add(1)
    assert ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == [entry_id]


async def test_a_read_that_is_cancelled_before_it_begins_asks_for_nothing(
    grouped: StreamHarness,
) -> None:
    grouped.add(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert scope.cancelled_caught
    assert grouped.pending() == {}


async def test_a_cancelled_read_returns_and_its_caller_is_cancelled_at_the_next_checkpoint(
    grouped: StreamHarness,
) -> None:
    returned: list[Delivery] = []

    async def read() -> None:
        returned.append(await grouped.stream.read_new(10, LONG_BLOCK_MS))
        await trio.sleep_forever()

    with trio.fail_after(WAKE_BOUND_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await grouped.until_blocked()
            nursery.cancel_scope.cancel()
    assert [delivery.entries for delivery in returned] == [0]
    assert nursery.cancel_scope.cancelled_caught
    entry_id = grouped.add(1)
    assert ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == [entry_id]


@pytest.mark.parametrize("first", ["entry", "cancellation"])
async def test_what_was_delivered_before_a_cancelled_read_woke_is_returned(
    grouped: StreamHarness, first: str
) -> None:
    returned: list[str] = []

    async def read() -> None:
        returned.extend(ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)))

    with trio.fail_after(WAKE_BOUND_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await grouped.until_blocked()
            if first == "cancellation":
                nursery.cancel_scope.cancel()
            entry_id = grouped.add(1)
            nursery.cancel_scope.cancel()
    assert returned == [entry_id]


async def test_of_three_hundred_reads_cut_at_any_moment_none_loses_an_entry(
    grouped: StreamHarness,
) -> None:
    chance = random.Random(20260501)
    added: list[str] = []
    returned: list[str] = []
    longest_s = 0.0

    async def publish_after(seconds: float, number: int) -> None:
        await trio.sleep(seconds)
        added.append(grouped.add(number))

    for number in range(300):
        async with trio.open_nursery() as nursery:
            # About as long as a read takes to reach the server and come back, and a little more.
            nursery.start_soon(publish_after, chance.uniform(0, 0.003), number)
            with trio.move_on_after(chance.uniform(0, 0.003)) as cut:
                returned += ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS))
            longest_s = max(longest_s, trio.current_time() - cut.deadline)
    assert list(grouped.pending()) == returned
    rest = await grouped.stream.read_new(1_000, 1)
    assert returned + ids_of(rest) == added
    assert len(returned) > 50, "hardly a read returned an entry: the cuts come too early"
    assert longest_s < WAKE_BOUND_S


async def test_a_closed_stream_connects_again(grouped: StreamHarness) -> None:
    await grouped.stream.aclose()
    await grouped.stream.aclose()
    with pytest.raises(RedisUnavailable):
        await grouped.stream.read_new(10, LONG_BLOCK_MS)
    with pytest.raises(RedisUnavailable):
        await grouped.stream.look()
    await grouped.stream.connect()
    await grouped.stream.connect()
    entry_id = grouped.add(1)
    assert ids_of(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == [entry_id]


async def test_before_connecting_every_call_says_so(harness: StreamHarness) -> None:
    stream = harness.consumer("other")
    with pytest.raises(RedisUnavailable, match="not connected"):
        await stream.ensure_group()
    with pytest.raises(RedisUnavailable, match="not connected"):
        await stream.read_new(1, 1)
    with pytest.raises(RedisUnavailable, match="not connected"):
        await stream.list_pending("0-0", 1)
