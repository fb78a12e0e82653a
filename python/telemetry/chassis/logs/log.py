"""Events with fields on top of the standard library's logging, whose other users come out in the same form."""

from __future__ import annotations

import logging

from telemetry.chassis.logs.output import BoundedOutput, standard_output
from telemetry.chassis.logs.recent import RecentLines
from telemetry.chassis.logs.render import TRACE, JsonRenderer, PrettyRenderer, Renderer

LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
"""The accepted values of LOG_LEVEL. `fatal` is always written."""

SERVICE = "processor"


class Log:
    """Writes events. Each method takes the message and the event's own fields.

    Every instance writes to what `configure` set up; without that, warnings reach standard error alone.
    Synchronous, bounded in time, never raises; a level that is switched off costs one look-up.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str = SERVICE) -> None:
        self._logger = logging.getLogger(name)

    @property
    def writes_debug(self) -> bool:
        """Whether `debug` writes: saves the text of a line that nobody reads."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def trace(self, msg: str, /, **fields: object) -> None:
        """Single steps, for a developer."""
        self._write(TRACE, msg, fields)

    def debug(self, msg: str, /, **fields: object) -> None:
        """What happens for every batch."""
        self._write(logging.DEBUG, msg, fields)

    def info(self, msg: str, /, **fields: object) -> None:
        """The milestones of a process's life."""
        self._write(logging.INFO, msg, fields)

    def warning(self, msg: str, /, **fields: object) -> None:
        """Something was refused or must be tried again; the service goes on."""
        self._write(logging.WARNING, msg, fields)

    def error(self, msg: str, /, **fields: object) -> None:
        """Something failed that an operator should look at."""
        self._write(logging.ERROR, msg, fields)

    def fatal(self, msg: str, /, **fields: object) -> None:
        """The process is about to end because of this."""
        self._write(logging.CRITICAL, msg, fields)

    def _write(self, level: int, msg: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, msg, extra={"fields": fields})


class OutputHandler(logging.Handler):
    """Hands rendered records to the output."""

    def __init__(self, renderer: Renderer, output: BoundedOutput) -> None:
        super().__init__()
        self._renderer = renderer
        self._output = output
        self.recent = RecentLines()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises."""
        try:
            line = self._renderer(record)
        except Exception:  # noqa: BLE001  # whatever a line holds, it must not end the service
            line = self._renderer(_unrenderable(record))
        self.recent.add(line)
        lost = self._output.write(line)
        if lost:
            self._output.write(self._renderer(_lost_lines(lost)))


def configure(
    *, level: str, form: str, instance_id: str, output: BoundedOutput | None = None
) -> Log:
    """Set up the log of this process and return it; a second call replaces the first.

    `level` is one of LEVELS, `form` is `json` or `pretty`, `output` standard output by default. The
    service's own lines obey `level`; libraries and Python's warnings are heard from warn upwards.
    """
    sink = output or BoundedOutput(standard_output())
    renderer: Renderer = (
        PrettyRenderer() if form == "pretty" else JsonRenderer(SERVICE, instance_id)
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, OutputHandler)]:
        root.removeHandler(handler)
    root.addHandler(OutputHandler(renderer, sink))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    logging.getLogger(SERVICE).setLevel(LEVELS[level])
    return Log()


def recent_lines() -> list[object]:
    """The last lines of this process's log, the oldest first; as JSON objects where that is the log's form."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, OutputHandler)]
    return [line for handler in handlers for line in handler.recent.values()]


def _unrenderable(record: logging.LogRecord) -> logging.LogRecord:
    fields: dict[str, object] = {
        "template": repr(record.msg),
        "fault": "its fields or arguments cannot be rendered",
    }
    return _own_record(record.levelno, "log line unreadable", fields)


def _lost_lines(lost: int) -> logging.LogRecord:
    msg = f"log lines lost n={lost}: standard output was not read in time"
    return _own_record(logging.WARNING, msg, {"n": lost})


def _own_record(level: int, msg: str, fields: dict[str, object]) -> logging.LogRecord:
    return logging.makeLogRecord({"name": SERVICE, "levelno": level, "msg": msg, "fields": fields})
