"""Failures of a record, and what is remembered of them where restarts and other instances see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

SUSPICIOUS_DELIVERIES = 5
"""An entry delivered more often than that, without a recorded failure, may be what kills its consumers."""

NO_ANSWER = "no_answer"
"""The code of a trial in which the process died: nobody was left to say why."""
REFUSED_BY_SERVER = "refused_by_server"
"""The code of every row that PostgreSQL refuses; its SQLSTATE says why."""


class FailureStage(Enum):
    """Where a record failed: `dlq_stage` of its dead letter."""

    DECODE = "decode"
    WRITE = "write"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one record, for its own sake."""

    entry_id: str
    failed_at_ms: int
    """Unix time. Recorded twice, the same failure of the same moment counts once."""
    stage: FailureStage
    code: str
    """A decode code, REFUSED_BY_SERVER or NO_ANSWER."""
    error: str
    """What went wrong, in words without contents: positions are people's whereabouts."""
    device_id: str | None = None
    sqlstate: str | None = None
    field: str | None = None
    offset: int | None = None
    """In the payload, bytes."""
    on_trial: bool = False
    """The failure ended a trial, which has counted it already."""


def unanswered(entry_id: str, seen_at_ms: int) -> Failure:
    """The failure of an entry whose every trial ended with the process."""
    error = "every process that tried this entry ended in the trial, without an answer"
    return Failure(entry_id, seen_at_ms, FailureStage.CRASH, NO_ANSWER, error)


class Fate(Enum):
    """What became of an entry whose failure was to be recorded, or whose trial was to begin."""

    LEFT_PENDING = "left_pending"
    """The failure, or the trial, is counted."""
    DEAD_LETTERED = "dead_lettered"
    """It was the last that is allowed: the entry is a dead letter and no longer pending."""
    TAKEN_OVER = "taken_over"
    """The entry was not pending any more: somebody else has settled it, and nothing was changed."""
    LOST = "lost"
    """The entry was pending and is no longer in the stream: it is acknowledged, without a dead letter."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a failure or a trial."""

    fate: Fate
    failures: int = 0
    """Recorded so far, this one included, and of a dead letter in the end; 0 if TAKEN_OVER or LOST."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The recorded failures of one pending entry."""

    failures: int
    last_failed_at_ms: float
    """Unix time; 0 if it cannot be read."""
    code: str

    @classmethod
    def parse(cls, text: str | bytes) -> Attempts:
        """Read a value of the attempts hash; what cannot be read counts as no failure."""
        try:
            value: Any = json.loads(text)
            failures = int(value["n"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return cls(failures=0, last_failed_at_ms=0, code="")
        return cls(
            failures=failures,
            last_failed_at_ms=_as_ms(value.get("last_failed_at")),
            code=str(value.get("code", "")),
        )


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry of a pending list, without its contents."""

    entry_id: str
    deliveries: int
    attempts: Attempts | None
    """None: no failure is recorded."""

    def is_suspect(self, lost_deliveries: int = 0) -> bool:
        """Whether it is tried in isolation: too many deliveries without a failure, or a process died in a trial.

        `lost_deliveries` of its deliveries were lost on the way, and killed no process.
        """
        if self.attempts is None or self.attempts.failures == 0:
            return self.deliveries - lost_deliveries > SUSPICIOUS_DELIVERIES
        return self.attempts.code == NO_ANSWER


def _as_ms(value: object) -> float:
    try:
        if isinstance(value, int | float):
            return float(value)
        return datetime.fromisoformat(str(value)).timestamp() * 1000
    except (ValueError, OverflowError):
        return 0.0
