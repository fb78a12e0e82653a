"""What an operator asks of a drill, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drills.command import Command
    from drills.plan import Fault


class Rows(Enum):
    """What becomes of the drill's rows."""

    DELETE = "delete"
    """They are removed."""
    MARK_FAULTY = "mark-faulty"
    """They stay and are hidden from readers: for roles that may not delete."""
    KEEP = "keep"
    """They stay as they are."""


@dataclass(frozen=True, slots=True)
class Request:
    """All options; times are milliseconds."""

    fault: Fault
    rounds: int
    seed: int
    rate: int
    backlog: int
    within_ms: int
    instances: int
    tolerance_ms: int
    stream: str | None
    """None: one of the drill's own."""
    force: bool
    """Use the stream although others do."""
    rows: Rows
    command: Command
