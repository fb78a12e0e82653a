"""The screen of `processor status`, for people."""

from __future__ import annotations

import sys
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from processor.cli.consumers import print_consumers
from processor.cli.running import PROCESSOR
from processor.core.lag import LAG_MAX
from telemetry.chassis.cli import discard_standard_output
from telemetry.chassis.cli.commands.instances import print_instances
from telemetry.chassis.cli.tables import COLUMNS_MAX, Column, print_table, printable
from telemetry.chassis.cli.words import UNKNOWN, age, count
from telemetry.chassis.times import iso_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.operating.status.facts import Facts, TableFacts
    from processor.operating.status.problems import Problem


def print_screen(facts: Facts, found: Sequence[Problem]) -> None:
    """The problems first. A reader that went away is no error."""
    try:
        _print_problems(found)
        click.echo()
        print_table(
            [Column("WHAT"), Column("NAME", folds=True), Column("STATE", folds=True)],
            [
                ("stream", facts.names.stream, _stream(facts)),
                ("group", facts.names.group, _group(facts)),
                ("dead letters", facts.names.dead_letters, _dead_letters(facts)),
                ("table", "positions", _table(facts.table)),
            ],
        )
        if facts.redis.consumers:
            click.echo()
            print_consumers([*facts.redis.consumers])
        if facts.redis.instances:
            click.echo()
            print_instances(facts.redis.instances, settled_as=PROCESSOR.settled_as)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_standard_output()


def _print_problems(found: Sequence[Problem]) -> None:
    if not found:
        click.secho("no problems", fg="green", bold=True)
    for problem in found:
        click.secho(problem.code, fg="red", bold=True)
        click.echo(_folded(printable(problem.message)))
        click.echo("  type: " + click.style(printable(problem.remedy), bold=True))


def _folded(message: str) -> str:
    """The message, indented, in lines that fit; ids and names stay whole."""
    return textwrap.fill(
        message,
        COLUMNS_MAX,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _stream(facts: Facts) -> str:
    queue = facts.redis.queue
    if queue is None:
        return UNKNOWN
    if not queue.stream_exists:
        return "missing"
    last = (
        "" if queue.last_id is None else f", last {queue.last_id}, {_ago(queue.last_entry_age_s)}"
    )
    return f"{count(queue.length)} entries{last}"


def _group(facts: Facts) -> str:
    queue = facts.redis.queue
    if queue is None:
        return UNKNOWN
    if not queue.group_exists:
        return "missing"
    lag = f"over {LAG_MAX:,}" if queue.lag is None else count(queue.lag)
    oldest = queue.oldest_pending_age_s
    since = "" if oldest is None else f", the oldest published {_ago(oldest)}"
    return f"lag {lag}, {count(queue.pending)} pending{since}"


def _dead_letters(facts: Facts) -> str:
    letters = facts.redis.dead_letters
    if letters is None:
        return UNKNOWN
    codes = ", ".join(f"{code} {count(number)}" for code, number in letters.by_code.items())
    return f"{count(letters.count)}: {codes}" if codes else count(letters.count)


def _table(table: TableFacts) -> str:
    if table.error is not None:
        return "not reachable"
    form = "not as it should be" if table.differences else "as it should be"
    if table.newest_ts is None:
        return f"{form}, no rows"
    passed_s = (datetime.now(UTC) - table.newest_ts).total_seconds()
    return f"{form}, newest row {iso_utc(table.newest_ts)}, {_ago(passed_s)}"


def _ago(seconds: float | None) -> str:
    if seconds is not None and seconds < 0:
        return f"{age(-seconds)} ahead of this clock"
    return f"{age(seconds)} ago"
