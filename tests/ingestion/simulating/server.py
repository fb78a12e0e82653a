"""A small TCP server for devices, which answers as a test says and writes down what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import trio

from telemetry.stream.avl_frames import crc_16_ibm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"
_LOGIN_BYTES = 17
_LONG_COME_S = 0.05


@dataclass(frozen=True)
class Arrival:
    """A frame that came; the connection is counted from 0."""

    connection: int
    imei: str
    frame: bytes

    @property
    def records(self) -> int:
        """As many as it says."""
        return self.frame[9]

    @property
    def is_sound(self) -> bool:
        """Whether its checksum is right."""
        return int.from_bytes(self.frame[-4:]) == crc_16_ibm(self.frame[8:-4])

    @property
    def answer(self) -> bytes:
        """The right one."""
        return self.records.to_bytes(4)


Answering: TypeAlias = "Callable[[Arrival], Awaitable[bytes | None]]"
"""What is sent for a frame; None: the connection is closed instead."""


async def rightly(arrival: Arrival) -> bytes:
    """Answer sound frames, and say nothing to others."""
    return arrival.answer if arrival.is_sound else b""


@dataclass
class DeviceServer:
    """Serves until it is cancelled. `admits` says what is sent for a login."""

    answers: Answering = rightly
    admits: Callable[[str], bytes] = lambda _imei: b"\x01"
    arrivals: list[Arrival] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    pings: int = 0
    sent_early: int = 0
    """Bytes that came while a frame had no answer yet."""
    port: int = 0
    unasked: bytes = b""
    """Sent once, when the first frame's answer has long come."""

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        [listener] = await trio.open_tcp_listeners(0, host=HOST)
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._converse, [listener])

    async def _converse(self, stream: trio.SocketStream) -> None:
        try:
            await _Conversation(self, stream).run()
        except (trio.BrokenResourceError, EOFError):
            return


@dataclass
class _Conversation:
    server: DeviceServer
    stream: trio.SocketStream
    buffer: bytes = b""

    async def run(self) -> None:
        connection = len(self.server.logins)
        imei = (await self._read(_LOGIN_BYTES))[2:].decode()
        self.server.logins.append(imei)
        verdict = self.server.admits(imei)
        await self.stream.send_all(verdict)
        if verdict != b"\x01":
            return
        while True:
            arrival = Arrival(connection, imei, await self._read_frame())
            self.server.arrivals.append(arrival)
            answer = await self.server.answers(arrival)
            self._count_early_bytes()
            if answer is None:
                return
            await self.stream.send_all(answer)
            if self.server.unasked:
                await trio.sleep(_LONG_COME_S)
                unasked, self.server.unasked = self.server.unasked, b""
                await self.stream.send_all(unasked)

    async def _read_frame(self) -> bytes:
        while (first := await self._read(1)) == b"\xff":
            self.server.pings += 1
        header = first + await self._read(7)
        return header + await self._read(int.from_bytes(header[4:]) + 4)

    async def _read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            received = await self.stream.receive_some()
            if not received:
                raise EOFError
            self.buffer += received
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _count_early_bytes(self) -> None:
        self.server.sent_early += len(self.buffer)
