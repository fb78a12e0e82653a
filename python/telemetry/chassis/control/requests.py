"""What operators may ask of an instance of any service, by name."""

from __future__ import annotations

from typing import Final

LOOK: Final = "look"
"""Who it is, and what it is doing."""
LOG_LEVEL: Final = "log_level"
"""Change the level of the log, perhaps for a time."""
DUMP: Final = "dump"
"""Write a dump as after a crash, and go on."""
