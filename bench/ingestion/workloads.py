"""What the devices that send do."""

from __future__ import annotations

from dataclasses import dataclass

WARM_UP_S = 1.0


@dataclass(frozen=True)
class Workload:
    """What the devices do; without `frames_per_second` each sends when its last frame is answered."""

    name: str
    title: str
    short: str
    """The title where there is little room."""
    connections: int
    records: int
    frames_per_second: int | None = None

    def arguments(self, seconds: float) -> list[str]:
        """For the load generator."""
        rate = [] if self.frames_per_second is None else ["--rate", str(self.frames_per_second)]
        return [
            "send",
            "--connections", str(self.connections),
            "--records", str(self.records),
            "--warm-up", str(WARM_UP_S),
            "--seconds", str(seconds),
            *rate,
        ]  # fmt: skip


FLAT_OUT = Workload(
    "flat_out_5", "1,000 connections, flat out, 5 records a frame", "flat out", 1000, 5
)
ONE_RECORD = Workload(
    "flat_out_1", "1,000 connections, flat out, 1 record a frame", "1 a frame", 1000, 1
)
MANY_RECORDS = Workload(
    "flat_out_25", "1,000 connections, flat out, 25 records a frame", "25 a frame", 1000, 25
)
FLEET = Workload(
    "fleet", "5,000 connections, 500 frames/s of 5 records", "5,000 at 500/s", 5000, 5, 500
)
LATENCY = Workload(
    "latency", "1,000 connections, 1,000 frames/s of 5 records", "1,000/s", 1000, 5, 1000
)
WORKLOADS = (FLAT_OUT, ONE_RECORD, MANY_RECORDS, FLEET, LATENCY)
