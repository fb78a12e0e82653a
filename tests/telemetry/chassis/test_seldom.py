from __future__ import annotations

from telemetry.chassis.seldom import Seldom


def test_a_subject_is_due_once_in_an_interval_and_others_are_none_of_its_concern() -> None:
    seldom = Seldom(60)
    assert [seldom.is_due("a", now) for now in (0, 1, 59.9, 60, 61, 130)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert seldom.is_due("b", 61)
