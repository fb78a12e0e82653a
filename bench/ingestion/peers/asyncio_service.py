"""The work of `tcp-ingestion run` as a well-made asyncio service: uvloop, redis.asyncio with hiredis, orjson.

Run as `python -m bench.ingestion.peers.asyncio_service` with the same environment. Connections are protocols, not
streams. A frame's entries go to Redis in a pipeline that all connections share: what has come while one
was on its way is the next one. The answer is written when Redis has replied to every XADD of the frame.
It has no time-outs, limits, metrics, quarantine or drain, all of which would make it slower.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, cast

import uvloop
from redis.asyncio import Redis

from bench.ingestion.peers.frame import BadFrame, Record, decode_frame, frame_length

STREAM = os.environ.get("REDIS_TELEMETRY_STREAM", "telemetry:teltonika")
MAXLEN = os.environ.get("REDIS_STREAM_MAXLEN", "1000000")
HOST = os.environ.get("TELTONIKA_HOST", "127.0.0.1")
PORT = int(os.environ.get("TELTONIKA_PORT", "5027"))
BACKLOG = 4096
LOGIN_BYTES = 17
PING = 0xFF
READY = "peer ready\n"


class Publisher:
    """Frames on their way to Redis, from all connections."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._frames: list[tuple[Device, list[Record]]] = []
        self._wake = asyncio.Event()

    def publish(self, device: Device, records: list[Record]) -> None:
        """Answer the device when Redis has confirmed all of the records."""
        self._frames.append((device, records))
        self._wake.set()

    async def run(self) -> None:
        """Send what waits as one pipeline, over and over."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            frames, self._frames = self._frames, []
            pipeline = self._redis.pipeline(transaction=False)
            for device, records in frames:
                imei = device.imei
                for timestamp, codec, payload in records:
                    pipeline.execute_command(
                        "XADD", STREAM, "MAXLEN", "~", MAXLEN, "*",
                        "ts", timestamp, "device_id", imei, "codec", codec, "payload", payload,
                    )  # fmt: skip
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
            first = 0
            for device, records in frames:
                end = first + len(records)
                if not any(isinstance(reply, Exception) for reply in replies[first:end]):
                    device.answer(len(records))
                first = end


class Device(asyncio.Protocol):
    """The conversation with one device."""

    __slots__ = ("_buffered", "_publisher", "_transport", "imei")

    def __init__(self, publisher: Publisher) -> None:
        self.imei = ""
        self._publisher = publisher
        self._buffered = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Answers that come later go nowhere."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take in what is whole, keep the rest."""
        buffered = self._buffered + data if self._buffered else data
        try:
            self._buffered = buffered[self._take_in(buffered) :]
        except BadFrame:
            self._close()

    def answer(self, records: int) -> None:
        """Confirm so many records."""
        if self._transport is not None:
            self._transport.write(records.to_bytes(4))

    def _take_in(self, buffered: bytes) -> int:
        """How many bytes are done with. Raises BadFrame."""
        offset = 0
        if not self.imei:
            if len(buffered) < LOGIN_BYTES:
                return 0
            self._log_in(buffered[:LOGIN_BYTES])
            offset = LOGIN_BYTES
        while offset < len(buffered):
            if buffered[offset] == PING:
                offset += 1
                continue
            length = frame_length(buffered, offset)
            if length is None or offset + length > len(buffered):
                break
            records = decode_frame(buffered[offset : offset + length], self.imei)
            if records:
                self._publisher.publish(self, records)
            else:
                self.answer(0)
            offset += length
        return offset

    def _log_in(self, login: bytes) -> None:
        if login[:2] != b"\0\x0f" or not login[2:].isdigit():
            raise BadFrame
        self.imei = login[2:].decode()
        assert self._transport is not None
        self._transport.write(b"\x01")

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def main() -> None:
    """Connect, listen, say so, and work until the process is ended."""
    redis = Redis.from_url(os.environ["REDIS_URL"], protocol=2, driver_info=None)
    await redis.ping()
    publisher = Publisher(redis)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Device(publisher), HOST, PORT, backlog=BACKLOG)
    sys.stdout.write(READY)
    sys.stdout.flush()
    async with server:
        await publisher.run()


if __name__ == "__main__":
    uvloop.run(main())
