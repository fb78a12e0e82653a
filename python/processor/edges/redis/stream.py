"""The consumer group's view of one stream, on two connections: one reads, the other does everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from processor._codec import Batch, Delivery, ReplyParser
from processor.config import RedisTarget
from processor.edges.redis.commands import Argument, encode
from processor.edges.redis.connection import RedisConnection
from processor.edges.redis.opening import open_connection
from processor.errors import RedisRefused, RedisUnavailable

if TYPE_CHECKING:
    from processor._codec import Reply

# Redis answers these in well under a second even for an XACK of 20,000 ids.
CONTROL_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class StreamNames:
    """Which entries are whose."""

    stream: str
    group: str
    consumer: str


class RedisPositionStream:
    """A PositionStream on a Redis server."""

    def __init__(
        self,
        target: RedisTarget,
        names: StreamNames,
        *,
        instance_id: str,
        new_parser: Callable[[], ReplyParser],
    ) -> None:
        """Nothing is connected yet; `new_parser` makes the parser of a new connection."""
        self._target = target
        self._names = names
        self._client_name = target.client_name or f"processor/{instance_id}"
        self._new_parser = new_parser
        self._connecting = trio.Lock()
        self._reader: RedisConnection | None = None
        self._control: RedisConnection | None = None

    @property
    def where(self) -> str:
        return self._target.where

    async def connect(self) -> None:
        async with self._connecting:
            if self._control is None or self._control.closed:
                self._control = await self._open("control")
            if self._reader is None or self._reader.closed:
                self._reader = await self._open_reader()

    async def ensure_group(self) -> bool:
        stream, group = self._names.stream, self._names.group
        existed = await self._command("EXISTS", stream)
        try:
            await self._command("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except RedisRefused as error:
            if error.code != "BUSYGROUP":
                raise
        return not existed

    async def read_pending(self, after_id: str, count: int) -> Delivery:
        reader = self._connected(self._reader)
        return await reader.delivery(self._read_command(count, after_id))

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        reader = self._connected(self._reader)
        return await reader.blocking_delivery(
            self._read_command(count, ">", "BLOCK", block_ms),
            block_ms=block_ms,
            unblock=lambda: self._unblock(reader.client_id),
        )

    async def ack(self, batch: Batch) -> int:
        if not batch.records:
            return 0
        return await self._acked(batch.ack_command(self._names.stream, self._names.group))

    async def ack_ids(self, entry_ids: list[str]) -> int:
        if not entry_ids:
            return 0
        return await self._acked(encode("XACK", self._names.stream, self._names.group, *entry_ids))

    async def lag(self) -> tuple[int | None, int]:
        groups = await self._command("XINFO", "GROUPS", self._names.stream)
        name = self._names.group.encode()
        for group in map(_as_mapping, groups if isinstance(groups, list) else []):
            if group.get(b"name") == name:
                lag, pending = group.get(b"lag"), group.get(b"pending")
                return (
                    lag if isinstance(lag, int) else None,
                    pending if isinstance(pending, int) else 0,
                )
        raise RedisRefused("the consumer group does not exist", where=self.where, code="NOGROUP")

    async def aclose(self) -> None:
        for connection in (self._reader, self._control):
            if connection is not None:
                connection.close()

    async def _open(self, role: str) -> RedisConnection:
        return await open_connection(
            self._target, self._new_parser(), name=f"{self._client_name}:{role}"
        )

    async def _open_reader(self) -> RedisConnection:
        reader = await self._open("reader")
        try:
            # Nothing is blocked yet: a user who may not unblock is found now, not at a stop.
            await self._unblock(reader.client_id)
        except BaseException:
            reader.close()
            raise
        return reader

    def _connected(self, connection: RedisConnection | None) -> RedisConnection:
        if connection is None:
            raise RedisUnavailable("not connected", where=self.where)
        return connection

    async def _command(self, *arguments: Argument) -> Reply:
        control = self._connected(self._control)
        return await control.request(encode(*arguments), timeout_ms=CONTROL_TIMEOUT_MS)

    async def _acked(self, wire: bytes) -> int:
        control = self._connected(self._control)
        return await control.request_integer(wire, timeout_ms=CONTROL_TIMEOUT_MS)

    async def _unblock(self, client_id: int) -> None:
        await self._command("CLIENT", "UNBLOCK", client_id)

    def _read_command(self, count: int, after_id: str, *options: Argument) -> bytes:
        names = self._names
        group = ("GROUP", names.group, names.consumer, "COUNT", count)
        return encode("XREADGROUP", *group, *options, "STREAMS", names.stream, after_id)


def _as_mapping(reply: Reply) -> dict[bytes, Reply]:
    """A map of RESP3, or RESP2's flat list of keys and values."""
    if isinstance(reply, dict):
        return reply
    flat = reply if isinstance(reply, list) else []
    return {
        key: value
        for key, value in zip(flat[::2], flat[1::2], strict=False)
        if isinstance(key, bytes)
    }
