"""Failures, trials and dead letters, each recorded in one atomic step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from processor.core.attempts import NO_ANSWER, Failure, Fate, Recorded, unanswered
from processor.edges.ports import SweepResult
from processor.edges.redis.connections import Connections, ask
from processor.edges.redis.names import StreamNames
from processor.edges.redis.scripts import (
    BEGIN_TRIAL,
    END_TRIAL,
    FAILURES_MAX,
    IDS_MAX,
    RECORD_FAILURES,
    REMOVE_STALE_ATTEMPTS,
)
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.errors import points_elsewhere
from telemetry.chassis.redis.resp import Argument, as_integer, as_list, as_text, as_texts
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from telemetry._codec import Reply


class AttemptsLog:
    """The attempts hash and the dead-letter stream, for one instance."""

    def __init__(self, connections: Connections, names: StreamNames, *, instance_id: str) -> None:
        self._connections = connections
        self._names = names
        self._instance_id = instance_id

    async def record(self, failures: Sequence[Failure], *, attempts_max: int) -> list[Recorded]:
        """Record each failure; raises RedisRefused at the end if Redis refused some."""
        answers: list[tuple[str, Reply]] = []
        for start in range(0, len(failures), FAILURES_MAX):
            wire = RECORD_FAILURES.call(
                self._keys,
                *self._circumstances(attempts_max),
                *chain.from_iterable(map(_arguments, failures[start : start + FAILURES_MAX])),
            )
            answers += map(_as_answer, as_list(await self._connections.control.request(wire)))
        self._check(answers, failures)
        return [_as_recorded(answer) for answer in answers]

    async def begin_trial(self, entry_id: str, *, attempts_max: int) -> Recorded:
        """Record a trial in advance."""
        failure = unanswered(entry_id, time.time_ns() // 1_000_000)
        wire = BEGIN_TRIAL.call(
            self._keys,
            *self._circumstances(attempts_max),
            *(self._names.consumer, entry_id, failure.stage.value, failure.code, failure.error),
        )
        return _as_recorded(_as_answer(await self._connections.control.request(wire)))

    async def end_trial(self, entry_id: str) -> None:
        """Take the record of a trial back."""
        wire = END_TRIAL.call((self._names.attempts,), entry_id, NO_ANSWER)
        await self._connections.control.request(wire)

    async def sweep(self) -> SweepResult:
        """Remove the attempts of entries that are no longer pending."""
        names, cursor = self._names, "0"
        seen, pending = set[bytes](), set[str]()
        while True:
            reply = await ask(
                self._connections.claims, "HSCAN", names.attempts, cursor, "COUNT", IDS_MAX
            )
            next_cursor, fields = as_list(reply)
            # A small hash comes whole, whatever COUNT says. A field's name may be any bytes.
            entry_ids = [name for name in as_list(fields)[::2] if isinstance(name, bytes)]
            for start in range(0, len(entry_ids), IDS_MAX):
                pending.update(await self._remove_stale(entry_ids[start : start + IDS_MAX]))
            seen.update(entry_ids)
            cursor = as_text(next_cursor)
            if cursor == "0":
                return SweepResult(len(seen) - len(pending), frozenset(pending))

    async def _remove_stale(self, entry_ids: Sequence[bytes]) -> list[str]:
        names = self._names
        wire = REMOVE_STALE_ATTEMPTS.call((names.stream, names.attempts), names.group, *entry_ids)
        return as_texts(await self._connections.claims.request(wire))

    @property
    def _keys(self) -> tuple[str, str, str]:
        return self._names.keys

    def _circumstances(self, attempts_max: int) -> tuple[Argument, ...]:
        now = iso_of_unix_ms(time.time_ns() // 1_000_000)
        return (self._names.group, self._instance_id, now, attempts_max)

    def _check(self, answers: Sequence[tuple[str, Reply]], failures: Sequence[Failure]) -> None:
        refused = [
            (failure.entry_id, as_text(detail))
            for failure, (word, detail) in zip(failures, answers, strict=True)
            if word == "error"
        ]
        if not refused:
            return
        entry_id, message = refused[0]
        if points_elsewhere(message):
            raise self._connections.control.refused(message)
        raise RedisRefused(
            f"{len(refused)} of {len(failures)} failures could not be recorded, the first that of "
            f"{entry_id}: {message}; these entries stay pending, the other failures are recorded",
            where=self._connections.where,
            code=message.partition(" ")[0],
        )


def _arguments(failure: Failure) -> tuple[Argument, ...]:
    return (
        *(failure.entry_id, iso_of_unix_ms(failure.failed_at_ms)),
        *(failure.stage.value, failure.code, failure.error),
        *(failure.sqlstate or "", int(failure.on_trial)),
    )


def _as_answer(row: Reply) -> tuple[str, Reply]:
    word, detail = as_list(row)
    return as_text(word), detail


def _as_recorded(answer: tuple[str, Reply]) -> Recorded:
    fate, failures = answer
    return Recorded(Fate(fate), as_integer(failures))
