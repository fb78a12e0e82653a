"""The wire of a conversation, on a real connection whose other end does not read."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest
import trio

from ingestion.sessions.wire import PlainWire
from ingestion.taps.taps import Taps
from telemetry._codec import Session, SessionLimits, StreamWriters

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


async def test_to_be_woken_for_nothing_ends_no_conversation_also_if_it_is_watched() -> None:
    writers = StreamWriters(["stream"], entries_max=0)
    limits = SessionLimits(
        frame_bytes_max=65_535, login_timeout_ms=1, frame_timeout_ms=1, idle_timeout_ms=1
    )
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    taps = Taps()
    taps.begin("imei")
    with theirs, trio.socket.from_stdlib_socket(ours) as connected:
        wire = PlainWire(connected)
        for tap in (None, taps.of("imei")):
            wire.tap = tap
            assert wire.receive_nowait(Session(limits, writers, now_ms=0)) is None


async def _answer_for_ever(wire: PlainWire) -> NoReturn:
    while True:
        await wire.send(ANSWER)
