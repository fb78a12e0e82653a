"""`processor dlq replay` and `processor dlq drop`."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from processor.cli.dlq.carrying_out import carry_out
from processor.cli.dlq.options import ENVIRONMENT, choice_options
from processor.cli.dlq.reports import exit_code, print_drop, print_replay, say_what_would_be_dropped
from processor.edges.redis.scripts import IDS_MAX, REPLAYS_MAX
from processor.operating.dead_letters.changing import ChangeReport
from processor.operating.dead_letters.dropping import drop as drop_letters
from processor.operating.dead_letters.replaying import ReplayOptions, ReplayReport
from processor.operating.dead_letters.replaying import replay as replay_letters
from processor.operating.pace import Pace
from telemetry.chassis.cli import MISUSE, Failed, json_option, say
from telemetry.chassis.cli.rate import rate_option

if TYPE_CHECKING:
    from processor.cli.dlq.options import Chosen

_STANDARD_INPUT: Final = "-"

_EXIT_CODES: Final = """\
Exit codes: 0 done, 1 nothing to do or only part was done, 2 wrong arguments or refused, 4 Redis is away or refuses and
nothing was done, 78 bad configuration, 130 interrupted"""


@click.command(
    epilog=f"""\
\b
Examples:
  processor dlq replay 1777627800000-0                         # one letter, as it was published
  processor dlq replay --payload mended.json 1777627800000-0   # one letter, with another payload
  processor dlq replay --code refused_by_server --dry-run      # what would go back
  processor dlq replay --since 2h --rate 100                   # 100 letters a second
  processor dlq replay --all --json | jq .skipped

{ENVIRONMENT}

{_EXIT_CODES}"""
)
@choice_options
@click.option(
    "--payload",
    "payload_file",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
    metavar="FILE",
    help="Replay exactly one letter with this payload, bytes as they are; - is standard input.",
)
@click.option(
    "--max-replays",
    "replays_max",
    type=click.IntRange(1, 1_000_000),
    default=3,
    metavar="N",
    help="Skip letters that were replayed so often.",
)
@rate_option("letters")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be replayed.")
@json_option
def replay(  # noqa: PLR0913  # one for each option
    *,
    chosen: Chosen,
    payload_file: str | None,
    replays_max: int,
    rate: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Put dead letters back into the stream, and take them off the dead letters.

    An entry is published as it was, under a new id, with one more field: dlq_replays, the number of its replays. Each
    letter is moved in one step: whatever happens, it is in one of the two streams. Filters and --all take the oldest
    first, and not what dies while they replay.
    """
    if payload_file is not None and len(chosen.ids) > 1:
        raise click.UsageError("--payload mends exactly one letter.")
    options = ReplayOptions(
        replays_max=replays_max,
        payload=None if payload_file is None else _payload_of(payload_file),
        dry_run=dry_run,
    )
    report = ReplayReport(dry_run=dry_run, seen=not chosen.ids)
    ending = carry_out(
        partial(replay_letters, options=options, report=report),
        chosen,
        report,
        Pace(rate, at_once_max=REPLAYS_MAX),
        takes_one=payload_file is not None,
    )
    print_replay(report, ending, as_json=as_json)
    return exit_code(report, ending)


@click.command(
    epilog=f"""\
\b
Examples:
  processor dlq drop --code bad_json --dry-run       # what would be deleted
  processor dlq drop --code bad_json --yes
  processor dlq drop --yes 1777627800000-0
  processor dlq drop --until 30d --yes --json

{ENVIRONMENT}

{_EXIT_CODES}"""
)
@choice_options
@click.option("--yes", "is_sure", is_flag=True, help="Delete them: there is no way back.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be deleted.")
@json_option
def drop(*, chosen: Chosen, is_sure: bool, dry_run: bool, as_json: bool) -> int:
    """Delete dead letters for good. Export them first if they may be needed."""
    looks_only = dry_run or not is_sure
    report = ChangeReport(dry_run=looks_only, seen=not chosen.ids)
    ending = carry_out(
        partial(drop_letters, report=report),
        chosen,
        report,
        Pace(at_once_max=REPLAYS_MAX if looks_only else IDS_MAX),
    )
    if looks_only and not dry_run and not ending.interrupted:
        say_what_would_be_dropped(report)
        raise Failed("nothing was deleted: add --yes to delete them, or --dry-run to look", MISUSE)
    print_drop(report, ending, as_json=as_json)
    return exit_code(report, ending)


def _payload_of(file: str) -> bytes:
    try:
        payload = sys.stdin.buffer.read() if file == _STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise Failed(f"cannot read {file}: {error.strerror}", MISUSE) from error
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        say(f"note: the payload in {file} is not JSON, and is replayed as it is: {error}")
    return payload
