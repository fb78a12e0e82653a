"""A connection that goes after a slot on the move: what it does with each refusal, and for how long."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from telemetry._codec import ReplyError
from telemetry.chassis.errors import RedisMoved
from telemetry.chassis.redis.cluster.detour import ASKING, Detour
from telemetry.chassis.redis.cluster.following import (
    AGAIN_S,
    UNSETTLED_S_MAX,
    FollowingConnection,
)
from telemetry.chassis.redis.cluster.nodes import Node
from telemetry.chassis.redis.resp import commands_in, encode
from tests.support.redis_connections import in_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from telemetry.chassis.redis.connection import RedisConnection

HERE, THERE = Node("here", 1), Node("there", 2)
COMMAND = encode("XLEN", "telemetry:{0}")
READ = encode("XREADGROUP", "GROUP", "g", "c", "BLOCK", 5_000, "STREAMS", "telemetry:{0}", ">")
OK = b"+OK\r\n"
ASK = b"-ASK 13907 there:2\r\n"
MOVED_BACK = b"-MOVED 13907 here:1\r\n"
TRY_AGAIN = b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
NOTHING = b"*-1\r\n"
# Of the virtual clock: far more than anything here may take.
BOUND_S = 30.0


@asynccontextmanager
async def move(here: list[bytes], there: list[bytes]) -> AsyncIterator[Move]:
    """A slot on the move, until the block ends."""
    async with trio.open_nursery() as nursery:
        moving = Move(nursery, here, there)
        yield moving
        moving.connection.close()
        nursery.cancel_scope.cancel()


class Move:
    """A slot's master and the node that the slot is moving to, each with its answers; the last one is repeated."""

    def __init__(self, nursery: trio.Nursery, here: list[bytes], there: list[bytes]) -> None:
        self.heard_there: list[bytes] = []
        self._nursery = nursery
        self._there = there
        self.connection = FollowingConnection.instead_of(
            self._node(HERE, here, []), Detour(self._open), HERE
        )

    async def _open(self, node: Node) -> RedisConnection:
        assert node == THERE
        return self._node(node, self._there, self.heard_there)

    def _node(self, node: Node, answers: list[bytes], heard: list[bytes]) -> RedisConnection:
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(_serve, theirs, _last_repeated(answers), heard)
        return in_memory(ours, where=str(node))


def _last_repeated(answers: list[bytes]) -> Iterator[bytes]:
    yield from answers
    while True:
        yield answers[-1]


async def _serve(stream: trio.abc.Stream, answers: Iterator[bytes], heard: list[bytes]) -> None:
    while piece := bytes(await stream.receive_some()):
        heard.append(piece)
        # A pipeline is one piece, and has an answer for each command.
        for command in commands_in(piece):
            await stream.send_all(OK if command == ASKING else next(answers))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ([TRY_AGAIN], []),
        ([ASK], [TRY_AGAIN]),
        ([ASK], [MOVED_BACK]),
        ([ASK], [ASK]),
    ],
)
async def test_what_stays_unsettled_is_tried_for_a_while_and_no_longer(
    autojump_clock: trio.testing.MockClock, here: list[bytes], there: list[bytes]
) -> None:
    async with move(here, there) as moving:
        began = autojump_clock.current_time()
        with trio.fail_after(BOUND_S), pytest.raises(RedisMoved):
            await moving.connection.request(COMMAND)
        took = autojump_clock.current_time() - began
        # The slot's master is the right one still: nothing is closed.
        assert not moving.connection.closed
    assert UNSETTLED_S_MAX <= took <= UNSETTLED_S_MAX + 2 * AGAIN_S


async def test_a_command_that_the_other_node_does_not_take_any_more_is_settled_here(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with move(here=[ASK, b":7\r\n"], there=[MOVED_BACK]) as moving:
        began = autojump_clock.current_time()
        assert await moving.connection.request(COMMAND) == 7
        assert autojump_clock.current_time() - began == pytest.approx(AGAIN_S)


async def test_of_a_pipeline_what_is_sent_on_is_sent_alone_behind_asking_in_one_piece() -> None:
    other = encode("XLEN", "telemetry:{0}:dlq")
    async with move(here=[b":1\r\n", ASK, b":3\r\n"], there=[b":2\r\n"]) as moving:
        assert await moving.connection.pipeline([COMMAND, other, COMMAND]) == [1, 2, 3]
    assert moving.heard_there == [ASKING + other]


async def test_of_a_pipeline_what_the_other_node_refuses_is_refused_in_its_words() -> None:
    async with move(here=[b":1\r\n", ASK], there=[b"-ERR not here either\r\n"]) as moving:
        [one, refusal] = await moving.connection.pipeline([COMMAND, COMMAND])
    assert one == 1
    assert isinstance(refusal, ReplyError)
    assert refusal.message == "ERR not here either"


async def test_of_a_pipeline_what_stays_unsettled_is_a_refusal_among_the_replies(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with move(here=[b":1\r\n", TRY_AGAIN], there=[]) as moving:
        began = autojump_clock.current_time()
        with trio.fail_after(BOUND_S):
            [one, refusal] = await moving.connection.pipeline([COMMAND, COMMAND])
        assert autojump_clock.current_time() - began <= UNSETTLED_S_MAX + 2 * AGAIN_S
    assert one == 1
    assert isinstance(refusal, ReplyError)
    assert refusal.code == "TRYAGAIN"


async def test_a_read_does_not_block_where_the_slot_moves_to_and_pauses_if_nothing_is_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def unblock() -> None:
        raise AssertionError("the read was not cancelled")

    async with move(here=[ASK], there=[NOTHING]) as moving:
        began = autojump_clock.current_time()
        read = moving.connection.blocking_delivery(READ, block_ms=5_000, unblock=unblock)
        assert (await read).entries == 0
        assert autojump_clock.current_time() - began == pytest.approx(AGAIN_S)
    assert moving.heard_there == [ASKING, READ.replace(b"$4\r\n5000\r\n", b"$1\r\n1\r\n")]
