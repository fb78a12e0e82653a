from __future__ import annotations

import pytest

from processor.core.scattered_keys import is_worth_probing


@pytest.mark.parametrize(
    ("rows", "days_max"),
    [
        (1, 8),
        (99, 8),
        (100, 9),
        (1_000, 18),
        (5_000, 58),
        (19_199, 199),
        (20_000, 200),
        (1_000_000, 200),
    ],
)
def test_the_days_that_are_probed_grow_with_the_rows_that_staging_would_write(
    rows: int, days_max: int
) -> None:
    assert is_worth_probing(days=days_max, rows=rows)
    assert not is_worth_probing(days=days_max + 1, rows=rows)
