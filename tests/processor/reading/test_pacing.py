"""How soon a read follows another one."""

from __future__ import annotations

import pytest

from processor.reading.pacing import Pacing


@pytest.mark.parametrize(
    ("entries", "asked_for", "pause_s"),
    [
        (1, 5, 0.2),
        (4, 5, 0.2),
        # There may be more.
        (5, 5, 0.0),
        (1, 1, 0.0),
        # It waited by itself.
        (0, 5, 0.0),
    ],
)
def test_only_a_read_that_came_back_less_than_full_is_followed_later(
    entries: int, asked_for: int, pause_s: float
) -> None:
    assert Pacing(0.2).pause_s(entries=entries, asked_for=asked_for) == pause_s


def test_without_an_interval_every_read_is_followed_at_once() -> None:
    assert Pacing(0.0).pause_s(entries=1, asked_for=5) == 0.0
