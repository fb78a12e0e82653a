"""`processor pending`: entries that were delivered and are not settled."""

from __future__ import annotations

import os
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from processor.core.idle_times import RELEASED_IDLE_MS, left_for_ms
from processor.operating.access import open_stream
from processor.operating.pending import Filters, count_by_consumer, entries
from telemetry.chassis.cli import json_option, print_json, say
from telemetry.chassis.cli.words import UNKNOWN, age, count

if TYPE_CHECKING:
    from processor.operating.pending import Entry

_LIMIT_DEFAULT: Final = 100

_EPILOG = """\
\b
Examples:
  processor pending
  processor pending --consumer processor-2 --min-idle-ms 60000
  processor pending --json | jq '.entries[] | select(.failures > 0)'

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP

Exit codes: 0 done, also if nothing is pending; 4 Redis is unreachable or refuses, 78 bad configuration"""


@click.command(epilog=_EPILOG)
@click.option("--consumer", metavar="NAME", help="Only those of this consumer.")
@click.option(
    "--min-idle-ms",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Only those that were left alone for so long. A released entry shows a day more.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_LIMIT_DEFAULT,
    metavar="N",
    help="List the N oldest at most; the totals count all.",
)
@json_option
def pending(*, consumer: str | None, min_idle_ms: int, limit: int, as_json: bool) -> None:
    """List entries that were delivered and are not settled, the oldest first.

    With what is recorded of their failures: an entry that failed stays pending, and is tried again.
    """
    filters = Filters(consumer, min_idle_ms)
    with open_stream(os.environ) as access:
        counts = count_by_consumer(access, filters)
        listed = list(islice(entries(access, filters), limit))
        where = access.where
    total = sum(counts.values())
    if as_json:
        print_json(
            {
                "total": total,
                "consumers": [{"name": name, "pending": n} for name, n in counts.items()],
                "entries": [asdict(each) for each in listed],
            }
        )
    elif total:
        _print(counts, listed)
        if len(listed) < total:
            say(f"the {len(listed)} oldest of {total}; --limit shows more")
    else:
        say(f"nothing matches that is pending in the group at {where}")


def _print(counts: dict[str, int], listed: list[Entry]) -> None:
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415

    print_table(
        [Column("CONSUMER", folds=True), right("PENDING")],
        [(name, count(number)) for name, number in counts.items()],
    )
    if not listed:
        return
    columns = [Column("ENTRY"), Column("CONSUMER", folds=True)]
    columns += map(right, ("IDLE", "DELIVERIES", "FAILURES"))
    rows = [
        (
            each.entry_id,
            each.consumer,
            _idle(each.idle_ms),
            count(each.deliveries),
            count(each.failures),
            each.last_code or UNKNOWN,
        )
        for each in listed
    ]
    click.echo()
    print_table([*columns, Column("LAST CODE", folds=True)], rows)


def _idle(idle_ms: int) -> str:
    shown = age(left_for_ms(idle_ms) / 1_000)
    return f"released {shown}" if idle_ms >= RELEASED_IDLE_MS else shown
