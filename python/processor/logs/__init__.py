"""The service's log: one event a line on standard output, as JSON or for people.

To log never waits for long and never raises: a reader that is stuck costs lines, not the service. What lines there are
stands in `processor.events`.
"""

from processor.logs.log import Log, configure, recent_lines
from processor.logs.output import BoundedOutput

__all__ = ["BoundedOutput", "Log", "configure", "recent_lines"]
