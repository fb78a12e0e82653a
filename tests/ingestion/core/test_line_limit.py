from __future__ import annotations

import pytest

from ingestion.core import line_limit
from ingestion.core.line_limit import LineLimit


def test_a_subject_passes_once_a_minute_and_the_next_line_counts_what_was_held_back() -> None:
    limit = LineLimit()
    assert limit.passes("a", 0.0) == 0
    assert limit.passes("a", 1.0) is None
    assert limit.passes("a", 59.9) is None
    assert limit.passes("b", 1.0) == 0
    assert limit.passes("a", 60.0) == 2
    assert limit.passes("a", 120.0) == 0


def test_subjects_that_are_made_up_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_limit, "SUBJECTS_MAX", 2)
    limit = LineLimit()
    for subject in ("a", "b", "c"):
        assert limit.passes(subject, 0.0) == 0
    assert limit.passes("a", 1.0) == 0
    assert limit.passes("c", 1.0) is None


def test_subjects_that_are_made_up_fill_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_limit, "LINES_MAX", 2)
    limit = LineLimit()
    assert [limit.passes(subject, 10.0) for subject in "abcd"] == [0, 0, None, None]
    assert limit.passes("c", 69.9) is None
    assert limit.passes("c", 70.0) == 2
