"""`tcp-ingestion watch`: one device's conversation, live."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ingestion.cli.running import INGESTION
from ingestion.cli.watch_lines import AsJson, AsText
from ingestion.operating.access import open_access
from ingestion.operating.watching import Failed, NobodyAnswers
from ingestion.operating.watching import watch as watch_device
from telemetry.chassis.cli import DURATION, json_option, say
from telemetry.chassis.cli.commands.replies import say_nobody_answered
from telemetry.stream.imei import is_imei

if TYPE_CHECKING:
    from telemetry.chassis.operating.access import Access

WATCH_S_DEFAULT = 300

_EPILOG = """\
\b
Examples:
  tcp-ingestion watch 356307042441013
  tcp-ingestion watch 356307042441013 --for 10m
  tcp-ingestion watch 356307042441013 --json | jq -c '.decoded.positions[]?'
  tcp-ingestion watch 356307042441013 --for 1h --json > conversation.jsonl

Environment: REDIS_URL; REDIS_CONTROL_CHANNEL

Exit codes: 0 the time is over; 1 nobody answered, or all refused; 2 wrong arguments, 4 Redis is unreachable or refuses,
78 bad configuration, 130 interrupted"""


@click.command(epilog=_EPILOG)
@click.argument("imei", metavar="IMEI")
@click.option(
    "--for",
    "for_s",
    type=DURATION,
    default=WATCH_S_DEFAULT,
    metavar="SECONDS",
    help="How long: 90s, 30m, 2h.",
)
@json_option
def watch(*, imei: str, for_s: int, as_json: bool) -> int:
    """Watch one device's conversation, live.

    Shows what the device sends and what it is answered, in hex and decoded, on whichever instance it is connected to or
    logs in. Ctrl-C ends it. With --json there is one object a line, for each message of either side.

    Only this device becomes slower by it, and only while it is watched. The log of the instance names who is watched,
    since positions are personal data.
    """
    if not is_imei(imei):
        raise click.BadParameter(f"{imei!r} is not an IMEI: it has 15 digits", param_hint="IMEI")
    if for_s == 0:
        raise click.BadParameter("it must be a second or more", param_hint="--for")
    with open_access(os.environ) as access:
        return _watch(access, imei, for_s=for_s, as_json=as_json)


def _watch(access: Access, imei: str, *, for_s: int, as_json: bool) -> int:
    say(f"watching {imei} for {for_s} s; Ctrl-C ends it")
    shown = AsJson(imei) if as_json else AsText(imei)
    is_watched = False
    for news in watch_device(access, imei, for_s=for_s):
        if isinstance(news, NobodyAnswers):
            say_nobody_answered(INGESTION, access)
        elif isinstance(news, Failed):
            say(f"{news.instance_id}: {news.error}")
        else:
            is_watched = True
            shown.take(news)
    return 0 if is_watched else 1
