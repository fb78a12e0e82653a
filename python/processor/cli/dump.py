"""`processor dump`: have running instances write down how they stand."""

from __future__ import annotations

import os

import click

from processor.cli.replies import instance_option, say_who_failed
from processor.core.requests import DUMP
from processor.operating.access import open_stream
from processor.operating.requests import request
from telemetry.chassis.cli import json_option, print_at_once, print_json

_EPILOG = """\
\b
Examples:
  processor dump
  processor dump --instance processor-1 --json
  processor panic show FILE                                 # shows one, on the host where it is

Environment: REDIS_URL; REDIS_CONTROL_CHANNEL, or the stream and the group that it is named after

Exit codes: 0 done; 1 nobody answered, or one failed; 4 Redis is unreachable or refuses, 78 bad configuration"""


@click.command(epilog=_EPILOG)
@instance_option
@json_option
def dump(*, instance_id: str | None, as_json: bool) -> int:
    """Have each running instance write a dump as after a crash, and go on.

    The file is in its own PANIC_DUMP_DIR, on its own host, for its user alone; the newest ten are kept, beside the
    newest ten of crashes. It has the state of every task, what is in flight, settings and the last log lines, and no
    password.
    """
    with open_stream(os.environ) as access:
        replies = request(access, DUMP, instance_id=instance_id)
        written = [
            {"instance_id": each.instance_id, "path": each.result.get("path")}
            for each in replies.done
        ]
        if as_json:
            print_json({"instances": written})
        else:
            for each in written:
                print_at_once(f"{each['instance_id']}  {each['path']}\n")
        say_who_failed(replies, access, instance_id)
    return 0 if replies.is_whole else 1
