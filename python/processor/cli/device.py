"""`processor device`: one device in the table and in the memory of running instances."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from processor.cli.running import PROCESSOR
from processor.operating.access import open_stream
from telemetry.chassis.cli import Failed, Text, json_option, print_at_once, print_json
from telemetry.chassis.cli.commands.replies import instance_option, say_who_failed
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.times import iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.operating.device import DeviceRows
    from telemetry.chassis.operating.requests import Replies

# As in the contract's Position (section 2).
_DEVICE_BYTES_MAX = 64

_SHOW_EPILOG = """\
\b
Examples:
  processor device show 356307042441013
  processor device show 356307042441013 --json | jq .newest.ts

Environment: REDIS_URL, POSTGRES_URL; REDIS_CONTROL_CHANNEL, or the stream and the group that it is named after

Exit codes: 0 done, also for a device without rows; 2 wrong arguments, 4 a server is unreachable or refuses, 5 the table
cannot be read, 78 bad configuration"""
_REHYDRATE_EPILOG = """\
\b
Examples:
  processor device rehydrate 356307042441013              # after rows of it were marked as faulty
  processor device rehydrate 356307042441013 --instance processor-2

Environment: REDIS_URL; REDIS_CONTROL_CHANNEL, or the stream and the group that it is named after

Exit codes: 0 done; 1 nobody answered, or one failed; 2 wrong arguments, 4 Redis is unreachable or refuses, 78 bad
configuration"""


class _DeviceId(Text):
    """An IMEI, or whatever else the stream has as device id."""

    name = "imei"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = super().convert(value, param, ctx)
        if not 1 <= len(text.encode()) <= _DEVICE_BYTES_MAX or "\0" in text:
            self.fail(f"a device id has 1 to {_DEVICE_BYTES_MAX} bytes", param, ctx)
        return text


_device_argument = click.argument("device_id", metavar="IMEI", type=_DeviceId())


@click.group(
    epilog="""\
\b
Examples:
  processor device show 356307042441013
  processor device rehydrate 356307042441013

Each command explains itself: processor device show --help."""
)
def device() -> None:
    """Look at one device, or have running instances restore it."""


@device.command(epilog=_SHOW_EPILOG)
@_device_argument
@json_option
def show(*, device_id: str, as_json: bool) -> None:
    """Show a device's newest row that is not faulty, how many are, and what each instance holds of it."""
    # Imported late: help needs neither psycopg nor the settings.
    from processor.config.settings import PostgresSettings  # noqa: PLC0415
    from processor.errors import SchemaMismatch  # noqa: PLC0415
    from processor.operating.device import held_by_instances, read_device  # noqa: PLC0415
    from telemetry.chassis.config.variables import load  # noqa: PLC0415

    with open_stream(os.environ) as access:
        target = load(PostgresSettings, os.environ).postgres_url
        try:
            rows = read_device(target, device_id)
        except SchemaMismatch as error:
            advice = "`processor schema check` says what is wrong"
            raise Failed(f"{error}; {advice}", ExitCode.SCHEMA) from error
        replies = held_by_instances(access, device_id)
        if as_json:
            print_json(_as_json(device_id, rows, replies))
        else:
            _print(device_id, rows, replies)
        say_who_failed(PROCESSOR, replies, access, None)


@device.command(epilog=_REHYDRATE_EPILOG)
@_device_argument
@instance_option
@json_option
def rehydrate(*, device_id: str, instance_id: str | None, as_json: bool) -> int:
    """Have every running instance forget a device and restore it from the table.

    For a device whose rows were changed there: what an instance holds of it is as old as the last time it was
    restored, and what it has written since. `restored`: the table has a row of it that is not faulty; `empty`: it has
    none; `failed`: the table could not be read.
    """
    from processor.operating.device import rehydrate, rehydration_results  # noqa: PLC0415

    with open_stream(os.environ) as access:
        replies = rehydrate(access, device_id, instance_id)
        results = rehydration_results(replies)
        if as_json:
            shown = [{"instance_id": name, "result": result} for name, result in results]
            print_json({"device_id": device_id, "instances": shown})
        else:
            for name, result in results:
                print_at_once(f"{name}  {result}\n")
        say_who_failed(PROCESSOR, replies, access, instance_id)
    is_done = bool(results) and all(result != "failed" for _, result in results)
    return 0 if is_done else 1


def _as_json(device_id: str, rows: DeviceRows, replies: Replies) -> dict[str, Any]:
    newest = rows.newest and {name: _plain(value) for name, value in rows.newest.items()}
    return {
        "device_id": device_id,
        "newest": newest,
        "faulty": {"count": rows.faulty, "newest_ts": _plain(rows.newest_faulty_ts)},
        "instances": [
            {
                "instance_id": each.instance_id,
                "held": each.result.get("held"),
                "newest_ts": each.result.get("newest_ts"),
                "last_seen": each.result.get("last_seen"),
                "count": each.result.get("count"),
            }
            for each in replies.done
        ],
    }


def _print(device_id: str, rows: DeviceRows, replies: Replies) -> None:
    from telemetry.chassis.cli.tables import Column, print_table, right  # noqa: PLC0415

    if rows.newest is None:
        print_at_once(f"{device_id} has no row that is not faulty\n")
    else:
        print_at_once(f"newest row that is not faulty, {_ago(rows.newest['ts'])} old\n")
        values = [(f"  {name}", str(_plain(value))) for name, value in rows.newest.items()]
        print_table([Column("  COLUMN"), Column("VALUE")], values)
    newest = f", the newest of {_plain(rows.newest_faulty_ts)}" if rows.faulty else ""
    print_at_once(f"\nfaulty rows: {rows.faulty:,}{newest}\n")
    if replies.done:
        print_at_once("\n")
        headings = [
            Column("INSTANCE"),
            Column("HOLDS IT UP TO"),
            Column("HEARD OF"),
            right("RECORDS"),
        ]
        print_table(headings, [_held(each.instance_id, each.result) for each in replies.done])


def _held(instance_id: str, held: Mapping[str, Any]) -> tuple[str, ...]:
    if not held.get("held"):
        return instance_id, "not in memory", "-", "-"
    last_seen = held.get("last_seen")
    heard = f"{_ago(datetime.fromisoformat(last_seen))} ago" if last_seen else "not yet"
    return instance_id, str(held.get("newest_ts")), heard, str(held.get("count"))


def _plain(value: object) -> Any:  # noqa: ANN401  # a JSON value
    return iso_utc(value) if isinstance(value, datetime) else value


def _ago(moment: datetime) -> str:
    from telemetry.chassis.cli.words import age  # noqa: PLC0415

    return age((datetime.now(UTC) - moment).total_seconds())
