"""A row of numbers as a row of blocks."""

from __future__ import annotations

import pytest

from telemetry.chassis.cli.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([], 3, "   "),
        ([0, 0], 2, "▁▁"),
        ([0, 50, 100], 3, "▁▅█"),
        ([1, 100_000], 2, "▂█"),
        ([9, None, 9], 3, "█ █"),
        ([1, 2, 3, 4], 2, "▆█"),
        ([1], 0, ""),
    ],
)
def test_the_last_values_are_drawn_beside_the_largest_of_them(
    values: list[float | None], width: int, drawn: str
) -> None:
    assert sparkline(values, width) == drawn
