"""How long a blocked read waits for a server that is late, or will never answer."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from telemetry._codec import Delivery, ReplyParser
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.connection import SILENCE_MS, RedisConnection

BLOCK_MS = 1_000


async def unasked() -> None:
    raise AssertionError("the read was not cancelled")


async def read(stream: trio.abc.Stream) -> Delivery:
    connection = RedisConnection(stream, trio.socket.socket(), ReplyParser(), where="memory")
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
