"""`processor status`: everything on one screen, and what is wrong."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from processor.operating.status.gathering import gather
from processor.operating.status.problems import Bounds, problems
from telemetry.chassis.cli import DURATION, json_option, print_json
from telemetry.chassis.times import iso_utc

if TYPE_CHECKING:
    from processor.operating.status.facts import Facts
    from processor.operating.status.problems import Problem

_EXIT_PROBLEM: Final = 1
_LAG_MAX_DEFAULT: Final = 100_000
_SILENT_AFTER_S_DEFAULT: Final = 600

_EPILOG = """\
\b
Examples:
  processor status
  processor status --check                       # for a monitor: exit code 1 if anything is wrong
  processor status --max-lag 5000 --silent-after 2m
  processor status --json | jq -r '.problems[] | .code, .remedy'

Environment: REDIS_URL, POSTGRES_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP, REDIS_DLQ_STREAM,
REDIS_CONTROL_CHANNEL; CLAIM_THRESHOLD_MS, which should be that of the instances

Exit codes: 0 done, whatever was found; 1 with --check: there is a problem, a server that is away included;
78 bad configuration"""


@click.command(epilog=_EPILOG)
@click.option("--check", is_flag=True, help="Exit with 1 if there is any problem.")
@click.option(
    "--max-lag",
    "lag_max",
    type=click.IntRange(min=0),
    default=_LAG_MAX_DEFAULT,
    metavar="N",
    help="More entries that wait to be delivered are a problem.",
)
@click.option(
    "--silent-after",
    "silent_after_s",
    type=DURATION,
    default=_SILENT_AFTER_S_DEFAULT,
    metavar="S",
    help="A stream that nobody has fed for longer is a problem: seconds, or 90s, 30m, 2h.",
)
@json_option
def status(*, check: bool, lag_max: int, silent_after_s: int, as_json: bool) -> int:
    """Show everything on one screen, what is wrong, and what to type next.

    Both servers and all instances are asked; one server that is away hides nothing of the other. It changes nothing.
    """
    facts = gather(os.environ)
    found = problems(facts, Bounds(lag_max=lag_max, silent_after_s=silent_after_s))
    if as_json:
        print_json(_values(facts, found))
    else:
        # Imported late, as rich is.
        from processor.cli.status_screen import print_screen  # noqa: PLC0415

        print_screen(facts, found)
    return _EXIT_PROBLEM if check and found else 0


def _values(facts: Facts, found: list[Problem]) -> dict[str, object]:
    queue, letters, table = facts.redis.queue, facts.redis.dead_letters, facts.table
    newest_ts = table.newest_ts
    return {
        "stream": {
            "name": facts.names.stream,
            "exists": None if queue is None else queue.stream_exists,
            "length": None if queue is None else queue.length,
            "last_id": None if queue is None else queue.last_id,
            "last_entry_age_s": None if queue is None else queue.last_entry_age_s,
        },
        "group": {
            "name": facts.names.group,
            "exists": None if queue is None else queue.group_exists,
            "lag": None if queue is None else queue.lag,
            "pending": None if queue is None else queue.pending,
            "oldest_pending_age_s": None if queue is None else queue.oldest_pending_age_s,
        },
        "consumers": [asdict(each) for each in facts.redis.consumers],
        "instances": [asdict(each) for each in facts.redis.instances or ()],
        "dead_letters": {
            "count": None if letters is None else letters.count,
            "by_code": {} if letters is None else letters.by_code,
        },
        "table": {
            "reachable": table.error is None,
            "schema_ok": None if table.error is not None else not table.differences,
            "newest_ts": None if newest_ts is None else iso_utc(newest_ts),
        },
        "problems": [asdict(each) for each in found],
    }
