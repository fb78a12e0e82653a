"""Reads the stream: its own pending entries first, then new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import trio

from processor.core.portion import Portion
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.intake import Intake
from processor.reading.pacing import Pacing
from processor.reading.pending_pass import PendingPass
from telemetry.chassis import clocks, progress
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.errors import RedisError, RedisRefused, RedisUnavailable

# Without the group, or the stream; to a blocked read whose stream is deleted (Redis 7.0); for a key that is no stream.
GONE_CODES = frozenset({"NOGROUP", "UNBLOCKED", "WRONGTYPE"})


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How many entries one read asks for at most, how long it waits for them, and how soon the next one follows."""

    count: int
    block_ms: int
    interval_ms: int
    """Behind a read that came back less than full."""


class Consumer:
    """The one task that reads new entries.

    Owns the reading connection, and the size of a read, which is halved when a reply is lost. Stops when the
    stages have ended. Cancelled, it still admits a delivery that is on its way; what a crash cuts off is
    pending under its own name, and the next life of this consumer takes it first. Raises no RedisError: it
    reconnects for as long as it takes.
    """

    def __init__(
        self,
        redis: RetryingStream,
        intake: Intake,
        pending_pass: PendingPass,
        options: ReadOptions,
        *,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._redis = redis
        self._intake = intake
        self._pending_pass = pending_pass
        self._portion = Portion(options.count)
        self._block_ms = options.block_ms
        self._pacing = Pacing(options.interval_ms / 1000)
        self._journal = journal
        # A Redis that takes connections may refuse reads: the pauses grow until a read is answered.
        self._retries = Retries(backoff, first_at_once=True)

    async def run(self) -> None:
        """Read until cancelled, or until the stages have ended."""
        try:
            with progress.working():
                await self._read_for_ever()
        except trio.BrokenResourceError:
            # The stages ended first: by the drain's deadline, or by a crash that is reported elsewhere.
            self._journal.reader_stopped(task="consumer")

    async def _read_for_ever(self) -> NoReturn:
        while True:
            try:
                # What a former life left, and what was lost with a connection.
                await self._pending_pass.take_own()
                await self._read_new()
            except RedisError as error:
                await self._recover(error)

    async def _read_new(self) -> NoReturn:
        while True:
            began_s, asked_for = progress.step(), self._portion.size
            try:
                delivery = await self._redis.stream.read_new(asked_for, self._block_ms)
            except RedisUnavailable:
                # The reply may have exceeded Redis' output buffer limit for a client.
                self._portion.too_much()
                raise
            if delivery.entries == asked_for:
                self._portion.went_well()
            self._retries.reset()
            self._journal.read_answered(entries=delivery.entries)
            if delivery.entries:
                await self._intake.admit(delivery, redelivered=False)
            due_s = self._pacing.due_s(began_s, entries=delivery.entries, asked_for=asked_for)
            if (pause_s := due_s - clocks.monotonic_s()) > 0:
                # Nothing is on its way: a stop request ends it.
                await progress.pause(pause_s)

    async def _recover(self, error: RedisError) -> None:
        async def ensure_group() -> None:
            if (await self._redis.stream.ensure_group()).group_was_missing:
                self._journal.group_gone(error=str(error))

        def report(retry_ms: int) -> None:
            self._journal.read_failed(
                error=str(error),
                count=self._portion.size,
                retry_ms=retry_ms,
                is_group_gone=_says_that_the_group_is_gone(error),
            )

        await self._retries.pause(report)
        await self._redis.connect(and_then=ensure_group)


def _says_that_the_group_is_gone(error: RedisError) -> bool:
    return isinstance(error, RedisRefused) and error.code in GONE_CODES
