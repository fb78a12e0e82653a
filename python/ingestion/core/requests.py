"""What operators may ask of a running instance, by name, beside what any service can do; nothing of it loses data."""

from __future__ import annotations

from typing import Final

from telemetry.chassis.control.requests import DUMP, LOG_LEVEL, LOOK

DEVICES: Final = "devices"
"""Which devices are connected."""
WATCH: Final = "watch"
"""Show a device's conversation for a while."""

REQUESTS: Final = (LOOK, DEVICES, WATCH, LOG_LEVEL, DUMP)
LOOKING: Final = frozenset({LOOK, DEVICES})
"""These change nothing, and may come once a second."""
