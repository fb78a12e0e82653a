"""The service's log: one event a line on standard output, as JSON or for people."""

from processor.logs.log import Log, configure, recent_lines
from processor.logs.output import BoundedOutput

__all__ = ["BoundedOutput", "Log", "configure", "recent_lines"]
