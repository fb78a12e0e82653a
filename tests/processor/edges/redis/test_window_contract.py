"""The contract of the time window: judged by the entry's id, then by the server's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from telemetry.chassis.errors import RedisUnavailable
from tests.support.fakes.redis import NOON_US, FakeRedis
from tests.support.fakes.stream import FakeStream
from tests.support.stream_contract import LONG_BLOCK_MS, fields, ids_of

if TYPE_CHECKING:
    from telemetry._codec import Delivery
    from tests.support.stream_contract import StreamHarness

BOUND_S = 10.0
NOON_MS = NOON_US // 1000
DAY_MS = 86_400_000
# What no position's time fits.
ODD_IDS = ["0-1", "1-1", "9467084400000000-0", f"{2**63}-7", f"{2**64 - 1}-{2**64 - 1}"]
WRONG_CLOCK = "1980-01-06T00:00:00Z"


def found(delivery: Delivery) -> tuple[list[str], list[tuple[str, str]]]:
    """Ids of the records, and of what was refused with its code."""
    refused = [(each.entry_id, each.code) for each in delivery.rejections]
    return ids_of(delivery), refused


@pytest.mark.parametrize("entry_id", ODD_IDS)
async def test_an_id_that_is_no_time_of_a_sound_record_costs_nothing_but_a_question(
    grouped: StreamHarness, entry_id: str
) -> None:
    grouped.add_fields(fields(1), entry_id)
    asked = grouped.time_calls()
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert found(delivery) == ([entry_id], [])
    assert (delivery.entries, delivery.outside) == (1, 0)
    again = await grouped.stream.redeliver([entry_id])
    assert found(again.delivery) == ([entry_id], [])
    assert grouped.time_calls() == asked + 2


@pytest.mark.parametrize("entry_id", ODD_IDS)
async def test_a_wrong_clock_of_a_device_is_refused_whatever_its_entrys_id_is(
    grouped: StreamHarness, entry_id: str
) -> None:
    grouped.add_fields(fields(1, timestamp="9999-12-31T23:59:59Z"), entry_id)
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert found(delivery) == ([], [(entry_id, "ts_out_of_window")])
    again = await grouped.stream.redeliver([entry_id])
    assert found(again.delivery) == ([], [(entry_id, "ts_out_of_window")])


async def test_without_anything_outside_the_server_is_not_asked(grouped: StreamHarness) -> None:
    entry_ids = [grouped.add(number) for number in range(5)]
    asked = grouped.time_calls()
    assert found(await grouped.stream.read_new(10, LONG_BLOCK_MS)) == (entry_ids, [])
    again = await grouped.stream.redeliver(entry_ids)
    assert found(again.delivery) == (entry_ids, [])
    assert grouped.time_calls() == asked


async def test_records_of_a_wrong_clock_are_refused_among_sound_ones_in_the_order_of_the_stream(
    grouped: StreamHarness,
) -> None:
    first = grouped.add(1)
    wrong = grouped.add_fields(fields(2, timestamp=WRONG_CLOCK))
    malformed = grouped.add_malformed()
    wrong_too = grouped.add_fields(fields(3, timestamp=WRONG_CLOCK))
    last = grouped.add(4)
    asked = grouped.time_calls()
    delivery = await grouped.stream.read_new(10, LONG_BLOCK_MS)
    assert found(delivery) == (
        [first, last],
        [(wrong, "ts_out_of_window"), (malformed, "bad_json"), (wrong_too, "ts_out_of_window")],
    )
    assert grouped.time_calls() == asked + 1
    assert grouped.pending().keys() == {first, wrong, malformed, wrong_too, last}


async def test_what_is_outside_outlives_a_cancellation_too(grouped: StreamHarness) -> None:
    delivered: list[Delivery] = []

    async def read() -> None:
        delivered.append(await grouped.stream.read_new(10, LONG_BLOCK_MS))

    with trio.fail_after(BOUND_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await grouped.until_blocked()
            grouped.add_fields(fields(1), "1-1")
            nursery.cancel_scope.cancel()
    assert found(delivered[0]) == (["1-1"], [])
    assert grouped.pending() == {"1-1": 1}


class Clock:
    """A server's clock that is wrong until somebody sets it."""

    def __init__(self, ahead_ms: int) -> None:
        self.ahead_ms = ahead_ms

    def __call__(self) -> int:
        return NOON_MS + self.ahead_ms


async def read_by(clock: Clock) -> tuple[FakeStream, Delivery]:
    stream = FakeStream(FakeRedis(clock_ms=clock))
    await stream.connect()
    await stream.ensure_group()
    stream.redis.add(fields(1))
    return stream, await stream.read_new(10, LONG_BLOCK_MS)


@pytest.mark.parametrize("ahead_ms", [-2 * DAY_MS, 3651 * DAY_MS], ids=["behind", "ahead"])
async def test_a_server_whose_clock_was_wrong_has_sound_records_taken_once_it_is_mended(
    ahead_ms: int,
) -> None:
    clock = Clock(ahead_ms)
    stream, delivery = await read_by(clock)
    [(entry_id, code)] = found(delivery)[1]
    assert code == "ts_out_of_window"
    clock.ahead_ms = 0
    again = await stream.redeliver([entry_id])
    assert found(again.delivery) == ([entry_id], [])


async def test_without_an_answer_the_entries_are_pending_and_nobody_is_blamed() -> None:
    clock = Clock(-2 * DAY_MS)
    stream = FakeStream(FakeRedis(clock_ms=clock))
    await stream.connect()
    await stream.ensure_group()
    entry_id = stream.redis.add(fields(1))
    stream.faults.before["time"].append(stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await stream.read_new(10, LONG_BLOCK_MS)
    clock.ahead_ms = 0
    await stream.connect()
    [pending] = await stream.list_pending("0-0", 10)
    assert (pending.entry_id, pending.attempts) == (entry_id, None)
    assert found((await stream.redeliver([entry_id])).delivery) == ([entry_id], [])
