"""`dump`: have running instances write down how they stand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import json_option, print_at_once, print_json
from telemetry.chassis.cli.commands.replies import instance_option, say_who_failed
from telemetry.chassis.cli.commands.service import examples
from telemetry.chassis.control.requests import DUMP
from telemetry.chassis.operating.requests import request

if TYPE_CHECKING:
    from telemetry.chassis.cli.commands.service import ServiceCommands

_EPILOG = """\
\b
Examples:
{examples}

Environment: {environment}

Exit codes: 0 done; 1 nobody answered, or one failed; 4 Redis is unreachable or refuses, 78 bad configuration"""


def dump_command(service: ServiceCommands) -> click.Command:
    """The command `dump` of a service."""
    name = service.name
    shown = examples(
        (f"{name} dump", ""),
        (f"{name} dump --instance {name}-1 --json", ""),
        (f"{name} panic show FILE", "shows one, on the host where it is"),
    )

    @click.command(epilog=_EPILOG.format(examples=shown, environment=service.environment))
    @instance_option
    @json_option
    def dump(*, instance_id: str | None, as_json: bool) -> int:
        """Have each running instance write a dump as after a crash, and go on.

        The file is in its own PANIC_DUMP_DIR, on its own host, for its user alone; the newest ten are kept, beside
        the newest ten of crashes. It has the state of every task, what is in flight, settings and the last log lines,
        and no password.
        """
        with service.open_access(os.environ) as access:
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
            say_who_failed(service, replies, access, instance_id)
        return 0 if replies.is_whole else 1

    return dump
