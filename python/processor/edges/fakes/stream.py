"""A PositionStream in memory, for tests: it writes the replies of Redis and has the real codec read them."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from processor._codec import Delivery, ReplyParser
from processor.edges.fakes.redis import (
    EntryId,
    FakeGroup,
    FakePending,
    FakeRedis,
    format_id,
    parse_id,
)
from processor.errors import RedisError, RedisRefused, RedisUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor._codec import Batch

# A reply of Redis; None is the null array.
_Reply: TypeAlias = "str | bytes | list[_Reply] | None"

STREAM: Final = "telemetry:fake"
GROUP: Final = "processor"

# As in Redis 7.0; later ones, and Valkey, answer NOGROUP when the stream is deleted, too.
GROUP_GONE: Final = ("NOGROUP", "the consumer group this client was blocked on no longer exists")
STREAM_GONE: Final = ("UNBLOCKED", "the stream key no longer exists")
NO_GROUP: Final = ("NOGROUP", f"No such key '{STREAM}' or consumer group '{GROUP}'")
NO_STREAM: Final = ("ERR", "no such key")


class FakeStream:
    """One consumer on a FakeRedis, with a connection that reads and one for everything else.

    Failures are raised one by each call, before it does anything, but those of `lost_answers`: their
    acknowledgement was heard. RedisUnavailable breaks the connection that it happens on.
    """

    where = "fake:6379"

    def __init__(self, redis: FakeRedis | None = None, *, consumer: str = "processor-1") -> None:
        self.redis = redis if redis is not None else FakeRedis()
        self.connect_failures: deque[RedisError] = deque()
        self.read_failures: deque[RedisError] = deque()
        self.ack_failures: deque[RedisError] = deque()
        self.lost_answers: deque[RedisUnavailable] = deque()
        self._consumer = consumer
        # The life of the server that each connection belongs to; 0: none.
        self._reader = 0
        self._control = 0

    async def connect(self) -> None:
        """Make the connections that are missing, unless the server is away."""
        await trio.lowlevel.checkpoint()
        if self.connect_failures:
            raise self.connect_failures.popleft()
        if not self.redis.reachable:
            raise self.unavailable("cannot connect: Connection refused")
        self._reader = self._control = self.redis.life

    async def ensure_group(self) -> bool:
        """Create the group if it is missing, and the stream with it."""
        await self._control_answers()
        existed = self.redis.stream_exists
        self.redis.create_group()
        return not existed

    async def read_pending(self, after_id: str, count: int) -> Delivery:
        """Deliver own pending entries once more; those that were deleted come without fields."""
        await self._reader_answers()
        pending = self._group().pending
        own = sorted(
            entry_id
            for entry_id, entry in pending.items()
            if entry.owner == self._consumer and entry_id > parse_id(after_id)
        )[:count]
        for entry_id in own:
            pending[entry_id].deliveries += 1
        return self._delivery(self._stream_reply(own))

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        """Deliver new entries, once there are some.

        A cancellation ends the wait, and what was added until then is still returned.
        """
        await self._reader_answers()
        self._group()
        try:
            with trio.move_on_after(block_ms / 1000 or float("inf")):
                await self._until_readable()
        except trio.Cancelled:
            # Not raised again, by the port's contract.
            self._check_blocked()
        return self._deliver_new(count)

    async def ack(self, batch: Batch) -> int:
        """Acknowledge every record."""
        return await self._acknowledge(batch.entry_ids)

    async def ack_ids(self, entry_ids: list[str]) -> int:
        """Acknowledge these."""
        return await self._acknowledge(entry_ids)

    async def lag(self) -> tuple[int | None, int]:
        """What is not delivered yet, and what is pending."""
        await self._control_answers()
        if not self.redis.stream_exists:
            raise self.refused(*NO_STREAM)
        group = self._group()
        return self.redis.lag(group), len(group.pending)

    async def aclose(self) -> None:
        """Give up both connections."""
        self._reader = self._control = 0

    def unavailable(self, message: str = "the connection was lost") -> RedisUnavailable:
        """A failure of the world, as the real edge raises it."""
        return RedisUnavailable(message, where=self.where)

    def refused(self, code: str, text: str) -> RedisRefused:
        """An error that Redis answers with, as the real edge raises it."""
        return RedisRefused(f"{code} {text}", where=self.where, code=code)

    async def _acknowledge(self, entry_ids: list[str]) -> int:
        ids = [parse_id(entry_id) for entry_id in entry_ids]
        if not ids:
            return 0
        await self._control_answers()
        if self.ack_failures:
            raise self._broken_control(self.ack_failures.popleft())
        acknowledged = self.redis.acknowledge(ids)
        if self.lost_answers:
            raise self._broken_control(self.lost_answers.popleft())
        return acknowledged

    async def _control_answers(self) -> None:
        await trio.lowlevel.checkpoint()
        await self.redis.answers.wait()
        self._check_alive(self._control)

    async def _reader_answers(self) -> None:
        await trio.lowlevel.checkpoint()
        await self.redis.answers.wait()
        self._check_alive(self._reader)
        if self.read_failures:
            failure = self.read_failures.popleft()
            if isinstance(failure, RedisUnavailable):
                self._reader = 0
            raise failure

    def _check_alive(self, life: int) -> None:
        if life != self.redis.life:
            raise self.unavailable("the connection was lost" if life else "not connected")

    def _broken_control(self, failure: RedisError) -> RedisError:
        if isinstance(failure, RedisUnavailable):
            self._control = 0
        return failure

    def _group(self) -> FakeGroup:
        if self.redis.group is None:
            raise self.refused(*NO_GROUP)
        return self.redis.group

    async def _until_readable(self) -> None:
        while not self.redis.undelivered(self._group()):
            await self.redis.changed()
            self._check_blocked()

    def _check_blocked(self) -> None:
        """Raise what ends a read that is blocked."""
        self._check_alive(self._reader)
        if self.redis.group is None:
            raise self.refused(*(GROUP_GONE if self.redis.stream_exists else STREAM_GONE))

    def _deliver_new(self, count: int) -> Delivery:
        group = self._group()
        entry_ids = self.redis.undelivered(group)[:count]
        if not entry_ids:
            return self._delivery(None)
        for entry_id in entry_ids:
            group.pending[entry_id] = FakePending(self._consumer)
        group.last_delivered = entry_ids[-1]
        return self._delivery(self._stream_reply(entry_ids))

    def _delivery(self, reply: _Reply) -> Delivery:
        parser = ReplyParser()
        parser.feed(_resp(reply))
        delivery = parser.next_read(self.redis.now_us)
        assert isinstance(delivery, Delivery)
        return delivery

    def _stream_reply(self, entry_ids: Iterable[EntryId]) -> _Reply:
        return [[STREAM, [self._entry(entry_id) for entry_id in entry_ids]]]

    def _entry(self, entry_id: EntryId) -> _Reply:
        fields = self.redis.entries.get(entry_id)
        flat = None if fields is None else list[_Reply](chain.from_iterable(fields.items()))
        return [format_id(entry_id), flat]


def _resp(reply: _Reply) -> bytes:
    """The reply in RESP2."""
    if reply is None:
        return b"*-1\r\n"
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_resp, reply))
    value = reply.encode() if isinstance(reply, str) else reply
    return b"$%d\r\n%b\r\n" % (len(value), value)
