"""Failures, trials and dead letters in memory, as the scripts of the real edge record them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from processor.core.attempts import NO_ANSWER, Failure, Fate, Recorded, unanswered
from processor.edges.ports import SweepResult
from telemetry.chassis.times import iso_of_unix_ms
from tests.support.fakes import pending
from tests.support.fakes.redis import FakeRedis, Fields, format_id, parse_id

REPLAYS: Final = "dlq_replays"


@dataclass(frozen=True, slots=True)
class FakeAttempts:
    """The attempts hash and the dead letters, for one instance."""

    redis: FakeRedis
    instance_id: str

    def record(self, failure: Failure, attempts_max: int) -> Recorded:
        """Count a failure; the last allowed one makes a dead letter."""
        if (early := self._unrecordable(failure.entry_id)) is not None:
            return early
        recorded, before = self._read(failure.entry_id), self._failures(failure.entry_id)
        failed_at = iso_of_unix_ms(failure.failed_at_ms)
        again = (recorded.get("last_failed_at"), recorded.get("code")) == (failed_at, failure.code)
        if again and not failure.on_trial:
            return Recorded(Fate.LEFT_PENDING, before)
        failures = max(before, 1) if failure.on_trial else before + 1
        if failures >= attempts_max:
            return self._make_dead_letter(failure, failures)
        return self._count(failure, failures)

    def begin_trial(self, consumer: str, entry_id: str, attempts_max: int) -> Recorded:
        """Count a trial in advance; after the last allowed one, make a dead letter instead."""
        leased, lost = pending.lease(self.redis, consumer, [entry_id])
        if lost:
            self.redis.attempts.pop(entry_id, None)
            return Recorded(Fate.LOST)
        if not leased:
            return Recorded(Fate.TAKEN_OVER)
        trial = unanswered(entry_id, self.redis.clock_ms())
        failures = self._failures(entry_id)
        if failures >= attempts_max:
            return self._make_dead_letter(trial, failures)
        return self._count(trial, failures + 1)

    def end_trial(self, entry_id: str) -> None:
        """Take a trial back, unless it ended in a failure, which replaced its record."""
        recorded = self._read(entry_id)
        if recorded.get("code") != NO_ANSWER:
            return
        if (failures := self._failures(entry_id) - 1) > 0:
            self.redis.attempts[entry_id] = json.dumps({**recorded, "n": failures})
        else:
            del self.redis.attempts[entry_id]

    def sweep(self) -> SweepResult:
        """Remove the attempts of entries that are no longer pending."""
        stale = self.redis.attempts.keys() - map(format_id, self.redis.pending)
        for entry_id in stale:
            del self.redis.attempts[entry_id]
        return SweepResult(len(stale), frozenset(self.redis.attempts))

    def _unrecordable(self, entry_id: str) -> Recorded | None:
        key = parse_id(entry_id)
        if key not in self.redis.pending:
            self.redis.attempts.pop(entry_id, None)
            return Recorded(Fate.TAKEN_OVER)
        if key not in self.redis.entries:
            self._settle(entry_id)
            return Recorded(Fate.LOST)
        return None

    def _count(self, failure: Failure, failures: int) -> Recorded:
        failed_at = iso_of_unix_ms(failure.failed_at_ms)
        self.redis.attempts[failure.entry_id] = json.dumps(
            {
                "n": failures,
                "first_failed_at": self._read(failure.entry_id).get("first_failed_at", failed_at),
                "last_failed_at": failed_at,
                "code": failure.code,
            }
        )
        return Recorded(Fate.LEFT_PENDING, failures)

    def _make_dead_letter(self, failure: Failure, failures: int) -> Recorded:
        key, now = parse_id(failure.entry_id), iso_of_unix_ms(self.redis.clock_ms())
        original: Fields = self.redis.entries[key]
        self.redis.dead_letters.append(
            {
                **{name: value for name, value in original.items() if name != REPLAYS},
                "dlq_source_id": failure.entry_id,
                "dlq_stage": failure.stage.value,
                "dlq_code": failure.code,
                "dlq_error": failure.error,
                "dlq_sqlstate": failure.sqlstate or "",
                "dlq_attempts": str(failures),
                "dlq_deliveries": str(self.redis.pending[key].deliveries),
                "dlq_instance": self.instance_id,
                "dlq_first_failed_at": self._read(failure.entry_id).get(
                    "first_failed_at", iso_of_unix_ms(failure.failed_at_ms)
                ),
                "dlq_dead_at": now,
                REPLAYS: original.get(REPLAYS, "0"),
            }
        )
        self._settle(failure.entry_id)
        return Recorded(Fate.DEAD_LETTERED, failures)

    def _settle(self, entry_id: str) -> None:
        self.redis.acknowledge([parse_id(entry_id)])
        self.redis.attempts.pop(entry_id, None)

    def _failures(self, entry_id: str) -> int:
        failures = self._read(entry_id).get("n", 0)
        return failures if isinstance(failures, int) else 0

    def _read(self, entry_id: str) -> dict[str, Any]:
        """The recorded attempts; a field that cannot be read counts as none."""
        try:
            recorded = json.loads(self.redis.attempts.get(entry_id, "{}"))
        except ValueError:
            return {}
        return recorded if isinstance(recorded, dict) else {}
