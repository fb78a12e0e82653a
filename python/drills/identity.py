"""What belongs to one drill alone: its names in Redis, and the devices that it plays."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.stream.imei import check_digit

DRILLS_MAX = 1_000_000
"""Drills with distinct names and devices."""
DEVICES = 100
"""Devices that a drill plays."""

# Two zeros in the place of the reporting body mark test equipment (GSMA TS.06, "Test IMEI"): no vehicle has such
# an IMEI. The digits behind them keep drills apart from other test equipment on a staging system.
IMEI_PREFIX = "00999"


@dataclass(frozen=True, slots=True)
class Identity:
    """One drill; `number` is below DRILLS_MAX, `stream` the stream that it uses."""

    number: int
    stream: str

    @classmethod
    def of(cls, number: int, stream: str | None) -> Identity:
        """Drill `number`; without a stream's name, on one that only this drill uses."""
        return cls(number, stream or f"telemetry:{_name(number)}")

    @property
    def name(self) -> str:
        """The name that people and servers see: `drill-004711`."""
        return _name(self.number)

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

    def consumer(self, instance: int) -> str:
        """The consumer name of an instance, by its number."""
        return f"{self.name}-{instance}"

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The IMEIs; no other drill has them."""
        return tuple(self._imei(device) for device in range(DEVICES))

    @property
    def imei_prefix(self) -> str:
        """The first digits of all of them, and of no other drill's."""
        return f"{IMEI_PREFIX}{self.number:06d}"

    def _imei(self, device: int) -> str:
        digits = f"{self.imei_prefix}{device:03d}"
        return digits + check_digit(digits)


def _name(number: int) -> str:
    return f"drill-{number:06d}"
