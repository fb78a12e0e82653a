"""`processor healthcheck`, for images."""

from __future__ import annotations

from telemetry.chassis.cli.commands.healthcheck import healthcheck_command

healthcheck = healthcheck_command("processor", port_default=9090)
