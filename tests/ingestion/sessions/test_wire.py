"""The wire of a conversation, on a real connection whose other end does not read."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest
import trio

from ingestion.sessions.wire import PlainWire

ANSWER = b"\x00\x00\x00\x05"


async def test_a_device_that_takes_no_answer_is_gone_and_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        device = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with device, trio.socket.from_stdlib_socket(accepted) as connected:
        wire = PlainWire(connected)
        with pytest.raises((BlockingIOError, trio.BrokenResourceError)):
            await _answer_for_ever(wire)


async def _answer_for_ever(wire: PlainWire) -> NoReturn:
    while True:
        await wire.send(ANSWER)
