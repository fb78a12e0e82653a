from __future__ import annotations

import pytest

from processor.core.small_batches import BYTES_MAX, ROWS_MAX, is_small


@pytest.mark.parametrize(
    ("rows", "row_bytes", "small"),
    [
        (0, 0, True),
        (ROWS_MAX, 430 * ROWS_MAX, True),
        (ROWS_MAX + 1, 430 * ROWS_MAX, False),
        (1, BYTES_MAX, True),
        # One row of a million bytes is copied piece by piece.
        (1, BYTES_MAX + 1, False),
    ],
)
def test_a_batch_is_small_up_to_a_number_of_rows_and_of_bytes(
    rows: int, row_bytes: int, small: bool
) -> None:
    assert is_small(rows=rows, row_bytes=row_bytes) is small
