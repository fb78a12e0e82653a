"""What a session may do with its connection, tried with real sockets."""

from __future__ import annotations

import pytest
import trio

from tests.support.listening_harness import HOST, Listening


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
        with pytest.raises(trio.ClosedResourceError):
            await connection.peek(1)
        assert served.listeners.connections == 0


async def test_an_answer_that_was_written_before_fin_reaches_the_device(
    listening: Listening,
) -> None:
    async with listening.run() as served, await trio.open_tcp_stream(HOST, served.port()) as device:
        connection = await served.first()
        await connection.stream.send_all(b"\x00\x00\x00\x05")
        connection.shutdown()
        connection.shutdown()
        assert await device.receive_some() == b"\x00\x00\x00\x05"
        assert await device.receive_some() == b"", "FIN, not RST"
        await device.send_all(b"more")
        await served.until_received(b"more")
