"""What operators may ask of a running instance, by name; nothing of it loses data."""

from __future__ import annotations

from typing import Final

LOOK: Final = "look"
"""Who it is, and what it is doing."""
DEVICES: Final = "devices"
"""Which devices are connected."""
WATCH: Final = "watch"
"""Show a device's conversation for a while."""
LOG_LEVEL: Final = "log_level"
"""Change the level of the log, perhaps for a time."""
DUMP: Final = "dump"
"""Write a dump as after a crash, and go on."""

REQUESTS: Final = (LOOK, DEVICES, WATCH, LOG_LEVEL, DUMP)
LOOKING: Final = frozenset({LOOK, DEVICES})
"""These change nothing, and may come once a second."""
