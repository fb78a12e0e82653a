"""Report: the figures as tables for the terminal, and as files: the JSON, and the plots if matplotlib is installed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

from drills.report import WITHOUT_PLOTS
from drills.result import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def as_tables(figures: dict[str, Any]) -> Iterator[Table]:
    """One of the shares and the ends, one of the events."""
    runs = figures["runs"]
    yield _table(
        f"{figures['load']}: shares, and what became of the records",
        {
            "instances": [run["instances"] for run in runs],
            "backlog/s": [_of(run["backlog"], "records_per_second") for run in runs],
            "shares": [_shares(run["backlog"]) for run in runs],
            "steady": [_shares(run["steady"]) for run in runs],
            "rows / published": [f"{run['rows']:,} / {run['published']:,}" for run in runs],
            "lost": [run["lost"] for run in runs],
            "twice": [run["written_twice"] for run in runs],
            "dead": [run["dead_lettered"] for run in runs],
            "pending": [run["left_pending"] for run in runs],
        },
    )
    events = [(run["instances"], event) for run in runs for event in run["events"]]
    if events:
        yield _table(
            "until others had what an instance held, and how far the table was behind",
            {
                "instances": [instances for instances, _ in events],
                "event": [event["event"] for _, event in events],
                "held": [event["held"] for _, event in events],
                "taken over / allowed": [_bounded(event) for _, event in events],
                "oldest record": [times(event["oldest_uncommitted_ms_max"]) for _, event in events],
                "records": [event["uncommitted_max"] for _, event in events],
            },
        )


def write_files(figures: dict[str, Any], directory: Path, say: Callable[[str], None]) -> None:
    """Write `<name>.json`, and `<name>-<number of instances>.svg` for each run. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{figures['load']}.json"
    file.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    say(f"figures: {file}")
    try:
        # Imported late, and where it is installed: the image does without it.
        from drills.processor.sharing.plot import lag_plot  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        say(WITHOUT_PLOTS)
        return
    for run in figures["runs"]:
        plot = directory / f"{figures['load']}-{run['instances']}.svg"
        plot.write_text(lag_plot(run), encoding="utf-8")
        say(f"plot: {plot}")


def _table(title: str, columns: dict[str, list[Any]]) -> Table:
    table = Table(title=title)
    for name in columns:
        table.add_column(name, justify="left" if name == "event" else "right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*("-" if value is None else str(value) for value in row))
    return table


def _of(share: dict[str, Any] | None, name: str) -> str | None:
    return None if share is None or share[name] is None else f"{share[name]:,}"


def _bounded(event: dict[str, Any]) -> str:
    if not event["held"]:
        return "NOT SHOWN"
    took = times(event["judged_ms"], event["bound_ms"])
    return took if event["kept"] else f"{took} BROKEN"


def _shares(share: dict[str, Any] | None) -> str | None:
    total = sum(share["records"]) if share else 0
    if not share or not total:
        return None
    return " ".join(f"{each / total:.0%}" for each in share["records"])
