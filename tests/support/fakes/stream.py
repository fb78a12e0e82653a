"""A PositionStream in memory, for tests."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import trio

from processor.core.attempts import Failure, PendingEntry, Recorded
from processor.edges.ports import Claim, EnsuredGroup, QueueLook, Redelivered, SweepResult
from telemetry.chassis.errors import RedisMoved, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.errors import points_elsewhere
from tests.support.fakes import pending
from tests.support.fakes.attempts import FakeAttempts
from tests.support.fakes.faults import Faults, Moment
from tests.support.fakes.redis import FakeGroup, FakePending, FakeRedis, format_id, parse_id
from tests.support.fakes.replies import deliver

if TYPE_CHECKING:
    from telemetry._codec import Batch, Delivery

# As in Redis 7.0; later ones, and Valkey, answer NOGROUP also if the stream is deleted.
GROUP_GONE: Final = ("NOGROUP", "the consumer group this client was blocked on no longer exists")
STREAM_GONE: Final = ("UNBLOCKED", "the stream key no longer exists")
NO_STREAM: Final = ("ERR", "no such key")
NO_GROUP: Final = ("NOGROUP", "No such key 'telemetry:fake' or consumer group 'processor'")

IS_REPLICA: Final = ("READONLY", "You can't write against a read only replica.")
ROLE_CHANGED: Final = (
    "UNBLOCKED",
    "force unblock from blocking operation, instance state changed (master -> replica?)",
)
IS_FULL: Final = ("OOM", "command not allowed when used memory > 'maxmemory'.")
# Calls that a replica answers, too.
LOOKS: Final = frozenset({"ensure_group", "list_pending", "look"})

Role: TypeAlias = Literal["reader", "control", "claims"]
ROLES: Final[tuple[Role, ...]] = ("reader", "control", "claims")


@dataclass
class Connection:
    """Which server it leads to, and since when it is idle."""

    life: int
    """The life of the server that it leads to."""
    term: int
    """The term of the master that the server was when it was made."""
    idle_since_s: float
    """On Trio's clock; infinite during a call."""


class FakeStream:
    """One consumer on a FakeRedis, with the three connections of the real edge.

    `faults` makes calls fail; the faults that tests use most have attributes here. RedisUnavailable
    breaks the connection that it happens on, RedisMoved all of them.
    """

    where = "fake:6379"

    def __init__(
        self,
        redis: FakeRedis | None = None,
        *,
        consumer: str = "processor-1",
        instance_id: str = "processor-1",
    ) -> None:
        self.redis = redis if redis is not None else FakeRedis()
        self.faults = Faults()
        self.connect_failures = self.faults.before["connect"]
        self.read_failures = self.faults.before["read_new"]
        self.ack_failures = self.faults.before["ack"]
        self.lost_answers = self.faults.after["ack"]
        self._consumer = consumer
        self._attempts = FakeAttempts(self.redis, instance_id)
        self._connections: dict[Role, Connection] = {}

    async def connect(self) -> None:
        """Make the connections that are missing, unless the server is away."""
        await trio.lowlevel.checkpoint()
        await self.faults.prepare("connect", Moment.BEFORE)
        if not self.redis.reachable:
            raise self.unavailable("cannot connect: Connection refused")
        for role in ROLES:
            if role not in self._connections or not self._reaches(self._connections[role]):
                self._connections[role] = Connection(
                    self.redis.life, self.redis.term, trio.current_time()
                )
        await self.faults.prepare("connect", Moment.AFTER)

    async def keep_alive(self) -> None:
        await trio.lowlevel.checkpoint()
        await self.redis.answers.wait()
        for role, connection in [*self._connections.items()]:
            if self._is_closed(connection):
                del self._connections[role]
            else:
                connection.idle_since_s = max(connection.idle_since_s, trio.current_time())
        if len(self._connections) < len(ROLES):
            await self.connect()

    async def ensure_group(self) -> EnsuredGroup:
        async with self._call("ensure_group", "control"):
            redis = self.redis
            ensured = EnsuredGroup(not redis.stream_exists, group_was_missing=redis.group is None)
            if redis.group is None:
                self._check_master("control")
                self._check_memory()
                redis.create_group()
            return ensured

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        async with self._call("read_new", "reader"):
            self._group()
            try:
                with trio.move_on_after(block_ms / 1000 or float("inf")):
                    await self._until_readable()
            except trio.Cancelled:
                # Not raised again, by the port's contract.
                self._check_blocked()
            return await self._judged(self._deliver_new(count))

    async def list_pending(self, after_id: str, count: int) -> list[PendingEntry]:
        async with self._call("list_pending", "claims"):
            return pending.list_pending(self.redis, self._consumer, after_id, count)

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        async with self._call("claim", "claims"):
            return pending.claim(self.redis, self._consumer, cursor, count, idle_ms)

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        async with self._call("redeliver", "claims"):
            leased, lost = pending.lease(self.redis, self._consumer, entry_ids)
            pending.deliver_again(self.redis, leased)
            self._check_size(len(leased))
            delivery = await self._judged(deliver(self.redis, leased))
            return Redelivered(delivery, [*map(format_id, lost)])

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        async with self._call("renew", "control"):
            leased, _ = pending.lease(self.redis, self._consumer, entry_ids)
            return [*map(format_id, leased)]

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        if not batch.records:
            return 0
        async with self._call("ack", "control"):
            piece = batch.piece(0, self.redis.ack_records_max)
            for entry_id in piece.ids_among(attempted):
                self.redis.attempts.pop(entry_id, None)
            self.redis.acknowledge(map(parse_id, piece.entry_ids))
            return piece.records

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        async with self._call("record_failures", "control"):
            self._check_memory()
            return [self._attempts.record(failure, attempts_max) for failure in failures]

    async def begin_trial(self, entry_id: str, *, attempts_max: int) -> Recorded:
        async with self._call("begin_trial", "control"):
            self._check_memory()
            return self._attempts.begin_trial(self._consumer, entry_id, attempts_max)

    async def end_trial(self, entry_id: str) -> None:
        async with self._call("end_trial", "control"):
            self._attempts.end_trial(entry_id)

    async def sweep_attempts(self) -> SweepResult:
        async with self._call("sweep_attempts", "claims"):
            return self._attempts.sweep()

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        async with self._call("release", "control"):
            return pending.release(self.redis, self._consumer, entry_ids)

    async def leave_group(self) -> bool:
        async with self._call("leave_group", "control"):
            return not pending.owned(self.redis, self._consumer)

    async def look(self) -> QueueLook:
        async with self._call("look", "control"):
            if not self.redis.stream_exists:
                raise self.refused(*NO_STREAM)
            group = self._group()
            return QueueLook(
                lag=len(self.redis.undelivered(group)),
                pending=len(group.pending),
                oldest_pending_id=format_id(min(group.pending)) if group.pending else None,
                last_id=self.redis.last_id,
                server_ms=self.redis.clock_ms(),
                length=len(self.redis.entries),
                dead_letters=len(self.redis.dead_letters),
            )

    async def aclose(self) -> None:
        self._connections.clear()

    def unavailable(self, message: str = "the connection was lost") -> RedisUnavailable:
        """A failure of the server or the link, as the real edge raises it."""
        return RedisUnavailable(message, where=self.where)

    def refused(self, code: str, text: str) -> RedisRefused:
        """An error that Redis answers with, as the real edge raises it."""
        message = f"{code} {text}"
        kind = RedisMoved if points_elsewhere(message) else RedisRefused
        return kind(message, where=self.where, code=code)

    @asynccontextmanager
    async def _call(self, call: str, role: Role) -> AsyncIterator[None]:
        """An exchange: the block is what the server does."""
        await trio.lowlevel.checkpoint()
        await self.redis.answers.wait()
        try:
            self._check_alive(role)
            await self.faults.prepare(call, Moment.BEFORE)
            self._check_alive(role)
            if call not in LOOKS:
                self._check_master(role)
            self._connections[role].idle_since_s = math.inf
            yield
            await self.faults.prepare(call, Moment.AFTER)
        except RedisUnavailable:
            self._connections.pop(role, None)
            raise
        except RedisMoved:
            self._connections.clear()
            raise
        finally:
            if role in self._connections:
                self._connections[role].idle_since_s = trio.current_time()

    def _check_alive(self, role: Role) -> None:
        if role not in self._connections:
            raise self.unavailable("not connected")
        if self._is_closed(self._connections[role]):
            raise self.unavailable()

    def _check_master(self, role: Role) -> None:
        if self._connections[role].term != self.redis.term:
            raise self.refused(*IS_REPLICA)

    def _check_memory(self) -> None:
        if self.redis.is_full:
            raise self.refused(*IS_FULL)

    def _check_size(self, entries: int) -> None:
        """Lose a reply that is too large, after everything has been done."""
        limit = self.redis.reply_entries_max
        if limit is not None and entries > limit:
            raise self.unavailable("the server closed the connection")

    def _reaches(self, connection: Connection) -> bool:
        return connection.life == self.redis.life

    def _is_closed(self, connection: Connection) -> bool:
        """Whether its next use finds it closed."""
        idle_s = trio.current_time() - connection.idle_since_s
        return not self._reaches(connection) or idle_s > self.redis.idle_s_max

    def _group(self) -> FakeGroup:
        if self.redis.group is None:
            raise self.refused(*NO_GROUP)
        return self.redis.group

    async def _until_readable(self) -> None:
        while not self.redis.undelivered(self._group()):
            await self.redis.changed()
            self._check_blocked()

    def _check_blocked(self) -> None:
        """Raise the error that ends a blocked read."""
        self._check_alive("reader")
        if self._connections["reader"].term != self.redis.term:
            raise self.refused(*ROLE_CHANGED)
        if self.redis.group is None:
            raise self.refused(*(GROUP_GONE if self.redis.stream_exists else STREAM_GONE))

    async def _judged(self, delivery: Delivery) -> Delivery:
        """Judge by TIME, behind the delivery, if a record is outside of the window around its entry's id."""
        if not delivery.outside:
            return delivery
        with trio.CancelScope(shield=True):
            await self.faults.prepare("time", Moment.BEFORE)
            await trio.lowlevel.checkpoint()
            self.redis.time_calls += 1
            await self.faults.prepare("time", Moment.AFTER)
        return delivery.judged(self.redis.clock_ms() * 1000)

    def _deliver_new(self, count: int) -> Delivery:
        group = self._group()
        keys = self.redis.undelivered(group)[:count]
        for key in keys:
            group.pending[key] = FakePending(self._consumer)
            group.last_delivered = key
        self._check_size(len(keys))
        return deliver(self.redis, keys)
