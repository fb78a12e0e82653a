"""What the commands that ask running instances have in common: the choice of one, and who did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import TEXT, say

if TYPE_CHECKING:
    from telemetry.chassis.cli.commands.service import ServiceCommands
    from telemetry.chassis.operating.access import Access
    from telemetry.chassis.operating.requests import Replies

instance_option = click.option(
    "--instance",
    "instance_id",
    type=TEXT,
    metavar="ID",
    help="Ask only the instance with this INSTANCE_ID.",
)


def say_nobody_answered(
    service: ServiceCommands, access: Access, instance_id: str | None = None
) -> None:
    """Say on standard error where was asked, and what to do."""
    if instance_id is not None:
        say(
            f"no instance {instance_id!r} answered on {access.control_channel} at {access.where}: "
            f"`{service.name} instances` lists those that do"
        )
        return
    say(
        f"no instance answered on {access.control_channel} at {access.where}: is one running on this Redis, with the "
        f"{service.shared_variables} of this command?"
    )


def say_who_failed(
    service: ServiceCommands, replies: Replies, access: Access, instance_id: str | None
) -> None:
    """Say on standard error which instances did not do it and why, or that there was none."""
    for each in replies.failed:
        say(f"{each.instance_id}: {each.error}")
    if not replies.done and not replies.failed:
        say_nobody_answered(service, access, instance_id)
