"""Figures that were aimed at, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.tabular import new_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

VERDICTS = {True: "yes", False: "no", None: "not measured"}


@dataclass(frozen=True)
class Target:
    """A figure and its bound. `measured` is None where it was not, or the peer is not there."""

    what: str
    measured: float | None
    bound: float
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def targets_table(targets: Iterable[Target]) -> Table:
    """A line for each."""
    table = new_table("Targets", ("measured", "target", "reached"))
    for target in targets:
        table.add_row(
            target.what,
            "" if target.measured is None else f"{target.measured:.2f}",
            f"{'≥' if target.at_least else '≤'} {target.bound:g}",
            VERDICTS[target.is_met],
        )
    return table
