"""`instances`: who is running."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import json_option, print_json
from telemetry.chassis.cli.commands.replies import say_nobody_answered
from telemetry.chassis.operating.instances import running_instances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.chassis.cli.commands.service import ServiceCommands
    from telemetry.chassis.operating.instances import Instance

_EPILOG = """\
\b
Examples:
  {name} instances
  {name} instances --json | jq '.instances[].phase'

Environment: {environment}

Exit codes: 0 done, also if nobody answers; 4 Redis is unreachable or refuses, 78 bad configuration"""


def instances_command(service: ServiceCommands) -> click.Command:
    """The command `instances` of a service."""

    @click.command(epilog=_EPILOG.format(name=service.name, environment=service.environment))
    @json_option
    def instances(*, as_json: bool) -> None:
        """Show which instances are running, and what they are doing.

        Every instance is asked, wherever it runs. One that is frozen, or cut off from Redis, does not answer; that
        takes two seconds to notice.
        """
        with service.open_access(os.environ) as access:
            found = running_instances(access)
            if as_json:
                print_json({"instances": [asdict(each) for each in found]})
            elif found:
                print_instances(found, settled_as=service.settled_as)
            if not found:
                say_nobody_answered(service, access)

    return instances


def print_instances(found: Sequence[Instance], *, settled_as: str) -> None:
    """As a table; `settled_as` is the class of the ledger that has a column."""
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415
    from telemetry.chassis.cli.words import age, count  # noqa: PLC0415

    now_s = time.time()
    # A name of its own is rare, and the table is to fit a terminal.
    named = any(each.consumer not in {None, each.instance_id} for each in found)
    columns = [
        Column("INSTANCE"),
        *([Column("CONSUMER")] if named else []),
        Column("PHASE"),
        right("STARTED"),
        right("IN FLIGHT"),
        right(settled_as.upper()),
        Column("LOG"),
        Column("VERSION"),
        Column("WHERE", folds=True),
    ]
    rows = [
        (
            each.instance_id,
            *([each.consumer or ""] if named else []),
            each.phase,
            age(now_s - datetime.fromisoformat(each.started_at).timestamp()),
            count(each.in_flight),
            count(each.ledger.get(settled_as)),
            each.log_level,
            each.version,
            f"{each.host} pid {each.pid}",
        )
        for each in found
    ]
    print_table(columns, rows)
