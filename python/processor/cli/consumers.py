"""`processor consumers`: the names in the group, and the removal of those that nobody needs."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from processor.operating.access import open_stream
from processor.operating.consumers import list_consumers, prune
from telemetry.chassis.cli import json_option, print_json, say
from telemetry.chassis.cli.words import age, count
from telemetry.chassis.operating.instances import running_instances

if TYPE_CHECKING:
    from processor.operating.consumers import Consumer, Pruned

_EXIT_NOTHING_REMOVED: Final = 1
_IDLE_MS_DEFAULT: Final = 3_600_000

_EPILOG = """\
\b
Examples:
  processor consumers
  processor consumers --json | jq '.consumers[] | select(.live | not)'
  processor consumers prune --dry-run

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP, REDIS_CONTROL_CHANNEL

Exit codes: 0 done, also if there are none; 4 Redis is unreachable or refuses, 78 bad configuration"""

_EPILOG_PRUNE = """\
\b
Examples:
  processor consumers prune --dry-run
  processor consumers prune
  processor consumers prune --min-idle-ms 600000

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP, REDIS_CONTROL_CHANNEL

Exit codes: 0 done, 1 there is nothing to remove, 4 Redis is unreachable or refuses, 78 bad configuration"""


@click.group(invoke_without_command=True, epilog=_EPILOG)
@json_option
@click.pass_context
def consumers(context: click.Context, *, as_json: bool) -> None:
    """Show the names in the group, and who answers for them.

    A name is live if a running instance answers for it. `consumers prune` removes names that are left over.
    """
    if context.invoked_subcommand is not None:
        return
    with open_stream(os.environ) as access:
        found = list_consumers(access, running_instances(access))
        where = access.where
    if as_json:
        print_json({"consumers": [asdict(each) for each in found]})
    elif found:
        print_consumers(found)
    else:
        say(f"the group at {where} has no consumers")


@consumers.command("prune", epilog=_EPILOG_PRUNE)
@click.option(
    "--min-idle-ms",
    type=click.IntRange(min=0),
    default=_IDLE_MS_DEFAULT,
    metavar="N",
    help="Only names that have asked Redis for nothing for so long.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be removed.")
@json_option
def prune_command(*, min_idle_ms: int, dry_run: bool, as_json: bool) -> int:
    """Remove names that nobody needs: nothing pending, idle for long, and no instance answers.

    Looked at and removed in one step, so that a name that is given entries meanwhile is kept. `processor claim` frees
    what is pending under the name of an instance that is gone.
    """
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import progress  # noqa: PLC0415

    with open_stream(os.environ) as access:
        instances = running_instances(access)
        with progress("removing", None) as report:
            pruned = prune(
                access, instances, min_idle_ms=min_idle_ms, dry_run=dry_run, report=report
            )
    if as_json:
        print_json(asdict(pruned))
    else:
        _print_pruned(pruned, dry_run=dry_run)
    return 0 if pruned.removed else _EXIT_NOTHING_REMOVED


def print_consumers(found: list[Consumer]) -> None:
    """As a table."""
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415

    columns = [Column("CONSUMER", folds=True), right("PENDING"), right("IDLE"), Column("LIVE")]
    rows = [
        (each.name, count(each.pending), age(each.idle_ms / 1_000), "yes" if each.live else "no")
        for each in found
    ]
    print_table(columns, rows)


def _print_pruned(pruned: Pruned, *, dry_run: bool) -> None:
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table  # noqa: PLC0415

    done = "would be removed" if dry_run else "removed"
    rows = [(name, done) for name in pruned.removed]
    rows += [(each.name, f"kept: {each.why}") for each in pruned.kept]
    if rows:
        print_table([Column("CONSUMER", folds=True), Column("RESULT", folds=True)], rows)
    else:
        say("the group has no consumers")
