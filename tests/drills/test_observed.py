"""The service's last log line, as a drill reads it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from drills.observed import ReportedLedger, last_line
from processor.core.ledger import Ledger

FULL = {
    "read": 9,
    "acked": 3,
    "dead_lettered": 1,
    "lost": 1,
    "taken_over": 1,
    "released": 2,
    "left_pending": 1,
    "released_unread": 4,
}


def test_the_last_line_gives_the_whole_ledger() -> None:
    line = {"msg": "shutdown: timed out", "ledger": FULL, "steps_ms": {"intake": 1.5}}
    found = last_line(line)
    assert found is not None
    assert not found.clean
    assert found.ledger == ReportedLedger(9, 3, 1, 1, 1, 2, 1, 4)
    assert found.ledger.unaccounted == 0
    assert found.steps_ms == {"intake": 1.5}


def test_classes_that_are_not_named_are_0() -> None:
    found = last_line({"msg": "shutdown: clean exit", "ledger": {"read": 4, "acked": 4}})
    assert found is not None
    assert found.clean
    assert found.ledger == ReportedLedger(read=4, acked=4)


def test_a_line_without_a_ledger_has_what_was_released_and_left() -> None:
    found = last_line({"msg": "shutdown: timed out released=2 left=5", "released": 2, "left": 5})
    assert found is not None
    assert not found.has_ledger
    assert (found.ledger.released, found.ledger.left_pending) == (2, 5)


@pytest.mark.parametrize(
    "line", [{}, {"msg": "shutdown: starting signal=SIGTERM"}, {"msg": "batch written"}]
)
def test_other_lines_are_no_last_line(line: dict[str, Any]) -> None:
    assert last_line(line) is None


def test_what_was_released_unread_is_on_neither_side_of_the_balance() -> None:
    assert ReportedLedger(**{**FULL, "released_unread": 1_000}).unaccounted == 0


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"read", "released_unread"}))
def test_a_ledger_balances_only_with_every_class(name: str) -> None:
    assert ReportedLedger(**{**FULL, name: 0}).unaccounted


def test_the_ledger_has_the_services_classes() -> None:
    assert [each.name for each in fields(ReportedLedger)] == [each.name for each in fields(Ledger)]
    assert ReportedLedger(**FULL).unaccounted == Ledger(**FULL).unaccounted
