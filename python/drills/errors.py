"""How a drill ends that cannot say whether the service keeps its promises."""

from __future__ import annotations

from telemetry.chassis.errors import TelemetryError


class DrillRefused(TelemetryError):
    """The drill would touch what is not its own, or leave something behind, and was not told to."""


class DrillFailed(TelemetryError):
    """The service under test did not start, or could not be signalled; the end of its log is in the message."""
