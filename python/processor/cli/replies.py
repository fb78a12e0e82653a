"""What the commands that ask running instances have in common: the choice of one, and who did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import TEXT, say

if TYPE_CHECKING:
    from processor.operating.access import StreamAccess
    from processor.operating.requests import Replies

instance_option = click.option(
    "--instance",
    "instance_id",
    type=TEXT,
    metavar="ID",
    help="Ask only the instance with this INSTANCE_ID.",
)


def say_nobody_answered(access: StreamAccess, instance_id: str | None = None) -> None:
    """Say on standard error where was asked, and what to do."""
    if instance_id is not None:
        say(
            f"no instance {instance_id!r} answered on {access.control_channel} at {access.where}: "
            "`processor instances` lists those that do"
        )
        return
    say(
        f"no instance answered on {access.control_channel} at {access.where}: is one running on this Redis, with the "
        "REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP and REDIS_CONTROL_CHANNEL of this command?"
    )


def say_who_failed(replies: Replies, access: StreamAccess, instance_id: str | None) -> None:
    """Say on standard error which instances did not do it and why, or that there was none."""
    for each in replies.failed:
        say(f"{each.instance_id}: {each.error}")
    if not replies.done and not replies.failed:
        say_nobody_answered(access, instance_id)
