"""What a row of the table of facts is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from processor.journal.journal import Journal


@dataclass
class Line:
    """A log line: its level, its text, and its fields beside the leading ones."""

    level: str
    msg: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass
class Fact:
    """A report to a journal that has just begun, and what comes of it."""

    report: Callable[[Journal], object]
    line: Line | None = None
    changes: dict[str, object] = field(default_factory=dict)
    """Fields of the snapshot that are different then; of counts by label, the labels that are."""

    @property
    def name(self) -> str:
        """The method's name, of which a lambda's code has the first."""
        return self.report.__code__.co_names[0]
