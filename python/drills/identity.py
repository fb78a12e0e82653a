"""What belongs to one drill and to nothing else: its names in Redis, and the devices that it plays."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.stream.imei import check_digit

RUNS = 1_000_000
"""Drills that can be told apart."""
DEVICES = 100
"""Devices that a drill plays."""

# Two zeros in the place of the reporting body mark test equipment (GSMA TS.06, "Test IMEI"): no vehicle has such
# an IMEI. The rest keeps drills apart from whatever else plays test equipment on a staging system.
IMEI_PREFIX = "00999"


@dataclass(frozen=True, slots=True)
class Identity:
    """One drill; `run` is a number below RUNS, `stream` the stream that it uses."""

    run: int
    stream: str

    @classmethod
    def of(cls, run: int, stream: str | None) -> Identity:
        """The drill `run`, on a stream of its own if none is named."""
        return cls(run, stream or f"telemetry:{_name(run)}")

    @property
    def name(self) -> str:
        """Of the drill, as people and servers see it: `drill-004711`."""
        return _name(self.run)

    @property
    def group(self) -> str:
        """The consumer group, on whichever stream."""
        return self.name

    @property
    def dlq_stream(self) -> str:
        """Never the stream's own dead letters, which may hold others' entries."""
        return f"{self.stream}:{self.name}:dlq"

    @property
    def attempts_key(self) -> str:
        """The hash of recorded failures (contract section 1)."""
        return f"{self.stream}:{self.group}:attempts"

    def consumer(self, number: int) -> str:
        """The name of instance `number`."""
        return f"{self.name}-{number}"

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The IMEIs, all of this drill alone."""
        return tuple(self._imei(number) for number in range(DEVICES))

    @property
    def imei_prefix(self) -> str:
        """What all of them begin with, and no other drill's do."""
        return f"{IMEI_PREFIX}{self.run:06d}"

    def _imei(self, number: int) -> str:
        digits = f"{self.imei_prefix}{number:03d}"
        return digits + check_digit(digits)


def _name(run: int) -> str:
    return f"drill-{run:06d}"
