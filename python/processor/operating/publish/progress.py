"""A progress bar on standard error, for people alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.stream.replay import STANDARD_INPUT, Replay, Replayed

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_progress(replay: Replay) -> Iterator[Replayed]:
    """The frames of `replay`; a bar follows them if standard error is a terminal."""
    if not sys.stderr.isatty():
        return iter(replay)
    return _with_bar(replay)


def _with_bar(replay: Replay) -> Iterator[Replayed]:
    # Imported late: it takes longer than publishing a small capture.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("publishing"),
        BarColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=_total_bytes(replay), records=0)
        for count, replayed in enumerate(replay):
            yield replayed
            if count % 256 == 0:
                counts = replay.counts
                progress.update(task, completed=counts.bytes_done, records=counts.records)


def _total_bytes(replay: Replay) -> int | None:
    """Of all rounds; None where a source has no size, which makes the bar a pulse."""
    files = replay.plan.files
    if STANDARD_INPUT in files or not all(Path(file).is_file() for file in files):
        return None
    return sum(Path(file).stat().st_size for file in files) * replay.plan.rounds
