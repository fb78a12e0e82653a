"""The log line with which the service ends: what it says of itself, for the servers to confirm."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from processor.core.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

CLEAN_EXIT = "shutdown: clean exit"
TIMED_OUT = "shutdown: timed out"


@dataclass(frozen=True, slots=True)
class LastWords:
    """The final log line."""

    clean: bool
    """`clean exit`, not `timed out`."""
    ledger: Ledger
    has_ledger: bool
    """Without one, only `released` and `left_pending` of the ledger mean something."""
    steps_ms: Mapping[str, float]


def last_words(line: Mapping[str, Any]) -> LastWords | None:
    """What a log line says of the end; None for any other line. Missing counts are 0."""
    message = str(line.get("msg", ""))
    if not message.startswith((CLEAN_EXIT, TIMED_OUT)):
        return None
    told = line.get("ledger")
    counts = (
        told
        if isinstance(told, dict)
        else {"released": line.get("released"), "left_pending": line.get("left")}
    )
    steps = line.get("steps_ms")
    return LastWords(
        clean=message.startswith(CLEAN_EXIT),
        ledger=Ledger(**{each.name: int(counts.get(each.name) or 0) for each in fields(Ledger)}),
        has_ledger=isinstance(told, dict),
        steps_ms=steps if isinstance(steps, dict) else {},
    )
