"""Report: the totals of a drill over time, in a bounded number of samples."""

from __future__ import annotations

from dataclasses import dataclass, field

SAMPLES_MAX = 2_048
FIRST_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """Totals since the start of the drill, `at_s` seconds after it."""

    at_s: float
    published: int
    read: int
    acked: int
    released: int


@dataclass(slots=True)
class Timeline:
    """The samples so far, oldest first, and how long to wait for the next one.

    Memory is bounded: a full timeline drops every second sample, and is then filled half as often.
    """

    samples: list[Sample] = field(default_factory=list)
    interval_s: float = FIRST_INTERVAL_S

    def add(self, sample: Sample) -> None:
        """Take a sample."""
        self.samples.append(sample)
        if len(self.samples) >= SAMPLES_MAX:
            del self.samples[1::2]
            self.interval_s *= 2
