"""How many records to send at once, and how long to wait before them."""

from __future__ import annotations

from dataclasses import dataclass

# Pipelines beyond this size gained nothing, and the counts after an interruption get coarser.
_BATCH_RECORDS_MAX = 1_000
# A paced replay sends this often, which is even enough to look like a stream of devices.
_BATCHES_A_SECOND = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate to keep, in records a second; None sends as fast as Redis takes them."""

    records_per_second: float | None = None

    @property
    def batch_records(self) -> int:
        """Records to send at once."""
        if self.records_per_second is None:
            return _BATCH_RECORDS_MAX
        return max(1, min(_BATCH_RECORDS_MAX, int(self.records_per_second / _BATCHES_A_SECOND)))

    def wait_seconds(self, records_sent: int, elapsed_seconds: float) -> float:
        """How long the next batch has to wait when `records_sent` went out in `elapsed_seconds`."""
        if self.records_per_second is None:
            return 0.0
        return max(0.0, records_sent / self.records_per_second - elapsed_seconds)
