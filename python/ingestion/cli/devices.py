"""`tcp-ingestion devices`: who is connected."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ingestion.cli.running import INGESTION
from ingestion.operating.access import open_access
from ingestion.operating.devices import connected_devices
from telemetry.chassis.cli import json_option, print_json, say
from telemetry.chassis.cli.commands.replies import say_who_failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.operating.devices import ConnectedDevices, Device

_EPILOG = """\
\b
Examples:
  tcp-ingestion devices
  tcp-ingestion devices | grep 356307042441013
  tcp-ingestion devices --json | jq '.devices | length'
  tcp-ingestion devices --json | jq -r '.devices[] | select(.last_frame_at == null) | .device_id'

Environment: REDIS_URL; REDIS_CONTROL_CHANNEL

Exit codes: 0 done, also if no device is connected or nobody answers; 1 an instance failed, or not all of it arrived; 4
Redis is unreachable or refuses, 78 bad configuration"""


@click.command(epilog=_EPILOG)
@json_option
def devices(*, as_json: bool) -> int:
    """Show which devices are connected, and to which instance.

    Every instance is asked, wherever it runs, for the devices whose connection is open and that have logged in over it.
    FRAMES and LAST FRAME are of this connection, and count what was answered. A device that sends datagrams is not
    connected.
    """
    with open_access(os.environ) as access:
        found = connected_devices(access)
        if as_json:
            print_json({"devices": [asdict(each) for each in found.devices]})
        elif found.devices:
            _print(found.devices)
        say_who_failed(INGESTION, found.replies, access, None)
    _say_how_many(found, is_shown=not as_json)
    return 0 if found.is_whole else 1


def _say_how_many(found: ConnectedDevices, *, is_shown: bool) -> None:
    if found.missing:
        say(f"{found.missing} more devices are connected, and were lost on the way: ask again")
    elif is_shown and found.replies.done:
        instances = len(found.replies.done)
        some = "1 device is" if len(found.devices) == 1 else f"{len(found.devices):,} devices are"
        say(f"{some} connected to {instances} instance{'s' if instances != 1 else ''}")


def _print(found: Sequence[Device]) -> None:
    # Imported late, as rich is.
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415
    from telemetry.chassis.cli.words import age, count  # noqa: PLC0415

    now_s = time.time()

    def ago(moment: str | None) -> str:
        if moment is None:
            return "none"
        return age(now_s - datetime.fromisoformat(moment).timestamp())

    columns = [
        Column("DEVICE"),
        Column("INSTANCE"),
        Column("OVER"),
        right("CONNECTED"),
        right("LAST FRAME"),
        right("FRAMES"),
        Column("ADDRESS", folds=True),
    ]
    rows = [
        (
            each.device_id,
            each.instance_id,
            each.transport,
            ago(each.connected_since),
            ago(each.last_frame_at),
            count(each.frames),
            each.address,
        )
        for each in found
    ]
    print_table(columns, rows)
