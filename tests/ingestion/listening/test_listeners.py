from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
import trio

from ingestion.listening.sockets import (
    KEEPALIVE_COUNT,
    KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S,
    USER_TIMEOUT_MS,
)
from telemetry.chassis.errors import ConfigError
from tests.ingestion.listening.conftest import HOST, Observed


async def test_a_connection_is_handed_over_with_its_address_and_its_bytes(serving) -> None:
    async with serving() as served, await trio.open_tcp_stream(HOST, served.port()) as device:
        await device.send_all(b"hello")
        await served.until(lambda: b"hello" in served.received.values())
        (connection,) = served.connections
        host, port = device.socket.getsockname()
        assert connection.address == f"{host}:{port}"
        assert connection.transport == "tcp"
        await connection.send(b"\x01")
        assert await device.receive_some(10) == b"\x01"
        connection.shutdown()
        assert await device.receive_some(10) == b""
