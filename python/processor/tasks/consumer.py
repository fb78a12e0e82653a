"""Reads the stream: own pending entries first, then new ones; hands the records to the writers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import random
from typing import NoReturn

import trio

from processor import events
from processor._codec import Batch, Delivery, Rejection
from processor.core.backoff import Backoff
from processor.edges.ports import PositionStream
from processor.errors import RedisError, RedisRefused
from processor.logs import Log
from processor.statistics import Recorder
from processor.tasks.in_hand import InHand
from processor.tasks.retrying import Dependency

FIRST_ID = "0-0"
# What Redis answers when the group is gone: at once, or to a read that was blocked when it went.
GROUP_GONE_CODES = ("NOGROUP", "UNBLOCKED")
# Entries of one life whose refusal is remembered, so that a second reading neither counts nor logs it.
REFUSALS_REMEMBERED_MAX = 100_000


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How much one read asks for, and how long it waits."""

    count: int
    block_ms: int


class Consumer:
    """The one task that reads.

    Owns the reading connection and the writers' inlets. Stops when it is cancelled: a delivery
    that was on its way is still handed over, then the inlets are closed. If it is lost with a
    delivery in its hands, that is pending under its own name, and the next life of this consumer
    reads it first. Raises nothing of Redis' own: it reconnects for as long as it takes.
    """

    def __init__(
        self,
        stream: PositionStream,
        inlets: Sequence[trio.MemorySendChannel[Batch]],
        options: ReadOptions,
        *,
        in_hand: InHand,
        redis: Dependency,
        backoff: Backoff,
    ) -> None:
        self._stream = stream
        self._inlets = inlets
        self._options = options
        self._in_hand = in_hand
        self._redis = redis
        self._backoff = backoff
        self._recorder: Recorder = redis.recorder
        self._log: Log = redis.log
        self._refused: set[str] = set()
        self._failures = 0

    async def run(self) -> None:
        """Read until cancelled, or until the writers are gone."""
        try:
            await self._read_for_ever()
        except trio.BrokenResourceError:
            # The writers ended first: the drain's deadline, or a crash that speaks for itself.
            self._log.debug("consumer stopped: the writers are gone")
        finally:
            for inlet in self._inlets:
                inlet.close()

    async def _read_for_ever(self) -> NoReturn:
        while True:
            try:
                await self._settle_pending()
                await self._read_new()
            except RedisError as error:
                self._recorder.read_failed()
                self._recorder.dependency_lost(self._redis.name, str(error))
                await self._recover(error)

    async def _settle_pending(self) -> None:
        """Read what is pending under our own name: what a former life left, or a lost connection swallowed."""
        # What is in hand is pending too, and must not be read a second time.
        await self._in_hand.until_empty()
        after_id: str | None = FIRST_ID
        while after_id is not None:
            delivery = await self._stream.read_pending(after_id, self._options.count)
            await self._take(delivery, redelivered=True)
            after_id = delivery.last_id

    async def _read_new(self) -> NoReturn:
        while True:
            delivery = await self._stream.read_new(self._options.count, self._options.block_ms)
            if not delivery.entries:
                self._recorder.caught_up()
            await self._take(delivery, redelivered=False)

    async def _recover(self, error: RedisError) -> None:
        if isinstance(error, RedisRefused) and error.code in GROUP_GONE_CODES:
            events.group_gone(self._log, error=str(error))
        await self._pause(error)
        await self._redis.connect(self._reconnect, self._backoff)

    async def _pause(self, error: RedisError) -> None:
        """None after the first failure, then longer ones: a Redis that takes connections may refuse reads."""
        pause_ms = self._backoff.pause_ms(self._failures, random) if self._failures else None
        self._failures += 1
        events.read_failed(self._log, error=str(error), retry_ms=round(pause_ms or 0))
        await trio.sleep((pause_ms or 0) / 1000)

    async def _reconnect(self) -> None:
        await self._stream.connect()
        await self._stream.ensure_group()

    async def _take(self, delivery: Delivery, *, redelivered: bool) -> None:
        self._failures = 0
        self._recorder.read_answered(entries=delivery.entries, records=delivery.batch.records)
        if not delivery.entries:
            return
        events.batch_consumed(
            self._log,
            n=delivery.entries,
            first_id=delivery.first_id,
            last_id=delivery.last_id,
            redelivered=redelivered,
        )
        for rejection in delivery.rejections:
            self._refuse(rejection)
        self._in_hand.take(delivery.batch.records)
        # What was read is handed over even if a stop was asked for meanwhile. This wait ends: the
        # writers take the batch, or close their ends.
        with trio.CancelScope(shield=True):
            await self._hand_over(delivery.batch)
        if delivery.missing_ids:
            await self._write_off(delivery.missing_ids)

    async def _hand_over(self, batch: Batch) -> None:
        if not batch.records:
            return
        parts = [batch] if len(self._inlets) == 1 else batch.partition(len(self._inlets))
        for inlet, part in zip(self._inlets, parts, strict=True):
            if part.records:
                await inlet.send(part)

    def _refuse(self, rejection: Rejection) -> None:
        if rejection.entry_id in self._refused:
            self._recorder.entries_reread(1)
            return
        self._recorder.decode_refused(rejection.code)
        if len(self._refused) < REFUSALS_REMEMBERED_MAX:
            self._refused.add(rejection.entry_id)
        events.record_refused(
            self._log,
            entry_id=rejection.entry_id,
            device_id=rejection.device_id,
            code=rejection.code,
            field=rejection.field,
            offset=rejection.offset,
        )

    async def _write_off(self, missing_ids: list[str]) -> None:
        events.entries_lost(
            self._log, n=len(missing_ids), first_id=missing_ids[0], last_id=missing_ids[-1]
        )
        await self._stream.ack_ids(missing_ids)
        self._recorder.lost_ids_acked(len(missing_ids))
