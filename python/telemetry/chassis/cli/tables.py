"""Aligned tables that fit 100 columns, and progress bars; coloured only on a terminal.

Rich is imported when something is shown: it takes longer than most commands.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from telemetry.chassis.cli.output import discard_standard_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console

COLUMNS_MAX = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. Only one that `folds` is ever wrapped: ids and numbers stay whole."""

    heading: str
    align: Literal["left", "right"] = "left"
    folds: bool = False


def right(heading: str) -> Column:
    """A column of numbers or ages."""
    return Column(heading, align="right")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; without rows, its headings. A reader that went away is no error."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    headings = tuple(column.heading for column in columns)
    shown = [headings, *(tuple(map(printable, row)) for row in rows)]
    # Rich itself aligns nothing in a column that is never cut.
    widths = [
        max(map(len, cells)) if column.align == "right" else 0
        for column, cells in zip(columns, zip(*shown, strict=True), strict=True)
    ]
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.heading.rjust(width),
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ignore",
        )
    for row in shown[1:]:
        # Not markup: what stands in Redis may have brackets.
        table.add_row(*(Text(cell.rjust(width)) for cell, width in zip(row, widths, strict=True)))
    try:
        console().print(table)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_standard_output()


def console(*, on_standard_error: bool = False) -> Console:
    """Where people read. No wider than COLUMNS_MAX, and just as wide where it is no terminal."""
    from rich.console import Console  # noqa: PLC0415

    made = Console(stderr=on_standard_error, highlight=False, soft_wrap=False)
    made.width = min(made.width, COLUMNS_MAX) if made.is_terminal else COLUMNS_MAX
    return made


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, if that is a terminal, until the block ends.

    Yields what takes the number done so far; without a total the bar is a pulse.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.completed:,}" + ("" if total is None else " of {task.total:,}")),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(on_standard_error=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        yield lambda done: shown.update(task, completed=done)


def printable(text: str) -> str:
    """The text without what would steer a terminal: names in Redis may have any characters."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
