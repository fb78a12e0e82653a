"""`processor claim`: frees the entries of a consumer that is gone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from processor.operating.access import open_stream
from processor.operating.claiming import claim_now, release_from
from processor.operating.names import shown, typed
from processor.operating.pending import Filters, count_by_consumer
from telemetry.chassis.cli import MISUSE, Failed, json_option, print_json, say
from telemetry.chassis.operating.instances import running_instances

if TYPE_CHECKING:
    from processor.operating.access import StreamAccess
    from processor.operating.claiming import Released
    from telemetry.chassis.operating.instances import Instance

_EXIT_NOTHING_RELEASED: Final = 1

_EPILOG = """\
\b
Examples:
  processor claim --from processor-2 --dry-run
  processor claim --from processor-2
  processor claim --from processor-2 --min-idle-ms 60000

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP, REDIS_CONTROL_CHANNEL

Exit codes: 0 done, 1 nothing is pending there, 2 an instance answers for the name, 4 Redis is unreachable or refuses,
78 bad configuration, 130 interrupted: what was released by then stays so"""


@click.command(epilog=_EPILOG)
@click.option("--from", "consumer", required=True, metavar="NAME", help="The consumer's name.")
@click.option(
    "--min-idle-ms",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Only entries that were left alone for so long.",
)
@click.option("--dry-run", is_flag=True, help="Release nothing; say how many entries would be.")
@click.option("--force", is_flag=True, help="Also while an instance answers for the name.")
@json_option
def claim(*, consumer: str, min_idle_ms: int, dry_run: bool, force: bool, as_json: bool) -> int:
    """Free the pending entries of a dead consumer, and ask the living instances to claim them at once.

    Nothing is lost, and nothing written twice: the entries stay pending until one of the others has settled them. A
    frozen instance does not answer, and finds its entries taken over when it thaws.
    """
    name = shown(typed(consumer))
    with open_stream(os.environ) as access:
        instances = running_instances(access)
        _refuse_if_live(instances, name, force=force)
        released = _release(access, consumer, min_idle_ms=min_idle_ms, dry_run=dry_run)
        # Whoever starts meanwhile looks by itself.
        asks = instances and released.entries and not dry_run
        looking = claim_now(access) if asks else []
    if as_json:
        print_json(
            {
                "consumer": name,
                "released": released.entries,
                "dry_run": dry_run,
                "first_id": released.first_id,
                "last_id": released.last_id,
                "instances": looking,
            }
        )
    _say(name, released, looking, dry_run=dry_run)
    return 0 if released.entries else _EXIT_NOTHING_RELEASED


def _refuse_if_live(instances: list[Instance], consumer: str, *, force: bool) -> None:
    alive = [each for each in instances if each.consumer == consumer]
    if alive and not force:
        where = ", ".join(f"{each.host} pid {each.pid}" for each in alive)
        raise Failed(
            f"refused: an instance answers for {consumer} ({where}), and works on its entries; "
            "--force releases them all the same",
            MISUSE,
        )


def _release(access: StreamAccess, consumer: str, *, min_idle_ms: int, dry_run: bool) -> Released:
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import progress  # noqa: PLC0415

    total = sum(count_by_consumer(access, Filters(consumer, min_idle_ms)).values())
    with progress("releasing", total) as report:
        return release_from(
            access, consumer, min_idle_ms=min_idle_ms, dry_run=dry_run, report=report
        )


def _say(consumer: str, released: Released, looking: list[str], *, dry_run: bool) -> None:
    entries = f"{released.entries:,} entries of {consumer}"
    if not released.entries:
        say(f"nothing that matches is pending under {consumer}")
    elif dry_run:
        say(f"would release {entries}, {released.first_id} to {released.last_id}")
    elif looking:
        say(
            f"released {entries}, {released.first_id} to {released.last_id}; "
            f"asked to look at once: {', '.join(looking)}"
        )
    else:
        say(
            f"released {entries}, {released.first_id} to {released.last_id}; no instance answers, "
            "so the next one that starts will claim them"
        )
    if released.lost:
        say(f"{released.lost:,} more were pending, but are no longer in the stream")
