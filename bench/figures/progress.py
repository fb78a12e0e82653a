"""A progress bar for whoever waits: minutes by what the parts are expected to take, and the step in hand."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


class Steps:
    """Moves the bar: within a part by the clock, at its end to what all parts up to it were expected to take."""

    def __init__(self, advance: Callable[[float, str], None]) -> None:
        self._advance = advance
        self._done_s = self._part_s = 0.0
        self._began_s = time.monotonic()

    def begin(self, part_s: float) -> None:
        """The part before is done, the next one is expected to take so long."""
        self._done_s += self._part_s
        self._part_s = part_s
        self._began_s = time.monotonic()

    def step(self, name: str) -> None:
        """The next step of the part."""
        spent_s = min(time.monotonic() - self._began_s, self._part_s)
        self._advance(self._done_s + spent_s, name)


@contextmanager
def progress_bar(console: Console, expected_s: float) -> Iterator[Steps]:
    """A bar on a terminal; elsewhere a line for each step."""
    if not console.is_terminal:
        yield Steps(
            lambda _done_s, name: console.print(name, style="dim", markup=False, soft_wrap=True)
        )
        return
    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=expected_s)
        yield Steps(lambda done_s, name: bar.update(task, completed=done_s, description=name))
