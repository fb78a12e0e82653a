"""What operators may ask of a running instance, by name, beside what any service can do; nothing of it loses data."""

from __future__ import annotations

from typing import Final

from telemetry.chassis.control.requests import DUMP, LOG_LEVEL, LOOK

HELD_DEVICE: Final = "held_device"
"""What it holds of a device."""
REHYDRATE: Final = "rehydrate"
"""Forget a device, and restore it from the table."""
CLAIM_NOW: Final = "claim_now"
"""Look for entries to claim without waiting for the next time."""

REQUESTS: Final = (LOOK, HELD_DEVICE, REHYDRATE, CLAIM_NOW, LOG_LEVEL, DUMP)
LOOKING: Final = frozenset({LOOK, HELD_DEVICE})
"""These change nothing, and may come once a second."""
