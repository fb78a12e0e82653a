"""`log-level`: change the log of running instances."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import DURATION, json_option, print_at_once, print_json
from telemetry.chassis.cli.commands.replies import instance_option, say_who_failed
from telemetry.chassis.cli.commands.service import examples
from telemetry.chassis.control.requests import LOG_LEVEL
from telemetry.chassis.logs.log import LEVELS
from telemetry.chassis.operating.requests import request

if TYPE_CHECKING:
    from telemetry.chassis.cli.commands.service import ServiceCommands

_EPILOG = """\
\b
Examples:
{examples}

Environment: {environment}

Exit codes: 0 done; 1 nobody answered, or one failed; 2 wrong arguments, 4 Redis is unreachable or refuses, 78 bad
configuration"""


def log_level_command(service: ServiceCommands) -> click.Command:
    """The command `log-level` of a service."""
    name = service.name
    shown = examples(
        (f"{name} log-level debug --for 10m", "and back after ten minutes"),
        (f"{name} log-level debug --instance {name}-2", "one instance alone"),
        (f"{name} log-level info", ""),
    )

    @click.command(epilog=_EPILOG.format(examples=shown, environment=service.environment))
    @click.argument("level", metavar="LEVEL", type=click.Choice([*LEVELS]))
    @instance_option
    @click.option(
        "--for",
        "for_s",
        type=DURATION,
        metavar="SECONDS",
        help="Go back to the level before after so long: 90s, 30m, 2h.",
    )
    @json_option
    def log_level(*, level: str, instance_id: str | None, for_s: int | None, as_json: bool) -> int:
        """Change what running instances log.

        LEVEL is trace, debug, info, warn or error. It lasts until it is changed again or the process ends; with --for,
        so long.
        """
        if for_s == 0:
            raise click.BadParameter("it must be a second or more", param_hint="--for")
        with service.open_access(os.environ) as access:
            replies = request(
                access, LOG_LEVEL, {"level": level, "for_s": for_s}, instance_id=instance_id
            )
            changed = [
                {"instance_id": each.instance_id, "log_level": each.result.get("log_level")}
                for each in replies.done
            ]
            if as_json:
                print_json({"instances": changed})
            else:
                for each in changed:
                    print_at_once(f"{each['instance_id']} logs from {each['log_level']} on\n")
            say_who_failed(service, replies, access, instance_id)
        return 0 if replies.is_whole else 1

    return log_level
