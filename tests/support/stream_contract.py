"""What the contract of a stream is tested on: one in memory, and one on a Redis server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import trio
import trio.testing

from processor.edges.redis.names import StreamNames
from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.batches import position
from tests.support.fakes.redis import FakeRedis, format_id, parse_id
from tests.support.fakes.stream import FakeStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

    from processor.edges.ports import PositionStream
    from telemetry._codec import Delivery

GROUP = "processor"
INSTANCE_ID = "processor-1"
# Longer than any test takes: a read that is not woken fails the test.
LONG_BLOCK_MS = 60_000

Fields: TypeAlias = "Mapping[str, str | bytes]"


class StreamHarness(Protocol):
    """A stream, streams of other consumers, and what a test needs to see or change on the server."""

    stream: PositionStream

    def consumer(self, name: str) -> PositionStream: ...
    def add(self, number: int) -> str: ...
    def add_malformed(self) -> str: ...
    def add_fields(self, fields: Fields, entry_id: str | None = None) -> str: ...
    def time_calls(self) -> int: ...
    def age(self, entry_id: str, idle_ms: int) -> None: ...
    def attempts(self) -> dict[str, dict[str, Any]]: ...
    def put_attempts(self, entry_id: str, text: str) -> None: ...
    def dead_letters(self) -> list[dict[str, str]]: ...
    def delete(self, entry_id: str) -> None: ...
    def trim(self, entries_max: int) -> None: ...
    def destroy_group(self) -> None: ...
    def delete_stream(self) -> None: ...
    def pending(self, consumer: str = "own") -> dict[str, int]: ...
    async def until_blocked(self) -> None: ...


MALFORMED: Fields = {"codec": "8E", "payload": b"\xff"}


def fields(number: int, **changes: Any) -> dict[str, str]:
    value = position(number % 10, number, **changes)
    return {"ts": value["timestamp"], "codec": "8E", "payload": json.dumps(value)}


def text_of(value: str | bytes) -> str:
    """As text; bytes that are no text are escaped."""
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def names_of(stream: str, consumer: str) -> StreamNames:
    """A consumer's names for a stream."""
    return StreamNames(stream, GROUP, consumer, dead_letters=f"{stream}:dlq")


def in_order(entry_ids: list[str]) -> list[str]:
    """Ids in the order of the stream."""
    return sorted(entry_ids, key=lambda entry_id: [*map(int, entry_id.split("-"))])


def ids_of(delivery: Delivery) -> list[str]:
    """All ids of a delivery's records, in the order of the stream."""
    return in_order(delivery.batch.entry_ids)


async def delivered(harness: StreamHarness, count: int = 1) -> list[str]:
    """Add this number of entries, and read them once as the harness's own consumer."""
    entry_ids = [harness.add(number) for number in range(count)]
    await harness.stream.read_new(count, LONG_BLOCK_MS)
    return entry_ids


class FakeStreamHarness:
    def __init__(self) -> None:
        self._redis = FakeRedis()
        self.stream: PositionStream = self.consumer("own")

    def consumer(self, name: str) -> PositionStream:
        return FakeStream(self._redis, consumer=name, instance_id=INSTANCE_ID)

    def add(self, number: int) -> str:
        return self._redis.add(fields(number))

    def add_malformed(self) -> str:
        return self._redis.add(MALFORMED)

    def add_fields(self, fields: Fields, entry_id: str | None = None) -> str:
        return self._redis.add(fields, None if entry_id is None else parse_id(entry_id))

    def time_calls(self) -> int:
        return self._redis.time_calls

    def age(self, entry_id: str, idle_ms: int) -> None:
        self._redis.pending[parse_id(entry_id)].delivered_at_s -= idle_ms / 1000

    def attempts(self) -> dict[str, dict[str, Any]]:
        return {entry_id: json.loads(text) for entry_id, text in self._redis.attempts.items()}

    def put_attempts(self, entry_id: str, text: str) -> None:
        self._redis.attempts[entry_id] = text

    def dead_letters(self) -> list[dict[str, str]]:
        return [
            {name: text_of(value) for name, value in letter.items()}
            for letter in self._redis.dead_letters
        ]

    def delete(self, entry_id: str) -> None:
        self._redis.delete(entry_id)

    def trim(self, entries_max: int) -> None:
        self._redis.trim(entries_max)

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


class RealStreamHarness:
    def __init__(self, url: str, client: Redis, name: str) -> None:
        self._target = replace(redis_target(url), client_name=name)
        self._client = client
        self._name = name
        self._names = names_of(name, "own")
        self.stream: PositionStream = self.consumer("own")

    def consumer(self, name: str) -> PositionStream:
        return RedisPositionStream(
            self._target,
            names_of(self._name, name),
            instance_id=INSTANCE_ID,
            limits=RedisLimits(),
            new_parser=ReplyParser,
        )

    def add(self, number: int) -> str:
        return self.add_fields(fields(number))

    def add_malformed(self) -> str:
        return self.add_fields(MALFORMED)

    def add_fields(self, fields: Fields, entry_id: str | None = None) -> str:
        entry: dict[Any, Any] = {**fields}
        added = self._client.xadd(self._name, entry, id=entry_id or "*")
        assert isinstance(added, bytes)
        return added.decode()

    def time_calls(self) -> int:
        statistics: Any = self._client.info("commandstats")
        return int(statistics.get("cmdstat_time", {}).get("calls", 0))

    def age(self, entry_id: str, idle_ms: int) -> None:
        [row] = self._rows(entry_id)
        self._client.xclaim(
            self._name, GROUP, row["consumer"], 0, [entry_id], idle=idle_ms, justid=True
        )

    def attempts(self) -> dict[str, dict[str, Any]]:
        found: Any = self._client.hgetall(self._names.attempts)
        return {entry_id.decode(): json.loads(text) for entry_id, text in found.items()}

    def put_attempts(self, entry_id: str, text: str) -> None:
        self._client.hset(self._names.attempts, entry_id, text)

    def dead_letters(self) -> list[dict[str, str]]:
        found: Any = self._client.xrange(self._names.dead_letters)
        return [
            {name.decode(): text_of(value) for name, value in letter.items()} for _, letter in found
        ]

    def delete(self, entry_id: str) -> None:
        self._client.xdel(self._name, entry_id)

    def trim(self, entries_max: int) -> None:
        self._client.xtrim(self._name, maxlen=entries_max, approximate=False)

    def destroy_group(self) -> None:
        self._client.xgroup_destroy(self._name, GROUP)

    def delete_stream(self) -> None:
        self._client.delete(self._name)

    def pending(self, consumer: str = "own") -> dict[str, int]:
        return {
            row["message_id"].decode(): row["times_delivered"]
            for row in self._rows()
            if row["consumer"] == consumer.encode()
        }

    def _rows(self, entry_id: str | None = None) -> list[dict[str, Any]]:
        first, last = (entry_id, entry_id) if entry_id is not None else ("-", "+")
        rows: Any = self._client.xpending_range(self._name, GROUP, first, last, 10_000)
        return [*rows]

    async def until_blocked(self) -> None:
        # Redis shows it by the flag `b` and sends no message: ask until it is there.
        while not self._reader_is_blocked():
            await trio.lowlevel.checkpoint()

    def _reader_is_blocked(self) -> bool:
        clients: Any = self._client.client_list()
        return any(
            client["name"] == f"{self._name}:reader" and "b" in client["flags"]
            for client in clients
        )


async def lag_of(stream: PositionStream) -> tuple[int, int]:
    """(lag, pending entries)."""
    look = await stream.look()
    return look.lag, look.pending
