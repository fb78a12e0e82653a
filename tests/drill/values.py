"""Values for tests of the drill's judgement, right in every respect until a test changes one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from processor.core.ledger import Ledger
from processor.drill.drive import Drive, Tally
from processor.drill.identity import Identity
from processor.drill.judgement import Bounds, Ending, Life
from processor.drill.last_words import LastWords
from processor.drill.observed import GroupState, Left
from processor.drill.plan import Fault
from processor.drill.result import Result
from processor.drill.timeline import Sample

BOUNDS = Bounds(budget_ms=8_000, tolerance_ms=500)
IDENTITY = Identity.of(4_711, None)
DRIVE = Drive(IDENTITY.device_ids, datetime(2026, 5, 1, 9, tzinfo=UTC))
SETTLED = GroupState(read=100, pending=0, undelivered=False, consumers=())


def words(*, clean: bool = True, has_ledger: bool = True, **counts: int) -> LastWords:
    ledger = Ledger(**(counts or {"read": 7, "acked": 7}))
    return LastWords(clean=clean, ledger=ledger, has_ledger=has_ledger, steps_ms={})


def life(**changes: Any) -> Life:
    value: dict[str, Any] = {
        "round": 0,
        "consumer": "drill-004711-0",
        "fault": Fault.SIGTERM,
        "exit_code": 0,
        "ended_early": False,
        "drain_ms": 120.0,
        "last_words": words(),
        "left": Left(),
        "inserted": 7,
    }
    return Life(**{**value, **changes})


def ending(**changes: Any) -> Ending:
    value: dict[str, Any] = {
        "tally": Tally(published=100, rows=100, missing=frozenset(), repeated=0, foreign=0),
        "inserted": 100,
        "group": SETTLED,
        "unsettled": frozenset(),
        "dead": frozenset(),
        "dead_codes": (),
    }
    return Ending(**{**value, **changes})


def result(**changes: Any) -> Result:
    value: dict[str, Any] = {
        "name": IDENTITY.name,
        "fault": Fault.SIGTERM,
        "seed": 7,
        "bounds": BOUNDS,
        "seconds": 12.34,
        "lives": (life(drain_ms=100.0), life(drain_ms=300.0, left=Left(released=40), exit_code=3)),
        "last_life": life(fault=None, takeover_ms=20.0),
        "ending": ending(),
        "violations": (),
        "samples": (Sample(0.0, 0, 0, 0, 0), Sample(1.0, 100, 90, 80, 40)),
    }
    return Result(**{**value, **changes})
