"""What a session may do with its connection, tried with real sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.listening_harness import HOST, Listening

if TYPE_CHECKING:
    from ingestion.listening.connection import Connection


async def test_whoever_waits_for_a_connection_hears_that_another_task_closed_it(
    listening: Listening,
) -> None:
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()) as device:
        connection = await served.first()
        await trio.testing.wait_all_tasks_blocked()
        connection.close()
        await served.until_over()
        connection.close()
        assert await device.receive_some() == b""
        for wait in (connection.peek(1), connection.receive_bytes(1), connection.send(b"\x01")):
            with pytest.raises(trio.ClosedResourceError):
                await wait
        assert served.listeners.connections == 0


async def test_an_answer_that_was_written_before_fin_reaches_the_device(
    listening: Listening,
) -> None:
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()) as device:
        connection = await served.first()
        await connection.send(b"\x00\x00\x00\x05")
        connection.shutdown()
        connection.shutdown()
        assert await device.receive_some() == b"\x00\x00\x00\x05"
        assert await device.receive_some() == b"", "FIN, not RST"
        await device.send_all(b"more")
        await served.until_received(b"more")


async def test_who_takes_no_answers_is_gone(listening: Listening) -> None:
    """A device whose window is full for a few bytes never holds up its session."""
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()):
        connection = await served.first()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            await send_for_ever(connection)


async def send_for_ever(connection: Connection) -> None:
    while True:
        await connection.send(bytes(4096))
