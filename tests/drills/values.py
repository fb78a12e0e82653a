"""Values for tests of the drill's judgement, right in every respect until a test changes one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drills.identity import Identity
from drills.judgement import Bounds
from drills.observed import GroupState, LastLine, LeftPending, Life, ReportedLedger
from drills.plan import Fault
from drills.processor.judgement import FinalState, Tally
from drills.processor.load import Drive
from drills.processor.result import ProcessorResult
from drills.processor.timeline import Sample

BOUNDS = Bounds(budget_ms=8_000, tolerance_ms=500)
IDENTITY = Identity.of(4_711, None)
DRIVE = Drive(IDENTITY.device_ids, datetime(2026, 5, 1, 9, tzinfo=UTC))
SETTLED = GroupState(read=100, pending=0, undelivered=False, consumers=())


def said(*, clean: bool = True, has_ledger: bool = True, **counts: int) -> LastLine:
    ledger = ReportedLedger(**(counts or {"read": 7, "acked": 7}))
    return LastLine(clean=clean, ledger=ledger, has_ledger=has_ledger, steps_ms={})


def life(**changes: Any) -> Life:
    value: dict[str, Any] = {
        "round": 0,
        "consumer": "drill-004711-0",
        "fault": Fault.SIGTERM,
        "exit_code": 0,
        "ended_early": False,
        "drain_ms": 120.0,
        "last_line": said(),
        "left": LeftPending(),
        "inserted": 7,
    }
    return Life(**{**value, **changes})


def ending(**changes: Any) -> FinalState:
    value: dict[str, Any] = {
        "tally": Tally(published=100, rows=100, missing=frozenset(), repeated=0, foreign=0),
        "inserted": 100,
        "group": SETTLED,
        "unsettled": frozenset(),
        "dead_lettered": frozenset(),
        "dead_letter_codes": (),
    }
    return FinalState(**{**value, **changes})


def result(**changes: Any) -> ProcessorResult:
    value: dict[str, Any] = {
        "name": IDENTITY.name,
        "fault": Fault.SIGTERM,
        "seed": 7,
        "bounds": BOUNDS,
        "seconds": 12.34,
        "lives": (
            life(drain_ms=100.0),
            life(drain_ms=300.0, left=LeftPending(released=40), exit_code=3),
        ),
        "last_life": life(fault=None, takeover_ms=20.0),
        "ending": ending(),
        "violations": (),
        "samples": (Sample(0.0, 0, 0, 0, 0), Sample(1.0, 100, 90, 80, 40)),
    }
    return ProcessorResult(**{**value, **changes})
