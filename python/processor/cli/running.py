"""The commands to running instances that every service has."""

from __future__ import annotations

from typing import Final

from processor.journal import SERVICE
from processor.operating.access import open_stream
from telemetry.chassis.cli.commands.dump import dump_command
from telemetry.chassis.cli.commands.instances import instances_command
from telemetry.chassis.cli.commands.log_level import log_level_command
from telemetry.chassis.cli.commands.service import ServiceCommands

PROCESSOR: Final = ServiceCommands(
    name=SERVICE,
    open_access=open_stream,
    settled_as="read",
    environment="REDIS_URL; REDIS_CONTROL_CHANNEL, or the stream and the group that it is named after",
    shared_variables="REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP and REDIS_CONTROL_CHANNEL",
)

instances = instances_command(PROCESSOR)
log_level = log_level_command(PROCESSOR)
dump = dump_command(PROCESSOR)
