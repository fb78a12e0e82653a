"""TIME behind a delivery: what a connection does when the answer is late, missing, refused or no time."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from telemetry.chassis.errors import RedisError, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.resp import encode
from tests.support.batches import position
from tests.support.fakes.redis import NOON_US
from tests.support.redis_connections import in_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from telemetry._codec import Delivery

PAYLOAD = json.dumps(position(1, 1)).encode()
ENTRY = b"*2\r\n$3\r\n1-1\r\n*4\r\n$5\r\ncodec\r\n$1\r\n8\r\n$7\r\npayload\r\n$%d\r\n%b\r\n"
ENTRIES = b"*1\r\n" + ENTRY % (len(PAYLOAD), PAYLOAD)
READ = b"*1\r\n*2\r\n$1\r\ns\r\n" + ENTRIES
NOON = b"*2\r\n$10\r\n%d\r\n$1\r\n0\r\n" % (NOON_US // 1_000_000)
CALLS = ["read", "claim"]


class Line:
    """A connection to a server that the test plays."""

    def __init__(self) -> None:
        ours, self.server = trio.testing.memory_stream_pair()
        self.connection = in_memory(ours, where="memory:6379")
        self.got: list[Delivery | RedisError] = []

    async def ask(self, call: str) -> None:
        """Read, or claim, and keep what came of it."""
        try:
            if call == "claim":
                delivery = await self.connection.delivery(b"CLAIM")
            else:
                delivery = await self.connection.blocking_delivery(
                    b"READ", block_ms=1_000, unblock=self.unblock
                )
        except RedisError as error:
            self.got.append(error)
        else:
            self.got.append(delivery)

    async def unblock(self) -> None:
        """Nothing is blocked: the delivery has come."""
        raise AssertionError("the read was to be woken")

    async def is_asked(self, call: str) -> None:
        """Deliver a record that is outside by its id, and have TIME asked."""
        await self.server.receive_some()
        await self.server.send_all(ENTRIES if call == "claim" else READ)
        assert await self.server.receive_some() == encode("TIME")


@asynccontextmanager
async def waiting(call: str) -> AsyncIterator[tuple[Line, trio.CancelScope]]:
    """A read that waits for TIME; at the end of the block it has ended."""
    line = Line()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.ask, call)
        await line.is_asked(call)
        yield line, nursery.cancel_scope
    line.connection.close()


@pytest.mark.parametrize("call", CALLS)
async def test_the_server_that_delivered_is_asked_behind_the_delivery(call: str) -> None:
    async with waiting(call) as (line, _):
        await line.server.send_all(NOON)
    [delivery] = line.got
    assert not isinstance(delivery, RedisError)
    assert (delivery.batch.entry_ids, delivery.outside) == (["1-1"], 0)


@pytest.mark.parametrize("call", CALLS)
async def test_a_server_that_falls_silent_over_it_loses_the_delivery_and_the_connection(
    autojump_clock: trio.testing.MockClock, call: str
) -> None:
    async with waiting(call) as (line, _):
        began = autojump_clock.current_time()
    [error] = line.got
    assert isinstance(error, RedisUnavailable)
    assert "no answer in time" in str(error)
    assert line.connection.closed
    assert autojump_clock.current_time() - began == pytest.approx(5)


@pytest.mark.parametrize("call", CALLS)
async def test_the_question_outlives_a_cancellation(
    autojump_clock: trio.testing.MockClock, call: str
) -> None:
    async with waiting(call) as (line, scope):
        began = autojump_clock.current_time()
        scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.4)
            await line.server.send_all(NOON)
    assert autojump_clock.current_time() - began == pytest.approx(0.4)
    [delivery] = line.got
    assert not isinstance(delivery, RedisError)
    assert delivery.batch.entry_ids == ["1-1"]


@pytest.mark.parametrize("call", CALLS)
async def test_the_question_outlives_a_cancellation_for_half_a_second_at_most(
    autojump_clock: trio.testing.MockClock, call: str
) -> None:
    async with waiting(call) as (line, scope):
        began = autojump_clock.current_time()
        scope.cancel()
    [error] = line.got
    assert isinstance(error, RedisUnavailable)
    assert line.connection.closed
    assert autojump_clock.current_time() - began == pytest.approx(0.5)


@pytest.mark.parametrize("call", CALLS)
async def test_a_refusal_of_time_is_raised_and_nothing_is_delivered(call: str) -> None:
    async with waiting(call) as (line, _):
        await line.server.send_all(b"-NOPERM this user has no permissions to run 'time'\r\n")
    [error] = line.got
    assert isinstance(error, RedisRefused)
    assert (error.code, "'time'" in str(error)) == ("NOPERM", True)


@pytest.mark.parametrize("answer", [b"+OK\r\n", b":1\r\n", b"*1\r\n:1\r\n", b"*2\r\n+-1\r\n+0\r\n"])
async def test_an_answer_that_is_no_time_is_a_peer_that_is_no_redis(answer: bytes) -> None:
    async with waiting("read") as (line, _):
        await line.server.send_all(answer)
    [error] = line.got
    assert isinstance(error, RedisUnavailable)
    assert "a time was expected" in str(error)
    assert line.connection.closed
