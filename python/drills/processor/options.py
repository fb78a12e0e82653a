"""Plan: what an operator asks of a drill of the processor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drills.plan import DrillOptions


class Rows(Enum):
    """What becomes of the drill's rows in the end."""

    DELETE = "delete"
    """They are removed."""
    MARK_FAULTY = "mark-faulty"
    """They stay and are hidden from readers: for roles that may not delete."""
    KEEP = "keep"
    """They stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorOptions(DrillOptions):
    """What the operator chose; the rate is records a second."""

    stream: str | None
    """None: the drill makes one for itself."""
    force: bool
    """Use the stream although others do."""
    rows: Rows
