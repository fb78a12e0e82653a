"""Reads the stream: own pending entries first, then new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import trio

from processor.core.portion import Portion
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.intake import Intake
from processor.reading.pending_pass import PendingPass
from telemetry._codec import Delivery
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.errors import RedisError, RedisUnavailable


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How much one read asks for at most, and how long it waits."""

    count: int
    block_ms: int


class Consumer:
    """The one task that reads new entries.

    Owns the reading connection, and how much a read asks for: half of what was lost. Stops when it is
    cancelled: a delivery that was on its way is still handed over. If it is lost with a delivery in
    its hands, that is pending under its own name, and the next life of this consumer takes it first.
    Raises nothing of RetryingStream' own: it reconnects for as long as it takes.
    """

    def __init__(
        self,
        redis: RetryingStream,
        intake: Intake,
        redelivering: PendingPass,
        options: ReadOptions,
        *,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._redis = redis
        self._intake = intake
        self._redelivering = redelivering
        self._portion = Portion(options.count)
        self._block_ms = options.block_ms
        self._journal = journal
        # A Redis that takes connections may refuse reads: the pauses grow until a read is answered.
        self._retries = Retries(backoff, first_at_once=True)

    async def run(self) -> None:
        """Read until cancelled, or until the stages are gone."""
        try:
            await self._read_for_ever()
        except trio.BrokenResourceError:
            # The stages ended first: the drain's deadline, or a crash that speaks for itself.
            self._journal.reader_stopped(task="consumer")

    async def _read_for_ever(self) -> NoReturn:
        while True:
            try:
                # What a former life left, or a lost connection swallowed.
                await self._redelivering.take_own()
                await self._read_new()
            except RedisError as error:
                await self._recover(error)

    async def _read_new(self) -> NoReturn:
        while True:
            delivery = await self._read_some()
            self._retries.reset()
            self._journal.read_answered(entries=delivery.entries)
            if delivery.entries:
                await self._intake.admit(delivery, redelivered=False)

    async def _read_some(self) -> Delivery:
        asked_for = self._portion.size
        try:
            delivery = await self._redis.stream.read_new(asked_for, self._block_ms)
        except RedisUnavailable:
            # It may have been too large a reply for Redis' limit of what it keeps for a client.
            self._portion.too_much()
            raise
        if delivery.entries == asked_for:
            self._portion.went_well()
        return delivery

    async def _recover(self, error: RedisError) -> None:
        async def ensure_group() -> None:
            if (await self._redis.stream.ensure_group()).group_was_missing:
                self._journal.group_gone(error=str(error))

        def report(retry_ms: int) -> None:
            self._journal.read_failed(error=str(error), count=self._portion.size, retry_ms=retry_ms)

        await self._retries.pause(report)
        await self._redis.connect(and_then=ensure_group)
