"""Events with fields, on top of the standard library's logging: lines of libraries have the same form."""

from __future__ import annotations

import json
import logging
from collections import deque

from telemetry.chassis.logs.output import BoundedOutput, standard_output
from telemetry.chassis.logs.render import TRACE, JsonRenderer, PrettyRenderer, Renderer

LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
"""The accepted values of LOG_LEVEL. `fatal` is always written."""

CHASSIS = __name__.partition(".")[0]
# What is kept of the log for the report of a crash. A line with a library's trace in it may be longer; its beginning
# says what it is about.
RECENT_LINES_MAX = 100
RECENT_LINE_BYTES_MAX = 8_192


class Log:
    """Writes events. Each method takes the message and the event's own fields.

    Every instance writes to the output that `configure` has set up; without it, only warnings are written, to
    standard error. Synchronous, bounded in time, never raises; a level that is switched off costs one look-up.
    """

    __slots__ = ("_logger",)

    def __init__(self, service: str) -> None:
        """`service` is the name that `configure` was given: its level counts."""
        self._logger = logging.getLogger(service)

    @property
    def writes_debug(self) -> bool:
        """Whether `debug` writes: asked before the text of a frequent line is built."""
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
        """Something was refused or must be tried again; the service continues."""
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


class RecentLines:
    """The newest RECENT_LINES_MAX lines, each RECENT_LINE_BYTES_MAX at most."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=RECENT_LINES_MAX)

    def add(self, line: bytes) -> None:
        """Keep a line as it was rendered."""
        if len(line) > RECENT_LINE_BYTES_MAX:
            # Cut between words: a secret that was cut in half would not be recognised and hidden.
            line = line[:RECENT_LINE_BYTES_MAX].rpartition(b" ")[0]
        self._lines.append(line)

    def values(self) -> list[object]:
        """The lines, oldest first: JSON objects where they are complete, else text. Any thread may ask."""
        return [_value(line.decode("utf-8", "replace").rstrip("\n")) for line in list(self._lines)]


def _value(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line


class OutputHandler(logging.Handler):
    """Renders each record, writes it to the output, and keeps it for a while."""

    def __init__(self, service: str, renderer: Renderer, output: BoundedOutput) -> None:
        super().__init__()
        self._service = service
        self._renderer = renderer
        self._output = output
        self.recent = RecentLines()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises."""
        try:
            line = self._renderer(record)
        except Exception:  # noqa: BLE001  # no content of a line may end the service
            line = self._renderer(self._unreadable(record))
        self.recent.add(line)
        lost = self._output.write(line)
        if lost:
            self._output.write(self._renderer(self._lost_lines(lost)))

    def _unreadable(self, record: logging.LogRecord) -> logging.LogRecord:
        fields: dict[str, object] = {
            "template": repr(record.msg),
            "fault": "its fields or arguments cannot be rendered",
        }
        return self._own_record(record.levelno, "log line unreadable", fields)

    def _lost_lines(self, lost: int) -> logging.LogRecord:
        msg = f"log lines lost n={lost}: standard output was not read in time"
        return self._own_record(logging.WARNING, msg, {"n": lost})

    def _own_record(self, level: int, msg: str, fields: dict[str, object]) -> logging.LogRecord:
        record = {"name": self._service, "levelno": level, "msg": msg, "fields": fields}
        return logging.makeLogRecord(record)


def configure(
    *, service: str, level: str, form: str, instance_id: str, output: BoundedOutput | None = None
) -> Log:
    """Set up the log of this process and return it; a second call replaces the first.

    `level` is one of LEVELS, `form` is `json` or `pretty`, `output` standard output by default. `level` is
    for lines of the service and of the chassis; libraries and Python's warnings are written from warn upwards.
    """
    sink = output or BoundedOutput(standard_output())
    renderer: Renderer = (
        PrettyRenderer() if form == "pretty" else JsonRenderer(service, instance_id)
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, OutputHandler)]:
        root.removeHandler(handler)
    root.addHandler(OutputHandler(service, renderer, sink))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    set_level(service, level)
    return Log(service)


def set_level(service: str, level: str) -> None:
    """Change the level of the service's and the chassis' lines, from the next line on; one of LEVELS."""
    for name in (service, CHASSIS):
        logging.getLogger(name).setLevel(LEVELS[level])


def level_of(service: str) -> str:
    """The level that the service's lines are written from; one of LEVELS."""
    number = logging.getLogger(service).getEffectiveLevel()
    return next((name for name, each in LEVELS.items() if each >= number), "error")


def recent_lines() -> list[object]:
    """The last lines of this process's log, oldest first; JSON objects if that is the log's form."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, OutputHandler)]
    return [line for handler in handlers for line in handler.recent.values()]
