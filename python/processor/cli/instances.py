"""`processor instances`: who is running."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from processor.cli.replies import say_nobody_answered
from processor.operating.access import open_stream
from processor.operating.instances import running_instances
from telemetry.chassis.cli import json_option, print_json

if TYPE_CHECKING:
    from processor.operating.instances import Instance

_EPILOG = """\
\b
Examples:
  processor instances
  processor instances --json | jq '.instances[].phase'

Environment: REDIS_URL; REDIS_CONTROL_CHANNEL, or the stream and the group that it is named after

Exit codes: 0 done, also if nobody answers; 4 Redis is unreachable or refuses, 78 bad configuration"""


@click.command(epilog=_EPILOG)
@json_option
def instances(*, as_json: bool) -> None:
    """Show which instances are running, and what they are doing.

    Every instance is asked, wherever it runs. One that is frozen, or cut off from Redis, does not answer; that takes
    two seconds to notice.
    """
    with open_stream(os.environ) as access:
        found = running_instances(access)
        if as_json:
            print_json({"instances": [asdict(each) for each in found]})
        elif found:
            print_instances(found)
        if not found:
            say_nobody_answered(access)


def print_instances(found: list[Instance]) -> None:
    """As a table."""
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415
    from telemetry.chassis.cli.words import age, count  # noqa: PLC0415

    now_s = time.time()
    # A name of its own is rare, and the table is to fit a terminal.
    named = any(each.consumer != each.instance_id for each in found)
    columns = [
        Column("INSTANCE"),
        *([Column("CONSUMER")] if named else []),
        Column("PHASE"),
        right("STARTED"),
        right("IN FLIGHT"),
        right("READ"),
        Column("LOG"),
        Column("VERSION"),
        Column("WHERE", folds=True),
    ]
    rows = [
        (
            each.instance_id,
            *([each.consumer] if named else []),
            each.phase,
            age(now_s - datetime.fromisoformat(each.started_at).timestamp()),
            count(each.in_flight),
            count(each.ledger.get("read")),
            each.log_level,
            each.version,
            f"{each.host} pid {each.pid}",
        )
        for each in found
    ]
    print_table(columns, rows)
