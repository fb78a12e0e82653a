"""The contract of the end of a life: pending entries are released, and the consumer leaves the group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.core.attempts import Failure, FailureStage
from processor.edges.ports import STREAM_START
from tests.support.stream_contract import LONG_BLOCK_MS, delivered

if TYPE_CHECKING:
    from redis import Redis

    from processor.edges.ports import PositionStream
    from tests.support.stream_contract import StreamHarness

# The longest that can be configured.
THRESHOLD_MS = 3_600_000
# More than one script call takes.
MANY = 1_203


async def claimable(stream: PositionStream) -> list[str]:
    claim = await stream.claim(STREAM_START, MANY, idle_ms=THRESHOLD_MS)
    return [entry.entry_id for entry in claim.entries]


async def test_what_is_released_is_claimed_by_others_at_once(
    grouped: StreamHarness, other: PositionStream
) -> None:
    entry_ids = await delivered(grouped, 5)
    assert await claimable(other) == []
    assert await grouped.stream.release(entry_ids[1:3]) == entry_ids[1:3]
    assert await claimable(other) == entry_ids[1:3]


async def test_a_release_counts_as_no_delivery_and_no_failure(grouped: StreamHarness) -> None:
    [entry_id] = await delivered(grouped, 1)
    failure = Failure(entry_id, 1, FailureStage.DECODE, "bad_json", "not JSON")
    await grouped.stream.record_failures([failure], attempts_max=3)
    before = grouped.attempts()
    await grouped.stream.release([entry_id])
    assert grouped.pending() == {entry_id: 1}
    assert grouped.attempts() == before


async def test_what_somebody_else_has_claimed_is_not_released(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped, 1)
    grouped.age(entry_id, THRESHOLD_MS)
    assert await claimable(other) == [entry_id]
    assert await grouped.stream.release([entry_id]) == []
    third = grouped.consumer("third")
    await third.connect()
    assert await claimable(third) == []
    await third.aclose()


async def test_what_was_settled_is_not_released(grouped: StreamHarness) -> None:
    entry_ids = [grouped.add(number) for number in range(2)]
    delivery = await grouped.stream.read_new(2, LONG_BLOCK_MS)
    await grouped.stream.ack(delivery.batch)
    assert await grouped.stream.release(entry_ids) == []
    assert grouped.pending() == {}


async def test_many_are_released_in_more_than_one_step(
    grouped: StreamHarness,
) -> None:
    entry_ids = await delivered(grouped, MANY)
    assert await grouped.stream.release(entry_ids) == entry_ids
    assert grouped.pending().keys() == set(entry_ids)


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_without_the_group_nothing_is_released_and_nothing_is_left(
    grouped: StreamHarness, loss: str
) -> None:
    entry_ids = await delivered(grouped, 2)
    getattr(grouped, loss)()
    assert await grouped.stream.release(entry_ids) == []
    assert await grouped.stream.leave_group() is True


async def test_a_consumer_with_pending_entries_stays_in_the_group(grouped: StreamHarness) -> None:
    entry_ids = await delivered(grouped, 2)
    assert await grouped.stream.leave_group() is False
    assert grouped.pending().keys() == set(entry_ids)


async def test_a_consumer_without_pending_entries_leaves_the_group(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped, 1)
    grouped.age(entry_id, THRESHOLD_MS)
    await claimable(other)
    assert await grouped.stream.leave_group() is True
    assert grouped.pending("other") == {entry_id: 1}


@pytest.mark.parametrize("harness", ["real"], indirect=True)
async def test_redis_forgets_the_name_of_a_consumer_that_left(
    grouped: StreamHarness, other: PositionStream, redis_client: Redis, stream_name: str
) -> None:
    def names() -> set[bytes]:
        consumers = redis_client.xinfo_consumers(stream_name, "processor")
        return {consumer["name"] for consumer in consumers}

    await delivered(grouped, 1)
    assert b"own" in names()
    [entry_id] = grouped.pending()
    grouped.age(entry_id, THRESHOLD_MS)
    await claimable(other)
    await grouped.stream.leave_group()
    assert names() == {b"other"}
