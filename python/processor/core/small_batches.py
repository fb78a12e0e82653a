"""Decides which batches are small: their rows are inserted from arrays in one round trip, without a probe.

COPY takes two round trips, and a probe one more. An INSERT takes one, but looks each key up in the index and adds
the rows one by one, which costs the server 2 to 5 us more a row.
"""

from __future__ import annotations

from typing import Final

# Where COPY takes over, by the CPU time of both processes together: at 30 to 50 rows if all are new and no probe is
# needed, at 100 to 200 behind a probe that finds half of them, at 50 to 100 behind one that finds all. The service's
# own part is about the same from 50 rows on. Measured on PostgreSQL 15, a plain table, with positions of 430 bytes.
ROWS_MAX: Final = 50
# The arrays are sent in one piece, which libpq keeps whole.
BYTES_MAX: Final = 256 * 1024


def is_small(*, rows: int, row_bytes: int) -> bool:
    """Whether a batch of that number of rows, and of bytes in COPY form, is inserted from arrays."""
    return rows <= ROWS_MAX and row_bytes <= BYTES_MAX
