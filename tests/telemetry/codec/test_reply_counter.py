"""Counted replies in Python: waiters, sockets, and a real Redis that takes frames or refuses them."""

from __future__ import annotations

import gc
import socket
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import trio

from dev.servers.redis_users import ADMIN, PASSWORD
from telemetry._codec import (
    AcceptedFrame,
    AvlFrame,
    CodecError,
    Confirmation,
    PublishRefusal,
    ReplyCounter,
    Session,
    StreamWriters,
    decode_avl,
)
from telemetry.chassis.redis.resp import encode
from tests.support.devices import ENTRY_ID_REPLY, LIMITS, admitted_session, login_of
from tests.support.vectors import FRAMES, GOOD
from tests.support.wire import DEVICE_ID, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from dev.servers import RedisServer


def frame() -> AcceptedFrame:
    return expect(AcceptedFrame, admitted_session().feed(bytes.fromhex(GOOD), 0))


def test_waiters_come_back_in_order_with_what_became_of_them() -> None:
    counter, waiters = ReplyCounter(), [object() for _ in range(4)]
    first, second = frame(), frame()
    counter.expect(first, waiters[0])
    counter.expect_other(waiters[1])
    counter.expect(second, waiters[2])
    counter.expect_other(waiters[3])
    assert counter.owed == 4
    counter.feed(ENTRY_ID_REPLY + b":5\r\n-OOM no memory\r\n-NOPERM x\r\n")
    (one, confirmed), (two, reply), (three, refusal), (four, other_refusal) = counter.settled()
    assert [one, two, three, four] == waiters
    assert first.answer(expect(Confirmation, confirmed)) == b"\x00\x00\x00\x01"
    assert reply == b":5"
    assert expect(PublishRefusal, refusal).code == "OOM"
    assert expect(PublishRefusal, refusal).message == "OOM no memory"
    assert repr(refusal) == "<PublishRefusal OOM no memory>"
    assert expect(PublishRefusal, other_refusal).code == "NOPERM"
    assert (counter.owed, counter.settled(), counter.drop()) == (0, [], [])


def test_what_is_not_complete_is_given_back_when_the_connection_is_gone() -> None:
    counter = ReplyCounter()
    counter.expect(frame(), "frame")
    counter.expect_other("probe")
    counter.feed(ENTRY_ID_REPLY[:-1])
    assert counter.settled() == []
    assert counter.drop() == ["frame", "probe"]
    assert counter.owed == 0


def test_a_broken_protocol_is_an_error_and_what_was_settled_stays_so() -> None:
    counter = ReplyCounter()
    counter.expect(frame(), "first")
    counter.expect(frame(), "second")
    with pytest.raises(CodecError, match="something else than an id"):
        counter.feed(ENTRY_ID_REPLY + b"+OK\r\n" + ENTRY_ID_REPLY)
    with pytest.raises(CodecError, match="something else than an id"):
        counter.feed(ENTRY_ID_REPLY)
    ((waiter, outcome),) = counter.settled()
    assert (waiter, type(outcome)) == ("first", Confirmation)
    assert counter.drop() == ["second"]


def test_replies_are_received_without_blocking_up_to_the_end() -> None:
    redis, client = socket.socketpair()
    counter = ReplyCounter()
    counter.expect(frame(), "frame")
    with client:
        assert counter.receive(client, 1_000) is None
        redis.sendall(ENTRY_ID_REPLY)
        assert counter.receive(client, 10) == 10
        assert counter.settled() == []
        assert counter.receive(client, 1_000) == len(ENTRY_ID_REPLY) - 10
        assert len(counter.settled()) == 1
        redis.sendall(ENTRY_ID_REPLY)
        with pytest.raises(CodecError, match="nobody waits for"):
            counter.receive(client, 1_000)
        redis.close()
        assert ReplyCounter().receive(client, 1_000) == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        ReplyCounter().receive(client, 1_000)


def test_a_counter_in_a_cycle_with_its_waiter_is_collected() -> None:
    class Waiter:
        counter: ReplyCounter

    waiter = Waiter()
    waiter.counter = ReplyCounter()
    waiter.counter.expect_other(waiter)
    gone = weakref.ref(waiter)
    del waiter
    gc.collect()
    assert gone() is None


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def connection(
    request: pytest.FixtureRequest, redis_server: RedisServer
) -> Iterator[socket.socket]:
    """A connection to Redis in either protocol."""
    with socket.create_connection((redis_server.host, redis_server.port), timeout=10) as redis:
        redis.sendall(encode("HELLO", request.param, "AUTH", ADMIN, PASSWORD))
        greeting = b""
        while not greeting.endswith(b"modules\r\n*0\r\n"):
            greeting += redis.recv(65_536)
        yield redis


def receive_all(counter: ReplyCounter, redis: socket.socket, bytes_max: int) -> None:
    """Receive until nothing is owed."""

    async def receive() -> None:
        with trio.fail_after(10):
            while counter.owed:
                await trio.lowlevel.wait_readable(redis)
                assert counter.receive(redis, bytes_max) != 0

    trio.run(receive)


def accepted(stream: str) -> list[tuple[bytes, AcceptedFrame]]:
    """Every published frame that holds records, as sent by one device to one stream."""
    writers = StreamWriters([stream], entries_max=0)
    session = Session(LIMITS, writers, now_ms=0)
    session.feed(login_of(DEVICE_ID), 0)
    session.admit()
    found = []
    for wire in FRAMES:
        step = session.feed(wire, 0)
        if isinstance(step, AcceptedFrame):
            session.settle()
            found.append((wire, step))
    return found


@pytest.mark.parametrize("bytes_max", [1, 65_536])
def test_redis_takes_every_published_frame_and_has_its_records_as_they_are_decoded_elsewhere(
    connection: socket.socket, stream_name: str, redis_client: Redis, bytes_max: int
) -> None:
    counter, sent = ReplyCounter(), accepted(stream_name)
    for _, one in sent:
        counter.expect(one, one)
    connection.sendall(b"".join(one.commands for _, one in sent))
    receive_all(counter, connection, bytes_max)
    for waiter, outcome in counter.settled():
        one = expect(AcceptedFrame, waiter)
        assert one.answer(expect(Confirmation, outcome)) == one.records.to_bytes(4)

    expected = [
        {
            b"ts": record.timestamp.encode(),
            b"device_id": DEVICE_ID.encode(),
            b"codec": decoded.codec.encode(),
            b"payload": record.payload,
        }
        for wire, _ in sent
        for decoded in decode_avl(wire, DEVICE_ID, resync=False)
        if isinstance(decoded, AvlFrame)
        for record in decoded.records
    ]
    entries: Any = redis_client.xrange(stream_name)
    assert [fields for _, fields in entries] == expected
    assert len(expected) > 100


def test_a_refusal_of_redis_is_the_frames_whose_command_it_refused(
    connection: socket.socket, stream_name: str, redis_client: Redis
) -> None:
    redis_client.set(f"{stream_name}:text", "no stream")
    (_, taken), *_ = accepted(stream_name)
    (_, refused), *_ = accepted(f"{stream_name}:text")
    counter = ReplyCounter()
    for one in (taken, refused, taken):
        counter.expect(one, one)
    counter.expect_other("probe")
    commands = [taken.commands, refused.commands, taken.commands, encode("XLEN", stream_name)]
    connection.sendall(b"".join(commands))
    receive_all(counter, connection, 65_536)
    outcomes = [outcome for _, outcome in counter.settled()]
    assert [type(outcome) for outcome in outcomes[:3]] == [
        Confirmation,
        PublishRefusal,
        Confirmation,
    ]
    assert expect(PublishRefusal, outcomes[1]).code == "WRONGTYPE"
    assert outcomes[3] == b":%d" % (2 * taken.records)
