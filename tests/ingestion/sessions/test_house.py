"""How a house ends: frames in hand are answered, connections are closed one by one, with FIN."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from ingestion.sessions import house as houses
from tests.support.house_harness import housed
from tests.support.ingestion_frames import tcp_frame

if TYPE_CHECKING:
    import pytest


async def test_a_frame_in_hand_is_answered_before_its_connection_is_closed() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        await device.send(tcp_frame(0))
        await it.published.next_frame()
        it.listeners.close()
        it.house.close()
        with trio.move_on_after(0.1) as waited:
            await device.receive(1)
        assert waited.cancelled_caught
        await it.published.confirm()
        assert await device.receive(5) == b"\x00\x00\x00\x05"


async def test_a_frame_that_has_come_unread_is_answered_before_its_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(houses, "CLOSE_EVERY_S", 0.0)
    async with housed() as it:
        devices = [await it.connect() for _ in range(20)]
        for number, device in enumerate(devices):
            await device.log_in(number)
        # Without a checkpoint in between: the kernel has these frames, and no conversation has seen one yet.
        for device in devices:
            os.write(device.stream.socket.fileno(), tcp_frame(0))
        it.listeners.close()
        it.house.close()
        for _ in devices:
            await it.published.confirm()
        for device in devices:
            assert await device.receive(5) == b"\x00\x00\x00\x05"


async def test_half_a_frame_that_has_come_unread_does_not_hold_up_the_end() -> None:
    async with housed() as it:
        devices = [await it.connect() for _ in range(20)]
        for number, device in enumerate(devices):
            await device.log_in(number)
        for device in devices:
            os.write(device.stream.socket.fileno(), tcp_frame(0)[:20])
        it.listeners.close()
        it.house.close()
        for device in devices:
            assert await device.is_closed()


async def test_connections_are_closed_evenly_over_the_time_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(houses, "CLOSE_EVERY_S", 10.0)
    async with housed(drain_budget_ms=1_000) as it:
        devices = [await it.connect() for _ in range(8)]
        for number, device in enumerate(devices):
            await device.log_in(number)
        it.listeners.close()
        began_s = trio.current_time()
        it.house.close()
        ends_s: list[float] = []
        for device in devices:
            assert await device.is_closed()
            ends_s.append(trio.current_time() - began_s)
            await device.stream.aclose()
        # Eight of them in 0.8 s: one each tenth of a second.
        assert all(end_s >= number / 10 for number, end_s in enumerate(ends_s))
        assert ends_s[-1] < 2
        await it.until(lambda: not len(it.house))


async def test_a_device_that_does_not_end_its_side_is_not_waited_for() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        it.listeners.close()
        it.house.close()
        assert await device.is_closed()
        await it.until(lambda: not len(it.house))
