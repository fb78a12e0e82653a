"""Run, for whoever watches: a progress bar."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drills.conductor import Progress


@contextmanager
def progress_bar(rounds: int) -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("drilling"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} rounds"),
        TextColumn("{task.fields[records]:,} records, {task.fields[violations]} violations"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=rounds, records=0, violations=0)
        yield lambda now: bar.update(
            task, completed=now.rounds_done, records=now.records, violations=now.violations
        )
