"""Reads a dump back, and says clearly of any other file that it is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.chassis.crash.form import DUMP_BYTES_MAX, FORMAT
from telemetry.chassis.errors import TelemetryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NotADump(TelemetryError):
    """The file was read, and is no whole dump of this form; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump as it lies on the disk, and its sections."""

    text: str
    sections: Mapping[str, Any]


def read_dump(path: Path) -> Dump:
    """Raises NotADump, and OSError when the file cannot be read."""
    with path.open("rb") as file:
        data = file.read(DUMP_BYTES_MAX + 1)
    if len(data) > DUMP_BYTES_MAX:
        raise NotADump(f"is larger than a panic dump can be, {DUMP_BYTES_MAX} bytes")
    try:
        text = data.decode("ascii")
        sections = json.loads(text)
    except (ValueError, RecursionError):
        raise NotADump("is damaged, or no panic dump: it is not a whole JSON document") from None
    form = sections.get("format") if isinstance(sections, dict) else None
    if not isinstance(form, str) or not form.startswith("processor-panic/"):
        raise NotADump("is no panic dump: it is JSON of another kind")
    if form != FORMAT:
        raise NotADump(
            f"was written by another version of processor ({form[:40]!r}, this one reads {FORMAT!r}): "
            "use that version's `processor panic show`"
        )
    return Dump(text, sections)
