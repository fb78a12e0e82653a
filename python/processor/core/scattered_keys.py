"""Whether it pays to ask which keys are in the table, or to write by the way that need not ask.

Each day of the keys is a part of the probe that the server plans by itself, in 0.3 to 1 ms on a hypertable.
Staging takes 6 to 15 us more for each row of the batch than a direct COPY, and a few ms for itself.
"""

from __future__ import annotations

from typing import Final

# A batch that is staged for want of a few rows would pay more for staging itself than for these days.
_DAYS_OF_ANY_BATCH: Final = 8
# Measured between 50 and 100; towards staging, whose cost does not depend on what the table has been through.
_ROWS_FOR_A_DAY: Final = 100
# Each day's chunk and its indexes are locked while the probe runs, and planning many of them takes more than its share.
_DAYS_MAX: Final = 200


def is_worth_probing(*, days: int, rows: int) -> bool:
    """Whether unproven keys of `days` days, in a batch of `rows` rows, are to be probed; else it is staged."""
    return days <= min(_DAYS_OF_ANY_BATCH + rows // _ROWS_FOR_A_DAY, _DAYS_MAX)
