"""A PositionStream on a Redis server: one consumer's reads, and the door to everything else it does in the group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from processor.core.attempts import Failure, PendingEntry, Recorded
from processor.edges.ports import (
    Claim,
    EnsuredGroup,
    QueueLook,
    Redelivered,
    SweepResult,
)
from processor.edges.redis.acks import Acks
from processor.edges.redis.attempts_log import AttemptsLog
from processor.edges.redis.connections import Connections, ask
from processor.edges.redis.lags import Lags
from processor.edges.redis.looks import StreamLook, as_look
from processor.edges.redis.names import StreamNames
from processor.edges.redis.pending import PendingEntries
from processor.edges.redis.scripts import LOOK_AT_GROUP
from telemetry._codec import Batch, Delivery, ReplyError, ReplyParser
from telemetry.chassis.config.redis_target import RedisTarget
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import encode


class RedisPositionStream:
    """A PositionStream on a Redis server."""

    def __init__(
        self,
        target: RedisTarget,
        names: StreamNames,
        *,
        instance_id: str,
        limits: RedisLimits,
        new_parser: Callable[[], ReplyParser],
    ) -> None:
        """Nothing is connected yet; `new_parser` makes the parser of a new connection."""
        client_name = target.client_name or f"processor/{instance_id}"
        self.homes = Homes(target)
        self._names = names
        self._last_read: tuple[tuple[int, int], bytes] = (0, 0), b""
        self._connections = Connections(
            self.homes,
            client_name=client_name,
            limits=limits,
            new_parser=new_parser,
            keys=names.keys,
        )
        self._acks = Acks(self._connections, names)
        self._pending = PendingEntries(self._connections, names, new_parser=new_parser)
        self._lags = Lags(names)
        self._attempts = AttemptsLog(self._connections, names, instance_id=instance_id)

    @property
    def where(self) -> str:
        return self._connections.where

    async def connect(self) -> None:
        await self._connections.connect()

    async def keep_alive(self) -> None:
        await self._connections.keep_alive()

    async def ensure_group(self) -> EnsuredGroup:
        stream, group = self._names.stream, self._names.group
        look = await self._look()
        if look.group is not None:
            # XGROUP CREATE would be refused while memory is full, although there is nothing to create.
            return EnsuredGroup(stream_was_missing=False, group_was_missing=False)
        control = self._connections.control
        try:
            await ask(control, "XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except RedisRefused as error:
            if error.code != "BUSYGROUP":
                raise
        return EnsuredGroup(stream_was_missing=look.length is None, group_was_missing=True)

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        reader = self._connections.reader
        return await reader.blocking_delivery(
            self._read_command(count, block_ms),
            block_ms=block_ms,
            unblock=lambda: self._connections.unblock_reader(reader),
        )

    def _read_command(self, count: int, block_ms: int) -> bytes:
        """As a rule the same one again and again."""
        if self._last_read[0] != (count, block_ms):
            names = self._names
            group = ("GROUP", names.group, names.consumer)
            options = ("COUNT", count, "BLOCK", block_ms)
            wire = encode("XREADGROUP", *group, *options, "STREAMS", names.stream, ">")
            self._last_read = (count, block_ms), wire
        return self._last_read[1]

    async def list_pending(self, after_id: str, count: int) -> list[PendingEntry]:
        return await self._pending.list_own(after_id, count)

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        return await self._pending.claim(cursor, count, idle_ms=idle_ms)

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        return await self._pending.redeliver(entry_ids)

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        return await self._pending.renew(entry_ids)

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        return await self._acks.take_turn(batch, attempted) if batch.records else 0

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        return await self._attempts.record(failures, attempts_max=attempts_max)

    async def begin_trial(self, entry_id: str, *, attempts_max: int) -> Recorded:
        return await self._attempts.begin_trial(entry_id, attempts_max=attempts_max)

    async def end_trial(self, entry_id: str) -> None:
        await self._attempts.end_trial(entry_id)

    async def sweep_attempts(self) -> SweepResult:
        return await self._attempts.sweep()

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        return await self._pending.release(entry_ids)

    async def leave_group(self) -> bool:
        return await self._pending.leave_group()

    async def look(self) -> QueueLook:
        control = self._connections.control
        # At once: it is asked every second, and waking up twice costs more than asking.
        about_letters = encode("XLEN", self._names.dead_letters)
        looked, *counted = await control.pipeline([self._look_command(), about_letters])
        if isinstance(looked, ReplyError):
            raise control.refused(looked.message)
        look = as_look(looked)
        if look.length is None:
            raise RedisRefused("the stream does not exist", where=self.where, code="ERR")
        if look.group is None:
            raise RedisRefused(
                "the consumer group does not exist", where=self.where, code="NOGROUP"
            )
        return QueueLook(
            lag=await self._lags.lag(control, look.group.position),
            pending=look.group.pending,
            oldest_pending_id=look.group.oldest_pending_id,
            last_id=look.last_id,
            server_ms=look.server_ms,
            length=look.length,
            # Unknown where the key is no stream, or the user may not ask: nothing else depends on it.
            dead_letters=next((each for each in counted if isinstance(each, int)), None),
        )

    async def _look(self) -> StreamLook:
        return as_look(await self._connections.control.request(self._look_command()))

    def _look_command(self) -> bytes:
        """Asks for the stream and our group, both in one moment."""
        return LOOK_AT_GROUP.call((self._names.stream,), self._names.group)

    async def aclose(self) -> None:
        self._connections.close()
