"""What tcp-ingestion adds to a panic dump, and how `tcp-ingestion panic show` puts it into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.crash.showing import (
    LAST_LOG_LINES,
    REMEDIES,
    VERSIONS,
    WHAT_HAPPENED,
    WHERE_THE_TASKS_STOOD,
    DumpPart,
    remedy_for,
    was_requested,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.chassis.crash.showing import Sections

SECTIONS = ("statistics", "load")
"""The service's own sections, in their order in the dump: counts, no device's data."""

ADVICE = """\
Restart it. Nothing is lost: what was not answered, the devices send again.
{remedy}
If it crashes again at once, the last log lines say which connection or frame came before.
"""
OWN_REMEDIES = {
    "MemoryError": "Memory ran out: raise its limit, or lower MAX_CONNECTIONS or PUBLISH_QUEUE_BYTES_MAX.",
}


def versions() -> dict[str, str]:
    """The service; package and codec are built, and numbered, as one."""
    from telemetry._codec import __version__  # noqa: PLC0415 - what shows a dump does not need it

    return {"tcp-ingestion": __version__}


def _load(sections: Sections) -> Iterator[str]:
    load, statistics = sections["load"], sections["statistics"]
    yield f"phase {statistics['phase']}, connections {load['connections']}"
    yield f"waiting for Redis: {load['queue_records']} records, {load['queue_bytes']} bytes"
    yield f"oldest unanswered frame: {load['oldest_unanswered_s']:.1f} s"
    for name, state in statistics["dependencies"].items():
        yield f"{name}: {'ready' if state['ready'] else state['reason']}"


def _what_to_do(sections: Sections) -> Iterator[str]:
    if was_requested(sections):
        yield "Nothing: an operator asked for this dump, and the service went on."
        return
    remedy = remedy_for(sections, {**REMEDIES, **OWN_REMEDIES})
    yield from ADVICE.format(remedy=remedy).splitlines()


PARTS = (
    WHAT_HAPPENED,
    WHERE_THE_TASKS_STOOD,
    DumpPart("How the service stood", "load", _load),
    DumpPart("What to do", "configuration", _what_to_do),
    LAST_LOG_LINES,
    VERSIONS,
)
"""The text of a dump, part by part."""
