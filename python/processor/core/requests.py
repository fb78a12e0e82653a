"""What operators may ask of a running instance, by name; nothing of it loses data."""

from __future__ import annotations

from typing import Final

LOOK: Final = "look"
"""Who it is, and what it is doing."""
HELD_DEVICE: Final = "held_device"
"""What it holds of a device."""
REHYDRATE: Final = "rehydrate"
"""Forget a device, and restore it from the table."""
CLAIM_NOW: Final = "claim_now"
"""Look for entries to claim without waiting for the next time."""
LOG_LEVEL: Final = "log_level"
"""Change the level of the log, perhaps for a time."""
DUMP: Final = "dump"
"""Write a dump as after a crash, and go on."""

REQUESTS: Final = (LOOK, HELD_DEVICE, REHYDRATE, CLAIM_NOW, LOG_LEVEL, DUMP)
LOOKING: Final = frozenset({LOOK, HELD_DEVICE})
"""These change nothing, and may come once a second."""
