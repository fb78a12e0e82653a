"""Frames that a node sends elsewhere: which of them, where to, and what is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers.ports import HOST
from ingestion.publishing.redirected import Turn, can_be_sent_again, commands_left, next_turn
from telemetry._codec import PublishRefusal, ReplyCounter
from telemetry.chassis.redis.cluster.nodes import Node
from telemetry.chassis.redis.cluster.redirections import ASK, MOVED, Redirection
from telemetry.chassis.redis.resp import commands_in, encode
from tests.support.ingestion_frames import frame
from tests.support.peers import peer
from tests.support.publishing import at_work
from tests.support.redis_connections import INTRODUCTION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

THERE, ELSEWHERE = Node("10.0.0.2", 6379), Node("10.0.0.3", 6379)
ASKED = encode("ASKING")
ID = b"$15\r\n1777636800000-0\r\n"
PROBED = b"-ERR The ID specified in XADD must be greater than 0-0\r\n:0\r\n"


def refusal_by(*replies: bytes) -> PublishRefusal:
    """What a frame's replies come to."""
    counter = ReplyCounter()
    counter.expect(frame(1, 1, streams=["s"], records=len(replies)), "frame")
    counter.feed(b"".join(replies))
    [(_, refusal)] = counter.settled()
    assert isinstance(refusal, PublishRefusal)
    return refusal


@pytest.mark.parametrize(
    ("replies", "can"),
    [
        ((b"-ASK 7 a:1\r\n",), True),
        ((b"-MOVED 7 a:1\r\n",), True),
        ((b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",), True),
        ((ID, b"-ASK 7 a:1\r\n", b"-MOVED 7 a:1\r\n"), True),
        # One of its records would be there twice.
        ((b"-ASK 7 a:1\r\n", ID), False),
        ((b"-OOM no memory\r\n",), False),
        ((b"-CLUSTERDOWN The cluster is down\r\n",), False),
        ((b"-READONLY You can't write against a read only replica.\r\n",), False),
    ],
)
def test_what_a_node_has_not_taken_for_its_slots_sake_can_be_sent_again(
    replies: tuple[bytes, ...], can: bool
) -> None:
    assert can_be_sent_again(refusal_by(*replies)) is can


@pytest.mark.parametrize(
    ("answers", "turn"),
    [
        ([Redirection(ASK, 7, THERE)] * 2, THERE),
        ([Redirection(ASK, 7, THERE), Redirection(MOVED, 7, THERE)], Turn.HOME),
        ([Redirection(ASK, 7, THERE), Redirection(ASK, 7, ELSEWHERE)], Turn.AGAIN),
        ([Redirection(ASK, 7, THERE), None], Turn.AGAIN),
        ([None], Turn.AGAIN),
        # It was not a frame that was sent elsewhere.
        ([], Turn.HOME),
    ],
)
def test_who_is_asked_is_named_by_all_answers_and_a_slot_that_has_moved_has_a_new_master(
    answers: list[Redirection | None], turn: Node | Turn
) -> None:
    assert next_turn(answers) == turn


def test_what_is_left_of_a_frame_are_its_last_commands_each_behind_an_asking() -> None:
    first, second, third = commands = [
        encode("XADD", "s", "*", "n", "\r\n*1" * n) for n in range(3)
    ]
    wire = b"".join(commands)
    assert commands_in(wire) == commands
    assert commands_in(b"") == []
    assert commands_left(wire, taken=0, asking=False) == wire
    assert commands_left(wire, taken=2, asking=False) == third
    assert commands_left(wire, taken=1, asking=True) == ASKED + second + ASKED + third
    assert first not in commands_left(wire, taken=1, asking=True)


def recording(
    heard: list[bytes], *answers: bytes
) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """A peer that keeps what it hears, and answers each piece with the next of `answers`."""

    async def talk(stream: trio.SocketStream) -> None:
        for answer in answers:
            heard.append(bytes(await stream.receive_some(65_536)))
            await stream.send_all(answer)
        await trio.sleep_forever()

    return talk


async def test_of_a_frame_that_was_taken_in_part_the_rest_alone_is_sent_on_in_one_piece() -> None:
    here: list[bytes] = []
    there: list[bytes] = []
    accepted = frame(1, 1, streams=["s"], records=3)
    async with peer(recording(there, *INTRODUCTION, (b"+OK\r\n" + ID) * 2)) as elsewhere:
        ask = b"-ASK 7 :%d\r\n" % elsewhere
        async with (
            peer(recording(here, *INTRODUCTION, PROBED, ID + ask * 2)) as port,
            at_work(f"redis://{HOST}:{port}/0", "s") as work,
        ):
            await work.publish(1, 1, records=3)
    assert here[-1] == accepted.commands
    assert there[-1] == commands_left(accepted.commands, taken=1, asking=True)
