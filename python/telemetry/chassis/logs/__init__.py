"""The service's log on standard output: each line is one event, as JSON or as text for people.

Logging never waits for long and never raises: a reader that is stuck costs lines, not the service. The lines themselves
are in each service's journal.
"""

from telemetry.chassis.logs.log import Log, configure, level_of, recent_lines
from telemetry.chassis.logs.output import BoundedOutput

__all__ = ["BoundedOutput", "Log", "configure", "level_of", "recent_lines"]
