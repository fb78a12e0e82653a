"""Turns a log record into one line of bytes: the JSON object of contract section 7, or text for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from traceback import format_exception

import orjson

TRACE = 5

LEVEL_NAMES = {
    TRACE: "trace",
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}

# A dataclass goes through its repr, which leaves passwords out; orjson would write every field.
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS

Renderer = Callable[[logging.LogRecord], bytes]


class JsonRenderer:
    """`time`, `level`, `service`, `instance_id`, `msg`, then the event's own fields."""

    def __init__(self, service: str, instance_id: str) -> None:
        self._service = service
        self._instance_id = instance_id

    def __call__(self, record: logging.LogRecord) -> bytes:
        """One JSON object and a line feed."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": _level(record),
            "service": self._service,
            "instance_id": self._instance_id,
            "msg": record.getMessage(),
        }
        for name, value in _fields(record).items():
            # A field with the name of a leading one must not replace it.
            line[f"{name}_" if name in line else name] = value
        return _dumps(line) + b"\n"


class PrettyRenderer:
    """Time of day, level, message, and the fields that the message does not show already."""

    def __call__(self, record: logging.LogRecord) -> bytes:
        """One line, and the trace below it, if there is one."""
        fields = dict(_fields(record))
        tree = fields.pop("tree", None)
        msg = record.getMessage()
        shown = (f"{name}={value}" for name, value in fields.items() if value is not None)
        head = f"{_time(record)[11:23]} {_level(record):5} {msg}"
        line = "  ".join([head, *(pair for pair in shown if pair not in msg)])
        text = _one_line(line) + ("" if tree is None else f"\n{tree}")
        return text.encode("utf-8", "backslashreplace") + b"\n"


def _one_line(text: str) -> str:
    """Control characters as escapes: the content of an entry must not move the reader's cursor."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    """The event's own fields; for a library's record, its logger and its traceback."""
    fields: Mapping[str, object] | None = getattr(record, "fields", None)
    if fields is not None:
        return fields
    foreign: dict[str, object] = {"logger": record.name}
    if record.exc_info and record.exc_info[0]:
        foreign["tree"] = "".join(format_exception(*record.exc_info))
    return foreign


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(record: logging.LogRecord) -> str:
    """The contract's word for the level; a level that only a library knows counts as the next lower one."""
    known = [number for number in LEVEL_NAMES if number <= record.levelno]
    return LEVEL_NAMES[max(known, default=TRACE)]


def _dumps(line: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(line, default=str, option=_OPTIONS)
    except TypeError:
        # orjson refuses lone surrogates and integers beyond 64 bits. They are rare: the slow way will do.
        return json.dumps(line, default=str, skipkeys=True).encode()
