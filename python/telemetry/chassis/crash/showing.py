"""Reads a dump back and shows it to a person: what happened, where, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.chassis.crash import DUMP_BYTES_MAX, format_of
from telemetry.chassis.errors import TelemetryError

if TYPE_CHECKING:
    from pathlib import Path

LOG_LINES_SHOWN = 15
# Installed, or in a checkout; a virtual environment may be called `processor` as well.
OWN_FILE = re.compile(r"/(?:site-packages|python)/(?:telemetry|processor|ingestion)/")

REMEDIES = {
    "PanicException": "The codec was given bytes that it should have refused: keep the entries in flight "
    "(XRANGE <stream> <id> <id>), and report the crash with them and this dump.",
    "[Errno 24]": "The limit of open files was reached: raise it (ulimit -n), and report what held them.",
    "[Errno 28]": "A disk is full: make room on the host.",
}
"""From a word in the tree of exceptions to what helps, whatever the service."""
OTHERWISE = "This is a fault of the program: report it with this dump."

Sections: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DumpPart:
    """A part of the text."""

    title: str
    section: str
    """The section that is shown raw if the lines cannot be made."""
    lines: Callable[[Sections], Iterator[str]]


class NotADump(TelemetryError):
    """The file was read, but is no whole dump of this form; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump as it lies on the disk, and its sections."""

    text: str
    sections: Sections


def read_dump(path: Path, service: str) -> Dump:
    """Read a dump of the service. Raises NotADump, and OSError when the file cannot be read."""
    with path.open("rb") as file:
        data = file.read(DUMP_BYTES_MAX + 1)
    if len(data) > DUMP_BYTES_MAX:
        raise NotADump(f"is larger than a panic dump can be, {DUMP_BYTES_MAX} bytes")
    try:
        text = data.decode("ascii")
        sections = json.loads(text)
    except (ValueError, RecursionError):
        raise NotADump("is damaged, or no panic dump: it is not a whole JSON document") from None
    form, known = (
        (sections.get("format") if isinstance(sections, dict) else None),
        format_of(service),
    )
    if not isinstance(form, str) or not form.startswith(f"{service}-panic/"):
        raise NotADump("is no panic dump: it is JSON of another kind")
    if form != known:
        raise NotADump(
            f"was written by another version of {service} ({form[:40]!r}, this one reads {known!r}): "
            f"use that version's `{service} panic show`"
        )
    return Dump(text, sections)


def as_text(sections: Sections, parts: tuple[DumpPart, ...]) -> str:
    """The whole text; a section that is not as it should be is shown raw."""
    what = "was asked for this dump" if was_requested(sections) else "crashed"
    shown = [f"{sections.get('instance_id')} {what} at {sections.get('time')}\n"]
    for part in parts:
        try:
            lines = list(part.lines(sections))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            lines = [json.dumps(sections.get(part.section), indent=2)]
        shown.append("\n".join([part.title, *(_indented(line) for line in lines), ""]))
    return _visible("\n".join(shown))


def was_requested(sections: Sections) -> bool:
    """Whether an operator asked for the dump, and nothing crashed."""
    exceptions = sections.get("exceptions")
    return isinstance(exceptions, dict) and str(exceptions.get("type")).endswith(".DumpRequested")


def remedy_for(sections: Sections, remedies: Mapping[str, str]) -> str:
    """What helps: the first remedy whose word is in the tree of exceptions."""
    tree = str(sections["tree"])
    return next((remedy for word, remedy in remedies.items() if word in tree), OTHERWISE)


def _what_happened(sections: Sections) -> Iterator[str]:
    yield sections["error"]
    if sections["failed_task"]:
        yield f"It left the task {sections['failed_task']} at {sections['seen_at']}."
    yield ""
    yield sections["tree"].rstrip("\n")


def _where(sections: Sections) -> Iterator[str]:
    if not sections["tasks"]:
        yield "Not known: all tasks had ended when the error was seen."
    for task in sections["tasks"]:
        stood = task["frames"][-1:] and _place(task["frames"])
        yield "  " * task["depth"] + f"{task['name']}  {stood or '(not started)'}"


def _place(frames: list[dict[str, Any]]) -> str:
    """The service's own innermost line, which says more than Trio's below it."""
    own = [frame for frame in frames if OWN_FILE.search(frame["file"])]
    frame = (own or frames)[-1]
    file = "/".join(frame["file"].rsplit("/", 2)[-2:])
    return f"{file}:{frame['line']} {frame['function']}"


def _log(sections: Sections) -> Iterator[str]:
    for line in sections["log"][-LOG_LINES_SHOWN:]:
        yield line if isinstance(line, str) else f"{line['time']} {line['level']:5} {line['msg']}"


def _versions(sections: Sections) -> Iterator[str]:
    yield from (f"{name} {version}" for name, version in sections["versions"].items())


WHAT_HAPPENED = DumpPart("What happened", "exceptions", _what_happened)
WHERE_THE_TASKS_STOOD = DumpPart("Where the tasks stood", "tasks", _where)
LAST_LOG_LINES = DumpPart("Last log lines", "log", _log)
VERSIONS = DumpPart("Versions", "versions", _versions)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))


def _visible(text: str) -> str:
    """Control characters as escapes: a log line must not move the reader's cursor."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
