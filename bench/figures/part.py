"""A part of the figures: how it is measured, and the tables and plots that its results give."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.figure import Figure

    from bench.targets import Target
    from dev.servers import Choice

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """How much is measured, on whose servers; each step calls `progress` with its name."""

    quick: bool
    choice: Choice
    progress: Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column has names, the others figures."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Plot:
    """One picture; its file is called `<part>-<name>.svg`."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Part:
    """One part. `tables` and `plots` need its stored results alone."""

    name: str
    title: str
    compared: str
    """What is compared, how it is read, and what is better: the paragraphs above the figures."""
    minutes: float
    """About what the full run takes; `quick_minutes` is that of a quick one."""
    quick_minutes: float
    measure: Callable[[Asked], Json]
    tables: Callable[[Json], list[Table]]
    plots: Callable[[Json], list[Plot]]


def targets_json(targets: Iterable[Target]) -> list[Json]:
    """What was aimed at, as the results keep it."""
    return [{**asdict(target), "met": target.is_met} for target in targets]
