"""The commands to running instances that every service has."""

from __future__ import annotations

from typing import Final

from ingestion.journal import SERVICE
from ingestion.journal.identity import PUBLISHED
from ingestion.operating.access import open_access
from telemetry.chassis.cli.commands.dump import dump_command
from telemetry.chassis.cli.commands.instances import instances_command
from telemetry.chassis.cli.commands.log_level import log_level_command
from telemetry.chassis.cli.commands.service import ServiceCommands

INGESTION: Final = ServiceCommands(
    name=SERVICE,
    open_access=open_access,
    settled_as=PUBLISHED,
    environment="REDIS_URL; REDIS_CONTROL_CHANNEL",
    shared_variables="REDIS_CONTROL_CHANNEL",
)

instances = instances_command(INGESTION)
log_level = log_level_command(INGESTION)
dump = dump_command(INGESTION)
