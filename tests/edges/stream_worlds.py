"""The worlds that the stream's contract is tested in: one in memory, one on a Redis server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import trio
import trio.testing

from processor._codec import ReplyParser
from processor.config.targets import redis_target
from processor.edges.fakes.redis import FakeRedis, format_id
from processor.edges.fakes.stream import FakeStream
from processor.edges.redis.stream import RedisPositionStream, StreamNames
from tests.edges.batches import position

if TYPE_CHECKING:
    from redis import Redis

    from processor.edges.ports import PositionStream

GROUP = "processor"


class World(Protocol):
    """A stream, streams of other consumers, and the means to look behind them."""

    stream: PositionStream

    def consumer(self, name: str) -> PositionStream: ...
    def add(self, number: int) -> str: ...
    def add_malformed(self) -> str: ...
    def delete(self, entry_id: str) -> None: ...
    def destroy_group(self) -> None: ...
    def delete_stream(self) -> None: ...
    def pending(self, consumer: str = "own") -> dict[str, int]: ...
    async def until_blocked(self) -> None: ...


def fields(number: int) -> dict[str, str]:
    value = position(number % 10, number)
    return {"ts": value["timestamp"], "codec": "8E", "payload": json.dumps(value)}


class FakeWorld:
    def __init__(self) -> None:
        self._redis = FakeRedis()
        self.stream: PositionStream = self.consumer("own")

    def consumer(self, name: str) -> PositionStream:
        return FakeStream(self._redis, consumer=name)

    def add(self, number: int) -> str:
        return self._redis.add(fields(number))

    def add_malformed(self) -> str:
        return self._redis.add({"codec": "8E", "payload": b"\xff"})

    def delete(self, entry_id: str) -> None:
        self._redis.delete(entry_id)

    def destroy_group(self) -> None:
        self._redis.destroy_group()

    def delete_stream(self) -> None:
        self._redis.delete_stream()

    def pending(self, consumer: str = "own") -> dict[str, int]:
        assert self._redis.group is not None
        return {
            format_id(entry_id): entry.deliveries
            for entry_id, entry in sorted(self._redis.group.pending.items())
            if entry.owner == consumer
        }

    async def until_blocked(self) -> None:
        await trio.testing.wait_all_tasks_blocked()


class RealWorld:
    def __init__(self, url: str, client: Redis, name: str) -> None:
        self._target = replace(redis_target(url), client_name=name)
        self._client = client
        self._name = name
        self.stream: PositionStream = self.consumer("own")

    def consumer(self, name: str) -> PositionStream:
        names = StreamNames(self._name, GROUP, name)
        return RedisPositionStream(
            self._target, names, instance_id="processor-1", new_parser=ReplyParser
        )

    def add(self, number: int) -> str:
        return self._add({**fields(number)})

    def add_malformed(self) -> str:
        return self._add({"codec": "8E", "payload": b"\xff"})

    def _add(self, entry: dict[Any, Any]) -> str:
        entry_id = self._client.xadd(self._name, entry)
        assert isinstance(entry_id, bytes)
        return entry_id.decode()

    def delete(self, entry_id: str) -> None:
        self._client.xdel(self._name, entry_id)

    def destroy_group(self) -> None:
        self._client.xgroup_destroy(self._name, GROUP)

    def delete_stream(self) -> None:
        self._client.delete(self._name)

    def pending(self, consumer: str = "own") -> dict[str, int]:
        entries: Any = self._client.xpending_range(self._name, GROUP, "-", "+", 10_000, consumer)
        return {entry["message_id"].decode(): entry["times_delivered"] for entry in entries}

    async def until_blocked(self) -> None:
        # Redis tells by the flag `b`, and sends nobody a message: asked until it says so.
        while not self._reader_is_blocked():
            await trio.lowlevel.checkpoint()

    def _reader_is_blocked(self) -> bool:
        clients: Any = self._client.client_list()
        return any(
            client["name"] == f"{self._name}:reader" and "b" in client["flags"]
            for client in clients
        )
