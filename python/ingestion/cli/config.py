"""`tcp-ingestion config`: the settings that `run` would work with here."""

from __future__ import annotations

from ingestion.config import Config, effective_config
from ingestion.journal import SERVICE
from telemetry.chassis.cli.commands.config import config_command

config = config_command(SERVICE, effective_config, Config)
