"""A dump as text for a person: what happened, where, what was in flight, what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from telemetry.chassis.crash.advice import advice

LOG_LINES_SHOWN = 15
ENTRIES_SHOWN = 10
# Installed, or in a checkout; a virtual environment may be called `processor` as well.
OWN_FILE = re.compile(r"/(?:site-packages|python)/processor/")

Sections: TypeAlias = Mapping[str, Any]


def as_text(sections: Sections) -> str:
    """The whole text; a section that is not as it should be is shown as it is."""
    shown = [f"{sections.get('instance_id')} crashed at {sections.get('time')}\n"]
    for title, name, render in PARTS:
        try:
            lines = list(render(sections))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            lines = [json.dumps(sections.get(name), indent=2)]
        shown.append("\n".join([title, *(_indented(line) for line in lines), ""]))
    return _visible("\n".join(shown))


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


def _in_flight(sections: Sections) -> Iterator[str]:
    flying = sections["in_flight"]
    yield f"{flying['entries']} entries"
    oldest = list(flying["oldest"].items())
    for entry_id, held_ms in oldest[:ENTRIES_SHOWN]:
        yield f"{entry_id}  held for {held_ms} ms or more"
    if len(oldest) > ENTRIES_SHOWN:
        yield f"and more: --json has {len(oldest)} of them"


def _counts(sections: Sections) -> Iterator[str]:
    statistics = sections["statistics"]
    yield f"phase {statistics['phase']}, entries read {statistics['records_read']}, acks {statistics['acks']}"
    for name, state in statistics["dependencies"].items():
        yield f"{name}: {'ready' if state['ready'] else state['reason']}"
    yield f"ledger: {json.dumps(sections['ledger'])}"


def _what_to_do(sections: Sections) -> Iterator[str]:
    yield from advice(sections).splitlines()


def _log(sections: Sections) -> Iterator[str]:
    for line in sections["log"][-LOG_LINES_SHOWN:]:
        yield line if isinstance(line, str) else f"{line['time']} {line['level']:5} {line['msg']}"


def _versions(sections: Sections) -> Iterator[str]:
    yield from (f"{name} {version}" for name, version in sections["versions"].items())


PARTS: tuple[tuple[str, str, Callable[[Sections], Iterator[str]]], ...] = (
    ("What happened", "exceptions", _what_happened),
    ("Where the tasks stood", "tasks", _where),
    ("What was in flight", "in_flight", _in_flight),
    ("How the service stood", "statistics", _counts),
    ("What to do", "configuration", _what_to_do),
    ("Last log lines", "log", _log),
    ("Versions", "versions", _versions),
)
"""Title, the section that is shown raw if need be, and how it is shown."""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))


def _visible(text: str) -> str:
    """Control characters as escapes: what a log line holds must not move the reader's cursor."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
