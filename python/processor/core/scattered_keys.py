"""Decides whether to probe for keys that are in the table, or to stage the batch, which needs no probe.

Each day of the keys is a part of the probe that the server plans by itself, in 0.3 to 1 ms on a hypertable.
Staging takes 6 to 15 us more for each row of the batch than a direct COPY, and a few ms for itself.
"""

from __future__ import annotations

from typing import Final

# What staging takes for itself is enough to probe these days. Batches too small for that are inserted from arrays, and
# are not asked about here.
_DAYS_OF_ANY_BATCH: Final = 8
# Measured between 50 and 100. The upper end favours staging, whose cost does not depend on the table's history.
_ROWS_FOR_A_DAY: Final = 100
# Each day's chunk and its indexes are locked while the probe runs, and planning many of them takes more than its share.
_DAYS_MAX: Final = 200


def is_worth_probing(*, days: int, rows: int) -> bool:
    """Whether to probe unproven keys of `days` days in a batch of `rows` rows. If not, the batch is inserted."""
    return days <= min(_DAYS_OF_ANY_BATCH + rows // _ROWS_FOR_A_DAY, _DAYS_MAX)
