"""How soon a read follows another one."""

from __future__ import annotations

import pytest

from processor.reading.pacing import Pacing


@pytest.mark.parametrize(
    ("entries", "asked_for", "due_s"),
    [
        (1, 5, 100.2),
        (4, 5, 100.2),
        # There may be more.
        (5, 5, 100.0),
        (1, 1, 100.0),
        # It waited by itself.
        (0, 5, 100.0),
    ],
)
def test_only_a_read_that_came_back_less_than_full_is_followed_later(
    entries: int, asked_for: int, due_s: float
) -> None:
    assert Pacing(0.2).due_s(100.0, entries=entries, asked_for=asked_for) == due_s


def test_without_an_interval_every_read_is_followed_at_once() -> None:
    assert Pacing(0.0).due_s(100.0, entries=1, asked_for=5) == 100.0
