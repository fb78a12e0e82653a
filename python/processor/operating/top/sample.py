"""One look of `top` at everything, and what an instance counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from processor.operating.consumers import Consumer
from processor.operating.queue import Queue
from telemetry.chassis.operating.instances import Instance


@dataclass(frozen=True, slots=True)
class Counters:
    """What one life has counted since its start."""

    records_read: int = 0
    position_writes: Mapping[str, int] = field(default_factory=dict)
    """By status."""
    acks: int = 0
    durations: tuple[int, ...] = ()
    """Writes up to each bound of the histogram, not cumulative; see `journal.statistics.Durations`."""
    durations_sum_s: float = 0.0

    @classmethod
    def parse(cls, value: Any) -> Counters | None:  # noqa: ANN401  # an instance of another version may send anything
        """Read what an instance answers; None for anything else."""
        match value:
            case {
                "records_read": int(records_read),
                "position_writes": dict(position_writes),
                "acks": int(acks),
                "write_durations": {"counts": list(counts), "sum_s": float() | int() as sum_s},
            }:
                return cls(records_read, position_writes, acks, tuple(counts), float(sum_s))
        return None


@dataclass(frozen=True, slots=True)
class Working:
    """A running instance, and what it has counted; None if it does not say."""

    instance: Instance
    counters: Counters | None

    @property
    def life(self) -> tuple[str, int, str]:
        """Of the process: its counters begin with it."""
        return self.instance.host, self.instance.pid, self.instance.started_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Everything in about one moment."""

    at_s: float
    """On a monotonic clock."""
    queue: Queue
    consumers: Sequence[Consumer]
    working: Sequence[Working]
    dead_letters: int
    dead_letters_by_code: Mapping[str, int]
