"""`processor lag`: how far the consumers are behind."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from processor.operating.access import open_stream
from processor.operating.queue import QueueLooks
from telemetry.chassis.cli import discard_standard_output, json_option, print_json, say
from telemetry.chassis.cli.words import age, count
from telemetry.chassis.errors import RedisError
from telemetry.chassis.redis.client import errors_translated

if TYPE_CHECKING:
    from processor.operating.access import StreamAccess
    from processor.operating.queue import Queue

_EXIT_NOTHING_THERE: Final = 1
_INTERVAL_S: Final = 1.0

_EPILOG = """\
\b
Examples:
  processor lag
  processor lag --watch                     # a line each second, until Ctrl-C
  processor lag --json | jq .lag

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP

Exit codes: 0 done, 1 no such stream or group, 4 Redis is unreachable or refuses, 78 bad configuration,
130 interrupted"""


@click.command(epilog=_EPILOG)
@click.option("--watch", is_flag=True, help="Print a line each second, until Ctrl-C.")
@json_option
def lag(*, watch: bool, as_json: bool) -> int:
    """Show how many entries wait to be delivered, and to be settled.

    Where Redis gives no lag, or may give a wrong one, the entries behind the last delivery are counted, a million at
    most. Ages are since the publication, by Redis' clock.
    """
    with open_stream(os.environ) as access:
        looks = QueueLooks(access)
        queue = looks.look()
        if watch:
            _watch(access, looks, queue, as_json=as_json)
            return 0
        _print(access, queue, as_json=as_json)
    return 0 if queue.group_exists else _EXIT_NOTHING_THERE


def _print(access: StreamAccess, queue: Queue, *, as_json: bool) -> None:
    if as_json:
        print_json(_values(access, queue))
    elif queue.group_exists:
        # Imported late, as rich is.
        from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415

        columns = [Column("STREAM", folds=True), Column("GROUP", folds=True)]
        columns += map(right, ("LAG", "PENDING", "OLDEST PENDING", "LAST ENTRY"))
        print_table(columns, [(access.names.stream, access.names.group, *_cells(queue))])
    if not queue.group_exists:
        say(_missing(access, queue))


def _watch(access: StreamAccess, looks: QueueLooks, queue: Queue, *, as_json: bool) -> None:
    """Print a line each second, until an interrupt or until nobody reads. An outage is said, and waited for."""
    try:
        while True:
            line = json.dumps(_values(access, queue)) if as_json else _line(queue)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            queue = _next(access, looks)
    except BrokenPipeError:
        discard_standard_output()


def _next(access: StreamAccess, looks: QueueLooks) -> Queue:
    while True:
        time.sleep(_INTERVAL_S)
        try:
            with errors_translated(access.client):
                return looks.look()
        except RedisError as error:
            say(f"processor lag: {error}")


def _missing(access: StreamAccess, queue: Queue) -> str:
    names = access.names
    if queue.stream_exists:
        return f"the stream {names.stream} at {access.where} has no group {names.group}"
    return f"there is no stream {names.stream} at {access.where}"


def _line(queue: Queue) -> str:
    lag, pending, oldest, last = _cells(queue)
    now = datetime.now().astimezone()
    return (
        f"{now:%H:%M:%S}  lag {lag}  pending {pending}  oldest pending {oldest}  last entry {last}"
    )


def _cells(queue: Queue) -> tuple[str, str, str, str]:
    return (
        "over 1,000,000" if queue.group_exists and queue.lag is None else count(queue.lag),
        count(queue.pending),
        age(queue.oldest_pending_age_s),
        age(queue.last_entry_age_s),
    )


def _values(access: StreamAccess, queue: Queue) -> dict[str, object]:
    return {
        "stream": access.names.stream,
        "group": access.names.group,
        "lag": queue.lag,
        "pending": queue.pending,
        "oldest_pending_age_s": queue.oldest_pending_age_s,
        "last_entry_age_s": queue.last_entry_age_s,
    }
