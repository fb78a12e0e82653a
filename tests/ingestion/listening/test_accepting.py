"""Who is accepted, and when, tried with real sockets."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import struct
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ingestion.journal.statistics import LISTENERS
from ingestion.listening.accepting import BURST, SHORTAGE_PAUSE_S, AcceptLoop
from ingestion.listening.entrance import Entrance
from ingestion.listening.preamble import Preamble
from ingestion.listening.sockets import (
    KEEPALIVE_COUNT,
    KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S,
    USER_TIMEOUT_MS,
)
from tests.support.listening_harness import HOST, OPTIONS, Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestion.listening.connection import Connection

CROWD = 4000


async def test_a_connection_is_handed_over_with_its_address_and_its_bytes(
    listening: Listening,
) -> None:
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()) as device:
        await device.send_all(b"hello")
        await served.until_received(b"hello")
        (connection,) = served.connections
        host, port = device.socket.getsockname()
        assert (connection.address, connection.transport) == (f"{host}:{port}", "tcp")


async def test_the_kernel_finds_out_that_a_link_is_dead(listening: Listening) -> None:
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()):
        accepted = (await served.first()).socket
        tcp = socket.IPPROTO_TCP
        assert accepted.getsockopt(tcp, socket.TCP_NODELAY)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(tcp, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_S
        assert accepted.getsockopt(tcp, socket.TCP_KEEPINTVL) == KEEPALIVE_INTERVAL_S
        assert accepted.getsockopt(tcp, socket.TCP_KEEPCNT) == KEEPALIVE_COUNT
        assert accepted.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS


async def test_a_fleet_that_connects_at_once_is_accepted(listening: Listening) -> None:
    """After a restart all devices come at once: each is accepted, and gets its answer."""
    with many_descriptors(2 * CROWD + 200), ExitStack() as devices:
        async with listening.run() as served:
            crowd = [devices.enter_context(connecting(served.port())) for _ in range(CROWD)]
            for device in crowd:
                await trio.lowlevel.wait_writable(device)
                device.send(b"\x00")
            await served.until(lambda: len(served.received) == CROWD)
            assert listening.refused == {}
            assert served.listeners.connections == CROWD
            for connection in served.connections:
                await connection.stream.send_all(b"\x01")
            for device in crowd:
                await trio.lowlevel.wait_readable(device)
                assert device.recv(2) == b"\x01"
        assert served.listeners.connections == 0


async def test_a_connection_that_comes_at_the_moment_of_the_stop_crashes_nobody(
    listening: Listening,
) -> None:
    """The loop has been woken for it, and the stop has its turn first: Trio picks one of two orders."""
    for _ in range(20):
        async with listening.run() as served, trio.open_nursery() as stopping:
            ((_, bound),) = served.listeners._streams  # nothing else wakes at the same moment
            with bound.dup() as same:

                async def stop(same: socket.socket = same) -> None:
                    await trio.lowlevel.wait_readable(same)
                    served.listeners.close()

                stopping.start_soon(stop)
                await trio.testing.wait_all_tasks_blocked()
                with socket.create_connection((HOST, served.port())):
                    await trio.testing.wait_all_tasks_blocked()
                    stopping.cancel_scope.cancel()


async def test_sessions_have_their_turn_between_two_bursts(listening: Listening) -> None:
    """Otherwise the login clocks of those that were accepted would run out in our own queue."""
    turns = 0
    accepted_at: list[int] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    with socket.create_server((HOST, 0), backlog=8 * BURST) as bound, ExitStack() as devices:
        bound.settimeout(0)
        for _ in range(8 * BURST):
            devices.enter_context(connecting(bound.getsockname()[1]))

        def start(connection: Connection) -> None:
            accepted_at.append(turns)
            devices.callback(connection.close)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_turns)
            nursery.start_soon(accept_loop(listening, bound).run, start)
            with trio.fail_after(10):
                while len(accepted_at) < 8 * BURST:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    # Trio shuffles those whose turn it is: the loop may be last in one round and first in the next.
    assert max(accepted_at.count(turn) for turn in set(accepted_at)) <= 2 * BURST


async def test_a_full_house_leaves_connections_in_the_queue(listening: Listening) -> None:
    async with listening.run(max_connections=2) as served:
        devices = [await trio.open_tcp_stream(HOST, served.port()) for _ in range(4)]
        for number, device in enumerate(devices):
            await device.send_all(bytes([number]))
        await served.until(lambda: len(served.received) == 2)
        await listening.until_refused()
        assert len(served.connections) == 2
        assert listening.refused == {"connections": 1}
        for device in devices:
            await device.aclose()
        await served.until(lambda: len(served.received) == 4)
        assert sorted(served.received.values()) == [bytes([number]) for number in range(4)]
    assert len(listening.lines()) == 1, "one line a minute"
    assert "MAX_CONNECTIONS" in listening.lines()[0]


async def test_a_burst_ends_where_the_house_is_full(listening: Listening) -> None:
    accepted: list[Connection] = []
    with socket.create_server((HOST, 0)) as bound, ExitStack() as devices:
        bound.settimeout(0)
        for _ in range(5):
            devices.enter_context(connecting(bound.getsockname()[1]))
        async with trio.open_nursery() as nursery:
            loop = accept_loop(listening, bound, max_connections=2)
            nursery.start_soon(loop.run, accepted.append)
            await listening.until_refused()
            nursery.cancel_scope.cancel()
        assert len(accepted) == 2
        for connection in accepted:
            connection.close()


async def test_beyond_the_limit_of_its_address_a_connection_is_closed(
    listening: Listening,
) -> None:
    async with listening.run(max_connections_per_address=1) as served:
        first = await trio.open_tcp_stream(HOST, served.port())
        await served.first()
        async with await trio.open_tcp_stream(HOST, served.port()) as second:
            assert await second.receive_some() == b""
        other = await trio.open_tcp_stream(HOST, served.port(), local_address="127.0.0.2")
        await served.until(lambda: len(served.established) == 2)
        await first.aclose()
        await served.until_over()
        again = await trio.open_tcp_stream(HOST, served.port())
        await served.until(lambda: len(served.established) == 3)
        assert listening.refused == {"address": 1}
        await other.aclose()
        await again.aclose()
    assert "MAX_CONNECTIONS_PER_ADDRESS=1" in listening.lines()[0]


async def test_a_reset_before_the_first_byte_ends_one_connection_alone(
    listening: Listening,
) -> None:
    async with listening.run() as served:
        device = await trio.open_tcp_stream(HOST, served.port())
        connection = await served.first()
        reset(device.socket)
        await served.until_over()
        assert served.over == [connection]
        with connecting(served.port()) as unlucky:
            # Still in the queue, or just accepted: either is nobody's error.
            reset(unlucky)
        async with await trio.open_tcp_stream(HOST, served.port()) as next_one:
            await next_one.send_all(b"next")
            await served.until_received(b"next")
    assert listening.lines() == []


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
async def test_the_pending_error_of_a_connection_is_nobodys(
    listening: Listening, number: int
) -> None:
    with Failing() as bound, connecting(bound.getsockname()[1]):
        bound.errors = [OSError(number, os.strerror(number))]
        connection = await accepted_by(accept_loop(listening, bound))
        connection.close()
    assert listening.lines() == []
    assert listening.refused == {}


async def test_an_error_of_accept_that_nobody_knows_ends_the_loop(listening: Listening) -> None:
    with Failing() as bound, connecting(bound.getsockname()[1]):
        bound.errors = [OSError(errno.EINVAL, "Invalid argument")]
        with pytest.raises(OSError, match="Invalid argument"):
            await accept_loop(listening, bound).run(lambda connection: connection.close())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_want_of_descriptors_or_memory_is_one_line_and_a_pause(
    listening: Listening, number: int
) -> None:
    with Failing() as bound, connecting(bound.getsockname()[1]):
        bound.errors = [OSError(number, os.strerror(number))] * 2
        obstacles: list[str] = []
        bound.on_error = lambda: obstacles.extend(listening.journal.health().obstacles)
        began_s = trio.current_time()
        connection = await accepted_by(accept_loop(listening, bound))
        connection.close()
        assert trio.current_time() - began_s >= 2 * SHORTAGE_PAUSE_S
    assert listening.refused == {"descriptors": 2}
    assert obstacles == [LISTENERS], "not ready from the first failure"
    await trio.lowlevel.checkpoint()
    assert LISTENERS not in listening.journal.health().obstacles
    (line,) = listening.lines()
    assert os.strerror(number) in line
    assert listening.lines(logging.ERROR) == []


class Failing(socket.socket):
    """A listening socket of which `accept` fails first."""

    def __init__(self) -> None:
        super().__init__()
        self.bind((HOST, 0))
        self.listen()
        self.settimeout(0)
        self.errors: list[OSError] = []
        self.on_error: Callable[[], None] = lambda: None

    def accept(self) -> tuple[socket.socket, object]:
        if self.errors:
            self.on_error()
            raise self.errors.pop()
        return super().accept()


def accept_loop(
    listening: Listening, bound: socket.socket, *, max_connections: int = 1000
) -> AcceptLoop:
    options = replace(OPTIONS, max_connections=max_connections)
    entrance = Entrance(options, Preamble(options, None, listening.journal), listening.journal)
    return AcceptLoop(bound, "tcp", entrance, listening.journal)


async def accepted_by(loop: AcceptLoop) -> Connection:
    """The first connection that the loop hands over."""
    accepted: list[Connection] = []
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:

            def start(connection: Connection) -> None:
                accepted.append(connection)
                nursery.cancel_scope.cancel()

            nursery.start_soon(loop.run, start)
    return accepted[0]


def connecting(port: int) -> socket.socket:
    """A device that has sent its SYN, and waits for nothing."""
    device = socket.socket()
    device.settimeout(0)
    assert device.connect_ex((HOST, port)) in {0, errno.EINPROGRESS}
    return device


def reset(device: socket.socket | trio.socket.SocketType) -> None:
    """Close with RST instead of FIN."""
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.close()


@contextmanager
def many_descriptors(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= count, (
        "the hard limit of open files is too low"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
