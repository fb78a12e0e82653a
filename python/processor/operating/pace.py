"""The pace of a command that sends many things: at once, or so many a second."""

from __future__ import annotations

from dataclasses import dataclass

# What is paced is sent this often, which is even enough to look like a stream of devices.
_BATCHES_A_SECOND = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate to keep; None sends as fast as Redis takes it."""

    per_second: float | None = None
    at_once_max: int = 1_000
    """Pipelines beyond this size gained nothing, and the counts after an interruption get coarser."""

    @property
    def at_once(self) -> int:
        """How many to send at once."""
        if self.per_second is None:
            return self.at_once_max
        return max(1, min(self.at_once_max, int(self.per_second / _BATCHES_A_SECOND)))

    def wait_seconds(self, sent: int, elapsed_seconds: float) -> float:
        """How long the next batch has to wait when `sent` went out in `elapsed_seconds`."""
        if self.per_second is None:
            return 0.0
        return max(0.0, sent / self.per_second - elapsed_seconds)
