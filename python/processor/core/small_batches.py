"""Decides which batches are small: their rows are inserted from arrays in one round trip, without a probe.

COPY takes two round trips, and a probe one more. An INSERT takes one, but looks each key up in the index and adds
the rows one by one, which costs the server about 2 us more a row.
"""

from __future__ import annotations

from typing import Final

# Measured with rows of 430 bytes. At 50 rows the service's own CPU time is the same as with COPY, and the server's a
# fifth more; where a probe would come before the COPY, the INSERT costs both of them less, up to some 500 rows.
ROWS_MAX: Final = 100
# The arrays are sent in one piece, which libpq keeps whole.
BYTES_MAX: Final = 256 * 1024


def is_small(*, rows: int, row_bytes: int) -> bool:
    """Whether a batch of that number of rows, and of bytes in COPY form, is inserted from arrays."""
    return rows <= ROWS_MAX and row_bytes <= BYTES_MAX
