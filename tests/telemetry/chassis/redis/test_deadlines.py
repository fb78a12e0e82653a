"""How long a connection waits for a server that is late, slow, stalls, or never answers."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from telemetry._codec import Delivery
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis import connection as connection_module
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.redis_connections import in_memory, introduced

BLOCK_MS = 1_000
LONG_BLOCK_MS = 60_000
SILENCE_MS = RedisLimits().silence_ms
SHORT = RedisLimits(silence_ms=100)
BOUND_S = 10.0


async def unasked() -> None:
    raise AssertionError("the read was not cancelled")


async def read(stream: trio.abc.Stream) -> Delivery:
    connection = in_memory(stream)
    try:
        return await connection.blocking_delivery(b"READ", block_ms=BLOCK_MS, unblock=unasked)
    finally:
        connection.close()


async def test_a_read_that_overruns_its_block_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    async def answer_late() -> None:
        await trio.sleep((BLOCK_MS + 0.9 * SILENCE_MS) / 1000)
        await theirs.send_all(b"*-1\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_late)
        assert (await read(ours)).entries == 0
    assert autojump_clock.current_time() > 5


async def test_a_read_whose_answer_never_comes_is_given_up_soon_after_its_block(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, _ = trio.testing.memory_stream_pair()
    began = autojump_clock.current_time()
    with pytest.raises(RedisUnavailable, match="no answer in time"):
        await read(ours)
    assert autojump_clock.current_time() - began == pytest.approx((BLOCK_MS + SILENCE_MS) / 1000)


async def test_a_read_that_stalls_in_the_middle_of_a_delivery_ends_in_time() -> None:

    async def unblock() -> None:
        raise AssertionError("the read was not cancelled")

    async with introduced(b"*1\r\n*2\r\n$6\r\nstr", limits=SHORT) as connection:
        with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable, match="no answer in time"):
            await connection.blocking_delivery(b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock)
        assert connection.closed


async def test_a_read_that_stalls_in_the_middle_can_be_cancelled() -> None:

    async def unblock() -> None:
        await trio.lowlevel.checkpoint()

    async with introduced(b"*1\r\n*2\r\n$6\r\nstr", limits=SHORT) as connection:
        with trio.fail_after(BOUND_S), trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + 0.02
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await connection.blocking_delivery(b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock)
        assert connection.closed


async def test_a_read_that_is_overtaken_by_its_waking_is_woken_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    wakings: list[float] = []

    async def unblock() -> None:
        wakings.append(autojump_clock.current_time())
        # The first one came before the read was blocked.
        if len(wakings) == 2:
            await theirs.send_all(b"*-1\r\n")

    connection = in_memory(ours)
    with trio.move_on_after(1), trio.fail_after(BOUND_S):
        delivery = await connection.blocking_delivery(
            b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock
        )
    connection.close()
    assert delivery.entries == 0
    assert wakings == [pytest.approx(wakings[0]), pytest.approx(wakings[0] + 0.05)]


async def test_a_delivery_may_take_longer_than_any_silence_may(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    pieces = [b"*1\r\n", b"*2\r\n", b"$3\r\n", b"1-0\r\n", b"*-1\r\n"]

    async def answer() -> None:
        for piece in pieces:
            await trio.sleep(0.9)
            await theirs.send_all(piece)

    delivered: list[Delivery] = []
    connection = in_memory(ours, limits=RedisLimits(silence_ms=1_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        delivered.append(await connection.delivery(b"CLAIM"))
    connection.close()
    assert delivered[0].missing_ids == ["1-0"]
    assert autojump_clock.current_time() > 4


async def test_a_command_may_be_sent_for_longer_than_any_silence_may(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SEND_BYTES", 10)
    ours, theirs = trio.testing.lockstep_stream_pair()
    wire, received = bytes(range(100)), bytearray()

    async def take_slowly() -> None:
        while len(received) < len(wire):
            await trio.sleep(0.9)
            received.extend(await theirs.receive_some(10))
        await theirs.send_all(b"+OK\r\n")

    connection = in_memory(ours, limits=RedisLimits(silence_ms=1_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_slowly)
        assert await connection.request(wire) == b"OK"
    connection.close()
    assert bytes(received) == wire
    assert autojump_clock.current_time() > 8


async def test_a_peer_that_stops_taking_a_command_is_given_up_in_time(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SEND_BYTES", 10)
    ours, theirs = trio.testing.lockstep_stream_pair()
    connection = in_memory(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.receive_some, 10)
        with pytest.raises(RedisUnavailable, match="no answer in time"):
            await connection.request(bytes(100))
    assert connection.closed
    assert autojump_clock.current_time() == pytest.approx(SILENCE_MS / 1000)
